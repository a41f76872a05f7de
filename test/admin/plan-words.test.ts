/** What `tree plan` and `tree init` say to somebody who has made a mistake, or whose folders have blanks in their names. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { start } from "../helpers/scenario.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "uciprov-words-"));
  mkdirSync(join(folder, "my tree"));
  writeFileSync(join(folder, "fleet.csv"), "mac,hostname\n02005e100001,GATE-01\n");
});
afterEach(() => rmSync(folder, { recursive: true }));

const put = (name: string, text: string) => writeFileSync(join(folder, "my tree", name), text);
const plan = (...words: string[]) => start(["tree", "plan", join(folder, "my tree"), ...words]);

test("a fleet's fault is told with its file and line, and each of them", async () => {
  put("default.uci", "package system\n\nconfig system\n\toptoin hostname 'x'\n");
  put("GATE-01.uci", "package x'\n");
  const { stdout, status } = await plan("--inventory", join(folder, "fleet.csv"));
  expect(status).toBe(5);
  expect(stdout).toMatch(
    /^broken 1 device \(GATE-01\): UCI_INVALID.*\n {2}error UCI_INVALID: .*default\.uci, line 4, byte 2\)$/m,
  );
  expect(stdout).toMatch(/^ {2}error UCI_INVALID: .*GATE-01\.uci, line \d+, byte \d+\)$/m);
});

test("files that are there are not told to be missing where the manifest is outdated; nothing is accepted that was not judged", async () => {
  put("default.uci", "package system\n\nconfig system\n\toption hostname 'x'\n");
  expect((await plan("--mac", "02005e100001")).stdout).not.toContain("accepted");
  const { json } = await start(["keys", "generate", join(folder, "keys"), "--json"]);
  await start(["tree", "sign", join(folder, "my tree"), "--key", String(json["secret"])]);
  put("default.uci", "package system\n");
  const { stdout } = await plan("--mac", "02005e100001");
  expect(stdout).toContain("DIGEST_MISMATCH");
  expect(stdout).not.toContain("default.uci: not there");
});

test("what init says to type can be typed where a folder's name has a blank", async () => {
  const { stdout } = await start(["tree", "init", join(folder, "my site")]);
  expect(stdout).toContain(
    `uciprov tree lint '${folder}/my site/tree' --inventory '${folder}/my site/inventory.csv' --strict`,
  );
});
