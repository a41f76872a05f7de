import type { Disk } from "../api.ts";
import { folderOf, foldersAbove } from "./layout.ts";

/** Makes a folder and, for everybody to pass through, those above it that are missing; flushes the names; answers which were made, the highest first. */
export function makeFolders(disk: Disk, path: string, mode: number): string[] {
  const made: string[] = [];
  for (const folder of [...foldersAbove(path), path]) {
    if (disk.stat(folder) !== undefined) continue;
    disk.makeDirectory(folder, folder === path ? mode : 0o755);
    disk.syncDirectory(folderOf(folder));
    made.push(folder);
  }
  return made;
}

/** Removes a folder with all that is in it, never through a link; not being there is fine. */
export function removeTree(disk: Disk, path: string): void {
  const found = disk.stat(path);
  if (found === undefined) return;
  if (found.kind !== "directory") {
    disk.unlink(path);
    return;
  }
  for (const name of disk.list(path)) removeTree(disk, `${path}/${name}`);
  disk.removeDirectory(path);
}

/** Removes a file or link; that it is gone already, by whosever hand, is fine. */
export function unlinkIfThere(disk: Disk, path: string): void {
  if (disk.stat(path) === undefined) return;
  try {
    disk.unlink(path);
  } catch (thrown) {
    if (disk.stat(path) !== undefined) throw thrown;
  }
}
