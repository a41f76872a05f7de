import { beforeAll, describe, expect, test, vi } from "vitest";
import { applyActions } from "../../src/transaction/apply.ts";
import { confirmTransaction } from "../../src/transaction/confirm.ts";
import { prepare } from "../../src/transaction/prepare.ts";
import { TEARS, type Tear } from "./faulty-disk.ts";
import {
  type Both,
  bothTrees,
  countSteps,
  judge,
  LIVES,
  type Life,
  liveUntil,
  oldDevice,
  promisedBy,
  recovering,
} from "./lives.ts";
import type { MemoryDisk } from "./memory-disk.ts";
import { randomFrom } from "./random.ts";
import { copyTree, scratchRoot } from "./scratch-root.ts";
import { ACTIONS, copyArchived, KEEP, life, plantOld, snapshot, specimenOrder, write } from "./specimen.ts";

vi.setConfig({ testTimeout: 120_000 });

let both: Both;
beforeAll(async () => {
  both = await bothTrees();
});

const names = Object.keys(LIVES) as (keyof typeof LIVES)[];

/** The device at the moment of a cut, as its processes saw it. */
async function deviceCutAt(name: keyof typeof LIVES, at: number, tear: Tear): Promise<MemoryDisk | undefined> {
  const disk = oldDevice();
  return (await liveUntil(disk, LIVES[name], { at, tear }, "1")) ? disk : undefined;
}

describe.each(names)("%s, cut at every step", (name) => {
  test("the two trees differ in every kind of thing", () => {
    expect(both.old).not.toBe(both.new);
    for (const kind of ["file", "symlink", "directory"]) expect(both.new).toContain(`${kind} `);
    expect(both.new).toContain("/etc/uciprov/state/latch");
  });

  test("all that was written is there (a killed process): old or new, never between", async () => {
    let points = 0;
    for (const tear of TEARS) {
      for (let at = 1; ; at += tear === "half" ? 1 : 3) {
        const disk = await deviceCutAt(name, at, tear);
        if (disk === undefined) break;
        const promised = promisedBy(disk, both);
        await recovering(life(disk, "2"));
        expect(await judge(disk, both, promised, "3"), `${tear} at ${at}`).toBe(promised);
        points += 1;
      }
    }
    expect(points).toBeGreaterThan(150);
  });

  test.each([
    ["nothing unflushed is there", 0],
    ["half of what was unflushed is there", 0.5],
    ["most of what was unflushed is there", 0.9],
  ])("%s (a power cut): old or new, never between", async (_, share) => {
    for (let seed = 1; seed <= (share === 0 ? 1 : 2); seed += 1) {
      const random = randomFrom(seed);
      for (let at = 1; ; at += 1) {
        const disk = await deviceCutAt(name, at, "half");
        if (disk === undefined) break;
        const medium = disk.afterPowerCut(() => random() < share);
        const promised = promisedBy(medium, both);
        await recovering(life(medium, "2"));
        expect(await judge(medium, both, promised, "3"), `seed ${seed} at ${at}`).toBe(promised);
      }
    }
  });

  test("and its recovery cut at every step too: old or new, never between", async () => {
    const random = randomFrom(7);
    let pairs = 0;
    for (let at = 1; ; at += 11) {
      const first = await deviceCutAt(name, at, "half");
      if (first === undefined) break;
      const promised = promisedBy(first, both);
      for (let again = 1; ; again += 1) {
        const disk = first.afterPowerCut(() => true);
        if (!(await liveUntil(disk, recovering, { at: again, tear: "half" }, "2"))) break;
        const medium = disk.afterPowerCut(() => random() < 0.5);
        await recovering(life(medium, "3"));
        expect(await judge(medium, both, promised, "4"), `${at} then ${again}`).toBe(promised);
        pairs += 1;
      }
    }
    expect(pairs).toBeGreaterThan(100);
  });
});

test("on a real file system, cut at every other step: old or new, never between", async () => {
  const trees = await bothTrees();
  for (const name of names) {
    for (let at = 1; ; at += 2) {
      const root = scratchRoot();
      try {
        plantOld(root.disk);
        if (!(await liveUntil(root.disk, LIVES[name], { at, tear: "half" }, "1"))) break;
        const promised = promisedBy(root.disk, trees);
        await recovering(life(root.disk, "2"));
        expect(await judge(root.disk, trees, promised, "3"), `${name} at ${at}`).toBe(promised);
      } finally {
        root.remove();
      }
    }
  }
});

test("many files, flushed together: old or new, never between", async () => {
  const actions = Array.from({ length: 80 }, (_, index) =>
    write(`/usr/lib/many/${index % 7}/${index}`, `file ${index}\n`),
  );
  const many: Life = async (host) => {
    const prepared = await prepare(host, specimenOrder({ actions: [...ACTIONS, ...actions] }), copyArchived);
    if (prepared.kind === "ready") applyActions(host, prepared);
    await confirmTransaction(host, "t-1", () => true, KEEP);
  };
  const done = oldDevice();
  await many(life(done, "1"));
  const trees: Both = { old: both.old, new: snapshot(done) };
  const random = randomFrom(3);
  for (let at = 1; ; at += 5) {
    const disk = oldDevice();
    if (!(await liveUntil(disk, many, { at, tear: "half" }, "1"))) break;
    const medium = disk.afterPowerCut(() => random() < 0.5);
    const promised = promisedBy(medium, trees);
    await recovering(life(medium, "2"));
    expect(await judge(medium, trees, promised, "3"), `at ${at}`).toBe(promised);
  }
});

describe("the tools of these tests", () => {
  test("the forgetful disk forgets what was not flushed and keeps what was", () => {
    const disk = oldDevice();
    const before = snapshot(disk);
    disk.writeNew("/etc/x", new Uint8Array([1, 2]), { mode: 0o600 });
    expect(snapshot(disk.afterPowerCut(() => false))).toBe(before);
    disk.syncDirectory("/etc");
    expect(snapshot(disk.afterPowerCut(() => false))).toBe(snapshot(disk));
    const file = disk.createNew("/etc/y", { mode: 0o600 });
    file.write(new Uint8Array([1, 2, 3, 4]));
    disk.syncDirectory("/etc");
    expect(disk.afterPowerCut(() => false).stat("/etc/y")?.size).toBe(0);
    file.finish();
    expect(disk.afterPowerCut(() => false).stat("/etc/y")?.size).toBe(4);
  });

  test("a careless writer (no flush before the rename) is found out", () => {
    const disk = oldDevice();
    const file = disk.createNew("/etc/.new", { mode: 0o644 });
    file.write(new Uint8Array(100));
    disk.rename("/etc/.new", "/etc/same");
    disk.syncDirectory("/etc");
    expect(disk.afterPowerCut(() => false).stat("/etc/same")?.size).toBe(0);
  });

  test("a copied tree is the same tree", () => {
    const root = scratchRoot();
    copyTree(oldDevice(), root.disk);
    expect(snapshot(root.disk)).toBe(both.old);
    root.remove();
  });

  test("counting a life's steps gives the number of its cuts", async () => {
    const steps = await countSteps(oldDevice(), LIVES["apply and confirm"]);
    expect(await deviceCutAt("apply and confirm", steps, "absent")).toBeDefined();
    expect(await deviceCutAt("apply and confirm", steps + 1, "absent")).toBeUndefined();
  });
});
