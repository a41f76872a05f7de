import { beforeAll, describe, expect, test } from "vitest";
import { ProvisionError } from "../../src/errors.ts";
import { applyActions } from "../../src/transaction/apply.ts";
import { readJournal } from "../../src/transaction/journal.ts";
import { prepare } from "../../src/transaction/prepare.ts";
import { rollBack } from "../../src/transaction/roll-back.ts";
import { failAt } from "./faulty-disk.ts";
import { type Both, bothTrees, judge, LIVES, oldDevice, recovering } from "./lives.ts";
import { copyArchived, life, snapshot, specimenOrder } from "./specimen.ts";

let both: Both;
beforeAll(async () => {
  both = await bothTrees();
});

const ERRORS = ["ENOSPC", "EROFS", "EIO"] as const;

/** Prepares and applies with the fault at one operation; the error's code, and how many operations there were. */
async function applyWith(code: (typeof ERRORS)[number], from: number, to: number) {
  const disk = oldDevice();
  const faulty = failAt(disk, code, from, to);
  const host = life(faulty.disk, "1");
  let stage = "prepare";
  try {
    const prepared = await prepare(host, specimenOrder(), copyArchived);
    stage = "apply";
    if (prepared.kind === "ready") applyActions(host, prepared);
    return { disk, stage, thrown: "nothing", count: faulty.count() };
  } catch (error) {
    return { disk, stage, thrown: error instanceof ProvisionError ? error.code : String(error), count: faulty.count() };
  }
}

describe.each(ERRORS)("%s", (code) => {
  test("once, at every operation: the old tree at once, with the code of where it happened", async () => {
    let points = 0;
    for (let at = 1; ; at += 1) {
      const { disk, stage, thrown, count } = await applyWith(code, at, at);
      if (count < at) break;
      if (thrown === "nothing") {
        expect(readJournal(disk)?.state, `operation ${at}`).toBe("trial"); // it was of no consequence
        continue;
      }
      const wanted = stage === "apply" ? "APPLY_FAILED" : code === "ENOSPC" ? "NO_SPACE" : "FILE_UNREADABLE";
      expect(thrown, `operation ${at}`).toBe(wanted);
      expect(snapshot(disk), `operation ${at}`).toBe(both.old);
      await recovering(life(disk, "2"));
      expect(await judge(disk, both, "old", "3"), `operation ${at}`).toBe("old");
      points += 1;
    }
    expect(points).toBeGreaterThan(60);
  });

  test("from some operation on for ever: the old tree once the disk works again", async () => {
    for (let at = 1; ; at += 1) {
      const { disk, stage, thrown, count } = await applyWith(code, at, Number.POSITIVE_INFINITY);
      if (count < at) break;
      if (thrown === "nothing") continue; // only this process's claim could not be removed
      if (stage === "apply") expect(thrown).toBe("APPLY_FAILED");
      await recovering(life(disk, "2"));
      expect(await judge(disk, both, "old", "3"), `operation ${at}`).toBe("old");
    }
  });

  test("while confirming, at every operation: new if it was committed, else old", async () => {
    for (let at = 1; ; at += 1) {
      const disk = oldDevice();
      const faulty = failAt(disk, code, at);
      let isConfirmed = true;
      await LIVES["apply and confirm"](life(faulty.disk, "1")).catch((error: unknown) => {
        if (!(error instanceof ProvisionError)) throw error;
        isConfirmed = false;
      });
      if (faulty.count() < at) break;
      await recovering(life(disk, "2"));
      const wanted = isConfirmed ? "new" : "old";
      expect(await judge(disk, both, wanted, "3"), `operation ${at}`).toBe(wanted);
    }
  });
});

test("a disk that is full throughout can still be rolled back: notes and claims are done without", async () => {
  const disk = oldDevice();
  const host = life(disk, "1");
  const prepared = await prepare(host, specimenOrder({ actions: removalsAndNews() }), copyArchived);
  if (prepared.kind === "ready") applyActions(host, prepared);
  // Claim and first note fail; after the new files are gone there is room again.
  const full = failAt(disk, "ENOSPC", 1, 2);
  await rollBack(life(full.disk, "2"), "no room");
  expect(full.count()).toBeGreaterThan(2);
  expect(snapshot(disk)).toBe(both.old);
});

function removalsAndNews() {
  return specimenOrder().actions.filter(({ path }) => path !== "/etc/config/network");
}
