import type { Disk } from "../api.ts";
import { unlinkIfThere } from "./folders.ts";
import { folderOf } from "./layout.ts";

/**
 * Puts a small file in place so that a cut leaves the old one or the new one: new file, flush, rename, flush of the folder.
 * `temporary` lies in the same folder; what an earlier cut left there goes first.
 */
export function replaceFile(disk: Disk, path: string, temporary: string, bytes: Uint8Array, as: Access): void {
  putFile(disk, path, temporary, bytes, as);
  disk.syncDirectory(folderOf(path));
}

interface Access {
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
}

/** The same for one of several: until the caller flushes the folder, a cut may still bring the old one back. */
export function putFile(disk: Disk, path: string, temporary: string, bytes: Uint8Array, as: Access): void {
  unlinkIfThere(disk, temporary);
  disk.writeNew(temporary, bytes, as);
  disk.rename(temporary, path);
}
