import type { RunContext } from "../context.ts";
import { ProvisionError } from "../errors.ts";
import type { Settings } from "../settings.ts";
import { readState } from "../state.ts";
import { type JournalState, readJournal } from "../transaction/journal.ts";
import { forget, rollBack } from "../transaction/roll-back.ts";
import { noteFailure } from "./failed-tree.ts";
import { restoreDeltas } from "./foreign-deltas.ts";
import { reload } from "./reload.ts";
import { LONGEST_ACT, undoServices } from "./service-acts.ts";

const DEADLINE = 120_000;

/**
 * After a failure from apply on: every file goes back, services are reloaded with the old configuration, the attempt is counted. Gives back the
 * error that the run ends with: the failure itself if nothing had landed yet, else one that says so. Even a run that was asked to stop
 * finishes this. A trial of a part of the tree is none of the tree's attempts, nor is one that was asked to stop: whatever failed then, failed by that.
 */
export async function takeBackTrial(
  ctx: RunContext,
  settings: Settings,
  packages: readonly string[],
  cause: ProvisionError,
  isPart = false,
): Promise<ProvisionError> {
  const wasStopped = ctx.signal.aborted && cause.code !== "STOPPED";
  const failure = wasStopped ? new ProvisionError("STOPPED", `asked to stop: ${cause.message}`, { cause }) : cause;
  const calm: RunContext = { ...ctx, signal: AbortSignal.timeout(DEADLINE) };
  try {
    const journal = readJournal(ctx.disk);
    const wasOnTrial = journal?.state === "trial";
    const hadLanded = hasLanded(journal?.state) || cause.exit === "rolled-back";
    const back = await rollBack(calm, `${failure.code}: ${failure.message}`.slice(0, 500));
    restoreDeltas(calm);
    if (back === undefined && !hadLanded) return failure;
    if (back !== undefined) {
      await reload(calm, settings, packages);
      // Before the trial no service was touched.
      if (wasOnTrial) await undoServices({ ...ctx, signal: longEnoughFor(back.services) }, settings, back.services);
      // Until here the journal tells the next run what is still to be done, should this one die.
      if (!isPart) noteFailure(calm, readState(calm.disk), back.tree, back.reason);
      forget(calm);
      if (journal !== undefined && journal.rebooted !== "") await rebootOnceMore(calm);
    }
  } catch (thrown) {
    ctx.log(
      "error",
      "the way back is not finished: recover.sh does it at the next boot, or the next run before anything else",
    );
    return new ProvisionError("APPLY_FAILED", failure.message, { cause: thrown, findings: failure.findings });
  }
  if (failure.exit === "rolled-back") return failure;
  return new ProvisionError("APPLY_FAILED", `taken back: ${failure.message}`, { cause: failure });
}

/** Each has a deadline of its own; that some hang is no reason to leave the others as they are. */
export function longEnoughFor(services: readonly string[]): AbortSignal {
  return AbortSignal.timeout(DEADLINE + services.length * LONGEST_ACT);
}

/** What took a reboot to become true takes one to be so no more. Tries of a tree are bounded, and so are these. */
async function rebootOnceMore(ctx: RunContext): Promise<void> {
  if (!ctx.commands.has("reboot")) return;
  ctx.log("warning", "the device restarts with the old configuration");
  await ctx.commands.run("reboot", [], { deadline: DEADLINE, signal: ctx.signal });
}

/** Staged is not landed: until the first file is in place the device is untouched, and the failure is an ordinary one. */
function hasLanded(state: JournalState | undefined): boolean {
  return state !== undefined && state !== "prepared";
}
