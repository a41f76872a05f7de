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
  const { isDry } = ctx.choices;
  if (isOpen && isDry) {
    ctx.log("warning", "a transaction is open: the next run brings it to its end before anything else");
  }
  const trial = isOpen && !isDry ? await (await import("./recover-transaction.ts")).recoverTransaction(ctx) : undefined;
  if (trial === undefined && readFirmware(ctx.disk).pending !== undefined) {
    (await import("./settle-firmware.ts")).settleFirmware(ctx);
  }
  // Not before it is known that no image is being written: it lies there, and sysupgrade reads it until the end.
  emptySpool(ctx);
  if (trial === undefined && !isDry) restoreDeltas(ctx);
  return trial;
}

function emptySpool(ctx: RunContext): void {
  makeFolder(ctx.disk, SPOOL, 0o700);
  for (const name of ctx.disk.list(SPOOL)) ctx.disk.unlink(`${SPOOL}/${name}`);
}
