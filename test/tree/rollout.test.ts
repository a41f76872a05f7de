import fc from "fast-check";
import { expect, test } from "vitest";
import { parseManifest } from "../../src/tree/manifest.ts";
import { printManifest } from "../../src/tree/manifest-print.ts";
import { LONGEST_ROLLOUT, placeInLine, type RolloutOf, turnOf } from "../../src/tree/rollout.ts";

const DATE = Date.UTC(2026, 10, 22, 12);
const HOUR = 3_600_000;
const at = (hours: number, more = {}) => ({ now: DATE + hours * HOUR, isClockProven: true, sinceBoot: 60, ...more });
const manifest = (more: Partial<RolloutOf> = {}): RolloutOf => ({ tree: "fleet", serial: 7, date: DATE, ...more });
const macs = Array.from({ length: 10_000 }, (_, n) => (0x02_00_00_00_00_00 + n).toString(16).padStart(12, "0"));
const who = (identity: string, ownHours?: number) => ({ identity, ownHours });

test("devices spread evenly over the hours", () => {
  const taken = (hours: number) =>
    macs.filter((mac) => turnOf(manifest({ rollout: 48 }), who(mac), at(hours)).isDue).length;
  // The square root of n p (1 - p) is 50 at most: six of them are never chance.
  for (const hours of [1, 6, 12, 24, 36, 47]) expect(Math.abs(taken(hours) - (10_000 * hours) / 48)).toBeLessThan(300);
  expect(taken(0)).toBeLessThanOrEqual(1);
  expect(taken(48)).toBe(10_000);
});

test("the line is another one for every serial and every tree", () => {
  const first = (of: { tree: string; serial: number }) => new Set(macs.filter((mac) => placeInLine(of, mac) < 0.1));
  const one = first({ tree: "fleet", serial: 7 });
  for (const other of [first({ tree: "fleet", serial: 8 }), first({ tree: "other", serial: 7 })]) {
    const again = [...one].filter((mac) => other.has(mac)).length;
    expect(again).toBeGreaterThan(30);
    expect(again).toBeLessThan(200);
  }
});

test("once it is a device's turn it stays its turn, and more hours bring it no earlier", () => {
  const hours = fc.integer({ min: 1, max: LONGEST_ROLLOUT });
  const instant = fc.integer({ min: 0, max: 2 * LONGEST_ROLLOUT * 3600 });
  fc.assert(
    fc.property(fc.string(), hours, hours, instant, instant, fc.boolean(), (identity, a, b, x, y, isClockProven) => {
      const due = (rollout: number, seconds: number) =>
        turnOf(manifest({ rollout }), who(identity), {
          now: DATE + seconds * 1000,
          isClockProven,
          sinceBoot: seconds,
        }).isDue;
      const [early, late] = [Math.min(x, y), Math.max(x, y)];
      if (due(a, early)) expect(due(a, late)).toBe(true);
      if (due(Math.max(a, b), early)) expect(due(Math.min(a, b), early)).toBe(true);
      expect(due(a, a * 3600 + 1)).toBe(true);
    }),
  );
});

test("the moment that is told is the moment it happens", () => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 1, max: LONGEST_ROLLOUT }), (identity, rollout) => {
      const turn = turnOf(manifest({ rollout }), who(identity), at(0));
      const moment = turn.at ?? Number.NaN;
      expect(moment).toBeGreaterThanOrEqual(DATE);
      expect(moment).toBeLessThanOrEqual(DATE + rollout * HOUR);
      const due = (now: number) =>
        turnOf(manifest({ rollout }), who(identity), { now, isClockProven: true, sinceBoot: 0 }).isDue;
      expect(due(moment)).toBe(true);
      if (moment > DATE) expect(due(moment - 1000)).toBe(false);
    }),
  );
});

test("hold keeps everybody, 0 in the tree lets everybody, else the device's own word counts before the tree's", () => {
  const last = macs.find((mac) => placeInLine(manifest(), mac) > 0.95) ?? "";
  const due = (rollout: RolloutOf["rollout"], own?: number) =>
    turnOf(manifest({ rollout }), who(last, own), at(10)).isDue;
  expect(due("hold")).toBe(false);
  expect(due("hold", 0)).toBe(false);
  expect(due(0, 48)).toBe(true);
  expect(due(48)).toBe(false);
  expect(due(48, 0)).toBe(true);
  expect(due(48, 10)).toBe(true);
  expect(due(undefined, 48)).toBe(false);
  expect(due(undefined)).toBe(true);
  expect(turnOf(manifest({ rollout: 48, date: undefined }), who(last), at(0)).isDue).toBe(true);
});

test("without a right clock the time since boot counts", () => {
  const middle = macs.find((mac) => Math.abs(placeInLine(manifest(), mac) - 0.5) < 0.01) ?? "";
  const turn = (time: Parameters<typeof turnOf>[2]) => turnOf(manifest({ rollout: 10 }), who(middle), time);
  expect(turn({ now: DATE + 9 * HOUR, isClockProven: false, sinceBoot: 60 })).toMatchObject({
    isDue: false,
    at: undefined,
  });
  expect(turn({ now: DATE - 9 * HOUR, isClockProven: true, sinceBoot: 60 })).toMatchObject({
    isDue: false,
    at: undefined,
  });
  expect(turn({ now: 0, isClockProven: false, sinceBoot: 6 * 3600 }).isDue).toBe(true);
});

test("a manifest says it in one form only", () => {
  const read = (line: string) =>
    parseManifest(Buffer.from(`# uciprov-manifest 1\n${line}\n`), { file: "MANIFEST" }).rollout;
  expect(read("# rollout 48")).toBe(48);
  expect(read("# rollout 0")).toBe(0);
  expect(read("# rollout hold")).toBe("hold");
  expect(read("# something else")).toBe(undefined);
  for (const wrong of ["721", "-1", "1.5", "048", "Hold", "", " 3", "3 h", "1e2"]) {
    expect(() => read(`# rollout ${wrong}`), wrong).toThrow("MANIFEST");
  }
  expect(() => read("# rollout 1\n# rollout 1")).toThrow("MANIFEST");
  const bytes = printManifest({
    ...parseManifest(Buffer.from("# uciprov-manifest 1\n"), { file: "x" }),
    rollout: "hold",
  });
  expect(Buffer.from(bytes).toString()).toContain("\n# rollout hold\n");
});
