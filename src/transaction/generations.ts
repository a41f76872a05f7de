import type { Disk, Files } from "../api.ts";
import { ProvisionError } from "../errors.ts";
import { removeTree, unlinkIfThere } from "./folders.ts";
import { type Journal, parseJournal } from "./journal.ts";
import { UNDO_NAMES } from "./keep-originals.ts";
import { TX } from "./layout.ts";
import type { Action, TreeName } from "./order.ts";
import { parseUndoList, type UndoItem } from "./undo-list.ts";
import { writeBytes } from "./write-bytes.ts";

const LIST_LIMIT = 128 * 1024 * 1024;

/** How much history may stay: the newest generation always does. */
export interface Keep {
  readonly generations: number;
  /** Of kept originals, all generations together. */
  readonly bytes: number;
}

/** A confirmed state of the device. Its folder holds what it replaced, and so leads to the one before. */
export interface Generation {
  readonly number: number;
  readonly id: string;
  readonly tree: TreeName;
  readonly firmware: string;
  /** Seconds since 1970 at which it was ordered, as far as the clock was known. */
  readonly at: number;
  /** The kernel's id of the boot that it was ordered in. */
  readonly boot: string;
  /** Seconds from that boot until then, if it was noted. */
  readonly up?: number;
  /** What of the tree it does without, in words; absent: nothing. */
  readonly left?: string;
  /** What it changed. */
  readonly paths: readonly string[];
}

/** The history, the newest (which the device is in, drift aside) first. One that cannot be read is no reason not to tell of the others. */
export function listGenerations(files: Files): Generation[] {
  return numbers(files).flatMap((number) => {
    const [meta, paths] = [
      readMeta(files, number),
      unlessDamaged(() => listedPaths(files, folderOfGeneration(number))),
    ];
    if (meta === undefined || paths === undefined) return [];
    const { id, tree, firmware, at, boot, up, left } = meta;
    const part = left === "" ? {} : { left };
    const since = up === undefined ? {} : { up };
    return [{ number, id, tree, firmware, at, boot, ...since, ...part, paths: [...paths].sort() }];
  });
}

/** Of so many the record stays, however few are kept: by it a tree is known that goes round in circles. */
const RECORDED = 3;

/** The records of the last ones, the newest first, also of those that are not kept any more; undefined if there are, or can be read, too few. */
export function lastRecords(files: Files): readonly Journal[] | undefined {
  const records = numbers(files)
    .slice(0, RECORDED)
    .flatMap((number) => readMeta(files, number) ?? []);
  return records.length < RECORDED ? undefined : records;
}

/** The number of the generation that the device is in; 0 before the first. */
export function lastGeneration(files: Files): number {
  return numbers(files)[0] ?? 0;
}

/** A file as it was in generation `number` (0: before the oldest kept one's); undefined if it was not there, or no plain file. */
export function readGenerationFile(files: Files, number: number, path: string, limit?: number): Uint8Array | undefined {
  for (const later of laterThan(files, number).reverse()) {
    const item = undoItems(files, later).find((one) => one.path === path && one.kind !== "rmdir");
    if (item === undefined) continue;
    return item.kind === "restore" ? files.readBytes(`${folderOfGeneration(later)}/${item.number}`, limit) : undefined;
  }
  return files.stat(path)?.kind === "file" ? files.readBytes(path, limit) : undefined;
}

/** Of what an undo folder holds the way back, in order of landing. */
export function listedPaths(files: Files, folder: string): string[] {
  return itemsIn(files, folder).flatMap(({ kind, path }) => (kind === "rmdir" ? [] : [path]));
}

/** Every path that a generation after `number` changed, sorted. GENERATION_UNKNOWN as for `undoTo`. */
export function generationPaths(files: Files, number: number): string[] {
  const paths = laterThan(files, number).flatMap((later) => listedPaths(files, folderOfGeneration(later)));
  return [...new Set(paths)].sort();
}

