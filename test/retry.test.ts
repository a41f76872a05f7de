import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Clock } from "../src/api.ts";
import { ProvisionError } from "../src/errors.ts";
import { type Retrying, withRetries } from "../src/retry.ts";

/** Never really waits; notes how long it should have, in seconds. */
function countingClock(): Clock & { readonly slept: number[] } {
  const slept: number[] = [];
  return {
    slept,
    now: () => 0,
    elapsed: () => 0,
    sinceBoot: () => 0,
    async sleep(ms, signal) {
      if (signal.aborted) throw new ProvisionError("STOPPED", "asked to stop");
      slept.push(ms / 1000);
    },
  };
}

const how = (clock: Clock, more: Partial<Retrying> = {}): Retrying => ({
  tries: 5,
  minSeconds: 2,
  maxSeconds: 10,
  signal: new AbortController().signal,
  clock,
  random: () => 1,
  ...more,
});

const passing = (facts = {}) => new ProvisionError("CONNECT_FAILED", "nothing listens", facts);

describe("withRetries", () => {
  test("gives the first success, and says which attempt it was", async () => {
    const clock = countingClock();
    const result = await withRetries(async (attempt) => {
      if (attempt < 3) throw passing();
      return `done at ${attempt}`;
    }, how(clock));
    expect(result).toBe("done at 3");
    expect(clock.slept).toEqual([2, 4]);
  });

  test("doubles the bound of each pause up to the longest, and throws the last error as it is", async () => {
    const clock = countingClock();
    const errors: ProvisionError[] = [];
    const trying = withRetries(
      async () => {
        errors.push(passing());
        throw errors.at(-1);
      },
      how(clock, { tries: 6 }),
    );
    await expect(trying).rejects.toSatisfy((error) => error === errors[5]);
    expect(clock.slept).toEqual([2, 4, 8, 10, 10]);
  });

  test("does not try again what will not pass by itself", async () => {
    for (const error of [new ProvisionError("TLS_UNTRUSTED", "no"), new TypeError("a fault of ours"), new Error("x")]) {
      let calls = 0;
      const clock = countingClock();
      const task = async () => {
        calls++;
        throw error;
      };
      await expect(withRetries(task, how(clock))).rejects.toBe(error);
      expect([calls, clock.slept]).toEqual([1, []]);
    }
  });

  test("waits at least as long as the server said, spread a little, and tells so", async () => {
    const clock = countingClock();
    const told: [string, number][] = [];
    const onWait = (error: ProvisionError, seconds: number) => told.push([error.code, seconds]);
    const task = async () => {
      throw passing({ retryAfter: 7 });
    };
    await expect(withRetries(task, how(clock, { tries: 2, random: () => 0.5, onWait }))).rejects.toThrow();
    expect(clock.slept).toEqual([8]);
    expect(told).toEqual([["CONNECT_FAILED", 8]]);
  });

  test("does not wait for a server that asks for longer than this run waits", async () => {
    const clock = countingClock();
    const error = passing({ retryAfter: 11 });
    await expect(withRetries(() => Promise.reject(error), how(clock))).rejects.toBe(error);
    expect(clock.slept).toEqual([]);
  });

  test("ends with STOPPED when the signal fires, before, between and in a pause", async () => {
    const before = AbortSignal.abort();
    let calls = 0;
    const never = async () => void calls++;
    await expect(withRetries(never, how(countingClock(), { signal: before }))).rejects.toMatchObject({
      code: "STOPPED",
    });
    expect(calls).toBe(0);

    const control = new AbortController();
    const inPause: Clock = {
      ...countingClock(),
      async sleep(_ms, signal) {
        control.abort();
        if (signal.aborted) throw new ProvisionError("STOPPED", "asked to stop");
      },
    };
    const failing = () => Promise.reject(passing());
    await expect(withRetries(failing, how(inPause, { signal: control.signal }))).rejects.toMatchObject({
      code: "STOPPED",
    });
  });

  test("every pause lies within full jitter's range, whatever is drawn", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { minLength: 4, maxLength: 4 }),
        fc.double({ min: 0, max: 60, noNaN: true }),
        fc.double({ min: 0, max: 600, noNaN: true }),
        async (draws, minSeconds, maxSeconds) => {
          const clock = countingClock();
          const left = [...draws];
          const random = () => left.shift() ?? 0;
          const trying = withRetries(() => Promise.reject(passing()), how(clock, { minSeconds, maxSeconds, random }));
          await expect(trying).rejects.toThrow();
          expect(clock.slept).toHaveLength(4);
          clock.slept.forEach((seconds, index) => {
            const bound = Math.min(maxSeconds, minSeconds * 2 ** index);
            expect(seconds).toBeGreaterThanOrEqual(0);
            expect(seconds).toBeLessThanOrEqual(bound + 1e-9);
          });
        },
      ),
      { numRuns: 50 },
    );
  });
});
