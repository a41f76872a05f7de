import type { RunContext } from "../context.ts";
import { ProvisionError } from "../errors.ts";
import { afterFailure, afterSuccess, type FlashAttempt } from "../firmware-record.ts";
import { printFirmware, readFirmware, STATE } from "../state.ts";
import { writeState } from "./write-state.ts";

/** An image takes minutes to be written; as long nobody interferes. */
const UNDER_WAY = 600;

/**
 * What came of an image that was to be written when the last run ended: it runs, or that was a failed try. NOT_READY: it may still be being written.
 */
export function settleFirmware(ctx: RunContext): void {
  const record = readFirmware(ctx.disk);
  const { pending } = record;
  if (pending === undefined) return;
  const { revision, target } = ctx.readFacts();
  if (revision === pending.revision && target === pending.target) {
    ctx.log("warning", `firmware ${revision} runs; it was ${pending.from}`);
    if (!ctx.choices.isDry) writeState(ctx, STATE.firmware, printFirmware(afterSuccess(record, pending)));
    return;
  }
  if (isUnderWay(ctx, pending)) {
    throw new ProvisionError(
      "NOT_READY",
      `firmware ${pending.revision} is being written; the device restarts by itself`,
    );
  }
  const reason = `${revision} runs and not ${pending.revision}`;
  ctx.log("error", `firmware ${pending.revision} was written or begun, and ${reason}: a failed try`);
  if (!ctx.choices.isDry) {
    writeState(ctx, STATE.firmware, printFirmware(afterFailure(record, pending.sha256, reason)));
  }
}

function isUnderWay(ctx: RunContext, { boot, at }: FlashAttempt): boolean {
  return boot === ctx.processes.bootId && ctx.clock.sinceBoot() - at < UNDER_WAY;
}
