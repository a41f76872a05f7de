import type { Disk } from "../api.ts";
import { ProvisionError } from "../errors.ts";
import { unlinkIfThere } from "./folders.ts";
import { TX } from "./layout.ts";
import type { TransactionDisk } from "./writer.ts";

/** Who is alive on this device, as claims tell it; `/proc` behind it on a device. */
export interface Processes {
  /** `PID-STARTTIME-BOOTID`: names this process among all that ever ran here. */
  readonly self: string;
  readonly bootId: string;
  /** Whether files may be given to other owners. */
  readonly isRoot: boolean;
  /** Whether the process of such a name still runs (a zombie does not). */
  isAlive(token: string): boolean;
}

/** What a transaction stands on. */
export interface TransactionHost {
  readonly disk: TransactionDisk;
  readonly processes: Processes;
}

/** The right to decide about the open transaction. */
export interface Claim {
  /** Never fails: on a disk that can't remove the file, the claim ends with this process. */
  release(): void;
}

const PREFIX = "claim-";
const TRIES = 40;
const PAUSE = 100;

/**
 * Takes the right to decide, which one process at a time can hold: the run that confirms, or the watcher that takes back.
 * Everyone puts a file with its own name first and *then* looks for others' files: of two that come at the same moment at least one
 * sees the other and steps back, so both never hold it. Files of dead processes count for nothing.
 * BUSY: somebody else decides, for longer than a few seconds. On a full disk a claim to take back is had without a file: to
 * confirm a file is needed, so nobody can confirm meanwhile.
 */
export async function takeClaim({ disk, processes }: TransactionHost, to: "go on" | "take back"): Promise<Claim> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const claim = tryClaim(disk, processes, to);
    if (claim !== undefined) return claim;
    await new Promise((done) => setTimeout(done, PAUSE * (0.5 + Math.random())));
  }
  throw new ProvisionError("BUSY", "another process decides about the open transaction");
}

function tryClaim(disk: TransactionDisk, processes: Processes, to: "go on" | "take back"): Claim | undefined {
  const own = `${TX.folder}/${PREFIX}${processes.self}`;
  const release = (): void => quietly(() => unlinkIfThere(disk, own));
  if (disk.stat(own) === undefined) putClaim(disk, own, to);
  if (!otherClaims(disk, processes).some((token) => processes.isAlive(token))) return { release };
  release();
  return undefined;
}

function quietly(act: () => void): void {
  try {
    act();
  } catch (thrown) {
    if (!(thrown instanceof ProvisionError)) throw thrown;
  }
}

/** Not flushed: who looks for it lives in the same boot, and after a cut it would be a dead process's. */
function putClaim(disk: TransactionDisk, path: string, to: "go on" | "take back"): void {
  try {
    (disk.createLoose ?? disk.createNew)(path, { mode: 0o600 }).finish();
  } catch (thrown) {
    const isFull = thrown instanceof ProvisionError && thrown.code === "NO_SPACE";
    if (!isFull || to === "go on") throw thrown;
  }
}

/** Removes what dead processes left; a dead process never comes back, so this needs no claim. */
export function removeDeadClaims({ disk, processes }: TransactionHost): void {
  for (const token of otherClaims(disk, processes)) {
    if (!processes.isAlive(token)) unlinkIfThere(disk, `${TX.folder}/${PREFIX}${token}`);
  }
}

function otherClaims(disk: Disk, processes: Processes): string[] {
  return disk
    .list(TX.folder)
    .filter((name) => name.startsWith(PREFIX))
    .map((name) => name.slice(PREFIX.length))
    .filter((token) => token !== processes.self);
}
