import type { Module } from "./api.ts";
import type { Settings } from "./settings.ts";

/** Whether the settings leave a module in: `list module '-NAME'` takes it out, and with it all that it had set. */
export function isModuleOn(settings: Settings, module: Module): boolean {
  return !settings.main.module.includes(`-${module.name}`);
}
