import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseBatch } from "../../src/uci/batch.ts";
import type { UciOption, UciPackage, UciSection } from "../../src/uci/model.ts";
import { parsePackage } from "../../src/uci/parse.ts";
import { printConfig } from "../../src/uci/print.ts";
import { parsePackageRecord } from "../../src/uci/record.ts";
import { type Layer, settle } from "../../src/uci/settle.ts";

const pkg = (text: string, name = "firewall") => parsePackage(text, { name });
const merge = (text: string, name = "firewall"): Layer => ({ mode: "merge", content: pkg(text, name), origin: "tree" });
const replace = (text: string, name = "firewall"): Layer => ({
  mode: "replace",
  content: pkg(text, name),
  origin: "tree",
});
const batch = (text: string): Layer => ({ mode: "batch", content: parseBatch(text), origin: "tree" });
const printed = (p: UciPackage) => Buffer.from(printConfig(p)).toString("latin1");

const NETWORK = `config interface 'lan'\n\toption proto 'static'\n\toption ipaddr '192.168.1.1'\n\tlist dns '9.9.9.9'\n\nconfig interface 'wan'\n\toption proto 'dhcp'\n`;

describe("merge", () => {
  test("sets options, takes a list as the whole list, and leaves the rest", () => {
    const layer = merge("config interface 'lan'\n\toption ipaddr '10.0.0.1'\n\tlist dns '1.1.1.1'\n", "network");
    const { desired } = settle(pkg(NETWORK, "network"), undefined, [layer], []);
    expect(desired).toEqual(pkg(NETWORK.replace("192.168.1.1", "10.0.0.1").replace("9.9.9.9", "1.1.1.1"), "network"));
  });

  test("the only section of a type that a device has one of is met without a name", () => {
    const device = pkg("config system\n\toption hostname 'OpenWrt'\n\nconfig timeserver 'ntp'\n", "system");
    const { desired } = settle(device, undefined, [merge("config system\n\toption hostname 'a'\n", "system")], []);
    expect(desired.sections.map(({ type }) => type)).toEqual(["system", "timeserver"]);
    expect(desired.sections[0]?.options).toEqual([{ name: "hostname", value: "a" }]);
  });

  test("anonymous sections are met by their option name, others by equal content", () => {
    const device = pkg(
      "config rule\n\toption name 'A'\n\toption port '1'\n\nconfig forwarding\n\toption src 'lan'\n\toption dest 'wan'\n",
    );
    const layer = merge(
      "config rule\n\toption name 'A'\n\toption port '2'\n\nconfig forwarding\n\toption src 'lan'\n\toption dest 'wan'\n\nconfig forwarding\n\toption src 'x'\n",
    );
    const { desired } = settle(device, undefined, [layer], []);
    expect(desired.sections.map((section) => section.options.map(({ value }) => value).join())).toEqual([
      "A,2",
      "lan,wan",
      "x",
    ]);
  });

  test("a changed unnamed rule takes the place of the old one, whatever stands behind it", () => {
    const device = pkg("config rule\n\toption port '1'\n");
    const first = settle(device, undefined, [merge("config rule\n\toption port '2'\n")], []);
    const withOwn = pkg(`${printed(first.desired)}config rule\n\toption port '3'\n`);
    const second = settle(withOwn, first.record, [merge("config rule\n\toption port '22'\n")], []);
    expect(second.desired.sections.map(({ options }) => options[0]?.value)).toEqual(["1", "22", "3"]);
  });

  test("a section of another type under the same name is a finding and is left alone", () => {
    const { desired, findings } = settle(
      pkg(NETWORK, "network"),
      undefined,
      [merge("config device 'lan'\n\toption x '1'\n", "network")],
      [],
    );
    expect(desired).toEqual(pkg(NETWORK, "network"));
    expect(findings).toEqual([expect.objectContaining({ code: "UCI_CONFLICT", severity: "error" })]);
  });

  test("a later layer wins and blame knows it", () => {
    const layers: Layer[] = [
      { ...merge("config interface 'lan'\n\toption mtu '1'\n\toption a '1'\n", "network"), origin: "one" },
      { ...merge("config interface 'lan'\n\toption mtu '2'\n", "network"), origin: "two" },
    ];
    const settled = settle(pkg(NETWORK, "network"), undefined, layers, []);
    expect(settled.origin("lan", "mtu")).toBe("two");
    expect(settled.origin("lan", "a")).toBe("one");
    expect(settled.origin("lan", "proto")).toBeUndefined();
    expect(settled.desired.sections[0] && settled.origin(settled.desired.sections[0], "mtu")).toBe("two");
  });
});

