import { expect, test } from "vitest";
import { fuzzDhcp, fuzzLldp, fuzzLookUp, fuzzTxt } from "./fuzz.ts";

test.each([
  ["leases", fuzzDhcp],
  ["neighbours", fuzzLldp],
  ["TXT strings", fuzzTxt],
  ["look-up answers", fuzzLookUp],
])("10,000 damaged %s give plain words or a known error", (_, run) => {
  const { runs, read } = run(10_000, 7);
  expect(runs).toBe(10_000);
  expect(read).toBeGreaterThan(500);
});
