import type { RunContext } from "../context.ts";
import { makeFolder, SPOOL } from "../ram-folder.ts";
import { TX } from "../transaction/layout.ts";
import { restoreDeltas } from "./foreign-deltas.ts";

/** What stays in the transaction's folder when no transaction is open. */
const AT_REST = "generations";

/**
 * Brings an unfinished transaction to its end before anything else is looked at, gives back what a run that died had kept aside, and empties
 * its spool. Normally there is nothing to do, and the code for it is not even loaded.
 */
export async function recoverDevice(ctx: RunContext): Promise<void> {
  const isOpen = ctx.disk.list(TX.folder).some((name) => name !== AT_REST);
  if (ctx.choices.isDry) {
    if (isOpen) ctx.log("warning", "a transaction is open: the next run brings it to its end before anything else");
    emptySpool(ctx);
    return;
  }
  if (isOpen) await (await import("./recover-transaction.ts")).recoverTransaction(ctx);
  restoreDeltas(ctx);
  emptySpool(ctx);
}

function emptySpool(ctx: RunContext): void {
  makeFolder(ctx.disk, SPOOL, 0o700);
  for (const name of ctx.disk.list(SPOOL)) ctx.disk.unlink(`${SPOOL}/${name}`);
}
