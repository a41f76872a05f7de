import type { Disk, NewFile } from "../api.ts";

interface Access {
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * What a disk may offer besides: many files written first and flushed together, which costs one flush of the medium rather than one a file
 * (5,000 files: a second instead of ten).
 */
export interface BulkDisk {
  /** As `createNew`, but `finish` only closes: nothing of it is on the medium before `flushLoose`. */
  createLoose(path: string, as: Access): NewFile;
  /** Flushes the contents of these files, made by `createLoose`. */
  flushLoose(paths: readonly string[]): void;
}

export type TransactionDisk = Disk & Partial<BulkDisk>;

/** Makes the files of one preparation; all of them are on the medium only after `settle`. */
export interface Writer {
  createNew(path: string, as: Access): NewFile;
  writeNew(path: string, bytes: Uint8Array, as: Access): void;
  settle(): void;
}

/** From this many files on, one flush of everything (by a program) is cheaper than one a file. */
const MANY = 16;

export function writerFor(disk: TransactionDisk, files: number): Writer {
  const { createLoose, flushLoose } = disk;
  if (files < MANY || createLoose === undefined || flushLoose === undefined) {
    return {
      createNew: (path, as) => disk.createNew(path, as),
      writeNew: (path, bytes, as) => disk.writeNew(path, bytes, as),
      settle: () => {},
    };
  }
  const loose: string[] = [];
  const createNew = (path: string, as: Access): NewFile => {
    loose.push(path);
    return createLoose(path, as);
  };
  return {
    createNew,
    writeNew(path, bytes, as) {
      const file = createNew(path, as);
      try {
        file.write(bytes);
        file.finish();
      } catch (thrown) {
        file.abandon();
        throw thrown;
      }
    },
    settle: () => flushLoose(loose),
  };
}
