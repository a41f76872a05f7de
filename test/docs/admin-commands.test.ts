/** Every command in docs/admin/ does what the page says. How a page is written for this stands in test/helpers/page-commands.ts. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { blocksIn, runPage } from "../helpers/page-commands.ts";

const PAGES = join(import.meta.dirname, "../../docs/admin");
const FIXTURES = join(import.meta.dirname, "../../fixtures");

const pages = readdirSync(PAGES).filter((name) => name.endsWith(".md"));

test.concurrent.each(pages)("docs/admin/%s: its commands do what it says", async (page) => {
  expect((await runPage(join(PAGES, page), FIXTURES)).discord).toEqual([]);
});

test("there are commands in docs/admin/", () => {
  const blocks = pages.flatMap((page) => blocksIn(readFileSync(join(PAGES, page), "utf8")));
  expect(blocks.filter(({ script }) => script.includes("uciprov ")).length).toBeGreaterThan(5);
});

describe("the check itself", () => {
  const check = async (page: string) => {
    const file = join(mkdtempSync(join(tmpdir(), "uciprov-docs-")), "page.md");
    writeFileSync(file, page);
    try {
      return await runPage(file, FIXTURES);
    } finally {
      rmSync(join(file, ".."), { recursive: true, force: true });
    }
  };
  const sh = (script: string, output?: string) =>
    `\`\`\`sh\n${script}\n\`\`\`\n${output === undefined ? "" : `\n\`\`\`output\n${output}\n\`\`\`\n`}`;

  test("finds a command that fails, and one that does not fail as told", async () => {
    expect(await check(sh("uciprov graph >/dev/null"))).toEqual({ blocks: 1, discord: [] });
    expect((await check(`text\n\n${sh("false\ntrue")}`)).discord).toMatchObject([{ line: 3 }]);
    expect((await check(`<!-- exit 2 -->\n${sh("uciprov nonsense")}`)).discord).toEqual([]);
    expect((await check(`<!-- exit 3 -->\n${sh("uciprov nonsense")}`)).discord).toMatchObject([{ line: 1 }]);
  });

  test("finds output that is not as told, and takes what stands between", async () => {
    expect((await check(sh("echo one; echo two; echo three 3", "one\n…\nthree …"))).discord).toEqual([]);
    expect((await check(sh("echo one; echo two", "two\none"))).discord).toHaveLength(1);
    expect((await check(sh("echo 1x2", "1.2"))).discord).toHaveLength(1);
  });

  test("what is set up for the page is there, and what is no command is left alone", async () => {
    const page = `<!-- setup\ncp -r "$FIXTURES/devices/factory" root\n-->\n\n${sh("test -d root/etc")}\n\`\`\`\nfalse\n\`\`\`\n`;
    expect(await check(page)).toEqual({ blocks: 2, discord: [] });
  });
});
