/** Packages, from what a tree names to what opkg and apk are asked and what is remembered, with both tools as their sources have them. */
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { packages } from "../../src/api.ts";
import type { PackagesChange } from "../../src/changes.ts";
import type { Device, RunContext } from "../../src/context.ts";
import { ProvisionError } from "../../src/errors.ts";
import { openDisk } from "../../src/host/disk.ts";
import { parseApkInstalled, parseOpkgStatus, protectedIn } from "../../src/software.ts";
import { actsIn, installSoftware, noteRemovals, settleSoftware } from "../../src/stages/software.ts";
import { planSoftware } from "../../src/stages/validate/software.ts";
import { readState } from "../../src/state.ts";
import {
  apkInstalled,
  makeTool,
  type Offered,
  opkgStatus,
  readData,
  type ToolScene,
} from "../helpers/package-tools.ts";
import { aDevice, aRunContext } from "../helpers/run-context.ts";

const origin = { module: "packages", uri: "https://cfg.example/packages", detail: "line 1" };
const IMAGE: Readonly<Record<string, Offered>> = {
  "base-files": { depends: ["libc", "jsonfilter"] },
  jsonfilter: {},
  libc: {},
  busybox: { depends: ["libc"] },
  node: { depends: ["libc", "libnghttp2-14", "libopenssl"] },
  "libnghttp2-14": {},
  libopenssl3: { provides: ["libopenssl"] },
  uciprov: { depends: ["node"] },
  ppp: { depends: ["kmod-ppp"] },
  "kmod-ppp": {},
};
const FEED: Readonly<Record<string, Offered>> = {
  asterisk: { depends: ["libc", "libjansson4"], size: 204_800 },
  libjansson4: { depends: ["libc"], size: 51_200 },
  kamailio: { depends: ["libc", "libjansson4"] },
  "libustream-openssl1": { provides: ["libustream-openssl"] },
};

function bench(tool: "opkg" | "apk", more: Partial<ToolScene> = {}) {
  const root = mkdtempSync(join(tmpdir(), "uciprov-packages-"));
  const made = makeTool({ root, tool, installed: IMAGE, feed: FEED, ...more });
  const put = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  put(`rom/${tool === "opkg" ? "usr/lib/opkg/status" : "lib/apk/db/installed"}`, readData(root, tool));
  const said: string[] = [];
  const ctx: RunContext = aRunContext({
    disk: openDisk(root),
    commands: made.commands,
    log: (level, text) => said.push(`${level} ${text}`),
  });
  const device = (): Device => ({ ...aDevice(), state: readState(ctx.disk) });
  /** One run of a tree that says this: plan, install, trial, settle. The error's code, if it has one. */
  const run = async (...changes: readonly PackagesChange[]): Promise<string> => {
    const { software, findings } = planSoftware(ctx, device(), changes);
    const wrong = findings.find(({ severity }) => severity === "error");
    if (wrong) return wrong.code;
    try {
      await installSoftware(ctx, device(), software);
      const again = planSoftware(ctx, device(), changes).software;
      noteRemovals(ctx, device(), again);
      await settleSoftware(ctx, device(), again);
      return "done";
    } catch (thrown) {
      return thrown instanceof ProvisionError ? thrown.code : String(thrown);
    }
  };
  const plan = (...changes: readonly PackagesChange[]) => planSoftware(ctx, device(), changes);
  const record = () => readState(ctx.disk).software;
  return { ...made, ctx, device, run, plan, record, said, put, root };
}

const install = (...names: string[]) => packages({ install: names }, origin);
const remove = (...names: string[]) => packages({ remove: names }, origin);
const did = (calls: readonly string[], verb: string) =>
  calls.filter((one) => new RegExp(`(?:^| )${verb} `).test(`${one} `));

