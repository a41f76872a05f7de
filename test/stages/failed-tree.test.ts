/** What a device remembers of a tree that it takes back: all that it would remember had it confirmed it, and nothing of a laboratory tree. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Disk } from "../../src/api.ts";
import type { RunContext } from "../../src/context.ts";
import type { Plan } from "../../src/plan.ts";
import { promotions, treeName } from "../../src/stages/apply.ts";
import { noteFailure } from "../../src/stages/failed-tree.ts";
import { readState, STATE } from "../../src/state.ts";
import { type Journal, parseJournal, printJournal } from "../../src/transaction/journal.ts";
import type { TreeName } from "../../src/transaction/order.ts";
import { parseManifest } from "../../src/tree/manifest.ts";
import { printManifest } from "../../src/tree/manifest-print.ts";
import { aClock, aDevice, aRunContext } from "../helpers/run-context.ts";
import { cutAt, failAt, PowerCut, TEARS } from "../transaction/faulty-disk.ts";
import { memoryDisk } from "../transaction/memory-disk.ts";
import { contentOf } from "../tree/sample.ts";

const NOW = Date.UTC(2026, 10, 22);
const YEAR = 365 * 86_400_000;

interface Said {
  readonly by?: "signature" | "transport" | "lab";
  readonly serial?: number | undefined;
  readonly date?: number | undefined;
  readonly successor?: string | undefined;
  readonly isClockProven?: boolean;
}

/** A plan from a tree that says this. */
function planOf({ by = "signature", serial, date, successor, isClockProven = true }: Said): Plan {
  const bytes = printManifest(contentOf({}, { tree: "fleet", serial, date, successor }));
  const manifest = parseManifest(bytes, { file: "MANIFEST" });
  const source = { base: { text: "https://cfg.example/" }, resolver: "static" };
  const proof = { by, reason: "", latch: undefined, signers: [], isClockProven };
  return {
    download: { source, manifest, digest: manifest.sha256, proof },
    inputsAfter: "",
    left: [],
  } as unknown as Plan;
}

/** A device with a folder for its state, and what it remembers by now. */
function deviceOn(disk: Disk = memoryDisk()): RunContext {
  const ctx = aRunContext({ disk, clock: aClock(NOW) });
  if (disk.stat("/etc") === undefined)
    for (const path of ["/etc", "/etc/uciprov", STATE.folder]) disk.makeDirectory(path, 0o700);
  return ctx;
}

function fail(ctx: RunContext, tree: TreeName, times = 1): void {
  for (let time = 0; time < times; time += 1) noteFailure(ctx, readState(ctx.disk), tree, "the probes failed");
}

const remembered = (ctx: RunContext) => {
  const { floor, trees } = readState(ctx.disk);
  return { floor, trees: Object.fromEntries(trees) };
};

const NOTHING = { floor: 0, trees: {} };

/** As the next run, or the one after a power cut, reads it. */
function fromJournal(tree: TreeName, edit = (text: string) => text): TreeName {
  const journal: Journal = {
    id: "t-1",
    state: "rolled-back",
    reason: "",
    attempt: 1,
    window: 60,
    firmware: "r1",
    rebootAllowed: false,
    rebooted: "",
    boot: "",
    generation: 1,
    at: 0,
    packages: [],
    services: [],
    tree,
    left: "",
  };
  return parseJournal(edit(printJournal(journal))).tree;
}

