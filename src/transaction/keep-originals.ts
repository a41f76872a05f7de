import { hash } from "node:crypto";
import type { Disk, FileStat } from "../api.ts";
import { ProvisionError } from "../errors.ts";
import type { TransactionHost } from "./claim.ts";
import { type Journal, printJournal } from "./journal.ts";
import { foldersAbove, TX } from "./layout.ts";
import { lookIn, type Step } from "./steps.ts";
import { printUndoList, type UndoItem } from "./undo-list.ts";
import type { Writer } from "./writer.ts";

/** What a link leads to: a package of UCI may be so large. */
const LINKED_LIMIT = 16_777_216;

/** Names inside an undo folder, open or kept as a generation. */
export const UNDO_NAMES = { list: "list", meta: "meta" } as const;

/**
 * Copies what will be replaced or removed into the undo folder, and writes the list that puts it back. What is copied is read but this once, and compared with what the plan
 * was made from: minutes may have passed since. DEVICE_CHANGED: somebody has edited it.
 */
export function keepOriginals(host: TransactionHost, writer: Writer, steps: readonly Step[], journal: Journal): void {
  const { disk } = host;
  const items: UndoItem[] = steps.map((step) => keepOne(host, writer, step));
  const made = missingFolders(disk, steps);
  items.push(...made.map((path, index) => ({ kind: "rmdir" as const, number: steps.length + index + 1, path })));

  writePrivate(writer, `${TX.undo}/${UNDO_NAMES.list}`, printUndoList(items));
  writePrivate(writer, `${TX.undo}/${UNDO_NAMES.meta}`, printJournal({ ...journal, state: "confirmed" }));
}

function keepOne({ disk, processes }: TransactionHost, writer: Writer, step: Step): UndoItem {
  const { number, path, before } = step;
  const { was } = step.action;
  if (before === undefined) {
    refuseOther(step, was);
    return { kind: "remove", number, path };
  }
  refuseOther(step, was?.sha256 ? untimed(before) : before, disk.stat(path));
  const digest = (bytes: Uint8Array = new Uint8Array()) => hash("sha256", bytes, "hex");
  const kept = `${TX.undo}/${number}`;
  const owner = processes.isRoot ? { uid: before.uid, gid: before.gid } : {};
  if (before.kind === "symlink") {
    const target = disk.readLink(path) ?? "";
    refuseOther(step, was, { ...before, target, sha256: was?.sha256 && digest(disk.readBytes(path, LINKED_LIMIT)) });
    disk.symlink(target, kept);
    if (processes.isRoot) disk.setOwner(kept, before.uid, before.gid);
    return { kind: "link", number, path };
  }
  const bytes = disk.readBytes(path, before.size) ?? new Uint8Array();
  const copied = { ...before, size: bytes.length, sha256: was?.sha256 && digest(bytes) };
  refuseOther(step, { ...was, size: before.size }, copied);
  writer.writeNew(kept, bytes, { mode: before.mode, ...owner });
  return { kind: "restore", number, path };
}

/** The same once more, by what a look tells, after all that had to be written and flushed. */
export function refuseAnyEdited(disk: Disk, steps: readonly Step[]): void {
  const look = lookIn(disk);
  for (const step of steps) {
    const { before = ABSENT } = step;
    const now = look(step.path);
    const isRewritten = before.kind === "file" && now?.size === before.size && now.modified !== before.modified;
    refuseOther(step, isRewritten && isAsKept(disk, step, now.size) ? untimed(before) : before, now);
  }
}

/** Some programs write their file anew, every minute, with what it holds already. */
function isAsKept(disk: Disk, { number, path }: Step, size: number): boolean {
  const [kept, now] = [`${TX.undo}/${number}`, path].map((one) => disk.readBytes(one, size));
  return kept !== undefined && now !== undefined && Buffer.compare(kept, now) === 0;
}

function untimed(before: FileStat): object {
  return { ...before, modified: undefined };
}

const ABSENT = { kind: "absent" } as const;

/** `was`: what of it counts. */
function refuseOther({ action: { path } }: Step, was: object = {}, now: object = ABSENT): void {
  const isSame = Object.entries(was).every(([of, value]) => value === undefined || value === Reflect.get(now, of));
  if (isSame) return;
  throw new ProvisionError("DEVICE_CHANGED", `somebody has edited ${path} since the plan was made`, {
    place: { file: path },
  });
}

/** Folders that landing will make, the deepest first: the order in which they can be removed. */
function missingFolders(disk: Disk, steps: readonly Step[]): string[] {
  const missing = new Set<string>();
  const seen = new Set<string>();
  for (const { path } of steps) {
    for (const folder of foldersAbove(path)) {
      if (seen.has(folder)) continue;
      seen.add(folder);
      if (disk.stat(folder) === undefined) missing.add(folder);
    }
  }
  return [...missing].sort((a, b) => b.split("/").length - a.split("/").length);
}

function writePrivate(writer: Writer, path: string, text: string): void {
  writer.writeNew(path, new TextEncoder().encode(text), { mode: 0o600 });
}
