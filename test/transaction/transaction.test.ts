import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Disk } from "../../src/api.ts";
import { ProvisionError } from "../../src/errors.ts";
import { sha256 } from "../../src/sha256.ts";
import { applyActions } from "../../src/transaction/apply.ts";
import { type TransactionHost, takeClaim } from "../../src/transaction/claim.ts";
import { confirmTransaction } from "../../src/transaction/confirm.ts";
import { lastRecords, listGenerations, readGenerationFile, undoTo } from "../../src/transaction/generations.ts";
import { readJournal } from "../../src/transaction/journal.ts";
import { TX } from "../../src/transaction/layout.ts";
import type { Action, TransactionOrder } from "../../src/transaction/order.ts";
import { prepare } from "../../src/transaction/prepare.ts";
import { recover } from "../../src/transaction/recover.ts";
import { forget, rollBack } from "../../src/transaction/roll-back.ts";
import { stepsOf } from "../../src/transaction/steps.ts";
import { failAt } from "./faulty-disk.ts";
import { scratchRoot } from "./scratch-root.ts";
import {
  ACTIONS,
  bytes,
  copyArchived,
  FIRMWARE,
  KEEP,
  life,
  plantOld,
  snapshot,
  specimenOrder,
  write,
} from "./specimen.ts";
import { SPOILT_JOURNALS, SPOILT_LISTS } from "./spoilt.ts";

let root: ReturnType<typeof scratchRoot>;
let disk: Disk;
let host: TransactionHost;
let old: string;

beforeEach(() => {
  root = scratchRoot();
  disk = root.disk;
  plantOld(disk);
  host = life(disk, "100");
  old = snapshot(disk);
});
afterEach(() => root.remove());

async function onTrial(changed: Partial<TransactionOrder> = {}, on = host): Promise<void> {
  const prepared = await prepare(on, specimenOrder(changed), copyArchived);
  if (prepared.kind === "nothing") throw new Error("the order changed nothing");
  applyActions(on, prepared);
}

async function confirmed(changed: Partial<TransactionOrder> = {}): Promise<void> {
  await onTrial(changed);
  await confirmTransaction(host, changed.id ?? "t-1", () => true, KEEP);
}

async function codeOf(act: () => unknown): Promise<string> {
  try {
    await act();
    return "no error";
  } catch (thrown) {
    return thrown instanceof ProvisionError ? thrown.code : String(thrown);
  }
}

