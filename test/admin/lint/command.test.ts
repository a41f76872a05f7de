import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { lint } from "../../../src/admin/lint-command.ts";
import type { Invocation } from "../../../src/commands/command.ts";
import { PLAIN } from "../../../src/messages.ts";
import { tar, tarGz } from "../../helpers/tar.ts";
import { lintScene, type TreeContent, withTree } from "./scene.ts";

interface Said {
  readonly exit: string;
  readonly printed: string;
}

async function run(
  tree: TreeContent,
  options: Partial<Invocation["options"]> = {},
  flags: Partial<Invocation["flags"]> = {},
): Promise<Said> {
  return await withTree(tree, async (folder) => {
    const lines: string[] = [];
    const invocation = {
      words: ["lint", folder],
      flags,
      options: { key: [], ...options },
      paint: PLAIN,
      print: (text: string) => lines.push(text),
    } as unknown as Invocation;
    const exit = await lint(invocation);
    return { exit, printed: lines.join("\n") };
  });
}

const CLEAN = { "default.uci": "package system\n\nconfig system\n\toption timezone 'UTC'\n" };
const WARNED = { "default.uci": "package system\n\nconfig system\n\toption timezon 'UTC'\n" };
const WRONG = { "default.uci": "package system\n\nconfig system\n\toption log_port '99999'\n" };

test("the exit status is for CI: 0 for clean and warned, 5 for wrong, and 5 for warned with --strict", async () => {
  expect((await run(CLEAN, {}, { isStrict: true })).exit).toBe("provisioned");
  expect((await run(WARNED)).exit).toBe("provisioned");
  expect((await run(WARNED, {}, { isStrict: true })).exit).toBe("invalid-content");
  expect((await run(WRONG)).exit).toBe("invalid-content");
});

test("every format is printed as it is asked for, --json being one", async () => {
  expect((await run(WARNED)).printed).toContain("did you mean timezone?");
  expect(JSON.parse((await run(WARNED, {}, { isJson: true })).printed)).toMatchObject({
    format: "uciprov-lint",
    warnings: 1,
  });
  expect(JSON.parse((await run(WARNED, { format: "json" })).printed)).toMatchObject({ version: 1, warnings: 1 });
  expect(JSON.parse((await run(WARNED, { format: "sarif" })).printed)).toMatchObject({ version: "2.1.0" });
  await expect(run(WARNED, { format: "xml" })).rejects.toMatchObject({ code: "USAGE" });
});

test("what is not there, or is no inventory, key or settings, is told as such", async () => {
  await expect(run(CLEAN, { inventory: "/nowhere" })).rejects.toMatchObject({ code: "FILE_UNREADABLE" });
  await expect(run(CLEAN, { inventory: "/dev/zero" })).rejects.toMatchObject({ code: "TOO_LARGE" });
  await expect(run(CLEAN, { settings: "/dev/zero" })).rejects.toMatchObject({ code: "TOO_LARGE" });
  await expect(run(CLEAN, { settings: "/nowhere" })).rejects.toMatchObject({ code: "FILE_UNREADABLE" });
  await withTree(
    { "fleet.csv": "mac\nx\n", settings: "config uciprov 'main'\n\toption trust 'never'\n" },
    async (folder) => {
      await expect(run(CLEAN, { inventory: join(folder, "fleet.csv") })).rejects.toMatchObject({
        code: "INVENTORY_INVALID",
      });
      await expect(run(CLEAN, { settings: join(folder, "settings") })).rejects.toMatchObject({
        code: "SETTINGS_INVALID",
      });
    },
  );
});

test("hostile archives are found, end, and leave nothing behind", async () => {
  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
  const archives: Record<string, Uint8Array> = {
    bomb: Buffer.concat([gzipSync(tar({ name: "etc/a", body: "x" })).subarray(0, -8), bomb]),
    cut: tarGz({ name: "etc/a", body: "x".repeat(9000) }).subarray(0, 70),
    device: tarGz({ name: "dev/sda", type: "3" }),
    through: tarGz({ name: "etc/x", type: "2", link: "/tmp" }, { name: "etc/x/evil", body: "x" }),
    absolute: tarGz({ name: "/etc/a", body: "x" }),
    nonsense: Buffer.from("nonsense"),
  };
  for (const [what, bytes] of Object.entries(archives)) {
    const findings = await lintScene({ tree: { "overlay.tar.gz": bytes } });
    expect([what, findings.some(({ level }) => level === "error")]).toEqual([what, true]);
  }
  expect(existsSync("/tmp/evil")).toBe(false);
});

test("a name with a control character is told, and the rest of the tree looked at all the same", async () => {
  const findings = await lintScene({
    tree: CLEAN,
    prepare: (folder) => writeFileSync(join(folder, "a\u0007b"), ""),
  });
  expect(findings.map(({ rule, file }) => [rule, file])).toEqual([["name-invalid", "a\u0007b"]]);
});

test("a folder whose name is no UTF-8 is told, too", async () => {
  const findings = await lintScene({
    tree: CLEAN,
    prepare: (folder) => mkdirSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff])])),
  });
  expect(findings.map(({ rule, file }) => [rule, file])).toEqual([["name-invalid", "\ufffd"]]);
});
