import { describe, expect, test } from "vitest";
import { goldenCases, inProcess, play } from "./golden.ts";

const all = goldenCases();

test("there are as many cases as were recorded", () => {
  expect(all.length).toBe(918);
});

for (const category of new Set(all.map((golden) => golden.category))) {
  const cases = all.filter((golden) => golden.category === category);
  describe(`uci does as OpenWrt's: ${category}`, () => {
    test.each(cases.map((golden) => [golden.name, golden] as const))("%s", async (_name, golden) => {
      const { expected, actual } = await play(golden, inProcess);
      expect(actual).toEqual(expected);
    });
  });
}
