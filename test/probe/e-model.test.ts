import fc from "fast-check";
import { expect, test } from "vitest";
import { delayOf, IMPAIRMENTS, mosOf, rating } from "../../src/probe/e-model.ts";

/** Delay in ms, loss in %, then R and MOS for G.711 with concealment, G.711 and G.729A; made by hand from the formulas of G.107 and the tables of G.113. */
const KNOWN = [
  [0, 0, 93.2, 4.41, 93.2, 4.41, 82.2, 4.1],
  [50, 1, 88.36, 4.3, 74.08, 3.78, 76.8, 3.9],
  [100, 3, 80.66, 4.05, 51.76, 2.67, 68.35, 3.52],
  [150, 5, 73.82, 3.77, 38.52, 1.99, 61.1, 3.16],
  [150, 20, 47.47, 2.44, 11.41, 1.06, 35.52, 1.85],
  [300, 2, 65.49, 3.38, 42.34, 2.18, 53.5, 2.76],
] as const;

test.each(KNOWN)("%s ms and %s %% of loss give the known ratings", (delay, percent, ...expected) => {
  const loss = percent / 100;
  const found = (["G.711 with concealment", "G.711", "G.729A"] as const).flatMap((codec) => {
    const r = rating({ delay, loss, codec });
    return [Number(r.toFixed(2)), Number(mosOf(r).toFixed(2))];
  });
  expect(found).toEqual(expected);
});

const codec = fc.constantFrom(...(Object.keys(IMPAIRMENTS) as (keyof typeof IMPAIRMENTS)[]));

test("more loss, or more delay, never sounds better, and the score stays between 1 and 4.5", () => {
  fc.assert(
    fc.property(
      codec,
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 2000, noNaN: true }),
      fc.double({ min: 0, max: 2000, noNaN: true }),
      (name, loss, moreLoss, delay, moreDelay) => {
        const good = rating({ delay, loss, codec: name });
        const bad = rating({ delay: delay + moreDelay, loss: Math.min(1, loss + moreLoss), codec: name });
        expect(bad).toBeLessThanOrEqual(good + 1e-9);
        expect(mosOf(bad)).toBeLessThanOrEqual(mosOf(good) + 0.01);
        for (const r of [good, bad]) {
          expect(mosOf(r)).toBeGreaterThanOrEqual(1);
          expect(mosOf(r)).toBeLessThanOrEqual(4.5);
        }
      },
    ),
  );
});

test("losses in bursts sound worse than the same number of losses one by one", () => {
  const heard = { delay: 50, loss: 0.1, codec: "G.711 with concealment" } as const;
  expect(rating({ ...heard, burst: 3 })).toBeLessThan(rating(heard));
  // Nothing is less bursty than random to the model.
  expect(rating({ ...heard, burst: 0.2 })).toBe(rating(heard));
});

test("delay is half of the way there and back, a packet, and a jitter buffer; what is not known counts as nothing", () => {
  expect(delayOf({ rtt: undefined, jitter: undefined })).toBe(60);
  expect(delayOf({ rtt: 100, jitter: 10 })).toBe(110);
  expect(delayOf({ rtt: 100, jitter: 50 })).toBe(170);
});
