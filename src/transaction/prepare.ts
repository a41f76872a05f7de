import { ProvisionError } from "../errors.ts";
import { type Claim, type TransactionHost, takeClaim } from "./claim.ts";
import { makeFolders, removeTree } from "./folders.ts";
import { nextGeneration } from "./generations.ts";
import { type Journal, readJournal, writeJournal } from "./journal.ts";
import { keepOriginals } from "./keep-originals.ts";
import { TX } from "./layout.ts";
import type { CopyArchived, TransactionOrder } from "./order.ts";
import { keepPromotions } from "./promote.ts";
import { stageSteps } from "./stage.ts";
import { type Step, stepsOf } from "./steps.ts";
import { writerFor } from "./writer.ts";

/** A transaction of which nothing has landed yet and everything is on the medium. */
export interface Prepared {
  readonly kind: "ready";
  readonly journal: Journal;
  readonly steps: readonly Step[];
  readonly claim: Claim;
}

/**
 * Stages an order: contents and originals are copied and flushed, then the journal says `prepared`. If the order changes nothing,
 * nothing is written at all. After an error nothing is left. JOURNAL_INVALID: another transaction is open; `recover` first.
 * DEVICE_CHANGED: the device is not what the order was made for.
 */
export async function prepare(
  host: TransactionHost,
  order: TransactionOrder,
  copyArchived: CopyArchived,
): Promise<Prepared | { readonly kind: "nothing" }> {
  refuseOpen(readJournal(host.disk));
  const steps = stepsOf(host.disk, order.actions);
  if (steps.length === 0) return { kind: "nothing" };

  makeFolders(host.disk, TX.folder, 0o700);
  const claim = await takeClaim(host, "go on");
  try {
    const journal = await writeAll(host, order, steps, copyArchived);
    return { kind: "ready", journal, steps, claim };
  } catch (thrown) {
    if (thrown instanceof ProvisionError) {
      removeTree(host.disk, TX.work);
      claim.release();
    }
    throw thrown;
  }
}

function refuseOpen(journal: Journal | undefined): void {
  if (journal === undefined || journal.state === "rolled-back") return;
  throw new ProvisionError("JOURNAL_INVALID", `the transaction ${journal.id} is still ${journal.state}`, {
    place: { file: TX.journal },
  });
}

async function writeAll(
  host: TransactionHost,
  order: TransactionOrder,
  steps: readonly Step[],
  copyArchived: CopyArchived,
): Promise<Journal> {
  const { disk } = host;
  const journal = journalOf(host, order);
  removeTree(disk, TX.work); // of one that a cut ended before it was prepared
  for (const folder of [TX.work, TX.stage, TX.undo, TX.promote]) disk.makeDirectory(folder, 0o700);
  const writer = writerFor(disk, steps.length);
  keepPromotions(host, writer, order.onConfirm);
  await stageSteps(host, writer, steps, copyArchived);
  keepOriginals(host, writer, steps, journal); // after what takes long: they may be edited meanwhile
  writer.settle();
  for (const folder of [TX.stage, TX.undo, TX.promote, TX.work, TX.folder]) disk.syncDirectory(folder);
  writeJournal(disk, journal);
  return journal;
}

function journalOf({ disk, processes }: TransactionHost, order: TransactionOrder): Journal {
  const journal: Journal = {
    id: order.id,
    state: "prepared",
    reason: "",
    attempt: order.attempt,
    window: order.windowSeconds,
    firmware: order.firmware,
    rebootAllowed: order.rebootAllowed,
    rebooted: "",
    boot: processes.bootId,
    generation: nextGeneration(disk),
    at: order.at,
    ...(order.up === undefined ? {} : { up: order.up }),
    packages: order.packages,
    services: order.services ?? [],
    tree: order.tree,
    left: order.left ?? "",
  };
  refuseUnprintable(journal);
  return journal;
}

/** What we could not read back must not become a journal. */
function refuseUnprintable({ id, attempt, window, at, up = 0, packages, services }: Journal): void {
  const isWhole = [attempt, window, at, up].every((value) => Number.isSafeInteger(value) && value >= 0 && value < 1e15);
  const isNamed = packages.every((name) => /^[A-Za-z0-9_-]{1,64}$/.test(name)) && packages.join(" ").length <= 4096;
  const isActed = services.every((one) => /^[A-Za-z0-9_][A-Za-z0-9._+-]{0,63}:[a-z]{1,16}$/.test(one));
  if (isWhole && isNamed && isActed && services.join(" ").length <= 6144 && /^[a-z0-9-]{1,64}$/.test(id)) return;
  throw new ProvisionError("INTERNAL", `the order ${JSON.stringify(id)} can't be written into a journal`);
}