describe("a transaction", () => {
  test("makes every action true, keeps owners, and makes new folders 0755", async () => {
    await confirmed();
    for (const action of ACTIONS) {
      if (action.kind === "remove") expect(disk.stat(action.path), action.path).toBeUndefined();
      if (action.kind === "symlink") expect(disk.readLink(action.path)).toBe(action.target);
      if (action.kind !== "write") continue;
      expect(disk.stat(action.path), action.path).toMatchObject({ kind: "file", mode: action.mode, size: action.size });
      if (action.content.kind === "bytes") expect(disk.readBytes(action.path)).toEqual(action.content.bytes);
    }
    expect(disk.read("/usr/share/deep/er/$HOME/from-archive")).toBe("from the archive\n".repeat(20));
    expect(disk.stat("/usr/share/deep/er")).toMatchObject({ kind: "directory", mode: 0o755 });
    expect(disk.read("/etc/odd/through a link")).toBe("lands in odd\n");
    expect(disk.read("/tmp/motd")).toBe("behind a link\n");
    expect(disk.read("/etc/uciprov/state/latch")).toBe("key 1234\n");
    expect(disk.stat("/etc/uciprov/state/latch")?.mode).toBe(0o600);
  });

  test("leaves nothing behind but its generation", async () => {
    await confirmed();
    expect(disk.list(TX.folder)).toEqual(["generations"]);
    expect(disk.stat(TX.folder)?.mode).toBe(0o700);
    expect(snapshot(disk)).not.toContain(".uciprov-tx-");
  });

  test("keeps what waits for the confirmation out of sight until then", async () => {
    await onTrial();
    expect(readJournal(disk)).toMatchObject({ state: "trial", id: "t-1", attempt: 2, generation: 1 });
    expect(disk.stat("/etc/uciprov/state/latch")).toBeUndefined();
  });

  test("taken back leaves exactly the old tree, and says what it was until that is noted", async () => {
    await onTrial();
    const told = await rollBack(host, "the probes failed");
    expect(snapshot(disk)).toBe(old);
    const about = {
      kind: "rolled-back",
      id: "t-1",
      reason: "the probes failed",
      attempt: 2,
      tree: specimenOrder().tree,
    };
    expect(told).toMatchObject(about);
    expect(await recover(host, { firmware: FIRMWARE, keep: KEEP })).toMatchObject(about);
    expect(await rollBack(host, "again")).toMatchObject(about);
    forget(host);
    expect(disk.list(TX.folder)).toEqual([]);
    expect(await recover(host, { firmware: FIRMWARE, keep: KEEP })).toEqual({ kind: "none" });
  });

  test.skipIf(process.getuid?.() !== 0)("gives back owners of files and links", async () => {
    disk.setOwner("/etc/motd", 12, 34);
    old = snapshot(disk);
    await onTrial({ actions: [write("/etc/motd", "x"), { kind: "remove", path: "/etc/banner" }] });
    expect(disk.stat("/etc/motd")).toMatchObject({ uid: 0, gid: 0 });
    await rollBack(host, "no");
    expect(snapshot(disk)).toBe(old);
    await onTrial({ actions: [write("/etc/banner", "x"), { ...write("/etc/new", "y"), uid: 5, gid: 6 } as Action] });
    expect(disk.stat("/etc/banner")).toMatchObject({ uid: 1000, gid: 1000 });
    expect(disk.stat("/etc/new")).toMatchObject({ uid: 5, gid: 6 });
  });

  test("that changes nothing writes nothing at all", async () => {
    await confirmed();
    const { disk: counting, count } = failAt(disk, "EIO", Number.POSITIVE_INFINITY);
    expect(await prepare(life(counting, "101"), specimenOrder({ id: "t-2" }), copyArchived)).toEqual({
      kind: "nothing",
    });
    expect(count()).toBe(0);
  });

  test("looks at each place once, and at none in a folder that is not there yet", () => {
    const looked: string[] = [];
    const watching: Disk = {
      ...disk,
      stat(path) {
        looked.push(path);
        return disk.stat(path);
      },
    };
    const under = (folder: string): Action[] =>
      Array.from({ length: 50 }, (_, at) => write(`${folder}/file${at}`, "new\n"));
    expect(stepsOf(watching, [...under("/etc"), ...under("/srv/new")])).toHaveLength(100);
    expect(looked.filter((path) => path.startsWith("/etc/file"))).toHaveLength(50);
    expect(looked.filter((path) => path.startsWith("/srv/new/"))).toEqual([]);
    expect(looked.length).toBeLessThan(60);
  });

  test("one file of another owner or mode is a change", async () => {
    await confirmed({ actions: [write("/etc/same", "stays\n", 0o600)] });
    expect(disk.stat("/etc/same")?.mode).toBe(0o600);
  });

  test("uciprov's own settings land after all others, and the core's state last", async () => {
    const landed: string[] = [];
    const watching: Disk = {
      ...disk,
      rename(from, to) {
        if (from.startsWith(TX.stage)) landed.push(to);
        disk.rename(from, to);
      },
    };
    await onTrial({}, life(watching, "100"));
    expect(landed.slice(-2)).toEqual(["/etc/config/uciprov", "/etc/uciprov/state/ownership"]);
  });

  test("content that is not what the plan says is refused, and nothing is left", async () => {
    const wrong: Action = { ...write("/etc/x", "abc"), sha256: "0".repeat(64) } as Action;
    expect(await codeOf(() => prepare(host, specimenOrder({ actions: [wrong] }), copyArchived))).toBe(
      "DIGEST_MISMATCH",
    );
    const short: Action = { ...write("/etc/x", "abc"), size: 2 } as Action;
    expect(await codeOf(() => prepare(host, specimenOrder({ actions: [short] }), copyArchived))).toBe(
      "DIGEST_MISMATCH",
    );
    expect(await codeOf(() => prepare(host, specimenOrder(), async () => {}))).toBe("ARCHIVE_INVALID");
    expect(snapshot(disk)).toBe(old);
    expect(disk.list(TX.folder)).toEqual([]);
  });

  test.each<[string, readonly Action[]]>([
    ["one path twice", [write("/etc/a", "1"), write("/etc/a", "2")]],
    ["one place by two names", [write("/etc/odd/x", "1"), write("/etc/to-folder/x", "2")]],
    ["below a path that is changed", [write("/etc/a", "1"), write("/etc/a/b", "2")]],
    ["through a link that is changed", [{ kind: "remove", path: "/etc/to-folder" }, write("/etc/to-folder/b", "2")]],
    ["a folder", [write("/etc/odd", "1")]],
    ["a folder's removal", [{ kind: "remove", path: "/etc/odd" }]],
    ["below a file", [write("/etc/banner/x", "1")]],
  ])("refuses %s with PLAN_INVALID", async (_, actions) => {
    expect(await codeOf(() => prepare(host, specimenOrder({ actions }), copyArchived))).toBe("PLAN_INVALID");
    expect(disk.stat(TX.folder)).toBeUndefined();
  });

  test("refuses what recovery stands on, by whatever name", async () => {
    disk.symlink("/lib/uciprov", "/etc/innocent");
    for (const path of [
      "/lib/uciprov/recover.sh",
      "/lib/uciprov/tx/journal",
      "/etc/openwrt_release",
      "/etc/innocent/recover.sh",
    ]) {
      const order = specimenOrder({ actions: [write(path, "x")] });
      expect(await codeOf(() => prepare(host, order, copyArchived))).toBe("PATH_FORBIDDEN");
    }
  });

  test.each(["/etc/a\nb", "/etc/\u0007", "/etc/../x", "etc/x", "/etc//x", `/${"x/".repeat(600)}x`, "/etc/\ud800"])(
    "refuses the path %j",
    async (path) => {
      const order = specimenOrder({ actions: [write(path, "x")] });
      expect(await codeOf(() => prepare(host, order, copyArchived))).toBe("ARCHIVE_UNSAFE");
    },
  );

  test("with as much to say as can be still has a journal that is understood, whoever reads it", async () => {
    const euros = "€".repeat(5000);
    const order = specimenOrder({
      packages: Array.from({ length: 128 }, (_, at) => `p${String(at).padStart(29, "x")}`),
      services: Array.from({ length: 124 }, (_, at) => `s${String(at).padStart(39, "x")}:restart`),
      tree: { uri: `https://cfg.example/${"a".repeat(4000)}`, name: euros, sha256: "ab".repeat(32), serial: 42 },
      firmware: euros,
      left: euros,
    });
    const prepared = await prepare(host, order, copyArchived);
    if (prepared.kind !== "ready") throw new Error(prepared.kind);
    expect(readJournal(disk)).toMatchObject({ state: "prepared", left: expect.stringMatching(/^€+$/) });
    expect(disk.stat(TX.journal)?.size).toBeLessThan(16_384);
    applyActions(host, prepared);
    await rollBack(host, euros);
    expect(readJournal(disk)).toMatchObject({ state: "rolled-back", reason: expect.stringMatching(/^€+$/) });
  });

  test("of a tree with as high a serial as there can be has a journal that is understood", async () => {
    const tree = { ...specimenOrder().tree, serial: Number.MAX_SAFE_INTEGER };
    await onTrial({ tree });
    expect(readJournal(disk)?.tree).toEqual(tree);
    expect(await rollBack(host, "no")).toMatchObject({ kind: "rolled-back", tree });
  });

  test("does not begin while another is open", async () => {
    await onTrial();
    const begin = (): unknown => prepare(host, specimenOrder({ id: "t-2" }), copyArchived);
    expect(await codeOf(begin)).toBe("JOURNAL_INVALID");
    await rollBack(host, "no");
    expect(await codeOf(begin)).toBe("no error");
  });
});

