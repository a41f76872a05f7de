import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { goldenCases, play, type Runner } from "./golden.ts";

const PROGRAM = join(import.meta.dirname, "../../dist/uciprov.cjs");
const folder = mkdtempSync(join(tmpdir(), "uci-link-"));
const link = join(folder, "uci");
symlinkSync(PROGRAM, link);
afterAll(() => rmSync(folder, { recursive: true }));

/** Folders are given by `-c` and `-t` below the root; the program itself runs on `/`. */
const throughLink: Runner = async (argv, input, root) => {
  const [c = "", config = "", t = "", save = "", ...rest] = argv;
  const args = [c, join(root, config), t, join(root, save), "-C", "", ...rest];
  const { status, stdout, stderr } = spawnSync(process.execPath, [link, ...args], { input });
  return { exit: status ?? -1, stdout, stderr };
};

describe("the built program, called uci", () => {
  const all = goldenCases().filter(({ stderr }) => typeof stderr === "string" || !("usage" in stderr));
  const sample = all.filter((_, i) => i % 75 === 0);

  test.each(sample.map((golden) => [golden.name, golden] as const))(
    "%s",
    { timeout: 30_000 },
    async (_name, golden) => {
      const { expected, actual } = await play(golden, throughLink);
      expect(actual).toEqual(expected);
    },
  );
});

test("uciprov uci is the same command", { timeout: 30_000 }, () => {
  const { status, stderr } = spawnSync(process.execPath, [PROGRAM, "uci", "frobnicate"], { encoding: "utf8" });
  expect(status).toBe(255);
  expect(stderr).toMatch(/^Usage: \S+ \[<options>\] <command>/);
});
