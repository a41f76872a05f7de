import type { Device, RunContext } from "../context.ts";
import type { Plan } from "../plan.ts";
import { reload } from "./reload.ts";
import { actOnServices } from "./service-acts.ts";

/**
 * Makes the new configuration the running one, for the packages and services that changed and no others; whether anything was asked to reload.
 * SERVICE_FAILED: a service does not run with it.
 */
export async function activate(ctx: RunContext, device: Device, plan: Plan): Promise<boolean> {
  if (plan.reboots.length > 0) return false; // the reboot is the reload
  const names = plan.packages.map((one) => one.name);
  const wasReloaded = await reload(ctx, device.settings, names);
  const wasActedOn = await actOnServices(ctx, device.settings, plan.services);
  return wasReloaded || wasActedOn;
}
