import type { Device, RunContext } from "../context.ts";
import { asProvisionError } from "../errors.ts";
import { type LeftPart, toldLeft } from "../left-part.ts";
import type { Plan } from "../plan.ts";
import { readState } from "../state.ts";
import { leftParts, partsOf, withDependents } from "./bisect/parts.ts";
import { leastToLeaveOut } from "./bisect/search.ts";
import { prove } from "./confirm.ts";

/** A generation that holds without a part of its tree. */
export interface Part {
  readonly generation: number;
  readonly plan: Plan;
}

/** What a trial needs of the run around it. */
export interface Trials {
  /** The same tree as a plan for the device as it is by now, without these parts. */
  plan(device: Device, left: readonly LeftPart[]): Promise<Plan>;
  /** Carries a plan out, guarded like any other; what fails has been taken back. The generation's number; undefined: the device is restarting. */
  carryOut(device: Device, plan: Plan): Promise<number | undefined>;
}

/**
 * After the whole plan cut the device off and was taken back: looks for the parts that hold without the one that harms, a transaction of its own
 * each. Undefined: there are none, or what failed was not the plan's doing, since with the old configuration the probes fail as well.
 */
export async function holdWhatWorks(
  ctx: RunContext,
  device: Device,
  whole: Plan,
  trials: Trials,
): Promise<Part | undefined> {
  const parts = partsOf(whole);
  if (!device.settings.confirm.bisect || parts.length < 2) return undefined;
  if (!(await isReachableAgain(ctx, device, whole))) {
    ctx.log(
      "warning",
      "with the old configuration the probes fail as well: no part of the tree is to blame, or all of it",
    );
    return undefined;
  }
  let held: Part | undefined;
  const tried = new Set<string>();
  const left = await leastToLeaveOut(parts, device.settings.confirm.bisect_tries, async (suspects) => {
    const out = withDependents(suspects, whole);
    const name = [...out].sort().join(",");
    if (tried.has(name) || out.length >= parts.length) return false;
    tried.add(name);
    ctx.log("info", `tried again without ${out.join(", ")}`);
    const made = await tryWithout(ctx, device, leftParts(out, whole), trials);
    held = made ?? held;
    return made !== undefined;
  }).catch((thrown: unknown) => {
    // What holds already, holds; the search itself is no more than that.
    if (held === undefined) throw thrown;
    ctx.log("warning", `the search ends here: ${asProvisionError(thrown).message}`);
    return [];
  });
  if (left === undefined || held === undefined) return undefined;
  ctx.log("error", `the tree holds in part only; left out: ${toldLeft(held.plan.left)}`);
  return held;
}

/** Seconds for the old configuration, which worked a moment ago, to work again. */
const LONGEST_LOOK = 60;

/** A server that is down, a cable that is out: nothing that leaving out a part would mend. */
async function isReachableAgain(ctx: RunContext, device: Device, plan: Plan): Promise<boolean> {
  const deadline = ctx.clock.elapsed() + Math.min(device.settings.confirm.window, LONGEST_LOOK) * 1000;
  try {
    const { reload } = device.settings.main;
    if (reload && plan.packages.length > 0) await ctx.clock.sleep(device.settings.confirm.settle * 1000, ctx.signal);
    await prove(ctx, device.settings, plan.download.source.base.text, deadline);
    return true;
  } catch (thrown) {
    if (asProvisionError(thrown).code === "NOT_CONFIRMED") return false;
    throw thrown;
  }
}

/** Undefined: this does not hold, either, and was taken back. Any other failure than that is thrown. */
async function tryWithout(
  ctx: RunContext,
  device: Device,
  left: readonly LeftPart[],
  trials: Trials,
): Promise<Part | undefined> {
  const now: Device = { ...device, state: readState(ctx.disk) };
  const plan = await trials.plan(now, left);
  // What confirms only after a reboot leaves nobody here to go on with the search.
  if (plan.actions.length === 0 || plan.reboots.length > 0) return undefined;
  try {
    const generation = await trials.carryOut(now, plan);
    return generation === undefined ? undefined : { generation, plan };
  } catch (thrown) {
    if (asProvisionError(thrown).code === "NOT_CONFIRMED") return undefined;
    throw thrown;
  }
}
