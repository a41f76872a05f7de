import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  renameSync,
  rmdirSync,
  type Stats,
  statfsSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname, resolve } from "node:path";
import type { Disk, FileStat, NewFile } from "../api.ts";
import { ProvisionError } from "../errors.ts";
import { pathUnderRoot, systemCode, systemError } from "./root-path.ts";

const DEFAULT_LIMIT = 1024 * 1024;
const CHUNK = 64 * 1024;
/** Reused, since nothing here waits: a file of settings costs one allocation, of its own size. */
const SCRATCH = new Uint8Array(CHUNK);
const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });
/** Milliseconds; 50 MB on slow NOR flash take minutes. */
const SYNC_DEADLINE = 600_000;

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

interface Access {
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
}

/** Many files flushed together; the transaction's `BulkDisk`. */
interface LooseFiles {
  createLoose(path: string, as: Access): NewFile;
  flushLoose(paths: readonly string[]): void;
}

interface LooseFolder {
  readonly folder: string;
  readonly host: string;
  /** Whose the first file was that was made there, and so each that comes after it. */
  born?: Pick<Stats, "uid" | "gid">;
}

/**
 * The files below `root`: `/` on a device, a scratch folder in a test. All calls are synchronous, since each is one step that
 * a power cut can precede or follow, and their order is what keeps the device whole.
 */
export function openDisk(root: string): Disk & LooseFiles {
  const base = resolve(root);
  const itself = (path: string): string => pathUnderRoot(base, checked(path), false);
  const followed = (path: string): string => pathUnderRoot(base, checked(path), true);

  const nowhere: LooseFolder = { folder: "", host: "" };
  /** Where the last loose file's folder lies: thousands of them are made in one folder, which is the transaction's own and closed to others. */
  let looseIn = nowhere;
  const besideTheLast = (path: string): string => {
    const slash = checked(path).lastIndexOf("/");
    const folder = path.slice(0, slash) || "/";
    if (folder !== looseIn.folder) looseIn = { folder, host: followed(folder) };
    return looseIn.host + path.slice(slash);
  };

  const disk: Disk & LooseFiles = {
    readBytes: (path, limit = DEFAULT_LIMIT) =>
      unlessMissing("reading", path, () => readRegular(followed(path), path, limit)),
    read(path, limit) {
      const bytes = disk.readBytes(path, limit);
      return bytes === undefined ? undefined : UTF8.decode(bytes);
    },
    list: (path) => unlessMissing("listing", path, () => sortedNames(followed(path))) ?? [],
    stat: (path) =>
      unlessMissing("looking at", path, () => {
        const found = lstatSync(itself(path), { throwIfNoEntry: false });
        return found && fileStat(found);
      }),
    readLink: (path) => unlessMissing("reading the link", path, () => linkTarget(itself(path))),

    writeNew(path, content, as) {
      const file = disk.createNew(path, as);
      try {
        file.write(content);
        file.finish();
      } catch (thrown) {
        file.abandon();
        throw thrown;
      }
    },
    createNew: (path, as) => attempt("making", path, () => newFile(itself(path), path, as, flushOf(path))),
    createLoose: (path, as) => attempt("making", path, () => newFile(besideTheLast(path), path, as, () => {}, looseIn)),
    flushLoose(paths) {
      looseIn = nowhere; // what was seen there holds for one preparation, which begins with its folder
      const [first] = paths;
      if (first === undefined || flushFileSystem(dirname(followed(first)))) return;
      for (const path of paths) attempt("flushing", path, () => flushFile(itself(path)));
    },
    symlink: (target, path) => attempt("linking", path, () => symlinkSync(target, itself(path))),
    rename: (from, to) => attempt("renaming", to, () => renameSync(itself(from), itself(to))),
    unlink: (path) => attempt("removing", path, () => unlinkSync(itself(path))),
    makeDirectory: (path, mode) =>
      attempt("making the folder", path, () => {
        looseIn = nowhere;
        mkdirSync(itself(path), { mode });
        chmodSync(itself(path), mode); // what the umask took
      }),
    removeDirectory: (path) => attempt("removing the folder", path, () => rmdirSync(itself(path))),
    setMode: (path, mode) =>
      attempt("changing the mode of", path, () => {
        const host = itself(path);
        if (lstatSync(host).isSymbolicLink()) throw systemError("ELOOP", "a link has no mode", path);
        chmodSync(host, mode);
      }),
    setOwner: (path, uid, gid) => attempt("changing the owner of", path, () => lchownSync(itself(path), uid, gid)),
    syncDirectory: (path) => attempt("flushing the folder", path, () => flushFolder(followed(path))),
    free: (path) => attempt("asking for free space at", path, () => freeAt(followed(path))),
    hostPath: (path) => attempt("finding", path, () => followed(path)),
  };
  return disk;
}