describe("a tree that is bad", () => {
  test("raises serial and time floor, with its third failure and not before", () => {
    const ctx = deviceOn();
    const tree = treeName(ctx, planOf({ serial: 7, date: NOW - YEAR }));
    fail(ctx, tree, 2);
    expect(remembered(ctx)).toEqual(NOTHING);
    fail(ctx, tree);
    expect(remembered(ctx)).toMatchObject({ floor: NOW - YEAR, trees: { fleet: { serial: 7 } } });
  });

  test("raises the time floor also where it has no serial", () => {
    const ctx = deviceOn();
    fail(ctx, treeName(ctx, planOf({ date: NOW - YEAR })), 3);
    expect(remembered(ctx)).toEqual({ floor: NOW - YEAR, trees: {} });
  });

  test("does not date the device beyond a clock that is proven right", () => {
    const ctx = deviceOn();
    fail(ctx, treeName(ctx, planOf({ serial: 7, date: NOW + 50 * YEAR })), 3);
    expect(remembered(ctx).floor).toBe(NOW);
  });

  test("is counted and nothing else if it proved nothing: no laboratory raises what the owner's trees have to pass", () => {
    const ctx = deviceOn();
    fail(ctx, treeName(ctx, planOf({ by: "lab", serial: 999, date: NOW, successor: "theirs" })), 3);
    expect(remembered(ctx)).toEqual(NOTHING);
    expect(readState(ctx.disk).failed).toMatchObject({ attempts: 3 });
  });

  test("leaves what a confirmed one leaves, through the journal as well, whatever it says and whoever vouches for it", () => {
    const said = fc.record({
      by: fc.constantFrom("signature" as const, "transport" as const, "lab" as const),
      serial: fc.option(fc.maxSafeNat(), { nil: undefined }),
      date: fc.option(fc.integer({ min: -62_000_000_000, max: 253_402_300_799 }), { nil: undefined }),
      successor: fc.option(fc.constantFrom("fleet", "next"), { nil: undefined }),
      isClockProven: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(said, { minLength: 1, maxLength: 4 }), (all) => {
        const [confirming, failing] = [deviceOn(), deviceOn()];
        for (const { date, ...one } of all) {
          const plan = planOf({ ...one, date: date === undefined ? undefined : date * 1000 });
          const device = { ...aDevice(), state: readState(confirming.disk) };
          const freshness = promotions(confirming, device, plan).find(({ path }) => path === STATE.freshness);
          if (confirming.disk.stat(STATE.freshness)) confirming.disk.unlink(STATE.freshness);
          confirming.disk.writeNew(STATE.freshness, freshness?.bytes ?? new Uint8Array(), { mode: 0o600 });
          fail(failing, fromJournal(treeName(failing, plan)), 3);
          expect(remembered(failing)).toEqual(remembered(confirming));
        }
      }),
      { numRuns: 50 },
    );
  });

  test("of a journal of the version before, which knew no date and no laboratory, raises the serial as it did", () => {
    const ctx = deviceOn();
    const tree = treeName(ctx, planOf({ serial: 7, date: NOW - YEAR }));
    const before = (text: string) => text.replace(/^tree-(date|lab)=.*\n/gm, "");
    fail(ctx, fromJournal(tree, before), 3);
    expect(remembered(ctx)).toMatchObject({ floor: 0, trees: { fleet: { serial: 7 } } });
  });
});

describe("on the flash", () => {
  const OLD = { uri: "https://cfg.example/", name: "fleet", sha256: "0d".repeat(32), serial: 1 };

  /** The device after the second failure of this tree, and the tree. */
  function beforeTheLast() {
    const disk = memoryDisk();
    const ctx = deviceOn(disk);
    fail(ctx, OLD, 3);
    const tree = treeName(ctx, planOf({ serial: 7, date: NOW - YEAR }));
    fail(ctx, tree, 2);
    return { disk: disk.afterPowerCut(() => true), tree };
  }

  test("a tree is not bad before its serial and its date count, wherever the power fails, and all of it is made up for", () => {
    let cuts = 0;
    for (const tear of TEARS) {
      for (let at = 1; ; at += 1) {
        const { disk, tree } = beforeTheLast();
        const { disk: cut } = cutAt(disk, at, tear);
        let isThrough = true;
        try {
          fail({ ...deviceOn(), disk: cut }, tree);
        } catch (thrown) {
          if (!(thrown instanceof PowerCut)) throw thrown;
          isThrough = false;
        }
        if (isThrough) break;
        cuts += 1;
        for (const survives of [() => true, () => false]) {
          const after = deviceOn(disk.afterPowerCut(survives));
          const { failed, floor, trees } = readState(after.disk);
          const isBad = failed?.digest === tree.sha256 && (failed?.attempts ?? 0) >= 3;
          if (isBad)
            expect({ floor, serial: trees.get("fleet")?.serial }, `${tear} at ${at}`).toEqual({
              floor: NOW - YEAR,
              serial: 7,
            });
          fail(after, tree);
          expect(remembered(after), `${tear} at ${at}`).toMatchObject({
            floor: NOW - YEAR,
            trees: { fleet: { serial: 7 } },
          });
          expect(readState(after.disk).failed?.attempts).toBeGreaterThanOrEqual(3);
        }
      }
    }
    expect(cuts).toBeGreaterThan(12);
  });

  test("the last failure writes two files, and one if nothing of it counts", () => {
    const files = (tree: TreeName): number => {
      const disk = memoryDisk();
      fail(deviceOn(disk), tree, 2);
      const { disk: counting, count } = failAt(disk, "EIO", Number.POSITIVE_INFINITY);
      fail({ ...deviceOn(disk), disk: counting }, tree);
      const all = count();
      // The same operations again for each file that is replaced.
      const one = failAt(disk, "EIO", Number.POSITIVE_INFINITY);
      fail({ ...deviceOn(disk), disk: one.disk }, { uri: "x", sha256: "ee".repeat(32) });
      return all / one.count();
    };
    const ctx = deviceOn();
    expect(files(treeName(ctx, planOf({ serial: 7, date: NOW })))).toBe(2);
    expect(files(treeName(ctx, planOf({ by: "lab", serial: 7, date: NOW })))).toBe(1);
    expect(files(treeName(ctx, planOf({})))).toBe(1);
  });
});