describe("confirming", () => {
  test("is refused past the deadline, for another transaction, and for one that was taken back", async () => {
    await onTrial();
    expect(await codeOf(() => confirmTransaction(host, "t-1", () => false, KEEP))).toBe("NOT_CONFIRMED");
    expect(await codeOf(() => confirmTransaction(host, "t-9", () => true, KEEP))).toBe("NOT_CONFIRMED");
    await rollBack(host, "late");
    expect(await codeOf(() => confirmTransaction(host, "t-1", () => true, KEEP))).toBe("NOT_CONFIRMED");
    expect(snapshot(disk)).toBe(old);
  });

  test("and taking back wait for whoever holds the claim, and take a dead one's over", async () => {
    await onTrial();
    disk.writeNew(`${TX.folder}/claim-999-5-boot-a`, bytes(""), { mode: 0o600 });
    const busy = { ...host, processes: { ...host.processes, isAlive: () => true } };
    const asked = codeOf(() => confirmTransaction(busy, "t-1", () => true, KEEP));
    expect(await asked).toBe("BUSY");
    expect(readJournal(disk)?.state).toBe("trial");
    expect(await codeOf(() => confirmTransaction(host, "t-1", () => true, KEEP))).toBe("no error");
  });
});

test("a claim is not flushed: it means nothing after a cut", async () => {
  await onTrial();
  const flushed: string[] = [];
  const telling = (path: string): string => {
    if (path.includes("/claim-")) flushed.push(path);
    return path;
  };
  const watched: TransactionHost = {
    ...host,
    disk: {
      ...disk,
      createNew: (path, as) => disk.createNew(telling(path), as),
      writeNew: (path, content, as) => disk.writeNew(telling(path), content, as),
      createLoose: (path, as) => disk.createNew(path, as),
      flushLoose: () => undefined,
    },
  };
  (await takeClaim(watched, "go on")).release();
  expect(flushed).toEqual([]);
});

