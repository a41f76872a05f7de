import type { DeviceFacts } from "../api.ts";
import type { RunContext } from "../context.ts";

/** Milliseconds since 1970 that have surely passed: what manifests said before, and the firmware's build. */
export function timeFloor(device: {
  readonly state: { readonly floor: number };
  readonly facts: Pick<DeviceFacts, "built">;
}): number {
  return Math.max(device.state.floor, (device.facts.built ?? 0) * 1000);
}

/** Whether the clock may be asked what has expired: something better than the flash has set it since boot, and it is not before what has surely passed. */
export function mayAskClock(ctx: Pick<RunContext, "clock" | "isClockProven">, floor: number): boolean {
  return ctx.isClockProven() && ctx.clock.now() >= floor;
}

/** Whether that time (milliseconds since 1970) is over, by the clock if it may be asked, else by what has surely passed. */
export function isOver(
  ctx: Pick<RunContext, "clock" | "isClockProven">,
  device: Parameters<typeof timeFloor>[0],
  time: number,
): boolean {
  const floor = timeFloor(device);
  return time <= (mayAskClock(ctx, floor) ? ctx.clock.now() : floor);
}
