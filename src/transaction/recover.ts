import { removeDeadClaims, type TransactionHost, takeClaim } from "./claim.ts";
import { finishConfirmed } from "./confirm.ts";
import { removeTree } from "./folders.ts";
import type { Keep } from "./generations.ts";
import { type Journal, readJournal, writeJournal } from "./journal.ts";
import { TX } from "./layout.ts";
import type { TreeName } from "./order.ts";
import { discard, type RolledBack, takeBack } from "./roll-back.ts";
import { isOtherFirmware } from "./running-firmware.ts";

/** What was found at the start of a run, and is true of it now. */
export type Recovered =
  | { readonly kind: "none" }
  /** The old configuration is back, by now or by `recover.sh`; `forget` when it has been reported and counted. */
  | RolledBack
  | { readonly kind: "finished-confirm"; readonly id: string; readonly generation: number; readonly tree: TreeName }
  /** Nothing was undone: it had not begun to land, or belongs to another firmware. */
  | { readonly kind: "discarded"; readonly id: string; readonly tree: TreeName; readonly reason: string }
  /** The plan rebooted, and this is the boot after: confirm it, or roll it back. */
  | { readonly kind: "trial-in-progress-after-reboot"; readonly journal: Journal };

/**
 * Brings a transaction that a cut left open to its end; done again it changes nothing. It does what `recover.sh` does at boot,
 * and what only Node does: finish a confirmation. BUSY: the watcher is at it. JOURNAL_INVALID: not ours to touch.
 */
export async function recover(
  host: TransactionHost,
  how: { readonly firmware: string; readonly keep: Keep },
): Promise<Recovered> {
  const found = readJournal(host.disk);
  if (found === undefined) {
    sweep(host);
    return { kind: "none" };
  }
  if (found.state === "rolled-back") return takeBack(host, found, "");
  const claim = await takeClaim(host, "take back");
  try {
    const journal = readJournal(host.disk);
    return journal === undefined ? { kind: "none" } : recoverFrom(host, journal, how);
  } finally {
    claim.release();
  }
}

/** What a cut can leave behind a transaction that has ended, or had not begun. */
function sweep(host: TransactionHost): void {
  removeTree(host.disk, TX.newJournal);
  removeTree(host.disk, TX.work);
  removeDeadClaims(host);
}

function recoverFrom(
  host: TransactionHost,
  journal: Journal,
  { firmware, keep }: { readonly firmware: string; readonly keep: Keep },
): Recovered {
  const { id, tree, generation } = journal;
  if (journal.state === "confirmed") {
    finishConfirmed(host, journal, keep);
    return { kind: "finished-confirm", id, generation, tree };
  }
  const why = reasonToDiscard(journal, firmware);
  if (why !== undefined) {
    discard(host);
    return { kind: "discarded", id, tree, reason: why };
  }
  const trial = trialAfterReboot(host, journal);
  if (trial !== undefined) return { kind: "trial-in-progress-after-reboot", journal: trial };
  return takeBack(host, journal, `cut while ${journal.state}`);
}

function reasonToDiscard(journal: Journal, firmware: string): string | undefined {
  if (journal.state === "rolled-back") return undefined;
  if (isOtherFirmware(journal.firmware, firmware))
    return `it belongs to firmware ${journal.firmware}, and ${firmware} runs`;
  return journal.state === "prepared" ? "nothing of it had landed" : undefined;
}

/** One boot may pass within a trial whose plan reboots; `recover.sh` has normally noted it before us. */
function trialAfterReboot({ disk, processes }: TransactionHost, journal: Journal): Journal | undefined {
  if (journal.state !== "trial") return undefined;
  if (journal.rebooted !== "") return journal.rebooted === processes.bootId ? journal : undefined;
  if (!journal.rebootAllowed || journal.boot === processes.bootId) return undefined;
  const noted: Journal = { ...journal, rebootAllowed: false, rebooted: processes.bootId };
  writeJournal(disk, noted);
  return noted;
}
