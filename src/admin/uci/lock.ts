import { spawn } from "node:child_process";
import { once } from "node:events";
import { UciFault } from "../../uci/fault.ts";

/*
 * libuci serializes writers with flock(2) on the very files, which Node cannot call. The `flock` program can (it is in
 * OpenWrt's busybox and in util-linux): it locks, then runs a `cat` that lives until its input ends. A byte that comes
 * back through that `cat` proves that the lock is held. Where there is no `flock` nothing is locked, and only the
 * comparison right before a file is replaced protects what somebody else wrote meanwhile.
 */

export interface FileLock {
  release(): Promise<void>;
}

/** How long somebody else may hold a lock before we give up, in milliseconds. libuci would wait for ever. */
const PATIENCE = 30_000;

const NO_LOCK: FileLock = { release: () => Promise.resolve() };

/** Locks an existing file for writing. Throws a fault of status `io` if it does not come free in time. */
export async function lockFile(path: string): Promise<FileLock> {
  const holder = spawn("flock", [path, "cat"], { stdio: ["pipe", "pipe", "ignore"] });
  const isGone = once(holder, "close").then(() => "gone" as const);
  isGone.catch(() => undefined);
  const isHeld = once(holder.stdout, "data").then(() => "held" as const);
  isHeld.catch(() => undefined);
  holder.stdin.on("error", () => undefined);
  holder.stdin.write("x");
  const timer = setTimeout(() => holder.kill("SIGKILL"), PATIENCE);
  try {
    const state = await Promise.race([isHeld, isGone]);
    if (state === "gone") throw new UciFault({ status: "io", reason: `${path} is locked by somebody else` });
  } catch (thrown) {
    if (isMissingProgram(thrown)) return NO_LOCK;
    throw thrown;
  } finally {
    clearTimeout(timer);
  }
  return {
    async release() {
      holder.stdin.end();
      await isGone;
    },
  };
}

function isMissingProgram(thrown: unknown): boolean {
  return thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT";
}
