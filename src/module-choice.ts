import type { Module } from "./api.ts";
import type { Settings } from "./settings.ts";

/** What `list module` says that leaves nothing out: a mistyped name would leave a module on that somebody wanted off. */
export function idleChoices(settings: Settings, modules: readonly Module[]): readonly string[] {
  return settings.main.module.filter((choice) => !modules.some(({ name }) => choice === `-${name}`));
}

/** Whether the settings leave a module in: `list module '-NAME'` takes it out, and with it all that it had set. */
export function isModuleOn(settings: Settings, module: Module): boolean {
  return !settings.main.module.includes(`-${module.name}`);
}
