import type { Disk } from "../api.ts";
import { ProvisionError } from "../errors.ts";
import { makeFolder, RAM_FOLDER } from "../ram-folder.ts";
import { folderOf } from "../transaction/layout.ts";

/** Who is alive, as `processes.ts` knows. */
interface Processes {
  readonly self: string;
  isAlive(token: string): boolean;
}

/** A lock's file, and what its holder is doing, for whoever finds it shut. */
export interface LockKind {
  readonly path: string;
  readonly doing: string;
}

const RUN: LockKind = { path: `${RAM_FOLDER}/lock`, doing: "is provisioning this device" };
const TRIES = 3;

/**
 * One run at a time, across processes. The lock is a file in RAM that names its holder, so that neither a power cut nor a killed run leaves
 * it shut: a lock whose holder is gone is taken over. BUSY if somebody holds it. The result gives it back.
 */
export function takeLock(disk: Disk, processes: Processes, { path, doing } = RUN): () => void {
  makeFolder(disk, folderOf(path), 0o755);
  for (let attempt = 0; attempt < TRIES; attempt++) {
    try {
      disk.writeNew(path, Buffer.from(`${processes.self}\n`), { mode: 0o600 });
      return () => {
        if (holder(disk, path) === processes.self) disk.unlink(path);
      };
    } catch (cause) {
      const other = holder(disk, path);
      if (other !== undefined && processes.isAlive(other)) {
        throw new ProvisionError("BUSY", `process ${other.split("-")[0]} ${doing}`, { cause });
      }
      if (other === undefined && disk.stat(path) === undefined && attempt === TRIES - 1) throw cause;
      removeStale(disk, path, processes, other);
    }
  }
  throw new ProvisionError("BUSY", `the lock ${path} changes hands too fast`);
}

function holder(disk: Disk, path: string): string | undefined {
  return disk.read(path, 200)?.trim();
}

/** Moves the dead holder's lock aside: of two processes that find it one moves it, and the other finds nothing. */
function removeStale(disk: Disk, path: string, processes: Processes, dead: string | undefined): void {
  const aside = `${path}.${processes.self}`;
  try {
    disk.rename(path, aside);
    if (disk.read(aside, 200)?.trim() === dead) disk.unlink(aside);
    else disk.rename(aside, path);
  } catch {
    // somebody else was faster; the next try sees what they left
  }
}
