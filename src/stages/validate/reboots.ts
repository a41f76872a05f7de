import type { RebootChange } from "../../changes.ts";
import type { PackagePlan } from "../../plan.ts";
import type { Action } from "../../transaction/order.ts";

/**
 * Why the device is to be started anew: what modules say, and what `list reboot` names that changes. A plan that changes nothing never reboots, so no tree can
 * have a device do it over and over.
 */
export function rebootReasons(
  asked: readonly RebootChange[],
  named: readonly string[],
  packages: readonly Pick<PackagePlan, "name">[],
  actions: readonly Action[],
): readonly string[] {
  if (actions.length === 0) return [];
  const changed = named.filter((name) =>
    name.startsWith("/")
      ? actions.some(({ path }) => path === name || path.startsWith(`${name}/`))
      : packages.some((one) => one.name === name),
  );
  return [...new Set([...asked.map(({ reason }) => reason), ...changed.map((name) => `${name} changes`)])];
}
