import { describe, expect, test } from "vitest";
import { goldenCases, inProcess, play } from "./golden.ts";

const all = goldenCases();

/** On purpose another way than OpenWrt's; docs/uci.md has the reason for each. */
const DIFFERENT = new Set<string>([]);

for (const category of new Set(all.map((golden) => golden.category))) {
  const cases = all.filter((golden) => golden.category === category);
  describe(`uci does as OpenWrt's: ${category}`, () => {
    test.each(cases.map((golden) => [golden.name, golden] as const))("%s", async (name, golden) => {
      const { expected, actual } = await play(golden, inProcess);
      if (DIFFERENT.has(name)) expect(actual).not.toEqual(expected);
      else expect(actual).toEqual(expected);
    });
  });
}
