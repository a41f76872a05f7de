import type { Disk, NewFile } from "../../src/api.ts";
import { ProvisionError } from "../../src/errors.ts";
import type { BulkDisk, TransactionDisk } from "../../src/transaction/writer.ts";

/** The power is gone: nothing that is thrown later matters. */
export class PowerCut extends Error {}

/** How far a write came before the cut. */
export const TEARS = ["absent", "empty", "half", "full"] as const;

export type Tear = (typeof TEARS)[number];

export interface Counted {
  readonly disk: TransactionDisk;
  /** Changing operations so far. */
  count(): number;
}

/** Cuts the power at changing operation `at` (from 1): it does not happen, or as far as `tear` says, and nothing works any more. */
export function cutAt(under: TransactionDisk, at: number, tear: Tear = "absent"): Counted {
  return faulty(under, {
    strike(count, write) {
      if (count < at) return;
      if (count === at) write?.(tear);
      throw new PowerCut(`the power failed at operation ${at}`);
    },
    readsToo: (count) => {
      if (count >= at) throw new PowerCut("there is no power");
    },
  });
}

/** Refuses changing operations `from` to `to` with a system's error, as a full, read-only or dying disk does. */
export function failAt(under: TransactionDisk, code: "ENOSPC" | "EROFS" | "EIO", from: number, to = from): Counted {
  return faulty(under, {
    strike(count) {
      if (count < from || count > to) return;
      const cause = Object.assign(new Error(`${code}: as the test asks`), { code });
      throw new ProvisionError(code === "ENOSPC" ? "NO_SPACE" : "FILE_UNREADABLE", `operation ${count}`, { cause });
    },
    readsToo: () => {},
  });
}

/** Tells of each changing operation, by number, before it happens. */
export function observed(under: TransactionDisk, before: (count: number) => void): Counted {
  return faulty(under, { strike: before, readsToo: () => {} });
}

interface Fault {
  strike(count: number, write?: (tear: Tear) => void): void;
  readsToo(count: number): void;
}

function faulty(under: TransactionDisk, fault: Fault): Counted {
  let count = 0;
  const step = <T>(act: () => T, write?: (tear: Tear) => void): T => {
    count += 1;
    fault.strike(count, write);
    return act();
  };
  const look = <T>(read: () => T): T => {
    fault.readsToo(count);
    return read();
  };
  const opened = (create: Disk["createNew"], path: string, as: Parameters<Disk["createNew"]>[1]): NewFile => {
    const file = step(
      () => create(path, as),
      (tear) => {
        if (tear !== "absent") create(path, as).abandon();
      },
    );
    return {
      write: (chunk) =>
        step(
          () => file.write(chunk),
          (tear) => file.write(chunk.slice(0, shareOf(tear, chunk.length))),
        ),
      finish: () => step(() => file.finish()),
      abandon: () => file.abandon(),
    };
  };
  const { createLoose, flushLoose } = under;
  const loose: BulkDisk | undefined =
    createLoose === undefined || flushLoose === undefined
      ? undefined
      : {
          createLoose: (path, as) => opened(createLoose, path, as),
          flushLoose: (paths) => step(() => flushLoose(paths)),
        };
  const disk: TransactionDisk = {
    readBytes: (path, limit) => look(() => under.readBytes(path, limit)),
    read: (path, limit) => look(() => under.read(path, limit)),
    list: (path) => look(() => under.list(path)),
    stat: (path) => look(() => under.stat(path)),
    readLink: (path) => look(() => under.readLink(path)),
    free: (path) => under.free(path),
    hostPath: (path) => under.hostPath(path),
    writeNew: (path, content, as) =>
      step(
        () => under.writeNew(path, content, as),
        (tear) => {
          if (tear !== "absent") under.writeNew(path, content.slice(0, shareOf(tear, content.length)), as);
        },
      ),
    createNew: (path, as) => opened((at, how) => under.createNew(at, how), path, as),
    ...(loose === undefined ? {} : loose),
    symlink: (target, path) => step(() => under.symlink(target, path)),
    rename: (from, to) => step(() => under.rename(from, to)),
    unlink: (path) => step(() => under.unlink(path)),
    makeDirectory: (path, mode) => step(() => under.makeDirectory(path, mode)),
    removeDirectory: (path) => step(() => under.removeDirectory(path)),
    setMode: (path, mode) => step(() => under.setMode(path, mode)),
    setOwner: (path, uid, gid) => step(() => under.setOwner(path, uid, gid)),
    syncDirectory: (path) => step(() => under.syncDirectory(path)),
  };
  return { disk, count: () => count };
}

function shareOf(tear: Tear, length: number): number {
  return { absent: 0, empty: 0, half: length >> 1, full: length }[tear];
}
