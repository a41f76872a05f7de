import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeFolder } from "../../src/admin/folders.ts";
import { EXIT } from "../../src/errors.ts";
import { generateKeyPair, printSecretKey } from "../../src/tree/keys.ts";
import { start } from "../helpers/scenario.ts";

test("a folder is made with those above it; one that is there is fine, a file in the way is not", () => {
  const folder = mkdtempSync(join(tmpdir(), "uciprov-folder-"));
  try {
    const deep = join(folder, "a/b/c");
    makeFolder(deep);
    makeFolder(deep);
    expect(statSync(deep).isDirectory()).toBe(true);
    writeFileSync(join(folder, "file"), "");
    expect(() => makeFolder(join(folder, "file"))).toThrow(expect.objectContaining({ code: "USAGE" }));
    expect(() => makeFolder(join(folder, "file/below"))).toThrow(expect.objectContaining({ code: "USAGE" }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a folder below a file is no folder, in every command", async () => {
  const folder = mkdtempSync(join(tmpdir(), "uciprov-folder-"));
  try {
    const below = join(folder, "file/below");
    writeFileSync(join(folder, "file"), "");
    writeFileSync(join(folder, "key"), printSecretKey(generateKeyPair().secretKey));
    for (const words of [
      ["tree", "init", below],
      ["tree", "sign", below, "--key", join(folder, "key")],
      ["tree", "lint", below],
      ["tree", "plan", below, "--mac", "02005e100001"],
      ["tree", "records", below, "--base", "https://h.example", "--domain", "d.example"],
      ["tree", "serve", below],
      ["tree", "import", below, "--into", join(folder, "into")],
      ["keys", "generate", below],
    ]) {
      const { status, stderr } = await start(words);
      expect({ words, status, stderr }).toEqual({
        words,
        status: EXIT.usage,
        stderr: expect.stringContaining(join(folder, "file")),
      });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("where no folder can be made, that is told, and nobody tries for ever", async () => {
  for (const words of [
    ["keys", "generate", "/proc/uciprov/keys"],
    ["tree", "init", "/proc/uciprov"],
  ]) {
    const { status, stderr } = await start(words);
    expect({ status, stderr }).toEqual({
      status: EXIT.usage,
      stderr: expect.stringContaining("/proc/uciprov cannot be made"),
    });
  }
});