describe.each(["opkg", "apk"] as const)("with %s", (tool) => {
  const [add, del] = tool === "opkg" ? ["install", "remove"] : ["add", "del"];

  test("installs what is missing, after the index, once tried; and writes down what came with it", async () => {
    const { run, names, calls, record } = bench(tool);
    expect(await run(install("asterisk", "busybox"))).toBe("done");
    expect(names()).toEqual([...Object.keys(IMAGE), "asterisk", "libjansson4"].sort());
    expect(calls[0]).toMatch(/update$/);
    expect(calls[1]).toMatch(/--noaction|--simulate/);
    expect(did(calls, add).at(-1)).toMatch(/ asterisk$/);
    expect(record()).toEqual({ ours: { asterisk: "named", libjansson4: "dependency" }, pending: [] });
  });

  test("the second run asks the tool nothing and writes nothing", async () => {
    const { run, calls, ctx } = bench(tool);
    await run(install("asterisk"));
    const [before, stat] = [calls.length, ctx.disk.stat("/etc/uciprov/state/packages.json")];
    expect(await run(install("asterisk"))).toBe("done");
    expect(calls.length).toBe(before);
    expect(ctx.disk.stat("/etc/uciprov/state/packages.json")).toEqual(stat);
  });

  test("what is there already is nobody's: no tool runs, nothing is remembered, and it stays when the tree falls silent", async () => {
    const { run, calls, record, names } = bench(tool);
    await run(install("ppp", "libopenssl"));
    await run();
    expect({ calls, record: record() }).toEqual({ calls: [], record: undefined });
    expect(names()).toEqual(Object.keys(IMAGE).sort());
  });

  test("a tree that falls silent: what uciprov brought goes, with what nobody else needs", async () => {
    const { run, names, record } = bench(tool);
    await run(install("asterisk", "kamailio"));
    await run(install("kamailio"));
    expect(names()).toContain("libjansson4");
    expect(names()).not.toContain("asterisk");
    await run();
    expect(names()).toEqual(Object.keys(IMAGE).sort());
    expect(record()).toEqual({ ours: {}, pending: [] });
  });

  test("what the new firmware brings itself is not taken away", async () => {
    const { run, names, put, root, record } = bench(tool);
    await run(install("asterisk"));
    put(`rom/${tool === "opkg" ? "usr/lib/opkg/status" : "lib/apk/db/installed"}`, readData(root, tool));
    await run();
    expect(names()).toContain("asterisk");
    expect(record()?.ours).toEqual({});
  });

  test("a name that another package stands for is there, and is kept", async () => {
    const { run, plan, names } = bench(tool, { feed: { ...FEED, "libustream-openssl": { provides: [] } } });
    await run(install("libustream-openssl1"));
    expect(plan(install("libustream-openssl")).software).toMatchObject({ install: [], remove: [] });
    expect(names()).toContain("libustream-openssl1");
  });

  test("removals: after the confirmation only, and written down before", async () => {
    const { plan, ctx, device, calls, record, names } = bench(tool);
    const { software } = plan(remove("ppp"));
    expect(software.remove).toMatchObject([{ name: "ppp", because: "the tree says so" }]);
    await installSoftware(ctx, device(), software);
    noteRemovals(ctx, device(), software);
    expect({ calls, pending: record()?.pending }).toEqual({ calls: [], pending: ["ppp"] });
    await settleSoftware(ctx, device(), software);
    expect(names()).not.toContain("ppp");
    expect(record()).toEqual({ ours: {}, pending: [] });
    expect(did(calls, del).at(-1)).toMatch(/ ppp$/);
  });

  test.each(["uciprov", "node", "libnghttp2-14", "libopenssl3", "libc", "busybox", "jsonfilter"])(
    "-%s is refused: uciprov or the way back runs on it",
    async (name) => {
      const { run, calls } = bench(tool);
      expect(await run(remove(name))).toBe("PLAN_INVALID");
      expect(calls).toEqual([]);
    },
  );

  test("what something else needs stays, with a warning", async () => {
    const { plan, run, names, calls } = bench(tool);
    expect(plan(remove("kmod-ppp")).findings).toMatchObject([{ severity: "warning", place: { line: 1 } }]);
    await run(remove("kmod-ppp"));
    expect(names()).toContain("kmod-ppp");
    expect(calls).toEqual([]);
    await run(remove("kmod-ppp", "ppp"));
    expect(names()).not.toContain("kmod-ppp");
  });

  test.each<[string, Partial<ToolScene>, string]>([
    ["feeds out of reach", { feedsAreDown: true }, "PACKAGES_UNAVAILABLE"],
    ["another one at work", { isLocked: true }, "PACKAGES_UNAVAILABLE"],
    ["a name nobody has", { feed: {} }, "PACKAGES_FAILED"],
    ["one that would upgrade Node under uciprov", { feed: { asterisk: { upgrades: "node" } } }, "PACKAGES_FAILED"],
    ["one that would upgrade anything", { feed: { asterisk: { upgrades: "ppp" } } }, "PACKAGES_FAILED"],
    ["one that does not fit", { feed: { asterisk: { size: 2 ** 40 } } }, "NO_SPACE"],
  ])("%s: nothing was installed", async (_, more, code) => {
    const { run, names, record } = bench(tool, more);
    expect(await run(install("asterisk"))).toBe(code);
    expect(names()).toEqual(Object.keys(IMAGE).sort());
    expect(record()?.ours ?? {}).toEqual({});
  });

  test("it says 0 and did nothing", async () => {
    const scene = { feed: { asterisk: { isUnreachable: true } }, lies: 0 };
    const { run, record } = bench(tool, scene);
    expect(await run(install("asterisk"))).not.toBe("done");
    // Still wanted; with the tree's word for it the line goes.
    expect(record()?.ours ?? {}).toEqual({ asterisk: "named" });
    expect(await run()).toBe("done");
    expect(record()?.ours).toEqual({});
  });

  test("the same failure again writes nothing: it would be written with every run", async () => {
    const { run, ctx } = bench(tool, { feed: { ...FEED, asterisk: { isUnreachable: true } } });
    expect(await run(install("asterisk"))).toBe("PACKAGES_UNAVAILABLE");
    const writes: string[] = [];
    const { rename } = ctx.disk;
    Object.assign(ctx.disk, {
      rename(from: string, to: string) {
        writes.push(to);
        rename(from, to);
      },
    });
    expect(await run(install("asterisk"))).toBe("PACKAGES_UNAVAILABLE");
    expect(writes.filter((path) => path.startsWith("/etc/uciprov/"))).toEqual([]);
  });

  test("a removal of which the tool does not say what goes with it is not begun", async () => {
    const { run, ctx, commands, names, said } = bench(tool);
    const { run: real } = commands;
    const mute: typeof real = async (name, args, how) =>
      args.some((word) => word === "--noaction" || word === "--simulate")
        ? { status: 99, signal: null, stdout: "", stderr: "bad gateway https://me:secret@feed/x", timedOut: false }
        : real(name, args, how);
    Object.assign(ctx.commands, { run: mute });
    await run(remove("ppp"));
    expect(names()).toContain("ppp");
    expect(said.join()).toContain("not removed: ppp");
    expect(said.join()).not.toContain("secret");
  });

  test("uncommitted changes of others are kept from the packages' scripts", async () => {
    const { ctx, run, commands, put } = bench(tool);
    put("tmp/.uci/network", "network.lan.ipaddr='192.0.2.9'\n");
    const seen: unknown[] = [];
    const run_ = commands.run;
    const spied: typeof run_ = (...given) => {
      seen.push([given[1][0], ctx.disk.list("/tmp/.uci")]);
      return run_(...given);
    };
    Object.assign(ctx.commands, { run: spied });
    expect(await run(install("asterisk"))).toBe("done");
    expect(seen[0]).toEqual([tool === "opkg" ? "update" : "--wait", ["network"]]);
    expect(seen.at(-1)).toEqual([tool === "opkg" ? "install" : "--wait", []]);
    expect(ctx.disk.read("/tmp/.uci/network")).toContain("192.0.2.9");
  });
});

