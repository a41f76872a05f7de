import type { Disk } from "../../src/api.ts";
import { applyActions } from "../../src/transaction/apply.ts";
import type { TransactionHost } from "../../src/transaction/claim.ts";
import { confirmTransaction } from "../../src/transaction/confirm.ts";
import { readJournal } from "../../src/transaction/journal.ts";
import { prepare } from "../../src/transaction/prepare.ts";
import { recover } from "../../src/transaction/recover.ts";
import { forget, rollBack } from "../../src/transaction/roll-back.ts";
import { cutAt, failAt, PowerCut, type Tear } from "./faulty-disk.ts";
import { type MemoryDisk, memoryDisk } from "./memory-disk.ts";
import { copyArchived, FIRMWARE, KEEP, life, plantOld, snapshot, specimenOrder } from "./specimen.ts";

/** What a process does with a device until it ends, or the power does. */
export type Life = (host: TransactionHost) => Promise<void>;

/** The stories a transaction can have, with every step of them. */
export const LIVES = {
  "apply and confirm": async (host) => {
    await applied(host);
    await confirmTransaction(host, "t-1", () => true, KEEP);
  },
  "apply and roll back": async (host) => {
    await applied(host);
    await rollBack(host, "the probes failed");
    forget(host);
  },
  /** Prepared in another boot than all the rest is. */
  "apply, reboot and confirm": async (host) => {
    await applied(inBoot(host, "boot-before"), { rebootAllowed: true });
    const found = await recover(host, { firmware: FIRMWARE, keep: KEEP });
    if (found.kind !== "trial-in-progress-after-reboot") throw new Error(`after the reboot: ${found.kind}`);
    await confirmTransaction(host, "t-1", () => true, KEEP);
  },
} as const satisfies Record<string, Life>;

function inBoot(host: TransactionHost, bootId: string): TransactionHost {
  return { ...host, processes: { ...host.processes, bootId } };
}

async function applied(host: TransactionHost, order: Parameters<typeof specimenOrder>[0] = {}): Promise<void> {
  const prepared = await prepare(host, specimenOrder(order), copyArchived);
  if (prepared.kind === "ready") applyActions(host, prepared);
}

/** What recovery at the next start does, until it is done or cut. A trial that comes through its reboot is confirmed by nobody: the boot after takes it back. */
export const recovering: Life = async (host) => {
  const how = { firmware: FIRMWARE, keep: KEEP };
  const found = await recover(host, how);
  if (found.kind === "trial-in-progress-after-reboot") await recover(inBoot(host, "boot-after"), how);
};

/** The tree before, and the tree after a confirmation; all else is a mixture. */
export interface Both {
  readonly old: string;
  readonly new: string;
}

export async function bothTrees(): Promise<Both> {
  const disk = memoryDisk();
  plantOld(disk);
  const old = snapshot(disk);
  await LIVES["apply and confirm"](life(disk, "1"));
  return { old, new: snapshot(disk) };
}

export interface Cut {
  readonly at: number;
  readonly tear: Tear;
}

/** Lives on a disk until the cut; answers whether it came to it. */
export async function liveUntil(disk: Disk, act: Life, cut: Cut, name: string, bootId?: string): Promise<boolean> {
  try {
    await act(life(cutAt(disk, cut.at, cut.tear).disk, name, bootId));
    return false;
  } catch (thrown) {
    if (thrown instanceof PowerCut) return true;
    throw thrown;
  }
}

/** How many changing operations a life has on a disk that is given up for it. */
export async function countSteps(disk: Disk, act: Life): Promise<number> {
  const counted = failAt(disk, "EIO", Number.POSITIVE_INFINITY);
  await act(life(counted.disk, "counted"));
  return counted.count();
}

/** The device as it was before anything happened. */
export function oldDevice(): MemoryDisk {
  const disk = memoryDisk();
  plantOld(disk);
  return disk;
}

export type Outcome = "old" | "new" | "mixed";

/**
 * Judges a device after its recovery. `mustBe` is what the journal on the medium had promised at the cut. Recovering once more must change
 * nothing, and the transaction must be over.
 */
export async function judge(disk: Disk, both: Both, mustBe: "old" | "new", name: string): Promise<Outcome> {
  const found = snapshot(disk);
  if (found !== both[mustBe]) return "mixed";
  const before = snapshot(disk, true);
  await recovering(life(disk, `${name}-again`));
  const after = snapshot(disk, true);
  const state = readJournal(disk)?.state;
  const isOver = state === undefined || state === "rolled-back";
  return isOver && before === after ? mustBe : "mixed";
}

/** What recovery has to bring about, by the journal that the medium holds. */
export function promisedBy(disk: Disk, both: Both): "old" | "new" {
  const journal = readJournal(disk);
  if (journal !== undefined) return journal.state === "confirmed" ? "new" : "old";
  return snapshot(disk) === both.new ? "new" : "old"; // it was over, or had not begun
}
