import { createReadStream } from "node:fs";
import type { Files } from "../../api.ts";
import { ProvisionError } from "../../errors.ts";
import { openDisk } from "../../host/disk.ts";
import { type ArchivedEntry, type ArchiveLimits, copyArchived, readArchive } from "../../tree/archive.ts";
import { statOf } from "../folders.ts";
import { type PaperFile, paperDisk } from "./paper-disk.ts";

const LIMITS: ArchiveLimits = {
  unpacked: 268_435_456,
  ratio: 1000,
  file: 67_108_864,
  entries: 100_000,
  depth: 64,
};

/** A device to plan against: a folder laid out like its root, or an archive of `sysupgrade -b`. */
export async function openRoot(path: string): Promise<Files> {
  const stat = statOf(path);
  if (stat?.isDirectory()) return remembering(openDisk(path));
  if (stat?.isFile()) return readBackup(path);
  throw new ProvisionError("USAGE", `${path} is neither a folder nor a backup`);
}

/** Reads everything once: a fleet asks for the same few files for each of its devices, and nobody changes them meanwhile. */
function remembering(files: Files): Files {
  const known = new Map<string, unknown>();
  const once = <T>(what: string, read: () => T): T => {
    if (!known.has(what)) known.set(what, read());
    return known.get(what) as T; // put there by the same reading
  };
  return {
    readBytes: (path, limit) => once(`bytes ${limit} ${path}`, () => files.readBytes(path, limit)),
    read: (path, limit) => once(`text ${limit} ${path}`, () => files.read(path, limit)),
    list: (path) => once(`list ${path}`, () => files.list(path)),
    stat: (path) => once(`stat ${path}`, () => files.stat(path)),
    readLink: (path) => once(`link ${path}`, () => files.readLink(path)),
  };
}

/** All files of a backup, in memory. Errors are the archive's, with the file. */
async function readBackup(file: string): Promise<Files> {
  const entries: ArchivedEntry[] = [];
  const chunks = new Map<number, Uint8Array[]>();
  try {
    await readArchive(createReadStream(file), LIMITS, (entry) => entries.push(entry));
    for (const entry of entries) if (entry.kind === "file") chunks.set(entry.index, []);
    const targets = [...chunks].map(([index, all]) => {
      const write = (chunk: Uint8Array): void => void all.push(Uint8Array.from(chunk));
      return [index, { write, finish: () => undefined }] as const;
    });
    await copyArchived(createReadStream(file), LIMITS, new Map(targets));
  } catch (thrown) {
    if (!(thrown instanceof ProvisionError)) throw thrown;
    throw new ProvisionError(thrown.code, thrown.message, { cause: thrown.cause, place: { ...thrown.place, file } });
  }
  const paper = new Map<string, PaperFile>();
  for (const entry of entries) {
    if (entry.kind === "symlink") paper.set(entry.path, { kind: "symlink", target: entry.target });
    if (entry.kind === "file") {
      const bytes = Buffer.concat(chunks.get(entry.index) ?? []);
      paper.set(entry.path, { kind: "file", bytes, mode: entry.mode });
    }
  }
  return paperDisk(paper);
}
