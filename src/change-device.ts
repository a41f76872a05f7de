/** The half of a run that most runs never reach: loaded when a tree is new. */
import type { Device, RunContext } from "./context.ts";
import { asProvisionError } from "./errors.ts";
import type { Plan } from "./plan.ts";
import { applyChanges } from "./stages/apply.ts";
import { confirm } from "./stages/confirm.ts";
import { activate } from "./stages/postapply.ts";
import { preflight } from "./stages/preapply.ts";
import { takeBackTrial } from "./stages/roll-back.ts";
import type { Step } from "./step.ts";

export { rememberConfirmed } from "./stages/confirm.ts";
export { planChanges } from "./stages/validate.ts";

/**
 * From the plan to a confirmed generation, whose number it gives back. From the first file in place on, whatever goes wrong puts every
 * file back.
 */
export async function carryOut(ctx: RunContext, step: Step, device: Device, plan: Plan): Promise<number> {
  await step("preapply", (stage) => preflight(stage, device, plan));
  try {
    const trial = await step("apply", (stage) => applyChanges(stage, device, plan));
    const wasReloaded = await step("postapply", (stage) => activate(stage, device, plan));
    return await step("confirm", (stage) => confirm(stage, device, plan, trial, wasReloaded));
  } catch (thrown) {
    throw await takeBackTrial(ctx, device, plan, asProvisionError(thrown));
  }
}
