import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { parsePosixZone } from "../../src/daemon/posix-zone.ts";
import { localMinute, readZone } from "../../src/daemon/zone.ts";
import { aContext } from "../resolvers/context.ts";

/** As OpenWrt's own table pairs them (luci-base: zoneinfo). */
const PAIRS = [
  ["Europe/Berlin", "CET-1CEST,M3.5.0,M10.5.0/3"],
  ["Europe/Lisbon", "WET0WEST,M3.5.0/1,M10.5.0"],
  ["America/New_York", "EST5EDT,M3.2.0,M11.1.0"],
  ["America/St_Johns", "NST3:30NDT,M3.2.0,M11.1.0"],
  ["Australia/Sydney", "AEST-10AEDT,M10.1.0,M4.1.0/3"],
  ["Australia/Lord_Howe", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"],
  ["America/Nuuk", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0"],
  ["Asia/Tehran", "<+0330>-3:30"],
  ["Asia/Kolkata", "IST-5:30"],
  ["UTC", "UTC0"],
] as const;

const YEARS = { min: Date.UTC(2024, 0), max: Date.UTC(2036, 0) };

afterEach(() => vi.unstubAllGlobals());

const system = (options: Readonly<Record<string, string>>) =>
  aContext({
    files: {
      "/etc/config/system": `config system\n${Object.entries(options)
        .map(([name, value]) => `\toption ${name} '${value}'\n`)
        .join("")}`,
    },
  }).files;

describe.each(PAIRS)("%s and %s", (name, posix) => {
  test("tell the same time at every change of twelve years, and at any other moment", () => {
    const named = readZone(system({ zonename: name }));
    expect(named.name).toBe(name);
    const ours = parsePosixZone(posix);
    expect(ours).toBeDefined();
    const moments = fc.sample(fc.integer(YEARS), { seed: 3, numRuns: 300 });
    let last = ours?.(YEARS.min);
    for (let moment = YEARS.min; moment < YEARS.max; moment += 1_800_000) {
      const next = ours?.(moment);
      // Around each change, to the second.
      if (next !== last) moments.push(moment - 1_800_000, moment - 1000, moment, moment + 1000);
      last = next;
    }
    const wrong = moments.filter((moment) => ours?.(moment) !== named.offset(moment));
    expect(wrong.map((moment) => new Date(moment).toISOString())).toEqual([]);
    expect(moments.length).toBeGreaterThanOrEqual(posix.includes("M") ? 300 + 4 * 20 : 300);
  });
});

test("a day of the year is told by J without and by a plain number with the leap day", () => {
  const [julian, plain] = [parsePosixZone("X1Y,J60/0,J300/0"), parsePosixZone("XXX1YYY,59/0,300/0")];
  expect(julian).toBeUndefined();
  const counted = parsePosixZone("XXX1YYY,J60/0,J300/0");
  const isSummer = (offset: typeof plain, iso: string) => offset?.(Date.parse(`${iso}Z`)) === 0;
  expect([isSummer(counted, "2028-02-29T23:00"), isSummer(counted, "2028-03-01T02:00")]).toEqual([false, true]);
  expect([isSummer(plain, "2028-02-28T23:00"), isSummer(plain, "2028-02-29T02:00")]).toEqual([false, true]);
  expect([isSummer(counted, "2027-02-28T23:00"), isSummer(counted, "2027-03-01T02:00")]).toEqual([false, true]);
});

test("a summer time without rules changes as in the USA", () => {
  const [bare, full] = [parsePosixZone("EST5EDT"), parsePosixZone("EST5EDT,M3.2.0,M11.1.0")];
  for (let moment = YEARS.min; moment < YEARS.max; moment += 7_200_000) expect(bare?.(moment)).toBe(full?.(moment));
});

test.each([
  "",
  "CET",
  "-1",
  "CET-1CEST,M13.5.0,M10.5.0",
  "CET-1CEST,M3.6.0,M10.5.0",
  "CET-1CEST,M3.5.0",
  "CET-200",
  "CET-1 CEST",
  ":Europe/Berlin",
  "CET-1CEST,J0,J300",
  "CET-1CEST,366,1",
  "CET-1:60",
])("%j is no zone", (text) => expect(parsePosixZone(text)).toBeUndefined());

test("any text is a zone whose offset is a number, or none", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ maxLength: 60 }), fc.stringMatching(/^[A-Z<>0-9+:,./MJ-]{0,40}$/)), (text) => {
      const offset = parsePosixZone(text);
      if (offset) expect(Math.abs(offset(Date.UTC(2026, 5)))).toBeLessThanOrEqual(168 * 3600);
    }),
    { seed: 4, numRuns: 5000 },
  );
});

describe("what the device says of its zone", () => {
  const both = { zonename: "America/New York", timezone: "CET-1" };

  test("its name comes first, blanks in it as LuCI writes them", () => {
    expect(readZone(system(both)).offset(Date.UTC(2026, 0))).toBe(-5 * 3600);
  });

  test("a Node without Intl reads the POSIX rule", () => {
    vi.stubGlobal("Intl", undefined);
    expect(readZone(system(both))).toMatchObject({ name: "CET-1" });
    expect(readZone(system(both)).offset(0)).toBe(3600);
  });

  test("so does one that does not know the name", () => {
    expect(readZone(system({ ...both, zonename: "Mars/Olympus" })).offset(0)).toBe(3600);
  });

  test.each([{}, { timezone: "nonsense" }, { zonename: "../../etc/passwd" }])("%j is UTC", (options) => {
    expect(readZone(system(options))).toMatchObject({ name: "UTC" });
    expect(readZone(system(options)).offset(0)).toBe(0);
  });

  test("a file that cannot be read is UTC", () => {
    expect(readZone(aContext({ files: { "/etc/config/system": "config 'sys" } }).files).name).toBe("UTC");
    expect(readZone(aContext().files).name).toBe("UTC");
  });

  test("local minutes are the wall clock's", () => {
    const zone = readZone(system({ zonename: "Europe/Berlin" }));
    expect(localMinute(zone, Date.parse("2026-07-01T10:00:59Z"))).toBe(Date.parse("2026-07-01T12:00Z") / 60_000);
  });
});
