import fc from "fast-check";
import { expect, test } from "vitest";
import {
  formatName,
  identicalName,
  isWithin,
  lowerName,
  mixCase,
  nameKey,
  nameToWire,
  parseName,
  readName,
  sameName,
} from "../../src/dns/name.ts";
import { aName, bytes } from "./build.ts";

const label = fc.uint8Array({ minLength: 1, maxLength: 63 });
const name = fc
  .array(label, { maxLength: 20 })
  .filter((labels) => labels.reduce((sum, one) => sum + one.length + 1, 1) <= 255);

test("a name of any bytes survives text and wire", () => {
  fc.assert(
    fc.property(name, (labels) => {
      expect(parseName(formatName(labels))).toEqual(labels);
      const wire = nameToWire(labels);
      expect(readName(wire, 0)).toEqual({ name: labels, end: wire.length });
    }),
  );
});

test("what is written in a log is printable ASCII, whatever the name", () => {
  fc.assert(
    fc.property(name, (labels) => {
      expect(formatName(labels)).toMatch(/^[\x21-\x7e]+$/);
    }),
  );
});

test.each([
  ["_uciprov.fleet.example", 3],
  ["fleet.example.", 2],
  [".", 0],
  ["a\\.b.example", 2],
  ["\\000\\255.example", 2],
])("%s is a name of %i labels", (text, labels) => {
  expect(parseName(text)).toHaveLength(labels);
});

test.each([
  "",
  "..",
  ".example",
  "a..b",
  "a b.example",
  "naïve.example",
  "a\nb",
  "a\\",
  "a\\25",
  "\\256.example",
  `${"a".repeat(64)}.example`,
  `${"a.".repeat(128)}a`,
  "\0.example",
])("%j is no name", (text) => {
  expect(parseName(text)).toBeUndefined();
});

test("the longest name has 255 bytes on the wire", () => {
  const longest = `${"a".repeat(63)}.`.repeat(3) + "a".repeat(61);
  expect(nameToWire(aName(longest))).toHaveLength(255);
  expect(parseName(`${longest}a`)).toBeUndefined();
});

test("names compare without letter case, and only letters have case", () => {
  expect(sameName(aName("Fleet.EXAMPLE"), aName("fleet.example"))).toBe(true);
  expect(identicalName(aName("Fleet.EXAMPLE"), aName("fleet.example"))).toBe(false);
  expect(nameKey(aName("Fleet.EXAMPLE"))).toBe(nameKey(aName("fleet.example")));
  expect(sameName(aName("a\\@b"), aName("a`b"))).toBe(false);
  expect(sameName(aName("a\\.b"), aName("a.b"))).toBe(false);
  expect(nameKey(aName("a\\.b"))).not.toBe(nameKey(aName("a.b")));
});

test("isWithin knows ancestors, and a suffix of letters is none", () => {
  expect(isWithin(aName("a.Fleet.example"), aName("fleet.example"))).toBe(true);
  expect(isWithin(aName("fleet.example"), aName("fleet.example"))).toBe(true);
  expect(isWithin(aName("fleet.example"), aName("."))).toBe(true);
  expect(isWithin(aName("notfleet.example"), aName("fleet.example"))).toBe(false);
  expect(isWithin(aName("example"), aName("fleet.example"))).toBe(false);
});

test("mixed case is the same name, and depends on every bit", () => {
  fc.assert(
    fc.property(name, fc.uint8Array({ minLength: 32, maxLength: 32 }), (labels, random) => {
      expect(sameName(mixCase(labels, random), labels)).toBe(true);
      expect(lowerName(mixCase(labels, random))).toEqual(lowerName(labels));
    }),
  );
  const letters = aName("ab-9.c");
  expect(formatName(mixCase(letters, Uint8Array.of(0b101)))).toBe("Ab-9.C");
  expect(formatName(mixCase(letters, Uint8Array.of(0b010)))).toBe("aB-9.c");
});

test.each([
  ["a pointer to itself", bytes(0xc0, 0), 0],
  ["a pointer forward", bytes(0xc0, 2, 0), 0],
  ["two pointers at each other", bytes(0xc0, 2, 0xc0, 0), 2],
  ["a label that leads into its own pointer", bytes(1, "a", 0xc0, 0), 0],
  ["a pointer into the piece it ends", bytes(1, "a", 1, "b", 0xc0, 2), 0],
  ["half a pointer", bytes(0, 0xc0), 1],
  ["a label that runs out", bytes(5, "abc"), 0],
  ["no end", bytes(1, "a"), 0],
  ["nothing", bytes(), 0],
  ["an extended label", bytes(0x41, 0), 0],
])("%s is malformed", (_, wire, start) => {
  expect(() => readName(wire, start)).toThrowError(expect.objectContaining({ code: "DNS_FAILED" }));
});

test("a name that pointers make longer than 255 bytes is malformed", () => {
  const pieces: Uint8Array[] = [bytes(0)];
  let at = 1;
  let before = 0;
  for (let i = 0; i < 5; i++) {
    const piece = bytes(63, "x".repeat(63), 0xc0 | (before >> 8), before & 0xff);
    pieces.push(piece);
    before = at;
    at += piece.length;
  }
  const wire = Buffer.concat(pieces);
  expect(() => readName(wire, before)).toThrow("longer than 255");
  expect(readName(wire, before - 132).name).toHaveLength(3);
});

test("a pointer back is followed, and reading goes on behind it", () => {
  const wire = bytes(7, "example", 0, 5, "fleet", 0xc0, 0, 0xff);
  expect(readName(wire, 9)).toEqual({ name: aName("fleet.example"), end: 17 });
});
