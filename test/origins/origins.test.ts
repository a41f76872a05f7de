import fc from "fast-check";
import { expect, test } from "vitest";
import type { Origin } from "../../src/api.ts";
import { fileOrigin, type OriginRecord, parseOrigins, rememberOrigins, uciOrigin } from "../../src/origins.ts";

const NOW = { generation: 3, at: 1_800_000_000 };
const layer = (name: string): Origin => ({
  module: "uci",
  uri: `https://a.example/${name}.uci`,
  signer: "0011223344556677",
});
const names = fc.uniqueArray(fc.constantFrom("=a", "=a.x", "=a.y", "=b.x", "=c.z", "@t ~1.q"), { maxLength: 6 });
const layers = fc.constantFrom("default", "board", "mac");

test("each owned name has the source that set it last, also after flash; what is not owned has none", () => {
  const step = fc.record({
    owned: names,
    set: fc.dictionary(fc.constantFrom("=a", "=a.x", "=a.y", "=b.x", "=c.z"), layers),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 5 }), (steps) => {
      let record: OriginRecord | undefined;
      const expected = new Map<string, string>();
      steps.forEach(({ owned, set }, index) => {
        const by = new Map(Object.entries(set).map(([name, of]) => [name, layer(of)]));
        const all = { owned, set: by };
        record = rememberOrigins(record, { uci: { network: all }, files: all }, { generation: index + 1, at: index });
        for (const name of [...expected.keys()]) if (!owned.some((one) => one === name)) expected.delete(name);
        for (const name of owned) {
          const of = set[name];
          if (of !== undefined) expected.set(name, `${layer(of).uri} ${index + 1}`);
        }
        record = record && parseOrigins(JSON.parse(JSON.stringify(record)));
      });
      for (const [name, told] of expected) {
        for (const source of [uciOrigin(record, "network", name), fileOrigin(record, name)])
          expect(`${source?.uri} ${source?.generation}`).toBe(told);
      }
    }),
  );
});

test("nothing new leaves the record byte for byte as it was: flash is not written for it", () => {
  const set = new Map([
    ["=a.x", layer("mac")],
    ["=a.y", layer("default")],
    ["=b.x", layer("default")],
  ]);
  const owned = [...set.keys()];
  const before = rememberOrigins(
    undefined,
    { uci: { network: { owned, set } }, files: { owned: [], set: new Map() } },
    NOW,
  );
  const after = rememberOrigins(
    before,
    { uci: { network: { owned, set: new Map() } }, files: { owned: [], set: new Map() } },
    { generation: 9, at: 9 },
  );
  expect(JSON.stringify(after)).toBe(JSON.stringify(before));
});

test("a device with one layer pays one line, however many options", () => {
  const owned = Array.from({ length: 1000 }, (_, i) => `=s${i}.option`);
  const set = new Map(owned.map((name) => [name, layer("default")]));
  const record = rememberOrigins(
    undefined,
    { uci: { network: { owned, set } }, files: { owned: [], set: new Map() } },
    NOW,
  );
  expect(JSON.stringify(record).length).toBeLessThan(250);
});

test("nothing known is no record, and a damaged one is refused", () => {
  const none = { owned: ["=a.x"], set: new Map<string, Origin>() };
  expect(rememberOrigins(undefined, { uci: { network: none }, files: none }, NOW)).toBeUndefined();
  for (const wrong of [
    null,
    [],
    {},
    { sources: {}, uci: {} },
    { sources: [{}], uci: {} },
    { sources: [], uci: { a: {} } },
  ])
    expect(() => parseOrigins(wrong)).toThrow(TypeError);
});
