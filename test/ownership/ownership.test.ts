import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { file, remove, symlink } from "../../src/changes.ts";
import {
  type FileRecord,
  type FileState,
  originalsIn,
  parseFileRecord,
  type Settlement,
  settleFiles,
  type WantedFile,
} from "../../src/ownership.ts";

const overlay = { module: "overlay", uri: "https://cfg.example/overlay.tar.gz" };
const certs = { module: "certs" };
const NOTHING: FileRecord = {};
const print = (record: FileRecord): string => JSON.stringify(record);

/** A device of a few paths, its kept originals, and an owner who remembers what it set. */
class Device {
  readonly paths: Map<string, string>;
  readonly originals = new Map<string, string>();
  record: FileRecord = NOTHING;

  constructor(paths: Readonly<Record<string, string>>) {
    this.paths = new Map(Object.entries(paths));
  }

  readonly look = (path: string): FileState => {
    const content = this.paths.get(path);
    if (content === undefined) return { kind: "absent" };
    if (content.startsWith("->")) return { kind: "symlink", target: content.slice(2) };
    return { kind: "file", sha256: digest(content), mode: 0o644, size: content.length };
  };

  /** Settles, and does what was settled as the transaction would. */
  provision(wanted: readonly WantedFile[], isProtected?: (path: string) => boolean): Settlement {
    const settlement = settleFiles(this.record, wanted, this.look, isProtected);
    if (settlement.findings.some((finding) => finding.severity === "error")) return settlement;
    for (const { path, sha256 } of settlement.save) this.originals.set(sha256, this.paths.get(path) ?? "");
    for (const action of settlement.actions) this.#act(action);
    for (const sha256 of settlement.drop) this.originals.delete(sha256);
    this.record = parseFileRecord(JSON.parse(print(settlement.record)));
    return settlement;
  }

  #act(action: Settlement["actions"][number]): void {
    const content = action.kind === "set" ? contentOf(action.change) : this.#originalOf(action.to);
    if (content === undefined) this.paths.delete(action.path);
    else this.paths.set(action.path, content);
  }

  #originalOf(state: FileState): string | undefined {
    if (state.kind === "symlink") return `->${state.target}`;
    if (state.kind !== "file") return undefined;
    const content = this.originals.get(state.sha256);
    if (content === undefined) throw new Error("an original is needed that was not kept");
    return content;
  }
}

function contentOf(change: WantedFile): string | undefined {
  if (change.kind === "remove") return undefined;
  if (change.kind === "symlink") return `->${change.target}`;
  return change.content.kind === "bytes" ? Buffer.from(change.content.bytes).toString() : undefined;
}

function digest(content: string): string {
  return createHash("sha256").update(content).digest("hex");
}

describe("what the tree says is set, and what it no longer says goes back", () => {
  test("a replaced file comes back with its bytes, which are kept in between and dropped afterwards", () => {
    const device = new Device({ "/etc/banner": "OpenWrt" });
    const first = device.provision([file("/etc/banner", "ours", { origin: overlay })]);
    expect(first.save).toEqual([{ path: "/etc/banner", sha256: digest("OpenWrt"), size: 7 }]);
    expect(device.paths.get("/etc/banner")).toBe("ours");

    const second = device.provision([]);
    expect(device.paths.get("/etc/banner")).toBe("OpenWrt");
    expect(second.drop).toEqual([digest("OpenWrt")]);
    expect(device.record).toEqual({});
  });

  test("a new file goes, a deleted one and a replaced link come back", () => {
    const device = new Device({ "/etc/old": "old", "/etc/link": "->/tmp/x" });
    device.provision([
      file("/etc/new", "new", { origin: overlay }),
      remove("/etc/old", overlay),
      file("/etc/link", "a file", { origin: overlay }),
    ]);
    expect(Object.fromEntries(device.paths)).toEqual({ "/etc/new": "new", "/etc/link": "a file" });
    device.provision([]);
    expect(Object.fromEntries(device.paths)).toEqual({ "/etc/old": "old", "/etc/link": "->/tmp/x" });
  });

  test("the original survives any number of versions", () => {
    const device = new Device({ "/etc/banner": "OpenWrt" });
    for (const version of ["1", "2", "3"]) device.provision([file("/etc/banner", version, { origin: overlay })]);
    device.provision([]);
    expect(device.paths.get("/etc/banner")).toBe("OpenWrt");
  });

  test("what was the same before stays when the tree falls silent, also after another version in between", () => {
    const device = new Device({ "/etc/banner": "same" });
    const first = device.provision([file("/etc/banner", "same", { origin: overlay })]);
    expect(first.actions).toEqual([]);
    expect(first.save).toEqual([]);
    device.provision([file("/etc/banner", "other", { origin: overlay })]);
    device.provision([]);
    expect(device.paths.get("/etc/banner")).toBe("same");
  });

  test("a shared file is set but never owned, and stays when the tree falls silent", () => {
    const device = new Device({ "/etc/dropbear/authorized_keys": "theirs" });
    const change = file("/etc/dropbear/authorized_keys", "theirs and ours", { shared: true, origin: certs });
    device.provision([change]);
    expect(device.record).toEqual({});
    expect(device.provision([]).actions).toEqual([]);
    expect(device.paths.get("/etc/dropbear/authorized_keys")).toBe("theirs and ours");
  });

  test("two originals with the same bytes are kept once, and as long as one of them is needed", () => {
    const device = new Device({ "/etc/a": "same", "/etc/b": "same" });
    const [a, b] = [file("/etc/a", "1", { origin: overlay }), file("/etc/b", "2", { origin: overlay })];
    expect(device.provision([a, b]).save).toHaveLength(1);
    expect(device.provision([a]).drop).toEqual([]);
    expect(device.provision([]).drop).toEqual([digest("same")]);
    expect(Object.fromEntries(device.paths)).toEqual({ "/etc/a": "same", "/etc/b": "same" });
  });

  test("a mode alone is a difference", () => {
    const state: FileState = { kind: "file", sha256: digest("x"), mode: 0o600, size: 1 };
    const { actions } = settleFiles(NOTHING, [file("/etc/x", "x", { origin: overlay })], () => state);
    expect(actions).toHaveLength(1);
  });
});

