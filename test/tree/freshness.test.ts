import fc from "fast-check";
import { expect, test } from "vitest";
import {
  judgeFreshness,
  mayFollow,
  raiseFloor,
  recordOf,
  remember,
  type TreeRecords,
} from "../../src/tree/freshness.ts";
import { parseManifest } from "../../src/tree/manifest.ts";
import { printManifest } from "../../src/tree/manifest-print.ts";
import { contentOf, digest } from "./sample.ts";

const NOW = Date.UTC(2026, 5, 1);
const DAY = 86_400_000;
const sha = (text: string) => digest(text);
const manifest = (tree: string, serial: number | undefined, successor?: string, date?: number) =>
  parseManifest(printManifest(contentOf({}, { tree, serial, successor, date })), { file: "MANIFEST" });
const judge = (
  changes: { serial?: number; sha256?: string; expires?: number },
  known?: { serial: number; sha256: string },
) => {
  const said = { serial: changes.serial, sha256: changes.sha256 ?? sha("m"), expires: changes.expires };
  const verdict = judgeFreshness(said, known, NOW, NOW - 100 * DAY, true);
  return verdict.isFresh ? "fresh" : `${verdict.code} ${verdict.reason}`;
};

test("a serial never goes back, nor is used twice, nor left out", () => {
  const known = { serial: 42, sha256: sha("m") };
  expect(judge({ serial: 43, sha256: sha("n") }, known)).toBe("fresh");
  expect(judge({ serial: 42 }, known)).toBe("fresh");
  expect(judge({ serial: 42, sha256: sha("n") }, known)).toBe("SERIAL_REUSED serial-reused");
  expect(judge({ serial: 41 }, known)).toBe("SERIAL_LOWER serial-lower");
  expect(judge({}, known)).toBe("SERIAL_LOWER serial-missing");
  expect(judge({ serial: 0 })).toBe("fresh");
  expect(judge({})).toBe("fresh");
});

test("a manifest expires at its instant", () => {
  expect(judge({ expires: NOW + 1 })).toBe("fresh");
  expect(judge({ expires: NOW })).toBe("MANIFEST_EXPIRED expired");
  expect(judge({ expires: NOW - DAY })).toBe("MANIFEST_EXPIRED expired");
});

test("a clock that is not proven says nothing: the floor alone does", () => {
  const at = (expires: number, now: number, isProven: boolean) =>
    judgeFreshness({ serial: 1, sha256: sha("m"), expires }, undefined, now, NOW, isProven).isFresh;
  expect(at(NOW + DAY, NOW + 2 * DAY, false)).toBe(true);
  expect(at(NOW + DAY, NOW + 2 * DAY, true)).toBe(false);
  expect(at(NOW - DAY, 0, false)).toBe(false);
  expect(at(NOW - DAY, 0, true)).toBe(false);
});

test("whatever comes, the serial that is remembered never falls, and an older one is refused from then on", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { minLength: 1 }), (serials) => {
      let records: TreeRecords = new Map();
      let highest = -1;
      for (const serial of serials) {
        const said = manifest("lab", serial);
        const isFresh = judgeFreshness(said, recordOf(records, "lab"), NOW, 0, true).isFresh;
        expect(isFresh).toBe(serial >= highest);
        if (isFresh) records = remember(records, said);
        highest = Math.max(highest, serial);
        expect(records.get("lab")?.serial).toBe(highest);
      }
    }),
  );
});

test("trees of one owner count apart", () => {
  const records = remember(new Map(), manifest("lab", 42));
  expect(recordOf(records, "shop")).toBeUndefined();
  expect(recordOf(records, "lab")).toMatchObject({ serial: 42 });
});

test("a successor goes on counting, and closes the tree it came from", () => {
  const fresh = (records: TreeRecords, said: ReturnType<typeof manifest>) =>
    judgeFreshness(said, recordOf(records, said.tree), NOW, 0, true).isFresh;

  const named = remember(new Map(), manifest("lab", 42, "shop"));
  expect(fresh(named, manifest("lab", 42, "shop"))).toBe(true);
  expect(fresh(named, manifest("shop", 7))).toBe(false);
  expect(fresh(named, manifest("shop", 42))).toBe(false);
  expect(fresh(named, manifest("shop", 43))).toBe(true);

  const moved = remember(named, manifest("shop", 43));
  expect(fresh(moved, manifest("shop", 43))).toBe(true);
  expect(fresh(moved, manifest("lab", 42, "shop"))).toBe(false);
  expect(fresh(moved, manifest("lab", 99))).toBe(false);

  const sentBack = remember(moved, manifest("shop", 44, "lab"));
  expect(fresh(sentBack, manifest("lab", 42, "shop"))).toBe(false);
  expect(fresh(sentBack, manifest("lab", 45))).toBe(true);
  const back = remember(sentBack, manifest("lab", 45));
  expect(fresh(back, manifest("shop", 99))).toBe(false);
  expect(fresh(back, manifest("lab", 46))).toBe(true);
});

test("an owned device follows a tree it knows, and the one that is named as its successor", () => {
  expect(mayFollow(new Map(), "lab")).toBe(true);
  const records = remember(new Map(), manifest("lab", 42, "shop"));
  expect(["lab", "shop", "", "Lab", "__proto__"].map((tree) => mayFollow(records, tree))).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
});

test("a tree that was left stays closed when its successor is left, too", () => {
  const steps = [manifest("a", 1, "b"), manifest("b", 2, "c"), manifest("c", 3)];
  const records = steps.reduce<TreeRecords>((so, said) => remember(so, said), new Map());
  const isFresh = (said: ReturnType<typeof manifest>) =>
    judgeFreshness(said, recordOf(records, said.tree), NOW, 0, true).isFresh;
  expect([manifest("a", 9), manifest("b", 9), manifest("c", 9)].map(isFresh)).toEqual([false, false, true]);
});

test("a manifest without serial leaves the records as they are", () => {
  const records = remember(new Map(), manifest("lab", 42));
  expect(remember(records, manifest("lab", undefined))).toBe(records);
});

test("the floor rises with what was accepted, never falls, and not beyond a proven clock", () => {
  expect(raiseFloor(NOW, manifest("", 1), NOW + DAY, true)).toBe(NOW);
  expect(raiseFloor(NOW, manifest("", 1, undefined, NOW - DAY), NOW + DAY, true)).toBe(NOW);
  expect(raiseFloor(NOW, manifest("", 1, undefined, NOW + DAY), NOW + 2 * DAY, true)).toBe(NOW + DAY);
  expect(raiseFloor(NOW, manifest("", 1, undefined, NOW + 9 * DAY), NOW + DAY, true)).toBe(NOW + DAY);
  expect(raiseFloor(NOW, manifest("", 1, undefined, NOW + 9 * DAY), 0, false)).toBe(NOW + 9 * DAY);
});
