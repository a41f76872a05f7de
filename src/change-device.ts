/** The half of a run that most runs never reach: loaded when a tree is new. */
import type { Device, RunContext } from "./context.ts";
import { asProvisionError } from "./errors.ts";
import type { FirmwarePlan, Plan } from "./plan.ts";
import type { Settings } from "./settings.ts";
import { applyChanges } from "./stages/apply.ts";
import { holdWhatWorks, type Trials } from "./stages/bisect.ts";
import { confirm, confirmAfterReboot, rememberConfirmed } from "./stages/confirm.ts";
import { flash, preflightFirmware } from "./stages/flash.ts";
import { activate } from "./stages/postapply.ts";
import { preflight } from "./stages/preapply.ts";
import { rebootOnTrial } from "./stages/reboot.ts";
import type { OpenTrial } from "./stages/recover-transaction.ts";
import { takeBackTrial } from "./stages/roll-back.ts";
import { settleSoftware } from "./stages/software.ts";
import { readState } from "./state.ts";
import type { Step } from "./step.ts";

export { isEmptyPlan } from "./plan.ts";
export { factsOf } from "./run-facts.ts";
export { type Begun, planAhead, planChanges, refuseCircle } from "./stages/validate.ts";
export { rememberConfirmed, settleSoftware };

export interface CarriedOut {
  /** The plan as it was carried out, which packages may have changed before. */
  readonly plan: Plan;
  /** Undefined: none (yet), since no file changed, or only a reboot confirms it. */
  readonly generation: number | undefined;
  /** The device is restarting, and whoever runs after that confirms. */
  readonly isRebooting: boolean;
}

/** What a run needs to try a tree in parts: to plan it again, and to let hooks undo what they did for a trial that was taken back. */
export type Again = Pick<Trials, "plan"> & {
  readonly undoHooks: () => Promise<void>;
  /** The whole plan again, with what packages have brought by now. */
  readonly planWithPackages: (ctx: RunContext, device: Device) => Promise<Plan>;
};

/** So often it is planned once more, since somebody edits what it changes: each time writes to the flash. */
const MORE_PLANS = 2;

/**
 * The whole plan; or, if that cuts the device off, what of it does not. Packages come first, and then the plan is made again, since they bring
 * files, users and services; what is to be removed goes last. What somebody edits before anything has landed is planned with at once: a program that
 * writes its file every minute would else keep a device for ever that takes so long.
 */
export async function carryOutWhatHolds(
  ctx: RunContext,
  step: Step,
  known: Device,
  first: Plan,
  again: Again,
  more: number = MORE_PLANS,
): Promise<CarriedOut> {
  const { device, plan } = await step("preapply", (stage) => preflight(stage, known, first, again.planWithPackages));
  if (plan.actions.length === 0) {
    rememberConfirmed(ctx, device, plan);
    await settleSoftware(ctx, device, plan.software);
    return { plan, generation: undefined, isRebooting: false };
  }
  const held = await wholeOrPart(ctx, step, device, plan, again, more > 0);
  if (held === undefined) {
    await again.undoHooks();
    const now = { ...device, state: readState(ctx.disk) };
    return await carryOutWhatHolds(ctx, step, now, await again.plan(now, plan.left), again, more - 1);
  }
  // The boot after it confirms, and the run after that finds what is still to be removed.
  if (held.generation === undefined) return { ...held, isRebooting: true };
  await settleSoftware(ctx, device, held.plan.software);
  return { ...held, isRebooting: false };
}

/** Undefined: the device is not what the plan was made for, which is to be made again. */
async function wholeOrPart(
  ctx: RunContext,
  step: Step,
  device: Device,
  plan: Plan,
  again: Again,
  mayPlanAgain: boolean,
): Promise<Omit<CarriedOut, "isRebooting"> | undefined> {
  try {
    return { generation: await onTrial(ctx, step, device, plan), plan };
  } catch (thrown) {
    const { code, message, place } = asProvisionError(thrown);
    // The settings that this run goes by, whom it believes and what it leaves alone, are another run's.
    const isOurs = place?.file === "/etc/config/uciprov";
    if (code === "DEVICE_CHANGED" && mayPlanAgain && !isOurs)
      return void ctx.log("warning", `${message}: it is planned again`);
    if (code !== "NOT_CONFIRMED") throw thrown;
    const part = await holdWhatWorks(ctx, device, plan, {
      async plan(now, left) {
        await again.undoHooks();
        return again.plan(now, left);
      },
      async carryOut(now, less) {
        await step("preapply", (stage) => preflight(stage, now, less, async () => less));
        return onTrial(ctx, step, now, less, true);
      },
    });
    if (part === undefined) throw thrown;
    return part;
  }
}

/** From the first file in place on, whatever goes wrong puts every file back. Undefined: the device is restarting. */
async function onTrial(
  ctx: RunContext,
  step: Step,
  device: Device,
  plan: Plan,
  isPart = false,
): Promise<number | undefined> {
  const names = plan.packages.map((one) => one.name);
  return await orTakenBack(
    ctx,
    device.settings,
    names,
    async () => {
      const trial = await step("apply", (stage) => applyChanges(stage, device, plan));
      const wasReloaded = await step("postapply", (stage) => activate(stage, device, plan));
      if (plan.reboots.length > 0) return await step("reboot", (stage) => rebootOnTrial(stage, plan, trial));
      return await step("confirm", (stage) => confirm(stage, device, plan, trial, wasReloaded));
    },
    isPart,
  );
}

/** A plan that rebooted, after its reboot: it proves itself now. */
export async function endTrial(ctx: RunContext, step: Step, trial: OpenTrial): Promise<void> {
  const { settings, journal } = trial;
  const generation = await orTakenBack(ctx, settings, journal.packages, () =>
    step("confirm", (stage) => confirmAfterReboot(stage, trial)),
  );
  ctx.log("info", `generation ${generation} is confirmed after its reboot`);
}

/** The image and nothing else: a run that comes back from here has nothing more to do. */
export async function writeFirmware(step: Step, device: Device, firmware: FirmwarePlan): Promise<void> {
  await step("preapply", (stage) => preflightFirmware(stage, firmware));
  await step("reboot", (stage) => flash(stage, device, firmware));
}

async function orTakenBack<T>(
  ctx: RunContext,
  settings: Settings,
  packages: readonly string[],
  act: () => Promise<T>,
  isPart = false,
): Promise<T> {
  try {
    return await act();
  } catch (thrown) {
    throw await takeBackTrial(ctx, settings, packages, asProvisionError(thrown), isPart);
  }
}
