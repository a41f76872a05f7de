import type { RunContext } from "../context.ts";
import { ProvisionError } from "../errors.ts";
import type { Plan } from "../plan.ts";
import type { Trial } from "./apply.ts";

const DEADLINE = 30_000;

/**
 * Starts the device anew in the middle of the trial, and waits to be ended by it. COMMAND_FAILED: it goes on running until the trial's time is up, and the
 * plan is taken back.
 */
export async function rebootOnTrial(ctx: RunContext, plan: Plan, trial: Trial): Promise<undefined> {
  ctx.log("warning", `the device restarts, and confirms after it: ${plan.reboots.join("; ")}`);
  if (!ctx.commands.has("reboot")) throw new ProvisionError("COMMAND_FAILED", "reboot is not on this device");
  try {
    const asked = await ctx.commands.run("reboot", [], { deadline: DEADLINE, signal: ctx.signal });
    ctx.log(asked.status === 0 ? "debug" : "warning", `reboot ends with ${asked.status ?? asked.signal}`);
    await ctx.clock.sleep(Math.max(1, trial.deadline - ctx.clock.elapsed()), ctx.signal);
  } catch (thrown) {
    if (ctx.signal.aborted) return undefined; // as everybody is who still runs
    throw thrown;
  }
  throw new ProvisionError("COMMAND_FAILED", "the device was asked to restart and did not");
}
