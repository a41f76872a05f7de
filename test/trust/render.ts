import { RESOURCE_TABLE, TRUST_TABLE } from "../../src/trust/table.ts";

type Row = Readonly<Record<string, unknown>>;

const cell = (value: unknown): string => {
  if (value === "*") return "";
  return Array.isArray(value) ? value.join(", ") : String(value);
};

function render(head: readonly string[], columns: readonly string[], rows: readonly Row[]): string {
  const lines = rows.map((row, index) => {
    const then = row["then"] as Readonly<Record<string, string>>;
    const outcome = then["refuse"] === undefined ? `**${then["accept"]}**` : `\`${then["refuse"]}\``;
    const cells = [
      `${index + 1}`,
      ...columns.map((column) => cell(row[column])),
      outcome,
      then["reason"],
      then["latch"] ?? "",
    ];
    return `| ${cells.join(" | ")} |`;
  });
  const titles = ["", ...head, "then", "reason", "owner"];
  return [`| ${titles.join(" | ")} |`, `|${" --- |".repeat(titles.length)}`, ...lines].join("\n");
}

/** The two tables as docs/trust.md shows them. */
export function trustTables(): { readonly tree: string; readonly resource: string } {
  return {
    tree: render(
      ["owner so far", "policy", "signatures", "channel"],
      ["latch", "policy", "signature", "channel"],
      TRUST_TABLE.map((row) => ({ ...row })),
    ),
    resource: render(
      ["place", "tainted", "tree", "policy", "owner so far", "own signatures", "channel"],
      ["place", "isTainted", "tree", "policy", "latch", "signature", "channel"],
      RESOURCE_TABLE.map((row) => ({ ...row })),
    ),
  };
}
