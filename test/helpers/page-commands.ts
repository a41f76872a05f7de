/** The commands of a page, run as a reader would type them. */
import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { program } from "./scenario.ts";

/** One fenced block marked `sh`, or what a reader is spared: an HTML comment that begins with `setup`. */
interface Block {
  readonly line: number;
  readonly script: string;
  /** Of the comment `<!-- exit N -->` in front of it; else 0. */
  readonly exit: number;
  /** The lines of the block marked `output` behind it: each must be printed, in this order; `…` stands for anything. */
  readonly output: readonly string[];
}

/** What did not go as the page says; empty: all did. */
export interface Discord {
  readonly line: number;
  readonly why: string;
}

const DEADLINE = 60_000;

/** Runs all commands of a Markdown page, in order, in one empty folder; `uciprov` is the built program. `fixtures` is a folder that `setup` may copy from, as $FIXTURES. */
export async function runPage(
  file: string,
  fixtures: string,
): Promise<{ blocks: number; discord: readonly Discord[] }> {
  const folder = mkdtempSync(join(tmpdir(), "uciprov-page-"));
  try {
    const bin = join(folder, "bin");
    const desk = join(folder, "desk");
    mkdirSync(bin);
    mkdirSync(desk);
    writeFileSync(join(bin, "uciprov"), `#!/bin/sh\nexec '${process.execPath}' '${program()}' "$@"\n`);
    chmodSync(join(bin, "uciprov"), 0o755);
    const blocks = blocksIn(readFileSync(file, "utf8"));
    const env = { PATH: `${bin}:${process.env["PATH"]}`, HOME: folder, FIXTURES: fixtures, LC_ALL: "C" };
    const discord: Discord[] = [];
    for (const block of blocks) {
      const why = await discordOf(block, desk, env);
      if (why !== undefined) discord.push({ line: block.line, why });
    }
    return { blocks: blocks.length, discord };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The page's blocks; a block marked in any other way is not for a shell. */
export function blocksIn(page: string): readonly Block[] {
  const found: Block[] = [];
  const marks =
    /^<!-- setup\n(.*?)\n-->$|^(?:<!-- exit (\d+) -->\n)?( *)```sh\n(.*?)\n\3```$(?:\n+\3```output\n(.*?)\n\3```$)?/gms;
  for (const { index, 1: setup, 2: exit = "0", 3: indent = "", 4: script = "", 5: output } of page.matchAll(marks)) {
    const plain = (text: string) =>
      text.split("\n").map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line));
    found.push({
      line: page.slice(0, index).split("\n").length,
      script: setup ?? plain(script).join("\n"),
      exit: Number(exit),
      output: output === undefined ? [] : plain(output),
    });
  }
  return found;
}

async function discordOf(block: Block, cwd: string, env: Record<string, string>): Promise<string | undefined> {
  const { status, printed } = await shell(block.script, cwd, env);
  if (status !== block.exit) return `ends with ${status}, not ${block.exit}:\n${printed}`;
  const missing = firstMissing(block.output, printed.split("\n"));
  return missing === undefined ? undefined : `does not print ${JSON.stringify(missing)}, or not there:\n${printed}`;
}

/** `…` within a line stands for anything in it; a line that is `…` alone, for any lines. */
function firstMissing(wanted: readonly string[], printed: readonly string[]): string | undefined {
  let at = 0;
  for (const line of wanted) {
    if (line.trim() === "…" || line === "") continue;
    const pattern = new RegExp(`^${line.split("…").map(literally).join(".*")}$`);
    const found = printed.findIndex((one, index) => index >= at && pattern.test(one));
    if (found < 0) return line;
    at = found + 1;
  }
  return undefined;
}

function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}

function shell(
  script: string,
  cwd: string,
  env: Record<string, string>,
): Promise<{ status: number | null; printed: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn("sh", ["-euc", script], { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    const out: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => out.push(chunk));
    const timer = setTimeout(() => child.kill("SIGKILL"), DEADLINE);
    child.on("error", reject);
    child.on("close", (status) => {
      clearTimeout(timer);
      resolve({ status, printed: Buffer.concat(out).toString("utf8") });
    });
  });
}
