/** Files that name their owner or group: from the plan through the transaction to the second run. Only root can give files away. */
import { chownSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { file } from "../../src/api.ts";
import type { PathChange } from "../../src/changes.ts";
import { openDisk } from "../../src/host/disk.ts";
import { openProcesses } from "../../src/host/processes.ts";
import type { FileRecord } from "../../src/ownership.ts";
import { holdBack } from "../../src/stages/bisect/hold.ts";
import { planFiles } from "../../src/stages/validate/files.ts";
import { applyActions } from "../../src/transaction/apply.ts";
import { confirmTransaction } from "../../src/transaction/confirm.ts";
import { prepare } from "../../src/transaction/prepare.ts";
import { rollBack } from "../../src/transaction/roll-back.ts";
import { aDevice, aRunContext } from "../helpers/run-context.ts";

const origin = { module: "pbx", uri: "https://cfg.example/pbx" };
const PATH = "/etc/asterisk/sip.conf";
const PASSWD = "root:x:0:0:root:/root:/bin/ash\nasterisk:x:385:386:pbx:/var:/bin/false\nodd::x\n";
const GROUP = "root:x:0:\nasterisk:x:386:\nasterisk:x:999:\n";

function bench(device: Readonly<Record<string, string>> = {}) {
  const root = mkdtempSync(join(tmpdir(), "uciprov-owners-"));
  for (const [path, text] of Object.entries({ "/etc/passwd": PASSWD, "/etc/group": GROUP, ...device })) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text, { mode: 0o640 });
  }
  const ctx = aRunContext({ disk: openDisk(root) });
  let record: FileRecord = {};
  const plan = (...changes: readonly PathChange[]) => {
    const plain = aDevice();
    const device = { ...plain, state: { ...plain.state, owned: { uci: {}, files: record } } };
    return planFiles(ctx, device, changes, holdBack([]));
  };
  let serial = 0;
  const apply = async (...changes: readonly PathChange[]) => {
    const planned = plan(...changes);
    serial++;
    const prepared = await prepare(
      ctx,
      {
        id: `t-${serial}`,
        actions: planned.actions,
        onConfirm: [],
        packages: [],
        tree: { uri: "https://cfg.example/" },
        windowSeconds: 60,
        firmware: "r1",
        rebootAllowed: false,
        attempt: 1,
        at: 1,
      },
      async () => undefined,
    );
    if (prepared.kind === "nothing") return "nothing";
    applyActions(ctx, prepared);
    return {
      confirm: async () => {
        await confirmTransaction(ctx, `t-${serial}`, () => true, { generations: 3, bytes: 1_000_000 });
        record = planned.record;
      },
      back: () => rollBack(ctx, "test"),
    };
  };
  const owner = () => {
    const { uid, gid, mode } = statSync(join(root, PATH));
    return `${uid}:${gid} ${(mode & 0o7777).toString(8)}`;
  };
  return { root, plan, apply, owner };
}

const owned = (more: { user?: string; group?: string } = { user: "asterisk", group: "asterisk" }) =>
  file(PATH, "secret=x\n", { mode: 0o640, ...more, origin });

test("a name nobody knows is a finding, with the path and the file it is not in", () => {
  const { findings, actions } = bench().plan(owned({ user: "nobody2", group: "voice" }));
  expect(findings).toMatchObject([
    { severity: "error", code: "PLAN_INVALID", message: expect.stringContaining("/etc/passwd") },
    { severity: "error", code: "PLAN_INVALID", message: expect.stringContaining('"voice"') },
  ]);
  expect(actions).toEqual([]);
});

test("where there is no such file at all, on paper, it is a note", () => {
  const { root, plan } = bench();
  rmSync(join(root, "etc/passwd"));
  rmSync(join(root, "etc/group"));
  expect(plan(owned()).findings.map(({ severity }) => severity)).toEqual(["note", "note"]);
});

test.each(["", "root\n", "odd", "a:b", "0", "asterisk:x"])("%j is no name", (user) => {
  expect(bench().plan(owned({ user })).findings).toMatchObject([{ severity: "error" }]);
});

test("the plan tells whose the file will be", () => {
  expect(bench().plan(owned()).files).toMatchObject([{ path: PATH, owner: "asterisk:asterisk", mode: 0o640 }]);
  expect(bench().plan(owned({ group: "asterisk" })).files).toMatchObject([{ owner: ":asterisk" }]);
});

test("names of the planned /etc/group count", () => {
  const group = file("/etc/group", `${GROUP}voice:x:500:\n`, { origin });
  const { findings, actions } = bench().plan(group, owned({ group: "voice" }));
  expect(findings).toEqual([]);
  expect(actions.find(({ path }) => path === PATH)).toMatchObject(openProcesses().isRoot ? { gid: 500 } : {});
});

describe.skipIf(!openProcesses().isRoot)("as root", () => {
  test("the file lands with its owner, the first line of a name counts, and the second run writes nothing", async () => {
    const { plan, apply, owner } = bench();
    const done = await apply(owned());
    if (done === "nothing") throw new Error("nothing was done");
    await done.confirm();
    expect(owner()).toBe("385:386 640");
    expect(plan(owned()).actions).toEqual([]);
    expect(await apply(owned())).toBe("nothing");
  });

  test("an owner that somebody changed is put right; without a name it is left", async () => {
    const { root, plan, apply } = bench();
    const done = await apply(owned());
    if (done === "nothing") throw new Error("nothing was done");
    await done.confirm();
    chownSync(join(root, PATH), 0, 0);
    const { actions } = plan(owned());
    expect(actions.find(({ path }) => path === PATH)).toMatchObject({ kind: "write", uid: 385, gid: 386 });
    expect(plan(owned({})).actions).toEqual([]);
  });

  test("only the group changes: taken back, and given back when the tree falls silent", async () => {
    const { root, plan, apply, owner } = bench({ [PATH]: "secret=x\n" });
    chownSync(join(root, PATH), 7, 8);
    const tried = await apply(owned({ group: "asterisk" }));
    if (tried === "nothing") throw new Error("nothing was done");
    expect(owner()).toBe("7:386 640");
    await tried.back();
    expect(owner()).toBe("7:8 640");

    const done = await apply(owned({ group: "asterisk" }));
    if (done === "nothing") throw new Error("nothing was done");
    await done.confirm();
    expect(plan().actions).toContainEqual(expect.objectContaining({ kind: "write", path: PATH, uid: 7, gid: 8 }));
    const silent = await apply();
    if (silent === "nothing") throw new Error("nothing was done");
    expect(owner()).toBe("7:8 640");
  });
});
