import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { uciCommand } from "../../src/admin/uci/command.ts";
import { usage } from "../../src/admin/uci/usage.ts";

/** What OpenWrt's own `uci` did; fixtures/uci-golden/README.md tells the fields. */
export interface GoldenCase {
  readonly name: string;
  readonly category: string;
  readonly existing: Readonly<Record<string, Bytes>> | null;
  readonly saved?: Readonly<Record<string, Bytes>>;
  readonly command: GoldenCommand;
  readonly input: Bytes | null;
  readonly exit: number;
  readonly stdout: Bytes;
  readonly stderr: Bytes | { readonly usage: true };
  readonly staged?: Readonly<Record<string, Bytes>>;
  readonly commit?: { readonly exit: number; readonly stdout: Bytes; readonly stderr: Bytes };
  readonly left?: Readonly<Record<string, Bytes>>;
  readonly result: Readonly<Record<string, Bytes>>;
}

interface GoldenCommand {
  readonly op: string;
  readonly flags?: readonly string[];
  readonly args?: readonly string[];
  readonly steps?: readonly (GoldenCommand & { readonly input?: Bytes | null })[];
}

type Bytes = string | { readonly base64: string };

export interface Ran {
  readonly exit: number;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
}

/** Runs `uci` once; the arguments are all that follow the program's name. */
export type Runner = (argv: readonly string[], input: Uint8Array, root: string) => Promise<Ran>;

const FOLDER = join(import.meta.dirname, "../../fixtures/uci-golden");

export function goldenCases(): GoldenCase[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith(".json"))
    .sort()
    .flatMap((file) => JSON.parse(readFileSync(join(FOLDER, file), "utf8")) as GoldenCase[]);
}

/** The implementation, in this process. */
export const inProcess: Runner = async (argv, input, root) => {
  const stdout: Uint8Array[] = [];
  const stderr: Uint8Array[] = [];
  const exit = await uciCommand(argv, {
    stdin: () => input,
    stdout: (bytes) => void stdout.push(bytes),
    stderr: (bytes) => void stderr.push(bytes),
    root,
    programName: "uci",
  });
  return { exit, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr) };
};

/** Everything that a case promises and everything that came of it, as two objects to be compared. */
export async function play(golden: GoldenCase, run: Runner): Promise<{ expected: unknown; actual: unknown }> {
  const root = mkdtempSync(join(tmpdir(), "uci-golden-"));
  try {
    const config = join(root, "config");
    const save = join(root, "save");
    fill(config, golden.existing ?? {});
    fill(save, golden.saved ?? {});
    // Folders as a test user has them: neither /var/run/uci nor /tmp/.uci of this machine may come in.
    const base = ["-c", "/config", "-t", "/save"];
    const steps = golden.command.steps ?? [{ ...golden.command, input: golden.input }];
    const runs: Ran[] = [];
    for (const step of steps) {
      const [flags, op] = step.op === "merge" ? [["-m"], "import"] : [[], step.op];
      const argv = [...base, ...flags, ...(step.flags ?? []), op, ...(step.args ?? [])];
      runs.push(await run(argv, bytes(step.input ?? ""), root));
    }
    const staged = contents(save);
    const commit = await run([...base, "commit"], new Uint8Array(), root);
    return {
      expected: {
        exit: golden.exit,
        stdout: plain(golden.stdout),
        stderr: typeof golden.stderr === "object" && "usage" in golden.stderr ? usage("uci") : plain(golden.stderr),
        staged: plainFiles(golden.staged ?? {}),
        commit: {
          exit: golden.commit?.exit ?? 0,
          stdout: plain(golden.commit?.stdout ?? ""),
          stderr: plain(golden.commit?.stderr ?? ""),
        },
        left: plainFiles(golden.left ?? {}),
        result: plainFiles(golden.result),
      },
      actual: {
        exit: runs.at(-1)?.exit,
        stdout: runs.map((ran) => latin1(ran.stdout)).join(""),
        stderr: runs.map((ran) => latin1(ran.stderr)).join(""),
        staged,
        commit: { exit: commit.exit, stdout: latin1(commit.stdout), stderr: latin1(commit.stderr) },
        left: contents(save),
        result: contents(config, true),
      },
    };
  } finally {
    rmSync(root, { recursive: true });
  }
}

function fill(folder: string, files: Readonly<Record<string, Bytes>>): void {
  mkdirSync(folder);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), bytes(content));
}

function contents(folder: string, withEmpty = false): Record<string, string> {
  const files = readdirSync(folder).sort();
  const all = files.map((name) => [name, latin1(readFileSync(join(folder, name)))] as const);
  return Object.fromEntries(all.filter(([, content]) => withEmpty || content !== ""));
}

function plainFiles(files: Readonly<Record<string, Bytes>>): Record<string, string> {
  return Object.fromEntries(Object.entries(files).map(([name, content]) => [name, plain(content)]));
}

function plain(content: Bytes): string {
  return latin1(bytes(content));
}

function bytes(content: Bytes): Uint8Array {
  return typeof content === "string" ? Buffer.from(content, "utf8") : Buffer.from(content.base64, "base64");
}

function latin1(content: Uint8Array): string {
  return Buffer.from(content).toString("latin1");
}
