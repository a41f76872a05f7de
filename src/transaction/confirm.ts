import { ProvisionError } from "../errors.ts";
import { removeDeadClaims, type TransactionHost, takeClaim } from "./claim.ts";
import { makeFolders, removeTree, unlinkIfThere } from "./folders.ts";
import { type Keep, pruneGenerations } from "./generations.ts";
import { type Journal, readJournal, writeJournal } from "./journal.ts";
import { TX } from "./layout.ts";
import { promote } from "./promote.ts";

/** A transaction that holds. */
export interface Confirmed {
  readonly id: string;
  readonly generation: number;
  /** It holds, but what follows from it could not be done wholly (a full disk, say); the next `recover` goes on. */
  readonly unfinished?: ProvisionError;
}

/**
 * Makes the trial `id` hold. The commit point is the journal's `confirmed` on the medium: before it everything goes back, after it
 * everything goes forward, whoever does it. `isInTime` is asked last of all, by the caller's own clock that never steps.
 * NOT_CONFIRMED: the time has passed, or the trial has been taken back meanwhile.
 */
export async function confirmTransaction(
  host: TransactionHost,
  id: string,
  isInTime: () => boolean,
  keep: Keep,
): Promise<Confirmed> {
  const claim = await takeClaim(host, "go on");
  try {
    const journal = readJournal(host.disk);
    if (journal?.id !== id || journal.state !== "trial") {
      throw new ProvisionError("NOT_CONFIRMED", `the trial ${id} is ${journal?.state ?? "gone"}`);
    }
    if (!isInTime()) throw new ProvisionError("NOT_CONFIRMED", `the trial ${id} is past its deadline`);
    const unfinished = commit(host, { ...journal, state: "confirmed" }, keep);
    return { id, generation: journal.generation, ...(unfinished === undefined ? {} : { unfinished }) };
  } finally {
    claim.release();
  }
}

/** Once the journal says `confirmed` nothing is an error of the confirmation any more. */
function commit(host: TransactionHost, confirmed: Journal, keep: Keep): ProvisionError | undefined {
  try {
    writeJournal(host.disk, confirmed);
    finishConfirmed(host, confirmed, keep);
    return undefined;
  } catch (thrown) {
    const isCommitted = readJournal(host.disk)?.state !== "trial";
    if (thrown instanceof ProvisionError && isCommitted) return thrown;
    throw thrown;
  }
}

/** What follows from `confirmed`; can be cut and done again at any point. */
export function finishConfirmed(host: TransactionHost, journal: Journal, keep: Keep): void {
  const { disk } = host;
  promote(host);
  keepGeneration(host, journal.generation);
  unlinkIfThere(disk, TX.journal);
  disk.syncDirectory(TX.folder);
  removeTree(disk, TX.work);
  pruneGenerations(disk, keep);
  removeDeadClaims(host);
}

/** The undo folder, which leads back to the generation before, becomes part of the history. */
function keepGeneration({ disk }: TransactionHost, generation: number): void {
  if (disk.stat(TX.undo) === undefined) return;
  makeFolders(disk, TX.generations, 0o700);
  const place = `${TX.generations}/${generation}`;
  removeTree(disk, place);
  disk.rename(TX.undo, place);
  disk.syncDirectory(TX.generations);
  disk.syncDirectory(TX.work);
}
