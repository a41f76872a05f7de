import fc from "fast-check";
import { expect, test } from "vitest";
import { parseCounted } from "../../src/probe/rtcp.ts";

/** As Asterisk 22 wrote it. */
const LINE =
  "ssrc=1948688904;themssrc=1031514668;lp=22;rxjitter=0.000500;rxcount=475;txjitter=0.000125;txcount=500;rlp=3;rtt=0.000488;rxmes=88.082530;txmes=72.810912";

test("a line of Asterisk's is read, times in milliseconds", () => {
  expect(parseCounted(`${LINE}\n`)).toEqual({
    received: 475,
    sent: 500,
    jitter: 0.5,
    rtt: 0.488,
    remoteLost: 3,
    remoteJitter: 0.125,
  });
});

test("a call without a report knows no time there and back; one without the newer values is read all the same", () => {
  const old = LINE.replace(/;rxmes=.*/, "").replace("rtt=0.000488", "rtt=0.000000");
  expect(parseCounted(old)).toMatchObject({ received: 475, rtt: undefined });
});

test("times and reports that cannot be are not known, and what was counted counts all the same", () => {
  const odd = LINE.replace("rxjitter=0.000500", "rxjitter=9999.0")
    .replace("rtt=0.000488", "rtt=65535.999")
    .replace("rlp=3", "rlp=-1");
  expect(parseCounted(odd)).toEqual({
    received: 475,
    sent: 500,
    jitter: undefined,
    rtt: undefined,
    remoteLost: undefined,
    remoteJitter: 0.125,
  });
});

test.each([
  ["nothing", ""],
  ["a cut line", LINE.slice(0, 80)],
  ["more packets than can be", LINE.replace("rxcount=475", "rxcount=999999999")],
  ["a number that is none", LINE.replace("rxcount=475", "rxcount=4e5")],
  ["a negative number", LINE.replace("rxcount=475", "rxcount=-1")],
  ["half a packet", LINE.replace("rxcount=475", "rxcount=4.5")],
  ["a line without end", LINE.padEnd(3000, ";")],
])("%s is no count", (_, line) => {
  expect(parseCounted(line)).toBeUndefined();
});

test("any text at all gives numbers that can be, or nothing", () => {
  const part = fc.oneof(
    fc.string({ maxLength: 20 }),
    fc
      .tuple(fc.constantFrom("rxcount", "txcount", "rlp", "rtt", "rxjitter", "txjitter"), fc.string({ maxLength: 8 }))
      .map((pair) => pair.join("=")),
    fc
      .tuple(fc.constantFrom("rxcount", "txcount", "rlp", "rtt", "rxjitter", "txjitter"), fc.nat())
      .map((pair) => pair.join("=")),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 20 }), (parts) => {
      for (const value of Object.values(parseCounted(parts.join(";")) ?? {})) {
        if (value !== undefined) expect(value).toBeGreaterThanOrEqual(0);
      }
    }),
  );
});
