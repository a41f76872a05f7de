import type { HookContext, HookPoint, MacroTable, Module, Resource, RunFacts, Template } from "./api.ts";
import { template } from "./api.ts";
import type { Device, RunContext } from "./context.ts";
import { asProvisionError, ProvisionError } from "./errors.ts";
import { isModuleOn } from "./module-choice.ts";

/** What hooks of this run have said so far, and who has already been called, so that `failed` can undo in reverse. */
export interface HookScene {
  /** From here on hooks can run: the device is known. Gives back the device with the macros that hooks may still change. */
  enter(device: Device): Device;
  /** What came for each module, by its name. */
  bring(resources: ReadonlyMap<string, readonly Resource[]>): void;
  /** What hooks from here on are told of the run. */
  note(more: RunFacts): void;
  run(point: HookPoint, signal: AbortSignal): Promise<void>;
  /** The `failed` hooks of the modules that ran any hook, last one first; what goes wrong in them is logged only. Who had run in a run that
   * died is not known: then it is all that have one. */
  runFailed(signal: AbortSignal, whose?: "of a run that died"): Promise<void>;
  /** What a hook answered in `geturi`. */
  readonly offered: Template | undefined;
}

export function hookScene(ctx: RunContext, modules: readonly Module[]): HookScene {
  const macros = new Map<string, { value: string; isTainted: boolean; origin: string }>();
  const called = new Set<Module>();
  let device: Device | undefined;
  let offered: Template | undefined;
  let facts: RunFacts = {};
  let brought: ReadonlyMap<string, readonly Resource[]> = new Map();

  const contextFor = (module: Module, point: HookPoint, known: Device, signal: AbortSignal): HookContext => ({
    stage: point,
    settings: known.settings,
    facts: known.facts,
    macros,
    files: ctx.disk,
    commands: ctx.commands,
    log: (level, message) => ctx.log(level, `${module.name}: ${message}`),
    signal,
    clock: ctx.clock,
    resources: brought.get(module.name) ?? [],
    run: facts,
    outbox: async () => (await import("./outbox.ts")).openOutbox(ctx, known.settings),
    async led(state) {
      const name = known.settings.main.led;
      if (name === undefined || ctx.choices.isDry) return;
      await ctx.setLed(name, state).catch((thrown) => ctx.log("debug", `the LED: ${asProvisionError(thrown).message}`));
    },
    setMacro(name, value, options) {
      macros.set(name, { value, isTainted: options?.isTainted ?? true, origin: `hook ${module.name}` });
    },
    offerUri(uri) {
      if (point !== "geturi") {
        throw new ProvisionError("HOOK_FAILED", `${module.name} offers a URI in ${point}; that is for geturi only`);
      }
      offered = template(uri);
    },
  });

  return {
    enter(entering) {
      for (const [name, value] of entering.macros) macros.set(name, value);
      device = { ...entering, macros: macros as MacroTable };
      return device;
    },
    bring(resources) {
      brought = resources;
    },
    note(more) {
      facts = { ...facts, ...more };
    },
    async run(point, signal) {
      for (const module of modules) {
        const hook = module.hooks?.[point];
        if (hook === undefined || device === undefined || !isModuleOn(device.settings, module)) continue;
        called.add(module);
        await callHook(module, point, () => hook(contextFor(module, point, known(device), signal)));
      }
    },
    async runFailed(signal, whose) {
      for (const module of [...(whose === undefined ? called : modules)].reverse()) {
        const hook = module.hooks?.failed;
        if (hook === undefined || device === undefined || !isModuleOn(device.settings, module)) continue;
        try {
          await hook(contextFor(module, "failed", device, signal));
        } catch (thrown) {
          ctx.log("warning", `${module.name}: its failed hook failed: ${asProvisionError(thrown).message}`);
        }
      }
    },
    get offered() {
      return offered;
    },
  };
}

function known(device: Device | undefined): Device {
  if (device === undefined) throw new ProvisionError("INTERNAL", "a hook before preinit");
  return device;
}

/** A hook's own error keeps its code (veto, try later); anything else it throws fails the stage as HOOK_FAILED. */
async function callHook(module: Module, point: HookPoint, call: () => void | Promise<void>): Promise<void> {
  try {
    await call();
  } catch (cause) {
    if (cause instanceof ProvisionError) throw cause;
    throw new ProvisionError("HOOK_FAILED", `module ${module.name} in ${point}`, { cause });
  }
}
