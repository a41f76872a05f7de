/** A file below the root that somebody else writes: read as it grows, through rotation, truncation and absence. */
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from "node:fs";
import type { Disk } from "../api.ts";
import type { Tail } from "../guard/inputs.ts";
import type { Mark } from "../guard/saved.ts";
import { systemCode } from "./root-path.ts";

const PIECE = 65_536;

/**
 * Goes on from the mark if that file is still there and not shorter; without a mark it begins at the file's end, and at the beginning of one that appears
 * later. A file that was renamed is read to its end before its successor is begun; one that was emptied is begun anew.
 */
export function openTail(disk: Pick<Disk, "hostPath">, path: string, mark: Mark | undefined): Tail {
  const buffer = Buffer.allocUnsafe(PIECE);
  let open: { fd: number; dev: number; inode: number; offset: number } | undefined;
  let isFresh = false;

  const begin = (offsetOf: (file: { dev: number; inode: number; size: number }) => number): void => {
    const fd = openSync(disk.hostPath(path), constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = fstatSync(fd);
    if (!stats.isFile()) {
      closeSync(fd);
      return;
    }
    const { dev, ino: inode, size } = stats;
    open = { fd, dev, inode, offset: offsetOf({ dev, inode, size }) };
    isFresh = true;
  };
  const unlessMissing = (act: () => void): void => {
    try {
      act();
    } catch (thrown) {
      const code = systemCode(thrown instanceof Error && "cause" in thrown && thrown.cause ? thrown.cause : thrown);
      if (code !== "ENOENT" && code !== "ENOTDIR") throw thrown;
    }
  };
  const end = (): void => {
    if (open !== undefined) closeSync(open.fd);
    open = undefined;
  };
  const piece = (): Buffer | undefined => {
    if (open === undefined) return undefined;
    if (fstatSync(open.fd).size < open.offset) {
      open.offset = 0;
      isFresh = true;
    }
    const count = readSync(open.fd, buffer, 0, PIECE, open.offset);
    open.offset += count;
    return count === 0 ? undefined : buffer.subarray(0, count);
  };
  const isReplaced = (): boolean => {
    let isOther = false;
    unlessMissing(() => {
      const { dev, ino } = statSync(disk.hostPath(path));
      isOther = dev !== open?.dev || ino !== open.inode;
    });
    return isOther;
  };

  unlessMissing(() =>
    begin(({ dev, inode, size }) => {
      if (mark === undefined) return size;
      return dev === mark.dev && inode === mark.inode && size >= mark.offset ? mark.offset : 0;
    }),
  );
  return {
    /** The bytes are good until the next call. */
    read() {
      let bytes = piece();
      if (bytes === undefined && isReplaced()) {
        end();
        unlessMissing(() => begin(() => 0));
        bytes = piece();
      }
      if (bytes === undefined) return undefined;
      const answer = { bytes, isFresh };
      isFresh = false;
      return answer;
    },
    get mark() {
      return open && { dev: open.dev, inode: open.inode, offset: open.offset };
    },
    close: end,
  };
}