describe("a plan that reboots", () => {
  const how = { firmware: FIRMWARE, keep: KEEP };

  test("stays on trial for the boot after it and no longer", async () => {
    await onTrial({ rebootAllowed: true });
    const second = life(disk, "200", "boot-b");
    expect(await recover(second, how)).toMatchObject({ kind: "trial-in-progress-after-reboot" });
    expect(await recover(life(disk, "201", "boot-b"), how)).toMatchObject({ kind: "trial-in-progress-after-reboot" });
    expect(await recover(life(disk, "300", "boot-c"), how)).toMatchObject({ kind: "rolled-back" });
    expect(snapshot(disk)).toBe(old);
  });

  test("can be confirmed in that boot", async () => {
    await onTrial({ rebootAllowed: true });
    const second = life(disk, "200", "boot-b");
    await recover(second, how);
    await confirmTransaction(second, "t-1", () => true, KEEP);
    expect(disk.read("/etc/uciprov/state/latch")).toBe("key 1234\n");
  });

  test("is taken back if the run died before the reboot", async () => {
    await onTrial({ rebootAllowed: true });
    expect(await recover(life(disk, "101"), how)).toMatchObject({ kind: "rolled-back" });
    expect(snapshot(disk)).toBe(old);
  });
});

describe("recovery", () => {
  test("discards a journal of another firmware without undoing", async () => {
    await onTrial();
    const now = snapshot(disk);
    const found = await recover(host, { firmware: "r29000", keep: KEEP });
    expect(found).toMatchObject({ kind: "discarded", id: "t-1" });
    expect(snapshot(disk)).toBe(now);
    expect(disk.list(TX.folder)).toEqual([]);
  });

  test("discards what was only prepared", async () => {
    await prepare(host, specimenOrder(), copyArchived);
    expect(await recover(life(disk, "2"), { firmware: FIRMWARE, keep: KEEP })).toMatchObject({ kind: "discarded" });
    expect(snapshot(disk)).toBe(old);
    expect(disk.list(TX.folder)).toEqual([]);
  });

  test("leaves a folder that somebody else's file lies in", async () => {
    await onTrial();
    disk.writeNew("/usr/share/deep/theirs", bytes("mine"), { mode: 0o644 });
    await rollBack(host, "no");
    expect(disk.list("/usr/share/deep")).toEqual(["theirs"]);
  });

  test("makes a folder anew that somebody removed, and undoes a change made during the trial", async () => {
    await onTrial({ actions: [write("/etc/odd/-rf", "new")] });
    for (const name of disk.list("/etc/odd")) disk.unlink(`/etc/odd/${name}`);
    disk.removeDirectory("/etc/odd");
    await rollBack(host, "no");
    expect(disk.read("/etc/odd/-rf")).toBe("dash old\n");
  });

  test.each(SPOILT_JOURNALS)("touches nothing if the journal is %s", async (_, spoil) => {
    await onTrial();
    const text = disk.read(TX.journal) ?? "";
    disk.unlink(TX.journal);
    disk.writeNew(TX.journal, bytes(spoil(text)), { mode: 0o600 });
    const before = snapshot(disk, true);
    const code = await codeOf(() => recover(host, { firmware: FIRMWARE, keep: KEEP }));
    expect(["JOURNAL_INVALID", "FILE_UNREADABLE"]).toContain(code);
    expect(snapshot(disk, true)).toBe(before);
  });

  test.each(SPOILT_LISTS)("touches no live file if the undo list is %s", async (_, spoil) => {
    await onTrial();
    const path = `${TX.undo}/list`;
    const text = disk.read(path) ?? "";
    disk.unlink(path);
    disk.writeNew(path, bytes(spoil(text)), { mode: 0o600 });
    const before = snapshot(disk);
    expect(await codeOf(() => rollBack(host, "no"))).toMatch(/JOURNAL_INVALID|ARCHIVE_UNSAFE/);
    expect(snapshot(disk)).toBe(before);
  });
});