test("an installation that began and failed counts as an attempt; one that was not begun, or may do better, does not", async () => {
  const counted = async (more: Partial<ToolScene>) => {
    const { ctx, device, plan } = bench("opkg", more);
    const reasons: string[] = [];
    const failing = installSoftware(ctx, device(), plan(install("asterisk")).software, (reason) =>
      reasons.push(reason),
    );
    await expect(failing).rejects.toBeInstanceOf(ProvisionError);
    return reasons.length;
  };
  expect(await counted({ feed: { asterisk: { scriptFails: true } } })).toBe(1);
  expect(await counted({ feed: {} })).toBe(0);
  expect(await counted({ feedsAreDown: true })).toBe(0);
  expect(await counted({ feed: { asterisk: { isUnreachable: true } } })).toBe(0);
});

describe("whatever trees ask for, one after the other", () => {
  const NAMES = ["a", "b", "c", "d", "e", "f"];
  /** Each may need those before it, so that no circle comes about; the image has some of them. */
  const world = fc.record({
    depends: fc.array(fc.array(fc.nat({ max: 4 }), { maxLength: 2 }), { minLength: 6, maxLength: 6 }),
    image: fc.subarray(NAMES, { maxLength: 3 }),
    trees: fc.array(fc.record({ install: fc.subarray(NAMES), remove: fc.subarray(NAMES) }), {
      minLength: 1,
      maxLength: 4,
    }),
    tool: fc.constantFrom("opkg", "apk"),
  });

  test("nothing is broken, the same tree again does nothing, and a silent one leaves what was there at first", async () => {
    await fc.assert(
      fc.asyncProperty(world, async ({ depends, image, trees, tool }) => {
        const offered = Object.fromEntries(
          NAMES.map((name, at) => {
            const needs = new Set((depends[at] ?? []).filter((one) => one < at).map((one) => NAMES[one] ?? ""));
            return [name, { depends: [...needs, "libc"] }];
          }),
        );
        const closed = new Set<string>();
        const take = (name: string): void => {
          if (closed.has(name) || offered[name] === undefined) return;
          closed.add(name);
          for (const one of offered[name]?.depends ?? []) take(one);
        };
        for (const name of image) take(name);
        const own = Object.fromEntries([...closed].map((name) => [name, offered[name] ?? {}]));
        const { run, names, calls } = bench(tool, { installed: { ...IMAGE, ...own }, feed: { ...FEED, ...offered } });
        const isWhole = () =>
          names().every((name) => (offered[name]?.depends ?? []).every((one) => names().includes(one)));
        const taken = new Set<string>();
        for (const { install: wanted, remove: unwanted } of trees) {
          const off = unwanted.filter((name) => !wanted.includes(name));
          expect(await run(install(...wanted), remove(...off))).toBe("done");
          for (const name of off) if (!names().includes(name)) taken.add(name);
          expect(wanted.filter((name) => !names().includes(name))).toEqual([]);
          expect(isWhole()).toBe(true);
          const asked = calls.length;
          expect(await run(install(...wanted), remove(...off))).toBe("done");
          expect(calls.length).toBe(asked);
        }
        await run();
        expect(names().filter((name) => !(name in IMAGE) && !(name in own))).toEqual([]);
        expect(Object.keys({ ...IMAGE, ...own }).filter((name) => !names().includes(name) && !taken.has(name))).toEqual(
          [],
        );
        expect(isWhole()).toBe(true);
      }),
      { numRuns: 40 },
    );
  });
});

