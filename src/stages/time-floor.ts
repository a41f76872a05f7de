import type { Device } from "../context.ts";

/** Milliseconds since 1970 that have surely passed: what manifests said before, and the firmware's build. */
export function timeFloor(device: Pick<Device, "state" | "facts">): number {
  return Math.max(device.state.floor, (device.facts.built ?? 0) * 1000);
}
