import type { Module } from "../api.ts";
import type { Device, RunContext } from "../context.ts";
import { STATE } from "../state.ts";
import { baseMacros } from "./base-macros.ts";
import { inputsOf } from "./fetch/inputs.ts";
import type { Unchanged } from "./fetch.ts";
import { wasChecked } from "./full-check.ts";
import type { Source } from "./geturi.ts";
import { isOver } from "./time-floor.ts";

/**
 * Ends the run after one DNS query: the TXT record carries the serial at which the confirmed tree was last seen, within a day, and everything else
 * the plan was made from is as it was. A beacon saves work; it never changes trust, and a lying one delays a change by a day.
 */
export function unchangedByBeacon(
  ctx: RunContext,
  device: Device,
  source: Source,
  modules: readonly Module[],
): Unchanged | undefined {
  const { confirmed } = device.state;
  if (ctx.choices.isForced || source.beacon === undefined || confirmed === undefined) return undefined;
  const isExpired = confirmed.expires !== undefined && isOver(ctx, device, confirmed.expires);
  if (confirmed.base !== source.base.text || isExpired) return undefined;
  if (!wasChecked(ctx, source.beacon, confirmed.digest)) return undefined;
  const macros = baseMacros(device, source);
  if (confirmed.inputs !== inputsOf({ ...device, macros }, modules, ctx.disk.list(STATE.keys), device.state.latch))
    return undefined;
  return { kind: "unchanged", source, told: `the beacon still says ${source.beacon}` };
}
