import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

const MAKEFILE = "openwrt-package/uciprov/Makefile";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "uciprov-bars-"));
  cpSync("dist", join(folder, "dist"), { recursive: true });
  mkdirSync(join(folder, "openwrt-package/uciprov"), { recursive: true });
  cpSync(MAKEFILE, join(folder, MAKEFILE));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The second half of `npm run build`, over what was built. */
function measure() {
  const script = resolve("scripts/after-build.mjs");
  const { status, stdout, stderr } = spawnSync(process.execPath, [script], { cwd: folder, encoding: "utf8" });
  return { status, stdout, stderr };
}

test("what is built now is below all bars", () => {
  expect(measure()).toMatchObject({ status: 0, stderr: "" });
});

test.each(["admin.cjs", "pbx-2.cjs", "parser-2.wasm"])("the build fails when everything is too large: %s", (name) => {
  // Noise, which gzip cannot make smaller.
  writeFileSync(join(folder, "dist", name), randomBytes(350_000));
  expect(measure()).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/^too large for a device: .*\ballGzipped$/m),
  });
});

test("what no device gets does not count", () => {
  writeFileSync(join(folder, "dist/notes.md"), randomBytes(350_000));
  expect(measure()).toMatchObject({ status: 0, stderr: "" });
});

test("the build fails when what the Makefile installs was not built", () => {
  rmSync(join(folder, "dist/llhttp.wasm"));
  expect(measure()).toMatchObject({ status: 1, stderr: expect.stringContaining("there is no dist/*.wasm") });
});
