import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { Duplex } from "node:stream";

/** Tests, and the programs bundled from them, run in the repository. */
const HERE = process.cwd();
export const RECOVER_SH = join(HERE, "openwrt-package/files/lib/uciprov/recover.sh");
const CUT_SHELL = join(HERE, "test/transaction/cut-shell.sh");
const SOURCED = 'shim=$1 script=$2; shift 2; . "$shim"; . "$script"';

/** OpenWrt's shell, by the name Debian gives it. */
export const hasAsh = spawnSync("busybox", ["ash", "-c", "true"]).status === 0;

/** Where its absence is no excuse (CI sets this), tests that need it run and fail. */
export const skipsShell = !hasAsh && process.env["UCIPROV_REQUIRE_REAL"] !== "1";

export interface ShellResult {
  readonly status: number | null;
  readonly wasCut: boolean;
  readonly stderr: string;
}

/** Runs recover.sh under busybox ash, killed at its step `cutAt` if that is given. */
export function recoverSh(root: string, cutAt = 0, args: readonly string[] = []): ShellResult {
  const { status, signal, stderr } = spawnSync(
    "busybox",
    ["ash", "-c", SOURCED, "recover.sh", CUT_SHELL, RECOVER_SH, ...args],
    { env: shellEnv(root, cutAt), encoding: "utf8", timeout: 60_000 },
  );
  return { status, wasCut: signal === "SIGKILL", stderr };
}

/** Runs recover.sh under busybox ash; before each of its steps, while it waits, `look` sees the disk. Answers its exit status. */
export async function watchedSh(root: string, look: () => void): Promise<number | null> {
  const child = spawn("busybox", ["ash", "-c", SOURCED, "recover.sh", CUT_SHELL, RECOVER_SH], {
    env: { ...shellEnv(root, 0), WATCHED: "1" },
    stdio: ["ignore", "ignore", "ignore", "ignore", "pipe"],
  });
  const ended = new Promise<number | null>((done) => child.on("exit", done));
  const wire = child.stdio[4];
  if (!(wire instanceof Duplex)) throw new Error("no descriptor 4");
  for await (const _ of wire) {
    look();
    wire.write("\n");
  }
  return ended;
}

/** Runs recover.sh as the boot does, with the system's own tools. */
export function recoverShAtBoot(root: string): number | null {
  return spawnSync("busybox", ["ash", RECOVER_SH], { env: shellEnv(root, 0), timeout: 60_000 }).status;
}

/** The watcher as a run starts it. */
export function watchSh(root: string, seconds: number): ChildProcess {
  return spawn("busybox", ["ash", RECOVER_SH, "watch", String(seconds)], {
    env: shellEnv(root, 0),
    stdio: "ignore",
    detached: true,
  });
}

function shellEnv(root: string, cutAt: number): Record<string, string> {
  return { PATH: process.env["PATH"] ?? "", UCIPROV_ROOT: root, CUT_AT: String(cutAt) };
}