describe("what one tool alone does", () => {
  test("opkg: a package whose script fails is unpacked, not installed", async () => {
    const { run, said } = bench("opkg", { feed: { asterisk: { scriptFails: true } } });
    expect(await run(install("asterisk"))).toBe("PACKAGES_FAILED");
    expect(said.join()).not.toContain("all is installed");
  });

  test("apk: one whose script fails is installed, and the status says 1: a word in the log", async () => {
    const { run, said, names } = bench("apk", { feed: { asterisk: { scriptFails: true } } });
    expect(await run(install("asterisk"))).toBe("done");
    expect(names()).toContain("asterisk");
    expect(said.join()).toContain("ended with 1, but all is installed");
  });

  test("apk: a package of the image that is broken, by which every command ends with 1, is in nobody's way", async () => {
    const { run, said, names } = bench("apk", { installed: { ...IMAGE, broken: { scriptFails: true } } });
    expect(await run(install("asterisk"))).toBe("done");
    expect(names()).toContain("asterisk");
    expect(await run()).toBe("done");
    expect(names()).not.toContain("asterisk");
    expect(said.filter((line) => line.startsWith("error"))).toEqual([]);
    expect(await run(install("nosuch"))).toBe("PACKAGES_FAILED");
  });

  test.each(["opkg", "apk"] as const)("%s: what was asked for by a name that it provides goes, too", async (tool) => {
    const { run, ctx, names, said } = bench(tool);
    expect(await run(install("libustream-openssl"))).toBe("done");
    expect(names()).toContain("libustream-openssl1");
    expect(await run()).toBe("done");
    expect(names()).not.toContain("libustream-openssl1");
    expect(ctx.disk.read("/etc/apk/world") ?? "").not.toContain("libustream");
    expect(said.filter((line) => line.startsWith("error"))).toEqual([]);
  });

  test("apk: what a run that died left in its world goes once nobody wants it", async () => {
    const { run, ctx, names, calls, put, record } = bench("apk");
    put("etc/uciprov/state/packages.json", JSON.stringify({ ours: { kamailio: "named" }, pending: [] }));
    await ctx.commands.run("apk", ["add", "kamailio"], { deadline: 1000, signal: ctx.signal });
    await ctx.commands.run("apk", ["del", "kamailio"], { deadline: 1000, signal: ctx.signal });
    put("etc/apk/world", `${ctx.disk.read("/etc/apk/world") ?? ""}kamailio\n`);
    calls.length = 0;
    expect(await run(install("asterisk"))).toBe("done");
    expect(calls[0]).toBe("--wait 60 del kamailio");
    expect(names()).not.toContain("kamailio");
    expect(record()?.ours).not.toHaveProperty("kamailio");
  });

  test("apk: a name that could not be had does not stay in its world", async () => {
    const { run, ctx, calls } = bench("apk", { feed: { asterisk: { isUnreachable: true } } });
    expect(await run(install("asterisk"))).toBe("PACKAGES_UNAVAILABLE");
    expect(calls.at(-1)).toBe("--wait 60 del asterisk");
    expect(ctx.disk.read("/etc/apk/world")).not.toContain("asterisk");
  });
});