describe("what a person changed", () => {
  test("stays theirs once the tree no longer says it", () => {
    const device = new Device({ "/etc/banner": "OpenWrt" });
    device.provision([file("/etc/banner", "ours", { origin: overlay })]);
    device.paths.set("/etc/banner", "edited");
    const { drift, actions } = device.provision([]);
    expect(drift).toEqual([{ path: "/etc/banner", module: "overlay", outcome: "kept" }]);
    expect(actions).toEqual([]);
    expect(device.paths.get("/etc/banner")).toBe("edited");
  });

  test("gives way to a tree that still says it, and comes back when it no longer does", () => {
    const device = new Device({ "/etc/banner": "OpenWrt" });
    const wanted = [file("/etc/banner", "ours", { origin: overlay })];
    device.provision(wanted);
    device.paths.set("/etc/banner", "edited");
    expect(device.provision(wanted).drift).toEqual([
      { path: "/etc/banner", module: "overlay", outcome: "overwritten" },
    ]);
    expect(device.paths.get("/etc/banner")).toBe("ours");
    device.provision([]);
    expect(device.paths.get("/etc/banner")).toBe("edited");
  });

  test("is neither set nor put back where it is protected", () => {
    const device = new Device({ "/etc/banner": "OpenWrt" });
    const wanted = [file("/etc/banner", "ours", { origin: overlay })];
    device.provision(wanted);
    const isProtected = (path: string): boolean => path === "/etc/banner";
    expect(device.provision([], isProtected).actions).toEqual([]);
    expect(device.paths.get("/etc/banner")).toBe("ours");
    const other = device.provision([file("/etc/banner", "next", { origin: overlay })], isProtected);
    expect(other.findings).toMatchObject([{ severity: "note" }]);
    expect(device.paths.get("/etc/banner")).toBe("ours");
    device.provision([]);
    expect(device.paths.get("/etc/banner")).toBe("OpenWrt");
  });
});

describe("faults", () => {
  const errorsOf = (wanted: WantedFile[], look: (path: string) => FileState = () => ({ kind: "absent" })) =>
    settleFiles(NOTHING, wanted, look).findings.filter((finding) => finding.severity === "error");

  test("two modules that change one path are both named", () => {
    const errors = errorsOf([file("/etc/a", "1", { origin: overlay }), remove("/etc/a", certs)]);
    expect(errors).toMatchObject([{ code: "PLAN_INVALID" }]);
    expect(errors[0]?.message).toMatch(/overlay.*certs/);
  });

  test("a file below a file, wanted or there, is told", () => {
    const below = file("/etc/a/b", "1", { origin: overlay });
    expect(errorsOf([below, file("/etc/a", "1", { origin: certs })])).toHaveLength(1);
    const there: FileState = { kind: "file", sha256: digest("x"), mode: 0o644, size: 1 };
    expect(errorsOf([below], (path) => (path === "/etc/a" ? there : { kind: "absent" }))).toHaveLength(1);
    expect(errorsOf([below, symlink("/etc/a", "/srv", certs)])).toHaveLength(1);
    expect(
      errorsOf([below, remove("/etc/a", certs)], (path) => (path === "/etc/a" ? there : { kind: "absent" })),
    ).toEqual([]);
  });

  test("a file may take the place of one of ours that goes, as a folder", () => {
    const device = new Device({});
    device.provision([file("/etc/a", "1", { origin: overlay })]);
    const { findings, actions } = device.provision([file("/etc/a/b", "2", { origin: overlay })]);
    expect(findings).toEqual([]);
    expect(actions.map((action) => action.path)).toEqual(["/etc/a", "/etc/a/b"]);
  });

  test("a folder is not replaced", () => {
    expect(errorsOf([file("/etc", "1", { origin: overlay })], () => ({ kind: "other" }))).toHaveLength(1);
  });

  test("a record has an end", () => {
    const many = Array.from({ length: 50_001 }, (_, at) => remove(`/srv/${at}`, overlay));
    expect(errorsOf(many)).toMatchObject([{ code: "TOO_LARGE" }]);
  });
});

