import type { Module } from "../../api.ts";
import type { Device } from "../../context.ts";
import { sha256 } from "../../sha256.ts";
import type { State } from "../../state.ts";
import { candidates } from "../../tree/resources.ts";
import type { Latch } from "../../trust.ts";
import { VERSION } from "../../version.ts";
import type { Brought } from "./resources.ts";
import { wantedResources } from "./wanted.ts";

/**
 * All that a plan depends on besides the tree itself, in one text to compare: settings, modules, the device's own facts, the keys it holds, its owner
 * and the URIs its resources expand to. While this and the manifest stay the same, so does the plan.
 */
export function inputsOf(
  device: Pick<Device, "settings" | "facts" | "macros"> & { readonly state?: Pick<State, "software"> },
  modules: readonly Module[],
  keyNames: readonly string[],
  latch: Latch | undefined,
): string {
  const { hostname: _, ...facts } = device.facts; // its name counts where a URI uses it
  return JSON.stringify([
    device.settings,
    facts,
    VERSION,
    modules.map((module) => [module.name, module.revision ?? ""]),
    [...keyNames].sort(),
    latch ?? null,
    // What a run that died left to be removed: until it is done no plan is the same.
    device.state?.software?.pending ?? [],
    wantedResources(device.settings, modules).map(({ module, name, template }) => [
      module.name,
      name,
      expandable(() => candidates(template, device.macros).map((one) => one.text)),
    ]),
  ]);
}

/** Stands for a whole tree where there is no manifest to do it. */
export function digestOfTree(brought: Brought): string {
  return sha256(
    JSON.stringify([...brought].map(([module, resources]) => [module, resources.map((one) => [one.uri, one.sha256])])),
  );
}

/** An expansion that fails is told where it is needed; here it only has to make a difference. */
function expandable(expand: () => readonly string[]): readonly string[] {
  try {
    return expand();
  } catch {
    return ["cannot be expanded"];
  }
}
