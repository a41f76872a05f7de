import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeFolder } from "../../src/admin/make-folder.ts";
import { EXIT } from "../../src/errors.ts";
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
