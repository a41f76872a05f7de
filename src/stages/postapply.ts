import type { Device, RunContext } from "../context.ts";
import type { Plan } from "../plan.ts";
import { reload } from "./reload.ts";

/** Makes the new configuration the running one, for the packages that changed and no others; whether anything was asked to reload. */
export async function activate(ctx: RunContext, device: Device, plan: Plan): Promise<boolean> {
  return reload(
    ctx,
    device.settings,
    plan.packages.map((one) => one.name),
  );
}