describe("batch", () => {
  test("edits, and add_list adds only what is missing", () => {
    const layer = batch(
      "set network.lan.ipaddr=10.1.1.1\nadd_list network.lan.dns=9.9.9.9\nadd_list network.lan.dns=1.1.1.1\ndelete network.wan\ndelete network.nope\nset system.x=y\ncommit network\n",
    );
    const settled = settle(pkg(NETWORK, "network"), undefined, [layer], []);
    expect(printed(settled.desired)).toBe(
      "\nconfig interface 'lan'\n\toption proto 'static'\n\toption ipaddr '10.1.1.1'\n\tlist dns '9.9.9.9'\n\tlist dns '1.1.1.1'\n\n",
    );
    expect(settled.findings).toEqual([expect.objectContaining({ severity: "note" })]);
    expect(printed(settle(settled.desired, settled.record, [], []).desired)).toBe(printed(pkg(NETWORK, "network")));
  });

  test("a line that cannot be done is a finding with its line", () => {
    const settled = settle(pkg(NETWORK, "network"), undefined, [batch("\nset network.nope.a=1\n")], []);
    expect(settled.findings).toEqual([expect.objectContaining({ severity: "error", place: { line: 2 } })]);
  });

  test("all faults are told at once", () => {
    const read = () => parseBatch("frobnicate a\nset\nset a.b=c\nimport x\nset 'a\n", { file: "f" });
    expect(read).toThrow(
      expect.objectContaining({ code: "UCI_INVALID", findings: expect.objectContaining({ length: 4 }) }),
    );
  });
});

describe("ownership", () => {
  const layer = merge(
    "config interface 'lan'\n\toption ipaddr '10.0.0.1'\n\nconfig interface 'guest'\n\toption proto 'none'\n",
    "network",
  );
  const device = pkg(NETWORK, "network");
  const applied = settle(device, undefined, [layer], []);

  test("what somebody changed since is theirs when the tree withdraws, and is reported", () => {
    const edited = pkg(printed(applied.desired).replace("10.0.0.1", "172.16.0.1"), "network");
    const withdrawn = settle(edited, applied.record, [], []);
    expect(printed(withdrawn.desired)).toBe(printed(device).replace("192.168.1.1", "172.16.0.1"));
    expect(withdrawn.drift).toEqual([
      { path: "network.lan.ipaddr", kind: "value", set: "10.0.0.1", found: "172.16.0.1", isKept: true },
    ]);
  });

  test("while the tree says it, it wins over a later edit, reports it, and gives it back on withdrawal", () => {
    const edited = pkg(printed(applied.desired).replace("10.0.0.1", "172.16.0.1"), "network");
    const again = settle(edited, applied.record, [layer], []);
    expect(again.desired).toEqual(applied.desired);
    expect(again.drift).toEqual([expect.objectContaining({ path: "network.lan.ipaddr", isKept: false })]);
    expect(printed(settle(again.desired, again.record, [], []).desired)).toContain("172.16.0.1");
  });

  test("a package that uciprov made goes away with its last section", () => {
    const made = settle(undefined, undefined, [layer], []);
    expect(made.isAbsent).toBe(false);
    const gone = settle(made.desired, made.record, [], []);
    expect(gone).toMatchObject({ isAbsent: true, record: undefined, drift: [] });
  });

  test("what somebody added to a section of ours stays", () => {
    const edited = pkg(printed(applied.desired).replace("'none'\n", "'none'\n\toption mtu '9'\n"), "network");
    const withdrawn = settle(edited, applied.record, [], []);
    expect(withdrawn.desired.sections[2]).toEqual({
      type: "interface",
      name: "guest",
      options: [{ name: "mtu", value: "9" }],
    });
  });
});

describe("protect", () => {
  const device = pkg(NETWORK, "network");
  const layers = [
    replace(
      "config interface 'lan'\n\toption ipaddr '10.0.0.1'\n\nconfig interface 'guest'\n\toption proto 'none'\n",
      "network",
    ),
  ];

  test("a protected package is not touched", () => {
    const settled = settle(device, undefined, layers, ["network"]);
    expect(settled.desired).toEqual(device);
    expect(settled.findings).toEqual([expect.objectContaining({ severity: "note" })]);
  });

  test("a protected section stays, or stays away", () => {
    const settled = settle(device, undefined, layers, ["network.wan", "network.guest", "other.lan"]);
    expect(settled.desired.sections.map(({ name }) => name)).toEqual(["lan", "wan"]);
    expect(settled.findings.length).toBe(2);
  });

  test("a protected option stays", () => {
    const settled = settle(device, undefined, layers, ["network.lan.ipaddr", "network.guest.proto"]);
    expect(settled.desired.sections[0]?.options).toEqual([{ name: "ipaddr", value: "192.168.1.1" }]);
    expect(settled.desired.sections[1]?.options).toEqual([]);
  });
});