/** In RAM on every OpenWrt: nothing there outlives a cut, flushed or not. Below a scratch root it may be a disk, where a flush would take its time. */
function flushOf(path: string): (fd: number) => void {
  return /^\/(?:tmp|var|run)\//.test(path) ? () => {} : fsyncSync;
}

/** Only absolute paths without NUL have a meaning here; others never reach the system. */
function checked(path: string): string {
  if (!path.startsWith("/")) throw systemError("EINVAL", "the path is not absolute", path);
  if (path.includes("\0")) throw systemError("EINVAL", "the path holds a NUL", path.replaceAll("\0", "?"));
  return path;
}

function unlessMissing<T>(doing: string, path: string, read: () => T): T | undefined {
  try {
    return read();
  } catch (thrown) {
    const code = systemCode(thrown);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw asDiskError(thrown, doing, path);
  }
}

function attempt<T>(doing: string, path: string, act: () => T): T {
  try {
    return act();
  } catch (thrown) {
    throw asDiskError(thrown, doing, path);
  }
}

function asDiskError(thrown: unknown, doing: string, path: string): ProvisionError {
  if (thrown instanceof ProvisionError) return thrown;
  const code = systemCode(thrown);
  const isFull = code === "ENOSPC" || code === "EDQUOT";
  return new ProvisionError(isFull ? "NO_SPACE" : "FILE_UNREADABLE", `${doing} ${path}`, {
    cause: thrown,
    place: { file: path },
  });
}

function readRegular(hostPath: string, path: string, limit: number): Uint8Array {
  // O_NONBLOCK: a FIFO in a file's place must not stop the run.
  const fd = openSync(hostPath, O_RDONLY | O_NONBLOCK);
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw systemError("EINVAL", "not a regular file", path);
    return readToEnd(fd, stats.size, path, limit);
  } finally {
    closeSync(fd);
  }
}

/** Reads what is there rather than `size`, what `stat` says: files of /proc and /sys have size 0, or 4096, and other content. */
function readToEnd(fd: number, size: number, path: string, limit: number): Uint8Array {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for (;;) {
    const chunk = total === 0 && size >= CHUNK ? new Uint8Array(Math.min(size, limit) + 1) : SCRATCH;
    const count = readSync(fd, chunk, 0, Math.min(chunk.length, limit - total + 1), null);
    if (count === 0) break;
    chunks.push(chunk === SCRATCH ? chunk.slice(0, count) : chunk.subarray(0, count));
    total += count;
    if (total > limit) throw systemError("EFBIG", `more than ${limit} bytes`, path);
  }
  const [first] = chunks;
  return chunks.length === 1 && first !== undefined ? first : joined(chunks, total);
}