describe("an edit that comes while everything is written and flushed", () => {
  const edits: readonly (readonly [what: string, path: string, edit: () => void])[] = [
    ["of a file that is replaced", "/etc/config/network", () => rewrite("/etc/config/network", "mine\n")],
    ["that makes one longer", "/etc/config/network", () => rewrite("/etc/config/network", "mine\n".repeat(99))],
    ["that puts a file where there was none", "/top", () => disk.writeNew("/top", bytes("mine\n"), { mode: 0o644 })],
    ["of a link", "/etc/relink", () => relink("/etc/relink", "mine")],
  ];

  test.each(edits)("%s: nothing lands, and nothing stays open", async (_, path, edit) => {
    const order = specimenOrder({ id: "t-1" });
    const touched = expect.objectContaining({ code: "DEVICE_CHANGED", place: { file: path } });
    const editing: typeof copyArchived = async (archive, wanted) => {
      edit();
      await copyArchived(archive, wanted);
    };
    await expect(prepareAndApply(order, editing)).rejects.toEqual(touched);
    expect(disk.list(TX.folder).filter((name) => name !== "generations")).toEqual([]);
    expect(disk.stat("/etc/old")).toBeDefined();
  });

  test.each(edits)("%s, after it was kept: nothing lands either", async (_, path, edit) => {
    const prepared = await prepare(host, specimenOrder({ id: "t-1" }), copyArchived);
    if (prepared.kind !== "ready") throw new Error("nothing to do");
    edit();
    const touched = expect.objectContaining({ code: "DEVICE_CHANGED", place: { file: path } });
    expect(() => applyActions(host, prepared)).toThrow(touched);
    expect(disk.list(TX.folder).filter((name) => name !== "generations")).toEqual([]);
    expect(disk.stat("/etc/old")).toBeDefined();
  });

  test("a file that is written anew with what it holds, while all is staged and afterwards, is as it was", async () => {
    const path = "/etc/config/network";
    const same = disk.read(path) ?? "";
    const before = disk.stat(path);
    const made = specimenOrder({ id: "t-1" });
    const was = { kind: "file", mode: before?.mode, sha256: sha256(bytes(same)) } as const;
    const order = { ...made, actions: made.actions.map((one) => (one.path === path ? { ...one, was } : one)) };
    const again = () => {
      const { modified } = disk.stat(path) ?? {};
      while (disk.stat(path)?.modified === modified) rewrite(path, same, before?.mode);
    };
    const prepared = await prepare(host, order, async (archive, wanted) => {
      again();
      await copyArchived(archive, wanted);
    });
    if (prepared.kind !== "ready") throw new Error("nothing to do");
    again();
    applyActions(host, prepared);
    expect(readJournal(disk)?.state).toBe("trial");
  });

  test.each([
    ["half of it", (all: Uint8Array) => all.subarray(0, 1)],
    ["nothing, since it is away for a moment,", () => undefined],
  ])("of which the copy gets %s is told, also where the plan looked at nothing", async (_, read) => {
    const path = "/etc/config/network";
    const readBytes: typeof disk.readBytes = (at, limit) => {
      const all = disk.readBytes(at, limit);
      return at === path && all !== undefined ? read(all) : all;
    };
    const torn = { ...host, disk: { ...disk, readBytes } };
    const touched = expect.objectContaining({ code: "DEVICE_CHANGED", place: { file: path } });
    await expect(prepare(torn, specimenOrder({ id: "t-1" }), copyArchived)).rejects.toEqual(touched);
    expect(disk.list(TX.folder).filter((name) => name !== "generations")).toEqual([]);
  });

  async function prepareAndApply(order: TransactionOrder, copy: typeof copyArchived): Promise<void> {
    const prepared = await prepare(host, order, copy);
    if (prepared.kind === "ready") applyActions(host, prepared);
  }

  function rewrite(path: string, text: string, mode = 0o600): void {
    disk.unlink(path);
    disk.writeNew(path, bytes(text), { mode });
  }

  function relink(path: string, target: string): void {
    disk.unlink(path);
    disk.symlink(target, path);
  }
});

