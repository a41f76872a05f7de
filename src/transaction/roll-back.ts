import type { Disk } from "../api.ts";
import { ProvisionError } from "../errors.ts";
import { removeDeadClaims, type TransactionHost, takeClaim } from "./claim.ts";
import { makeFolders, removeTree, unlinkIfThere } from "./folders.ts";
import { type Journal, readJournal, writeJournal } from "./journal.ts";
import { UNDO_NAMES } from "./keep-originals.ts";
import { folderOf, TX, temporaryBeside } from "./layout.ts";
import type { TreeName } from "./order.ts";
import { parseUndoList, type UndoItem } from "./undo-list.ts";

const LIST_LIMIT = 128 * 1024 * 1024;

/** A transaction that was taken back, as reports and the attempt count need it; kept until `forget`. */
export interface RolledBack {
  readonly kind: "rolled-back";
  readonly id: string;
  readonly tree: TreeName;
  readonly reason: string;
  readonly attempt: number;
  readonly packages: readonly string[];
  /** `NAME:ACT`, what services are asked to do now. */
  readonly services: readonly string[];
}

/**
 * Takes the open transaction back. The journal then says `rolled-back`, for whoever counts attempts, until `forget`.
 * Undefined: there was none, or it was prepared only (now discarded), or it is confirmed and stays.
 */
export async function rollBack(host: TransactionHost, reason: string): Promise<RolledBack | undefined> {
  if (readJournal(host.disk) === undefined) return undefined;
  const claim = await takeClaim(host, "take back");
  try {
    const journal = readJournal(host.disk);
    if (journal === undefined || journal.state === "confirmed") return undefined;
    if (journal.state === "prepared") {
      discard(host);
      return undefined;
    }
    return takeBack(host, journal, reason);
  } finally {
    claim.release();
  }
}

/** Ends a transaction without touching what it changed: nothing had landed, or the operator wants it as it is. */
export function discard(host: TransactionHost): void {
  const { disk } = host;
  unlinkIfThere(disk, TX.newJournal);
  unlinkIfThere(disk, TX.journal);
  if (disk.stat(TX.folder) !== undefined) disk.syncDirectory(TX.folder);
  removeTree(disk, TX.work);
  removeDeadClaims(host);
}

/** What `rolled-back` left to be known has been noted elsewhere: removes the journal. */
export function forget(host: TransactionHost): void {
  if (readJournal(host.disk)?.state === "rolled-back") discard(host);
}

/** Replays the undo list; whoever calls it holds the claim. Can be cut and done again at any point. */
export function takeBack(host: TransactionHost, journal: Journal, reason: string): RolledBack {
  const { disk } = host;
  const open = journal.reason === "" ? { ...journal, reason } : journal;
  if (journal.state !== "rolled-back") {
    announce(disk, open);
    replay(host);
    writeJournal(disk, { ...open, state: "rolled-back" });
  }
  removeTree(disk, TX.work);
  const { id, tree, attempt, packages, services } = open;
  return { kind: "rolled-back", id, tree, reason: open.reason, attempt, packages, services };
}

/** For the record only: recovery knows what to do from `applying` and `trial` as well, so a full disk is no obstacle. */
function announce(disk: Disk, journal: Journal): void {
  if (journal.state === "rolling-back") return;
  try {
    writeJournal(disk, { ...journal, state: "rolling-back" });
  } catch (thrown) {
    if (!(thrown instanceof ProvisionError)) throw thrown;
  }
}

function replay(host: TransactionHost): void {
  const { disk } = host;
  const file = `${TX.undo}/${UNDO_NAMES.list}`;
  const list = disk.read(file, LIST_LIMIT);
  if (list === undefined) {
    throw new ProvisionError("JOURNAL_INVALID", "the undo list is gone", { place: { file } });
  }
  const items = parseUndoList(list, file);
  removeTree(disk, TX.stage); // room for the originals

  const failures: ProvisionError[] = [];
  for (const item of items.toSorted(roomFirst)) {
    try {
      putBack(host, item);
    } catch (thrown) {
      if (!(thrown instanceof ProvisionError)) throw thrown;
      failures.push(thrown);
    }
  }
  for (const folder of new Set(items.map(({ path }) => folderOf(path)))) {
    if (disk.stat(folder) !== undefined) disk.syncDirectory(folder);
  }
  const [failure] = failures;
  if (failure !== undefined) throw failure;
}

const TURN = { remove: 0, link: 1, restore: 1, rmdir: 2 } as const;

/** What only has to go makes room for what has to come back; folders empty themselves before they can go. */
function roomFirst(a: UndoItem, b: UndoItem): number {
  return TURN[a.kind] - TURN[b.kind];
}

function putBack(host: TransactionHost, item: UndoItem): void {
  const { disk } = host;
  const temporary = temporaryBeside(item.path, item.number);
  unlinkIfThere(disk, temporary);
  if (item.kind === "rmdir") removeEmptyFolder(disk, item.path);
  else if (item.kind === "remove") removeFile(disk, item.path);
  else restore(host, item, temporary);
}

/** Somebody else's file in it keeps it. */
function removeEmptyFolder(disk: Disk, path: string): void {
  if (disk.stat(path)?.kind === "directory" && disk.list(path).length === 0) disk.removeDirectory(path);
}

function removeFile(disk: Disk, path: string): void {
  if (disk.stat(path)?.kind !== "directory") unlinkIfThere(disk, path);
}

function restore({ disk, processes }: TransactionHost, { kind, number, path }: UndoItem, temporary: string): void {
  const kept = `${TX.undo}/${number}`;
  const was = disk.stat(kept);
  if (was === undefined) throw new ProvisionError("JOURNAL_INVALID", `the original of ${path} is gone`);
  if (isSame(disk, kept, path)) return;
  makeFolders(disk, folderOf(path), 0o755);
  if (kind === "link") {
    disk.symlink(disk.readLink(kept) ?? "", temporary);
    if (processes.isRoot) disk.setOwner(temporary, was.uid, was.gid);
  } else {
    const bytes = disk.readBytes(kept, was.size) ?? new Uint8Array();
    const owner = processes.isRoot ? { uid: was.uid, gid: was.gid } : {};
    disk.writeNew(temporary, bytes, { mode: was.mode, ...owner });
  }
  disk.rename(temporary, path);
}

/** What was never replaced, or is back already, is not written again: flash wears. */
function isSame(disk: Disk, kept: string, path: string): boolean {
  const [was, is] = [disk.stat(kept), disk.stat(path)];
  if (was === undefined || is === undefined || was.kind !== is.kind) return false;
  if (was.uid !== is.uid || was.gid !== is.gid) return false;
  if (was.kind === "symlink") return disk.readLink(kept) === disk.readLink(path);
  if (was.kind !== "file" || was.mode !== is.mode || was.size !== is.size) return false;
  const [old, now] = [disk.readBytes(kept, was.size), disk.readBytes(path, was.size)];
  return old !== undefined && now !== undefined && Buffer.compare(old, now) === 0;
}