describe("whatever device and tree", () => {
  const value = fc.oneof(
    fc.constantFrom("1", "2", "3", "a'b"),
    fc.array(fc.constantFrom("x", "y"), { minLength: 1, maxLength: 3 }),
  );
  const option = fc.record({ name: fc.constantFrom("a", "b", "c", "d", "name"), value });
  const options = fc.uniqueArray(option, { selector: ({ name }) => name, maxLength: 5 });
  const section = fc.record({
    type: fc.constantFrom("rule", "rule", "zone", "defaults"),
    name: fc.option(fc.constantFrom("n1", "n2", "n3", "n4"), { nil: undefined }),
    options,
  });
  const sections = fc.array(section, { maxLength: 8 }).map((all) => {
    const seen = new Set<string>();
    return all.filter(({ name }) => name === undefined || (!seen.has(name) && Boolean(seen.add(name))));
  });
  const aPackage = sections.map((list): UciPackage => ({ name: "firewall", sections: list }));
  const target = fc.constantFrom("n1", "n2", "@rule[0]", "@rule[-1]", "@zone[1]", "@defaults[0]", "n9");
  const key = fc.constantFrom("a", "b", "name");
  const line = fc.oneof(
    fc.tuple(target, key, fc.constantFrom("1", "9", "")).map(([s, o, v]) => `set firewall.${s}.${o}=${v}`),
    fc.tuple(target, key).map(([s, o]) => `delete firewall.${s}.${o}`),
    target.map((s) => `delete firewall.${s}`),
    fc.constantFrom("rule", "zone").map((t) => `add firewall ${t}`),
    fc.tuple(target, key, fc.constantFrom("x", "z")).map(([s, o, v]) => `add_list firewall.${s}.${o}=${v}`),
    fc.tuple(target, key, fc.constantFrom("x", "z")).map(([s, o, v]) => `del_list firewall.${s}.${o}=${v}`),
    fc.tuple(target, fc.constantFrom("n5", "n6")).map(([s, n]) => `rename firewall.${s}=${n}`),
    fc.tuple(target, fc.nat(5)).map(([s, n]) => `reorder firewall.${s}=${n}`),
    fc.tuple(target, fc.constantFrom("rule", "zones")).map(([s, t]) => `set firewall.${s}=${t}`),
  );
  const mergeLayer = aPackage.map((content): Layer => ({ mode: "merge", content, origin: "m" }));
  const plainLayer = fc.oneof(
    mergeLayer,
    aPackage.map((content): Layer => ({ mode: "replace", content, origin: "r" })),
  );
  const batchLayer = fc.array(line, { maxLength: 6 }).map((lines) => batch(lines.join("\n")));
  const layers = fc.array(fc.oneof(mergeLayer, plainLayer, batchLayer), { maxLength: 4 });
  const device = fc.option(aPackage, { nil: undefined });
  const runs = { numRuns: Number(process.env["RUNS"] ?? 1000) };

  test("settling what is settled changes nothing", () => {
    fc.assert(
      fc.property(device, layers, (current, tree) => {
        const once = settle(current, undefined, tree, []);
        const twice = settle(once.isAbsent ? undefined : once.desired, once.record, tree, []);
        expect(printed(twice.desired)).toBe(printed(once.desired));
        expect(twice.record).toEqual(once.record);
        expect(twice.drift).toEqual([]);
      }),
      runs,
    );
  });

  test("applying and withdrawing gives back the original, byte for byte", () => {
    fc.assert(
      fc.property(device, layers, (current, tree) => {
        const applied = settle(current, undefined, tree, []);
        const back = settle(applied.isAbsent ? undefined : applied.desired, applied.record, [], []);
        expect(back.isAbsent).toBe(current === undefined);
        expect(printed(back.desired)).toBe(printed(current ?? { name: "firewall", sections: [] }));
        expect(back.record).toBeUndefined();
      }),
      runs,
    );
  });

  test("what was applied before makes no difference", () => {
    fc.assert(
      fc.property(device, layers, layers, (current, before, after) => {
        const first = settle(current, undefined, before, []);
        const second = settle(first.isAbsent ? undefined : first.desired, first.record, after, []);
        const direct = settle(current, undefined, after, []);
        expect(second.isAbsent).toBe(direct.isAbsent);
        if (!second.isAbsent) expect(sorted(second.desired)).toEqual(sorted(direct.desired));
      }),
      runs,
    );
  });

  test("for trees that only merge it makes none to a byte", () => {
    const merges = fc.array(mergeLayer, { maxLength: 3 });
    fc.assert(
      fc.property(device, merges, merges, (current, before, after) => {
        const first = settle(current, undefined, before, []);
        const second = settle(first.isAbsent ? undefined : first.desired, first.record, after, []);
        expect(printed(second.desired)).toBe(printed(settle(current, undefined, after, []).desired));
      }),
      runs,
    );
  });

  test("protected sections and options are as before, whatever the tree says", () => {
    const protects = fc.constantFrom("firewall.n1", "firewall.n2.a", "firewall.@defaults", "firewall.@zone");
    const ofDevice = (from: UciPackage, path: string) => {
      const [, label = "", option] = path.split(".");
      const meant = from.sections.filter(
        ({ name, type }) => name === label || (name === undefined && label === `@${type}`),
      );
      const picked = meant.map((own) => (option === undefined ? own : own.options.find(({ name }) => name === option)));
      return picked.filter((own) => own !== undefined);
    };
    fc.assert(
      fc.property(aPackage, fc.array(mergeLayer, { maxLength: 3 }), protects, (current, tree, path) => {
        const settled = settle(current, undefined, tree, [path]);
        expect(ofDevice(settled.desired, path)).toEqual(ofDevice(current, path));
        const again = settle(settled.desired, settled.record, tree, [path]);
        expect(printed(again.desired)).toBe(printed(settled.desired));
      }),
      runs,
    );
  });

  test("a record survives JSON", () => {
    fc.assert(
      fc.property(device, layers, (current, tree) => {
        const { record } = settle(current, undefined, tree, []);
        if (record === undefined) return;
        expect(parsePackageRecord(JSON.parse(JSON.stringify(record)))).toEqual(record);
      }),
      { numRuns: 500 },
    );
  });

  test("a section that somebody adds survives merging and withdrawing, and moves nothing else", () => {
    const mine: UciSection = { type: "include", name: "own", options: [{ name: "path", value: "/x" }] };
    fc.assert(
      fc.property(aPackage, fc.array(mergeLayer, { maxLength: 3 }), fc.nat(), (current, tree, at) => {
        const applied = settle(current, undefined, tree, []);
        const present = applied.desired.sections;
        const index = at % (present.length + 1);
        const edited = { name: "firewall", sections: [...present.slice(0, index), mine, ...present.slice(index)] };
        const again = settle(edited, applied.record, tree, []);
        expect(printed(again.desired)).toBe(printed(edited));
        const back = settle(again.desired, again.record, [], []);
        expect(back.desired.sections.filter((own) => own !== mine && own.name !== "own")).toEqual(current.sections);
        expect(back.desired.sections.some(({ name }) => name === "own")).toBe(true);
      }),
      runs,
    );
  });

  /** The order of what two paths added may differ where the device's own sections lie between. */
  function sorted(settled: UciPackage): unknown {
    const text = (own: UciSection) =>
      JSON.stringify([own.type, own.name, [...own.options].sort((a: UciOption, b) => (a.name < b.name ? -1 : 1))]);
    return settled.sections.map(text).sort();
  }
});

test("a damaged record is refused, whatever it holds", () => {
  const good = { version: 1, created: false, added: [], changed: [], removed: [] };
  expect(parsePackageRecord(good)).toEqual(good);
  for (const bad of [
    null,
    [],
    "x",
    { ...good, version: 2 },
    { ...good, created: 1 },
    { ...good, added: {} },
    { ...good, added: [{ key: "x", type: "a", options: [] }] },
    { ...good, changed: [{ key: "=a", options: [{ name: "a b", set: "1" }] }] },
    { ...good, removed: [{ type: "a", name: "b", options: [{ name: "a", value: "\0" }] }] },
    { ...good, removed: [{ type: "a", name: "b", options: [{ name: "a", value: "\u0100" }] }] },
    { ...good, order: { before: ["=a"] } },
  ])
    expect(() => parsePackageRecord(bad)).toThrow(expect.objectContaining({ code: "JOURNAL_INVALID" }));
  fc.assert(
    fc.property(fc.jsonValue(), (json) => {
      try {
        settle(undefined, parsePackageRecord(json), [], []);
      } catch (thrown) {
        expect(thrown).toMatchObject({ code: "JOURNAL_INVALID" });
      }
    }),
  );
});