describe("the history", () => {
  const net = (value: number): readonly Action[] => [write("/etc/config/network", `${value}\n`, 0o600)];

  beforeEach(async () => {
    for (const number of [1, 2, 3]) {
      await confirmed({ id: `t-${number}`, actions: [...net(number), write(`/etc/only-${number}`, "x")] });
    }
  });

  test("lists generations, newest first, with what they changed", () => {
    expect(listGenerations(disk)).toMatchObject([
      { number: 3, id: "t-3", paths: ["/etc/config/network", "/etc/only-3"], tree: { serial: 42 } },
      { number: 2, id: "t-2" },
      { number: 1, id: "t-1" },
    ]);
  });

  test("shows files as they were in each of them, and before", () => {
    const network = (number: number): string =>
      new TextDecoder().decode(readGenerationFile(disk, number, "/etc/config/network"));
    expect([1, 2, 3].map(network)).toEqual(["1\n", "2\n", "3\n"]);
    expect(network(0)).toContain("192.168.1.1");
    expect(readGenerationFile(disk, 1, "/etc/only-2")).toBeUndefined();
    expect(readGenerationFile(disk, 2, "/etc/only-2")).toBeDefined();
    expect(readGenerationFile(disk, 1, "/etc/same")).toEqual(bytes("stays\n"));
  });

  test("leads back to each of them, and to the time before", async () => {
    await confirmed({ id: "back-1", actions: undoTo(disk, 1) });
    expect(disk.read("/etc/config/network")).toBe("1\n");
    expect(disk.stat("/etc/only-2")).toBeUndefined();
    expect(disk.stat("/etc/only-1")).toBeDefined();
    await confirmed({ id: "back-0", actions: undoTo(disk, 0), onConfirm: [] });
    disk.unlink("/etc/uciprov/state/latch");
    disk.unlink("/etc/uciprov/state/confirmed");
    expect(snapshot(disk)).toBe(old);
  });

  test("knows no way to generations it does not have", async () => {
    expect(await codeOf(() => undoTo(disk, 4))).toBe("GENERATION_UNKNOWN");
    expect(undoTo(disk, 3)).toEqual([]);
    disk.unlink(`${TX.generations}/2/meta`);
    expect(await codeOf(() => undoTo(disk, 1))).toBe("GENERATION_UNKNOWN");
  });

  test.each(["meta", "list"])(
    "tells of the others, and leads to those behind it, if the %s of one is damaged",
    async (name) => {
      const path = `${TX.generations}/2/${name}`;
      const half = (disk.read(path) ?? "").slice(0, 40);
      disk.unlink(path);
      disk.writeNew(path, bytes(half), { mode: 0o600 });
      expect(listGenerations(disk).map(({ number }) => number)).toEqual([3, 1]);
      expect(undoTo(disk, 2)).toHaveLength(2);
      expect(await codeOf(() => undoTo(disk, 1))).toMatch(/GENERATION_UNKNOWN|JOURNAL_INVALID/);
    },
  );

  test("keeps the newest only as far as allowed, by number and by size", async () => {
    await onTrial({ id: "t-4", actions: net(4) });
    await confirmTransaction(host, "t-4", () => true, { generations: 2, bytes: 1 << 20 });
    expect(listGenerations(disk).map(({ number }) => number)).toEqual([4, 3]);
    await onTrial({ id: "t-5", actions: net(5) });
    await confirmTransaction(host, "t-5", () => true, { generations: 9, bytes: 0 });
    expect(listGenerations(disk).map(({ number }) => number)).toEqual([5]);
    expect(disk.list(TX.generations)).toEqual(["3", "4", "5"]);
  });

  test("remembers of the last three what they were, also where none but the newest is kept, and no way leads through it", async () => {
    const one = { generations: 1, bytes: 1 << 20 };
    await onTrial({ id: "t-4", actions: net(4) });
    await confirmTransaction(host, "t-4", () => true, one);
    expect(lastRecords(disk)?.map(({ id }) => id)).toEqual(["t-4", "t-3", "t-2"]);
    expect([2, 3].map((number) => disk.list(`${TX.generations}/${number}`))).toEqual([["meta"], ["meta"]]);
    expect(disk.stat(`${TX.generations}/1`)).toBeUndefined();
    expect(listGenerations(disk).map(({ number }) => number)).toEqual([4]);
    expect(await codeOf(() => undoTo(disk, 2))).toBe("GENERATION_UNKNOWN");
    expect(undoTo(disk, 3)).toHaveLength(1);
  });
});
