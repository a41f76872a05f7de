import fc from "fast-check";
import { expect, test } from "vitest";
import { type Latch, parseLatch, printLatch } from "../../src/trust.ts";
import { failure } from "../macros/table.ts";

const keys: Latch = { kind: "keys", fingerprints: ["00000000000000aa", "00000000000000bb"], threshold: 2 };
const origin: Latch = { kind: "origin", host: "[::1]", port: 443, proof: { kind: "ca", fingerprint: "" } };

const published: Latch = { ...origin, proof: { kind: "tlsa", fingerprint: "." } };

test.each([keys, origin, published])("what is written is read again: $kind", (latch) => {
  expect(parseLatch(JSON.parse(printLatch(latch)))).toEqual(latch);
});

test("the same owner is the same bytes", () => {
  expect(printLatch({ ...keys, fingerprints: [...keys.fingerprints].reverse() })).toBe(printLatch(keys));
  expect(printLatch(origin)).toBe(
    '{"version":1,"kind":"origin","host":"[::1]","port":443,"proof":{"kind":"ca","fingerprint":""}}\n',
  );
});

const written = (latch: Latch) => JSON.parse(printLatch(latch)) as Record<string, unknown>;

test.each([
  undefined,
  null,
  "",
  [],
  {},
  { ...written(keys), version: 2 },
  { ...written(keys), kind: "any" },
  { ...written(keys), threshold: 0 },
  { ...written(keys), threshold: 3 },
  { ...written(keys), threshold: 1.5 },
  { ...written(keys), threshold: "1" },
  { ...written(keys), fingerprints: [] },
  { ...written(keys), fingerprints: ["00000000000000aa", "00000000000000aa"] },
  { ...written(keys), fingerprints: ["00000000000000aa", "00000000000000BB"] },
  { ...written(keys), fingerprints: ["00000000000000aa", 5] },
  { ...written(keys), fingerprints: "00000000000000aa" },
  { ...written(origin), port: 0 },
  { ...written(origin), port: 65536 },
  { ...written(origin), host: "" },
  { ...written(origin), host: "a/b" },
  { ...written(origin), proof: undefined },
  { ...written(origin), proof: { kind: "none" } },
  { ...written(origin), proof: { kind: "pin", fingerprint: "" } },
  { ...written(origin), proof: { kind: "tlsa", fingerprint: "" } },
  { ...written(origin), proof: { kind: "tlsa", fingerprint: "x".repeat(1021) } },
  { ...written(origin), proof: { kind: "ca", fingerprint: 5 } },
])("%j means trouble, never “nobody owns me”", (stored) => {
  expect(failure(() => parseLatch(stored)).code).toBe("LATCH_INVALID");
});

test("nothing else is ever thrown", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom("keys", "origin"), (value, kind) => {
      expect(failure(() => parseLatch({ version: 1, kind, fingerprints: value, host: value, proof: value })).code).toBe(
        "LATCH_INVALID",
      );
    }),
  );
});
