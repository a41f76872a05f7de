import type { TransactionHost } from "./claim.ts";
import { makeFolders } from "./folders.ts";
import { folderOf, TX, temporaryBeside } from "./layout.ts";
import type { Promotion } from "./order.ts";
import { putFile } from "./replace-file.ts";
import { placesIn } from "./steps.ts";
import { parseUndoList, printUndoList, type UndoItem } from "./undo-list.ts";
import type { Writer } from "./writer.ts";

const LIST = `${TX.promote}/list`;
const LIMIT = 16 * 1024 * 1024;

/** Keeps aside what becomes true with the confirmation, with the mode and owner it will have (0600 if it is new). */
export function keepPromotions(
  { disk, processes }: TransactionHost,
  writer: Writer,
  promotions: readonly Promotion[],
): void {
  const placeOf = placesIn(disk);
  const items = promotions.map(({ path, bytes }, index): UndoItem => {
    const place = placeOf(path);
    const before = disk.stat(place);
    const owner = processes.isRoot ? { uid: before?.uid ?? 0, gid: before?.gid ?? 0 } : {};
    writer.writeNew(`${TX.promote}/${index}`, bytes, { mode: before?.mode ?? 0o600, ...owner });
    return { kind: "restore", number: index, path: place };
  });
  writer.writeNew(LIST, new TextEncoder().encode(printUndoList(items)), { mode: 0o600 });
}

/** Makes it true, on the medium as well. It copies and never moves, so it can be done again after a cut, as often as needed. */
export function promote({ disk, processes }: TransactionHost): void {
  const list = disk.read(LIST, LIMIT);
  if (list === undefined) return;
  const folders = new Set<string>();
  for (const { number, path } of parseUndoList(list, LIST)) {
    const kept = `${TX.promote}/${number}`;
    const bytes = disk.readBytes(kept, LIMIT);
    const as = disk.stat(kept);
    if (bytes === undefined || as === undefined) continue;
    makeFolders(disk, folderOf(path), 0o755);
    const owner = processes.isRoot ? { uid: as.uid, gid: as.gid } : {};
    putFile(disk, path, temporaryBeside(path, number), bytes, { mode: as.mode, ...owner });
    folders.add(folderOf(path));
  }
  for (const folder of folders) disk.syncDirectory(folder);
}
