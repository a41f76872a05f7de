import type { RunContext } from "../context.ts";
import { makeFolder, SPOOL } from "../ram-folder.ts";
import { readFirmware } from "../state.ts";
import { TX } from "../transaction/layout.ts";
import { restoreDeltas } from "./foreign-deltas.ts";
import type { OpenTrial } from "./recover-transaction.ts";

/** What stays in the transaction's folder when no transaction is open. */
const AT_REST = "generations";

/**
 * Brings an unfinished transaction to its end before anything else is looked at, gives back what a run that died had kept aside, and empties
 * its spool. Normally there is nothing to do, and the code for it is not even loaded. Gives back a trial that has come through its reboot.
 */
export async function recoverDevice(ctx: RunContext): Promise<OpenTrial | undefined> {
  const isOpen = ctx.disk.list(TX.folder).some((name) => name !== AT_REST);
  if (ctx.choices.isDry) {
    if (isOpen) ctx.log("warning", "a transaction is open: the next run brings it to its end before anything else");
    emptySpool(ctx);
    return undefined;
  }
  emptySpool(ctx);
  const trial = isOpen ? await (await import("./recover-transaction.ts")).recoverTransaction(ctx) : undefined;
  if (trial !== undefined) return trial;
  if (readFirmware(ctx.disk).pending !== undefined) (await import("./settle-firmware.ts")).settleFirmware(ctx);
  restoreDeltas(ctx);
  return undefined;
}

function emptySpool(ctx: RunContext): void {
  makeFolder(ctx.disk, SPOOL, 0o700);
  for (const name of ctx.disk.list(SPOOL)) ctx.disk.unlink(`${SPOOL}/${name}`);
}
