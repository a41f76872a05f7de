import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const PAGE = readFileSync("docs/security-model.md", "utf8");

/** `test/file.test.ts`: *title*; *another title of the same file*. */
const NAMED = [...PAGE.matchAll(/`(test\/[\w./-]+\.test\.ts)`(?: repeats[^\n]*)?: ((?:\*[^*\n]+\*(?:; )?)+)/g)].flatMap(
  ([, file = "", titles = ""]) => [...titles.matchAll(/\*([^*\n]+)\*/g)].map(([, title = ""]) => ({ file, title })),
);

test("docs/security-model.md names tests that are there, by the titles they have", () => {
  expect(NAMED.length).toBeGreaterThan(40);
  const missing = NAMED.filter(({ file, title }) => !existsSync(file) || !isTitle(readFileSync(file, "utf8"), title));
  expect(missing).toEqual([]);
});

test("every threat in docs/security-model.md names the test that shows what holds, or says that nothing does", () => {
  const threats = PAGE.split("\n## ")
    .find((part) => part.startsWith("Attackers"))
    ?.split("\n")
    .filter((line) => line.startsWith("| ") && !/^\| (?:---|what it)/.test(line));
  expect(threats?.length).toBeGreaterThan(35);
  const bare = threats?.filter((line) => !/`test\/[\w./-]+`: \*|\*\*nothing holds\*\*/.test(line));
  expect(bare).toEqual([]);
});

test("every test file that docs/security-model.md names is there", () => {
  const files = [...PAGE.matchAll(/`(test\/[\w./-]+)`/g)].flatMap(([, file]) => file ?? []);
  expect(files.filter((file) => !existsSync(file))).toEqual([]);
});

/** The title as a test has it: a text of its own between quotes. */
function isTitle(text: string, title: string): boolean {
  return ['"', "`", "'"].some((quote) => text.includes(`${quote}${title}${quote}`));
}
