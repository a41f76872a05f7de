import { fstatSync, writeSync } from "node:fs";

/** `/dev/null` (Linux, admin-guide/devices.txt: 1, 3). */
const NOWHERE = 0x103;

/** Milliseconds between two looks at a pipe whose reader is slow and that does not block. */
const PAUSE = 5;

/** What a full disk did to what was to be read by others. */
let lost: unknown;

/** Why not all of the standard output could be kept, as on a full disk; undefined if it was, or its reader went. */
export function whyOutputLost(): unknown {
  return lost;
}

/**
 * Whole and in order, before the process goes on, as Node itself writes into files and pipes; a reader that left early is no failure.
 * `process.stdout` would load Node's streams and sockets for it, which costs a run without news more than all of its own work.
 */
export function writeOut(fd: 1 | 2, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (thrown) {
      const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
      if (fd === 1 && (code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG")) lost = thrown;
      if (code !== "EAGAIN") return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE);
    }
  }
}

/** Whether people look at it. node:tty is loaded only for what may be a terminal. */
export function isTerminal(fd: 1 | 2): boolean {
  try {
    const stat = fstatSync(fd);
    if (!stat.isCharacterDevice() || stat.rdev === NOWHERE) return false;
  } catch {
    return false; // closed
  }
  return process.getBuiltinModule("node:tty").isatty(fd);
}
