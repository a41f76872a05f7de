import { createHash } from "node:crypto";
import {
  chmodSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import type { Files } from "../../src/api.ts";
import { type MemoryDisk, memoryDisk } from "./memory-disk.ts";
import { copyTree, scratchRoot } from "./scratch-root.ts";

/** One name below a root, with what a recovery can see of it. */
interface Entry {
  readonly path: string;
  readonly kind: "file" | "symlink" | "directory";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** A file's content, a link's target. */
  readonly bytes: Uint8Array;
}

/** All that a disk holds at one moment. */
export interface Held {
  /** The same for two moments at which it held the same. */
  readonly key: string;
  readonly entries: readonly Entry[];
}

/** Who decided when the power failed is dead at the next boot, whoever and how many it was. */
const DEAD_CLAIM = "/lib/uciprov/tx/claim-9999999-1-gone";

/** Moments differ in a file or two, and there are hundreds of thousands of them: what is equal is kept once. */
const knownEntries = new Map<string, Entry>();
const knownMoments = new Map<string, Held>();

/** What the disk below `root` holds now. */
export function holds(root: string): Held {
  const entries: Entry[] = [];
  const ids: string[] = [];
  const walk = (folder: string): void => {
    for (const name of readdirSync(`${root}${folder}`).sort()) {
      const isClaim = `${folder}/${name}`.startsWith("/lib/uciprov/tx/claim-");
      if (isClaim && entries.at(-1)?.path === DEAD_CLAIM) continue;
      const path = isClaim ? DEAD_CLAIM : `${folder}/${name}`;
      const entry = look(`${root}${folder}/${name}`, path);
      const id = [path, entry.kind, entry.mode, entry.uid, entry.gid, digest(entry.bytes)].join("\0");
      entries.push(once(knownEntries, id, entry));
      ids.push(id);
      if (entry.kind === "directory") walk(`${folder}/${name}`);
    }
  };
  walk("");
  const key = digest(ids.join("\0\0"));
  return once(knownMoments, key, { key, entries });
}

function once<T>(known: Map<string, T>, key: string, value: T): T {
  const before = known.get(key);
  if (before === undefined) known.set(key, value);
  return before ?? value;
}

function look(real: string, path: string): Entry {
  const stat = lstatSync(real);
  const as = { path, mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid };
  if (stat.isDirectory()) return { ...as, kind: "directory", bytes: Buffer.alloc(0) };
  if (stat.isSymbolicLink()) return { ...as, kind: "symlink", bytes: readlinkSync(real, "buffer") };
  return { ...as, kind: "file", bytes: readFileSync(real) };
}

function digest(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("base64");
}

/** What a disk in memory would hold, were it a real one. */
export function onDisk(disk: Files): Held {
  const root = scratchRoot();
  try {
    copyTree(disk, root.disk);
    return holds(root.path);
  } finally {
    root.remove();
  }
}

/** Puts it below an empty root. */
export function plant({ entries }: Held, root: string): void {
  for (const { path, kind, mode, uid, gid, bytes } of entries) {
    const real = `${root}${path}`;
    if (kind === "directory") mkdirSync(real);
    else if (kind === "symlink") symlinkSync(Buffer.from(bytes), real);
    else writeFileSync(real, bytes);
    lchownSync(real, uid, gid);
    if (kind !== "symlink") chmodSync(real, mode);
  }
}

/** The same disk in memory, all of it flushed. */
export function inMemory({ entries }: Held): MemoryDisk {
  const disk = memoryDisk();
  for (const { path, kind, mode, uid, gid, bytes } of entries) {
    if (kind === "directory") disk.makeDirectory(path, mode);
    else if (kind === "symlink") disk.symlink(Buffer.from(bytes).toString(), path);
    else disk.writeNew(path, bytes, { mode, uid, gid });
    disk.setOwner(path, uid, gid);
  }
  return disk.afterPowerCut(() => true);
}
