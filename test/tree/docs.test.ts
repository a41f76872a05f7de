import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { plugins } from "../../src/registry.ts";
import { parseManifest } from "../../src/tree/manifest.ts";
import { HEADERS } from "../../src/tree/manifest-headers.ts";
import { printManifest } from "../../src/tree/manifest-print.ts";

const docs = readFileSync(new URL("../../docs/tree.md", import.meta.url), "utf8");
const firstColumn = (name: string) =>
  [...(docs.split(`<!-- ${name} -->`)[1]?.split("<!-- end -->")[0] ?? "").matchAll(/^\| `([^`]+)` \|/gm)].map(
    ([, code]) => code?.replaceAll("\\|", "|"),
  );

test("docs/tree.md lists the resources that modules look for", () => {
  const takers = new Map<string, string[]>();
  for (const { name: module, resources = {} } of plugins.modules) {
    for (const [name, { uri }] of Object.entries(resources)) {
      const row = `| ${name} | \`${uri}\` |`;
      takers.set(row, [...(takers.get(row) ?? []), module]);
    }
  }
  const rows = [...takers].map(([row, modules]) => `${row} ${modules.join(", ")} |`);
  expect(docs).toContain(`${rows.join("\n")}\n<!-- end -->`);
});

test("docs/tree.md lists the comment lines that mean something, in the form that errors tell", () => {
  expect(firstColumn("headers")).toEqual(Object.values(HEADERS).map(({ form }) => form.replace(/ \(.*\)$/, "")));
});

test("the form that errors tell is one that is taken", () => {
  const files = ["PATH", "keys/0123456789abcdef"].map((name) => `${"0".repeat(64)}  ${name}\n`).join("");
  for (const { form } of Object.values(HEADERS)) {
    const line = form
      .replace(/ \(.*\)$/, "")
      .replace(/NUMBER|BYTES/, "7")
      .replace("HOURS|hold", "hold")
      .replace("ADD|REMOVE FINGERPRINT", "ADD 0123456789abcdef");
    expect(parseManifest(Buffer.from(`${line}\n${files}`), { file: line }).entries.size).toBe(2);
  }
});

test("the example in docs/tree.md is a manifest, as we would print it", () => {
  const example = /```manifest\n(.*?)```/s.exec(docs)?.[1] ?? "";
  const read = parseManifest(Buffer.from(example), { file: "docs/tree.md" });
  expect(read).toMatchObject({ tree: "berlin", serial: 42 });
  expect(Buffer.from(printManifest(read)).toString()).toBe(example);
});