const paths = ["/a", "/b", "/c", "/d"] as const;
const content = fc.constantFrom("1", "2", "->x", "->y");
const device = fc.dictionary(fc.constantFrom(...paths), content, { maxKeys: 4 });
const tree = fc
  .dictionary(fc.constantFrom(...paths), fc.option(content, { nil: undefined }), { maxKeys: 4 })
  .map((wanted) =>
    Object.entries(wanted).map(([path, is]): WantedFile => {
      if (is === undefined) return remove(path, overlay);
      return is.startsWith("->") ? symlink(path, is.slice(2), overlay) : file(path, is, { origin: overlay });
    }),
  );

describe("properties", () => {
  test("applied and withdrawn, by whatever way, is the original", () => {
    fc.assert(
      fc.property(device, fc.array(tree, { maxLength: 5 }), (before, trees) => {
        const one = new Device(before);
        for (const wanted of trees) one.provision(wanted);
        one.provision([]);
        expect(Object.fromEntries(one.paths)).toEqual(before);
        expect(one.record).toEqual({});
        expect(one.originals.size).toBe(0);
      }),
    );
  });

  test("the outcome does not depend on the trees before", () => {
    fc.assert(
      fc.property(device, fc.array(tree, { maxLength: 4 }), tree, (before, trees, last) => {
        const [travelled, direct] = [new Device(before), new Device(before)];
        for (const wanted of trees) travelled.provision(wanted);
        travelled.provision(last);
        direct.provision(last);
        expect(travelled.paths).toEqual(direct.paths);
        expect(originalsIn(travelled.record)).toEqual(originalsIn(direct.record));
      }),
    );
  });

  test("a second time does nothing and changes no record", () => {
    fc.assert(
      fc.property(device, tree, (before, wanted) => {
        const one = new Device(before);
        one.provision(wanted);
        const record = print(one.record);
        const again = one.provision(wanted);
        expect(again).toMatchObject({ actions: [], save: [], drop: [], drift: [], findings: [] });
        expect(print(one.record)).toBe(record);
      }),
    );
  });

  test("a later edit of a person survives the withdrawal", () => {
    fc.assert(
      fc.property(device, tree, fc.constantFrom(...paths), (before, wanted, path) => {
        const one = new Device(before);
        one.provision(wanted);
        one.paths.set(path, "by hand");
        one.provision([]);
        expect(one.paths.get(path)).toBe("by hand");
      }),
    );
  });

  test("what is kept is exactly what the record needs", () => {
    fc.assert(
      fc.property(device, fc.array(tree, { maxLength: 5 }), (before, trees) => {
        const one = new Device(before);
        for (const wanted of trees) one.provision(wanted);
        expect(new Set(one.originals.keys())).toEqual(originalsIn(one.record));
      }),
    );
  });
});

describe("the record's file", () => {
  const broken = ["[]", "null", '{"/a":{}}', '{"a":{}}', '{"/a":{"module":"m","set":{"kind":"absent"}}}', '{"/a":0}'];
  const states = ['{"kind":"other"}', '{"kind":"file","sha256":"x","mode":1,"size":1}', '{"kind":"symlink"}'];
  test.each([...broken, ...states.map((state) => `{"/a":{"module":"m","before":{"kind":"absent"},"set":${state}}}`)])(
    "%s is none",
    (text) => {
      expect(() => parseFileRecord(JSON.parse(text))).toThrow(TypeError);
    },
  );

  test("a path that means something to JavaScript is a path like any other", () => {
    const absent = { kind: "absent" } as const;
    const record = { "/__proto__": { module: "m", set: absent, before: absent } };
    expect(parseFileRecord(JSON.parse(print(record)))).toEqual(record);
  });
});
