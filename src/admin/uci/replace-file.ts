import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { basename, dirname, join } from "node:path";
import { UciFault } from "../../uci/fault.ts";

/** What tells one state of a file from another without reading it; the same for all files that are not there. */
export function signatureOf(path: string): string {
  const stat = fs.statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? "-" : `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`;
}

/**
 * Puts new content in the place of an existing file, keeping its mode and owner, so that whoever reads sees the old or
 * the new one whole: a dot-prefixed file beside it as libuci makes it, flushed, renamed, and the folder flushed. Links
 * are followed. With `expected`, `false` and no change if the file is not any more as that signature says.
 */
export function replaceFile(path: string, content: Uint8Array, expected: string | undefined): boolean {
  let temporary: string | undefined;
  try {
    const target = fs.realpathSync(path);
    const { mode, uid, gid } = fs.statSync(target);
    temporary = join(dirname(target), `.${basename(target)}.uci-${randomBytes(3).toString("hex")}`);
    writeFlushed(temporary, content, mode, uid, gid);
    if (expected !== undefined && signatureOf(path) !== expected) return false;
    fs.renameSync(temporary, target);
    temporary = undefined;
    flushFolder(dirname(target));
    return true;
  } catch (cause) {
    throw new UciFault({ status: "io", cause });
  } finally {
    if (temporary !== undefined) fs.rmSync(temporary, { force: true });
  }
}

function writeFlushed(path: string, content: Uint8Array, mode: number, uid: number, gid: number): void {
  const file = fs.openSync(path, "wx", 0o600);
  try {
    fs.writeFileSync(file, content);
    const own = fs.fstatSync(file);
    if (own.uid !== uid || own.gid !== gid) chownIfAllowed(file, uid, gid);
    fs.fchmodSync(file, mode & 0o7777);
    fs.fsyncSync(file);
  } finally {
    fs.closeSync(file);
  }
}

function chownIfAllowed(file: number, uid: number, gid: number): void {
  try {
    fs.fchownSync(file, uid, gid);
  } catch {
    // Only root may give files away; libuci does not even try.
  }
}

function flushFolder(path: string): void {
  const folder = fs.openSync(path, "r");
  try {
    fs.fsyncSync(folder);
  } catch {
    // Not every file system can flush a folder; the rename itself is done.
  } finally {
    fs.closeSync(folder);
  }
}
