import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { RESOURCE_TABLE, TRUST_TABLE } from "../../src/trust/table.ts";
import { trustTables } from "./render.ts";

const docs = readFileSync(new URL("../../docs/trust.md", import.meta.url), "utf8");
const shown = (name: string) => docs.split(`<!-- ${name} -->`)[1]?.split("<!-- end -->")[0]?.trim();

test("docs/trust.md shows the tables that decide", () => {
  expect(shown("tree")).toBe(trustTables().tree);
  expect(shown("resource")).toBe(trustTables().resource);
});

const VALUES: Readonly<Record<string, readonly unknown[]>> = {
  policy: ["authentic", "signed", "any"],
  signature: ["enough", "few", "wrong", "stranger", "unknown", "none"],
  channel: ["own", "unproven", "foreign"],
  latch: ["free", "keys", "same-origin", "other-origin"],
  place: ["listed", "unlisted", "no-manifest", "elsewhere"],
  tree: ["signature", "transport", "lab"],
  isTainted: [true, false],
};

/** For each row, how many combinations it decides; and how many no row does. */
function decided(table: readonly object[], columns: readonly string[]): readonly number[] {
  const counts = Array<number>(table.length + 1).fill(0);
  const all = columns.reduce<readonly (readonly unknown[])[]>(
    (tuples, column) => tuples.flatMap((tuple) => (VALUES[column] ?? []).map((value) => [...tuple, value])),
    [[]],
  );
  for (const tuple of all) {
    const index = table.findIndex((row) =>
      columns.every((column, at) => {
        const wanted: unknown = (row as Readonly<Record<string, unknown>>)[column];
        return wanted === "*" || [wanted].flat().includes(tuple[at]);
      }),
    );
    counts[index === -1 ? table.length : index] = (counts[index === -1 ? table.length : index] ?? 0) + 1;
  }
  return counts;
}

test("every row decides something, and nothing is left undecided", () => {
  const trees = decided(TRUST_TABLE, ["policy", "signature", "channel", "latch"]);
  expect(trees.slice(0, -1).every((count) => count > 0)).toBe(true);
  expect(trees.at(-1)).toBe(0);
  const columns = ["place", "isTainted", "tree", "policy", "latch", "signature", "channel"];
  const resources = decided(RESOURCE_TABLE, columns);
  expect(resources.slice(0, -1).every((count) => count > 0)).toBe(true);
  expect(resources.at(-1)).toBe(0);
});