/** The actions of a new transaction that make the device what it was in generation `number` (one below the oldest kept is possible). */
export function undoTo(files: Files, number: number): Action[] {
  const actions = new Map<string, Action>();
  for (const later of laterThan(files, number)) {
    for (const item of undoItems(files, later)) {
      if (item.kind !== "rmdir") actions.set(item.path, actionOf(files, later, item));
    }
  }
  return [...actions.values()];
}

/** GENERATION_UNKNOWN: not, or no longer, in the history. The newest first. */
function laterThan(files: Files, number: number): number[] {
  const known = numbers(files).filter((one) => isWhole(files, one) && readMeta(files, one) !== undefined);
  const later = known.filter((one) => one > number);
  const newest = known[0] ?? 0;
  if (newest >= number && newest - number === later.length && newest > 0) return later;
  throw new ProvisionError("GENERATION_UNKNOWN", `there is no way back to generation ${number}`);
}

function actionOf(files: Files, generation: number, item: UndoItem): Action {
  const kept = `${folderOfGeneration(generation)}/${item.number}`;
  const { path } = item;
  if (item.kind === "remove") return { kind: "remove", path };
  if (item.kind === "link") return { kind: "symlink", path, target: files.readLink(kept) ?? "" };
  const was = files.stat(kept);
  const bytes = was === undefined ? undefined : files.readBytes(kept, was.size);
  if (was === undefined || bytes === undefined) {
    throw new ProvisionError("GENERATION_UNKNOWN", `generation ${generation} no longer has its ${path}`);
  }
  const { mode, uid, gid } = was;
  return writeBytes(path, bytes, { mode, uid, gid });
}

/** The number the next transaction has if it is confirmed. */
export function nextGeneration(files: Files): number {
  return (numbers(files)[0] ?? 0) + 1;
}

/** Removes the oldest generations that are too many or too large, and what a cut left of removed ones; of the last few the record stays. */
export function pruneGenerations(disk: Disk, keep: Keep): void {
  let bytes = 0;
  for (const [index, number] of numbers(disk).entries()) {
    const folder = folderOfGeneration(number);
    bytes += sizeOf(disk, folder);
    if (isWhole(disk, number) && (index === 0 || (index < keep.generations && bytes <= keep.bytes))) continue;
    unlinkIfThere(disk, `${folder}/${UNDO_NAMES.list}`); // from here on nothing leads back through it
    bytes = Number.POSITIVE_INFINITY; // nothing older is reachable without it
    const left = index < RECORDED ? UNDO_NAMES.meta : undefined;
    for (const name of disk.list(folder)) if (name !== left) removeTree(disk, `${folder}/${name}`);
    if (disk.list(folder).length === 0) disk.removeDirectory(folder);
  }
}

/** Whether one can go back through it; else it is only remembered. */
function isWhole(files: Files, number: number): boolean {
  const folder = folderOfGeneration(number);
  return [UNDO_NAMES.meta, UNDO_NAMES.list].every((name) => files.stat(`${folder}/${name}`) !== undefined);
}

function sizeOf(files: Files, folder: string): number {
  return files.list(folder).reduce((sum, name) => sum + (files.stat(`${folder}/${name}`)?.size ?? 0), 0);
}

/** Highest first. */
function numbers(files: Files): number[] {
  return files
    .list(TX.generations)
    .filter((name) => /^[1-9][0-9]{0,8}$/.test(name))
    .map(Number)
    .sort((a, b) => b - a);
}

function readMeta(files: Files, number: number): Journal | undefined {
  return unlessDamaged(() => {
    const text = files.read(`${folderOfGeneration(number)}/${UNDO_NAMES.meta}`);
    return text === undefined ? undefined : parseJournal(text);
  });
}

function unlessDamaged<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (thrown) {
    if (thrown instanceof ProvisionError) return undefined;
    throw thrown;
  }
}

function undoItems(files: Files, number: number): UndoItem[] {
  return itemsIn(files, folderOfGeneration(number));
}

function itemsIn(files: Files, folder: string): UndoItem[] {
  const file = `${folder}/${UNDO_NAMES.list}`;
  return parseUndoList(files.read(file, LIST_LIMIT) ?? "", file);
}

function folderOfGeneration(number: number): string {
  return `${TX.generations}/${number}`;
}