test("packages of a plan that cannot be run here are told", async () => {
  const { ctx, device, plan, said } = bench("opkg");
  const { software } = plan(install("asterisk"), remove("ppp"));
  const nowhere: RunContext = { ...ctx, commands: { has: () => false, run: () => Promise.reject(new Error("no")) } };
  expect(await installSoftware(nowhere, device(), software)).toBe(false);
  await settleSoftware(nowhere, device(), software);
  expect(said.filter((line) => line.startsWith("warning"))).toHaveLength(2);
});

test("contradictions, uciprov itself, no package manager", () => {
  const { plan } = bench("opkg", { installed: { libc: {} } });
  expect(plan(install("x"), remove("x")).findings).toMatchObject([{ severity: "error" }]);
  expect(plan(install("uciprov"))).toMatchObject({ software: { install: [] }, findings: [{ severity: "warning" }] });
  const ctx = aRunContext();
  expect(planSoftware(ctx, aDevice(), [install("x")]).findings).toMatchObject([{ severity: "warning" }]);
  expect(planSoftware(ctx, aDevice(), [])).toMatchObject({ findings: [] });
});

test("both data bases are read alike", () => {
  const all = new Map(Object.entries(IMAGE));
  const [opkg, apk] = [parseOpkgStatus(opkgStatus(all)), parseApkInstalled(apkInstalled(all))];
  expect([...opkg.values()]).toEqual([...apk.values()]);
  expect([...protectedIn(opkg)].sort()).toEqual(
    ["base-files", "busybox", "jsonfilter", "libc", "libnghttp2-14", "libopenssl3", "node", "uciprov"].sort(),
  );
  expect(
    parseOpkgStatus("Package: x\nStatus: deinstall ok not-installed\n\nPackage: y\nStatus: install ok unpacked\n").size,
  ).toBe(0);
  expect(parseOpkgStatus("\n\n\u0000garbage\n\n").size + parseApkInstalled("\n\nX\nD:a b\n\n").size).toBe(0);
});

test("what the tools say they would do", () => {
  const opkg =
    "Installing a (1-r1) to root...\nUpgrading b on root from 1 to 2...\nRemoving package c from root...\nDownloading x\n";
  const apk = "( 1/10) Installing a (1-r1)\n(10/10) Purging c (1-r1)\nOK: 3 MiB in 3 packages\n";
  expect(actsIn(opkg)).toEqual([
    { act: "Installing", name: "a" },
    { act: "Upgrading", name: "b" },
    { act: "Removing", name: "c" },
  ]);
  expect(actsIn(apk)).toEqual([
    { act: "Installing", name: "a" },
    { act: "Purging", name: "c" },
  ]);
});
