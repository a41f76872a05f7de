import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Book, MOST_KNOWN, openBook, type Verdict } from "../../src/guard/book.ts";
import type { Ban } from "../../src/guard/guard-file.ts";

const BAN: Ban = { seconds: 120, max: 86_400, factor: 4, perMinute: 60, private: false };
const ONCE = { after: 1, within: 600 };

/** Seconds of each ban, of an address that attacks again a second after each. */
function bansOf(book: Book, address: string, times: number, start = 1000, pause = 1): number[] {
  let now = start;
  return Array.from({ length: times }, () => {
    const verdict = book.note(address, now, ONCE);
    const seconds = verdict.kind === "offence" ? verdict.seconds : Number.NaN;
    now += seconds + pause;
    return seconds;
  });
}
const isOffence = (verdict: Verdict) => verdict.kind === "offence";

describe("ban times", () => {
  test("grow with each offence up to the longest", () => {
    expect(bansOf(openBook(BAN), "a", 8)).toEqual([120, 480, 1920, 7680, 30_720, 86_400, 86_400, 86_400]);
  });

  test("begin anew after a quiet time as long as the longest ban", () => {
    const book = openBook({ ...BAN, max: 600 });
    expect(bansOf(book, "a", 3)).toEqual([120, 480, 600]);
    expect(bansOf(book, "a", 1, 1000 + 1200 + 600)).toEqual([600]);
    expect(bansOf(book, "a", 1, 10_000)).toEqual([120]);
  });

  test("stay the same with factor 1", () => {
    expect(bansOf(openBook({ ...BAN, factor: 1 }), "a", 3)).toEqual([120, 120, 120]);
  });

  test("go on where a guard was that was killed", () => {
    const book = openBook(BAN);
    bansOf(book, "a", 2, 1000);
    const again = openBook(BAN, book.keep(1200));
    expect(again.note("a", 1300, ONCE)).toMatchObject({ kind: "known" });
    expect(bansOf(again, "a", 1, 2000)).toEqual([1920]);
  });

  test("go on from what the kernel alone remembers", () => {
    const book = openBook(BAN);
    book.learn("a", 1000, { seconds: 480, left: 100 });
    expect(book.note("a", 1050, ONCE)).toMatchObject({ kind: "known" });
    expect(bansOf(book, "a", 1, 1101)).toEqual([1920]);
  });
});

test("while a ban lasts its address is no news, and what it does is told with the next", () => {
  const book = openBook(BAN);
  expect(book.note("a", 1000, ONCE)).toMatchObject({ kind: "offence", times: 1, events: 1 });
  expect(book.note("a", 1005, ONCE)).toEqual({ kind: "known", isDoubtful: false });
  expect(book.note("a", 1060, ONCE)).toEqual({ kind: "known", isDoubtful: true });
  expect(book.note("a", 1130, ONCE)).toMatchObject({ kind: "offence", times: 2, events: 3, firstSeen: 1005 });
});

test("a ban that is gone from the kernel is made again, and longer", () => {
  const book = openBook(BAN);
  book.note("a", 1000, ONCE);
  book.lapse("a", 1030);
  expect(book.note("a", 1031, ONCE)).toMatchObject({ kind: "offence", seconds: 480 });
});

test("single failures are an attack when there are enough of them in time", () => {
  const book = openBook(BAN);
  const limit = { after: 3, within: 60 };
  const at = (...times: number[]) => times.map((now) => book.note("a", now, limit).kind);
  expect(at(1000, 1010, 1061, 1062)).toEqual(["counted", "counted", "counted", "counted"]);
  expect(at(1063)).toEqual(["offence"]);
});

test("at most so many a minute, and whoever was too many is looked at again", () => {
  const book = openBook({ ...BAN, perMinute: 3 });
  const kinds = (from: string, now: number) => [..."12345"].map((one) => book.note(`${from}${one}`, now, ONCE).kind);
  expect(kinds("a", 1000)).toEqual(["offence", "offence", "offence", "capped", "capped"]);
  expect(kinds("b", 1059)).toEqual(["capped", "capped", "capped", "capped", "capped"]);
  expect(book.note("a4", 1060, ONCE).kind).toBe("offence");
});

test("never more than the cap in any minute, never a ban longer than the longest, whoever comes when", () => {
  const events = fc.array(fc.tuple(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 20 })), {
    maxLength: 300,
  });
  fc.assert(
    fc.property(events, fc.integer({ min: 1, max: 8 }), (all, perMinute) => {
      const book = openBook({ ...BAN, seconds: 5, max: 300, perMinute });
      const bans: number[] = [];
      let now = 100;
      for (const [who, later] of all) {
        now += later;
        const verdict = book.note(String(who), now, ONCE);
        if (!isOffence(verdict)) continue;
        expect(verdict).toMatchObject({
          seconds: expect.toSatisfy((seconds: number) => seconds >= 5 && seconds <= 300),
        });
        bans.push(now);
        expect(bans.filter((at) => at > now - 60).length).toBeLessThanOrEqual(perMinute);
      }
    }),
    { numRuns: 100 },
  );
});

test("the book stays small, and forgets those that are banned last", () => {
  const book = openBook({ ...BAN, perMinute: 6000 });
  book.note("banned", 1000, ONCE);
  for (let at = 0; at < MOST_KNOWN * 2; at++) book.note(`x${at}`, 1001, { after: 2, within: 60 });
  expect(book.note("banned", 1002, ONCE).kind).toBe("known");
  expect(book.note("x0", 1002, { after: 2, within: 60 }).kind).toBe("counted");
  for (let at = 0; at < MOST_KNOWN * 2; at++) book.note(`y${at}`, 1003, ONCE);
  expect(book.active(1004)).toBeLessThanOrEqual(MOST_KNOWN);
  expect(book.keep(1004).length).toBeLessThanOrEqual(MOST_KNOWN);
});
