import type { Module } from "./api.ts";
import type { Settings } from "./settings.ts";

/** What the settings say of modules and resources to no effect, in words: a mistyped name would leave something on that somebody wanted off. */
export function idleChoices({ main, resources }: Settings, modules: readonly Module[]): readonly string[] {
  const choices = main.module.filter((choice) => !modules.some(({ name }) => choice === `-${name}`));
  const idle = resources.filter((one) => {
    if (modules.some((module) => one.name in (module.resources ?? {}))) return false;
    return one.isEnabled && (one.uri === undefined || !modules.some(({ name }) => name === one.module));
  });
  return [
    ...choices.map(
      (choice) => `main.module: ${choice} leaves nothing out; it is \`-\` and a name that \`uciprov hooks list\` tells`,
    ),
    ...idle.map(
      ({ name }) =>
        `config resource '${name}' does nothing: no module has it, and it does not say a \`uri\` and a \`module\` that is here`,
    ),
  ];
}

/** Whether the settings leave a module in: `list module '-NAME'` takes it out, and with it all that it had set. */
export function isModuleOn(settings: Settings, module: Module): boolean {
  return !settings.main.module.includes(`-${module.name}`);
}
