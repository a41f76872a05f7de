import type { DeviceFacts } from "../api.ts";

/** Milliseconds since 1970 that have surely passed: what manifests said before, and the firmware's build. */
export function timeFloor(device: {
  readonly state: { readonly floor: number };
  readonly facts: Pick<DeviceFacts, "built">;
}): number {
  return Math.max(device.state.floor, (device.facts.built ?? 0) * 1000);
}
