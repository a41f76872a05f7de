import type { Disk } from "../api.ts";
import { ProvisionError } from "../errors.ts";
import type { TransactionHost } from "./claim.ts";
import { type Journal, printJournal } from "./journal.ts";
import { foldersAbove, TX } from "./layout.ts";
import type { Step } from "./steps.ts";
import { printUndoList, type UndoItem } from "./undo-list.ts";
import type { Writer } from "./writer.ts";

/** Names inside an undo folder, open or kept as a generation. */
export const UNDO_NAMES = { list: "list", meta: "meta" } as const;

/** Copies what will be replaced or removed into the undo folder, and writes the list that puts it back. */
export function keepOriginals(host: TransactionHost, writer: Writer, steps: readonly Step[], journal: Journal): void {
  const { disk } = host;
  const items: UndoItem[] = steps.map((step) => keepOne(host, writer, step));
  const made = missingFolders(disk, steps);
  items.push(...made.map((path, index) => ({ kind: "rmdir" as const, number: steps.length + index + 1, path })));

  writePrivate(writer, `${TX.undo}/${UNDO_NAMES.list}`, printUndoList(items));
  writePrivate(writer, `${TX.undo}/${UNDO_NAMES.meta}`, printJournal({ ...journal, state: "confirmed" }));
}

function keepOne({ disk, processes }: TransactionHost, writer: Writer, { number, path, before }: Step): UndoItem {
  if (before === undefined) return { kind: "remove", number, path };
  const kept = `${TX.undo}/${number}`;
  const owner = processes.isRoot ? { uid: before.uid, gid: before.gid } : {};
  if (before.kind === "symlink") {
    disk.symlink(disk.readLink(path) ?? "", kept);
    if (processes.isRoot) disk.setOwner(kept, before.uid, before.gid);
    return { kind: "link", number, path };
  }
  const bytes = disk.readBytes(path, before.size);
  if (bytes === undefined || bytes.length !== before.size) {
    throw new ProvisionError("FILE_UNREADABLE", `${path} changed while it was copied`, { place: { file: path } });
  }
  writer.writeNew(kept, bytes, { mode: before.mode, ...owner });
  return { kind: "restore", number, path };
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
