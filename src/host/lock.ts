import type { Disk } from "../api.ts";
import { ProvisionError } from "../errors.ts";
import { makeFolder, RAM_FOLDER } from "../ram-folder.ts";

/** Who is alive, as `processes.ts` knows. */
interface Processes {
  readonly self: string;
  isAlive(token: string): boolean;
}

const LOCK = `${RAM_FOLDER}/lock`;
const TRIES = 3;

/**
 * One run at a time, across processes. The lock is a file in RAM that names its holder, so that neither a power cut nor a killed run leaves
 * it shut: a lock whose holder is gone is taken over. BUSY if somebody holds it. The result gives it back.
 */
export function takeLock(disk: Disk, processes: Processes): () => void {
  makeFolder(disk, RAM_FOLDER, 0o755);
  for (let attempt = 0; attempt < TRIES; attempt++) {
    try {
      disk.writeNew(LOCK, Buffer.from(`${processes.self}\n`), { mode: 0o600 });
      return () => {
        if (holder(disk) === processes.self) disk.unlink(LOCK);
      };
    } catch (cause) {
      const other = holder(disk);
      if (other !== undefined && processes.isAlive(other)) {
        throw new ProvisionError("BUSY", `process ${other.split("-")[0]} is provisioning this device`, { cause });
      }
      if (other === undefined && disk.stat(LOCK) === undefined && attempt === TRIES - 1) throw cause;
      removeStale(disk, processes, other);
    }
  }
  throw new ProvisionError("BUSY", `the lock ${LOCK} changes hands too fast`);
}

function holder(disk: Disk): string | undefined {
  return disk.read(LOCK, 200)?.trim();
}

/** Moves the dead holder's lock aside: of two processes that find it one moves it, and the other finds nothing. */
function removeStale(disk: Disk, processes: Processes, dead: string | undefined): void {
  const aside = `${LOCK}.${processes.self}`;
  try {
    disk.rename(LOCK, aside);
    if (disk.read(aside, 200)?.trim() === dead) disk.unlink(aside);
    else disk.rename(aside, LOCK);
  } catch {
    // somebody else was faster; the next try sees what they left
  }
}