function joined(chunks: readonly Uint8Array[], total: number): Uint8Array {
  const all = new Uint8Array(total);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

function sortedNames(hostPath: string): string[] {
  return readdirSync(hostPath, { encoding: "buffer" })
    .sort(Buffer.compare)
    .map((name) => name.toString("utf8"));
}

function fileStat(stats: Stats): FileStat {
  return {
    kind: kindOf(stats),
    mode: stats.mode & 0o7777,
    uid: stats.uid,
    gid: stats.gid,
    size: stats.size,
    modified: stats.mtimeMs,
  };
}

function kindOf(stats: Stats): FileStat["kind"] {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  return stats.isSymbolicLink() ? "symlink" : "other";
}

function linkTarget(hostPath: string): string | undefined {
  const found = lstatSync(hostPath, { throwIfNoEntry: false });
  return found?.isSymbolicLink() ? readlinkSync(hostPath) : undefined;
}

/** A file that only its owner can read until all of its rights are set: owner first, since chown drops setuid bits. */
function newFile(
  hostPath: string,
  path: string,
  as: Access,
  flush: (fd: number) => void,
  looseIn?: LooseFolder,
): NewFile {
  const fd = openSync(hostPath, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  let isOpen = true;
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    closeSync(fd);
  };
  try {
    setOwner(fd, as, looseIn);
    fchmodSync(fd, as.mode);
  } catch (thrown) {
    close();
    throw thrown;
  }
  return {
    write: (chunk) => attempt("writing", path, () => writeAll(fd, chunk)),
    finish: () =>
      attempt("flushing", path, () => {
        if ((as.mode & 0o6000) !== 0) fchmodSync(fd, as.mode); // writing took these bits, unless root wrote
        flush(fd);
        close();
      }),
    abandon: close,
  };
}

/** Nothing to do for a loose file that is born as it shall be: that costs a call for each of thousands. */
function setOwner(fd: number, { uid, gid }: Access, looseIn: LooseFolder | undefined): void {
  if (uid === undefined && gid === undefined) return;
  if (looseIn !== undefined) {
    looseIn.born ??= fstatSync(fd);
    if ((uid ?? looseIn.born.uid) === looseIn.born.uid && (gid ?? looseIn.born.gid) === looseIn.born.gid) return;
  }
  fchownSync(fd, uid ?? -1, gid ?? -1);
}

function writeAll(fd: number, chunk: Uint8Array): void {
  let at = 0;
  while (at < chunk.length) at += writeSync(fd, chunk, at);
}

/**
 * syncfs(2), which Node does not have. `sync` without `-f` (busybox without FEATURE_SYNC_FANCY) flushes everything there is, which is
 * enough too; where it fails or is missing each file is flushed for itself, and tells its own error.
 */
function flushFileSystem(hostPath: string): boolean {
  const { spawnSync } = process.getBuiltinModule("node:child_process");
  const { status } = spawnSync("sync", ["-f", hostPath], { stdio: "ignore", timeout: SYNC_DEADLINE });
  return status === 0;
}

function flushFile(hostPath: string): void {
  const fd = openSync(hostPath, O_RDONLY | O_NOFOLLOW);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Some file systems cannot flush a folder and say EINVAL; they promise nothing, and there is nothing more to be done. */
function flushFolder(hostPath: string): void {
  const fd = openSync(hostPath, O_RDONLY | O_DIRECTORY);
  try {
    fsyncSync(fd);
  } catch (thrown) {
    if (systemCode(thrown) !== "EINVAL") throw thrown;
  } finally {
    closeSync(fd);
  }
}

/** UBIFS and JFFS2 count no inodes (`f_files` is 0): as many as you like. */
function freeAt(hostPath: string): { bytes: number; inodes: number } {
  const { bavail, bsize, files, ffree } = statfsSync(nearestExisting(hostPath));
  return { bytes: bavail * bsize, inodes: files === 0 ? Number.MAX_SAFE_INTEGER : ffree };
}

function nearestExisting(hostPath: string): string {
  for (let path = hostPath; path !== "/"; path = dirname(path)) {
    try {
      lstatSync(path);
      return path;
    } catch (thrown) {
      const code = systemCode(thrown);
      if (code !== "ENOENT" && code !== "ENOTDIR") throw thrown;
    }
  }
  return "/";
}
