import fc from "fast-check";
import { createTask, validateDetailed } from "node-cron";
import { describe, expect, test, vi } from "vitest";
import { readSchedule } from "../../src/daemon/calendar.ts";

const at = (iso: string) => Date.parse(`${iso}Z`) / 60_000;
const MINUTES = fc.integer({ min: 0, max: at("2100-01-01T00:00") });

/** One field of an expression: what the grammar allows, with values in and out of bounds. */
function field(least: number, most: number, tokens: readonly string[] = []): fc.Arbitrary<string> {
  const number = fc.integer({ min: least, max: most }).map(String);
  const range = fc.tuple(number, number).map(([from, to]) => `${from}-${to}`);
  const step = fc.tuple(fc.oneof(fc.constant("*"), range), fc.integer({ min: 1, max: 40 })).map((all) => all.join("/"));
  const item = fc.oneof(fc.constant("*"), number, range, step, ...tokens.map((token) => fc.constant(token)));
  return fc.array(item, { minLength: 1, maxLength: 3 }).map((items) => items.join(","));
}

const EXPRESSION = fc
  .tuple(
    field(0, 59),
    field(0, 23),
    field(1, 31, ["L", "L-3", "15W", "31W", "LW"]),
    field(1, 12, ["feb", "DEC"]),
    field(0, 7, ["5L", "1#2", "7L", "sun"]),
  )
  .map((fields) => fields.join(" "));

test("a minute matches exactly when node-cron's own matcher, which needs Intl, says so", () => {
  let matches = 0;
  fc.assert(
    fc.property(EXPRESSION, fc.array(MINUTES, { minLength: 5, maxLength: 20 }), (text, minutes) => {
      fc.pre(validateDetailed(text).valid);
      const ours = readSchedule(text);
      const theirs = createTask(text, () => undefined, { timezone: "UTC" });
      for (const minute of minutes) {
        const expected = theirs.match(new Date(minute * 60_000));
        if (expected) matches++;
        expect(ours.matches(minute), `${text} at ${new Date(minute * 60_000).toISOString()}`).toBe(expected);
      }
      void theirs.destroy();
    }),
    { seed: 7, numRuns: 400 },
  );
  expect(matches).toBeGreaterThan(100);
});

test.each([
  ["*/30 * * * *", "2026-11-22T10:30", true],
  ["*/30 * * * *", "2026-11-22T10:31", false],
  ["0 4 * * 1-5", "2026-11-23T04:00", true],
  ["0 4 * * 7", "2026-11-22T04:00", true],
  ["0 4 L * *", "2028-02-29T04:00", true],
  ["0 4 L-3 * *", "2026-02-25T04:00", true],
  ["0 4 15W * *", "2026-11-16T04:00", true],
  ["0 4 1W * *", "2026-08-03T04:00", true],
  ["0 4 31W * *", "2026-02-27T04:00", false],
  ["0 4 LW * *", "2026-02-27T04:00", true],
  ["0 4 * * 5L", "2026-11-27T04:00", true],
  ["0 4 * * 1#2", "2026-11-09T04:00", true],
  ["0 4 * * 1#2", "2026-11-16T04:00", false],
  ["@hourly", "2026-11-22T05:00", true],
  // As in node-cron and unlike in crond, day and weekday must both be right.
  ["0 0 13 * 5", "2026-11-13T00:00", true],
  ["0 0 13 * 5", "2026-11-20T00:00", false],
])("%s at %s: %s", (text, moment, expected) => {
  expect(readSchedule(text).matches(at(moment))).toBe(expected);
});

test("nothing of it needs Intl", () => {
  vi.stubGlobal("Intl", undefined);
  try {
    expect(readSchedule("0 4 * * mon").matches(at("2026-11-23T04:00"))).toBe(true);
  } finally {
    vi.unstubAllGlobals();
  }
});

describe("what is no schedule is refused, and names the option", () => {
  test.each([
    ["", "minute, hour, day, month, weekday"],
    ["* * * *", "minute, hour, day, month, weekday"],
    ["*/5 * * * * *", "minute, hour, day, month, weekday"],
    ["61 * * * *", "61 is a invalid expression for minute"],
    ["* * 30 2 *", "impossible day"],
    ["@reboot", "@reboot"],
    ["0-999999999999 * * * *", "no field has"],
    ["*/100 * * * *", "no field has"],
    [`${"1,".repeat(200)}1 * * * *`, "200 characters"],
    ["0 4 * * mon\n* * * * *", "minute, hour, day, month, weekday"],
  ])("%j", (text, says) => {
    expect(() => readSchedule(text)).toThrow(
      expect.objectContaining({
        code: "SETTINGS_INVALID",
        message: expect.stringContaining(says),
        place: { file: "/etc/config/uciprov", option: "schedule.cron" },
      }),
    );
  });

  test("any text is read or refused, quickly", () => {
    const texts = fc.oneof(
      fc.string({ unit: "binary", maxLength: 300 }),
      fc.stringMatching(/^[0-9*/,LW# -]{0,60}$/),
      EXPRESSION,
    );
    const began = performance.now();
    fc.assert(
      fc.property(texts, (text) => {
        try {
          readSchedule(text).matches(1);
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: "SETTINGS_INVALID" });
        }
      }),
      { seed: 8, numRuns: 3000 },
    );
    expect(performance.now() - began).toBeLessThan(10_000);
  });
});
