/** Modules in JavaScript: `.mjs` files with one default export of the shape that the ones in `hooks/` have. */
import { pathToFileURL } from "node:url";
import {
  defineModule,
  file,
  type HookContext,
  type Module,
  ProvisionError,
  packages,
  parseExport,
  reboot,
  remove,
  service,
  symlink,
  template,
  uci,
} from "./api.ts";
import type { ModuleFile } from "./module-files.ts";

/** What a module gets that exports a function instead of a module: it has no other way to these, since nothing is installed beside it. */
const TOOLS = {
  defineModule,
  file,
  packages,
  parseExport,
  ProvisionError,
  reboot,
  remove,
  service,
  symlink,
  template,
  uci,
} as const;

const HOOK_POINTS: readonly string[] = [
  ...["preinit", "geturi", "fetch", "validate", "preapply", "apply"],
  ...["postapply", "reboot", "done", "failed"],
];

/**
 * Loads the file, in this process. `hostPath` is where it lies; `revision` is another one whenever the file is, so that a process that stays takes a changed
 * file, and one that was mended. HOOK_FAILED if it throws, or exports something else than a module.
 */
export async function loadScriptModule(from: ModuleFile, hostPath: string, revision: string): Promise<Module> {
  const where = `module ${from.name}`;
  let exported: unknown;
  try {
    const loaded: unknown = await import(`${pathToFileURL(hostPath).href}?${revision}`);
    exported = isObject(loaded) ? loaded["default"] : undefined;
    if (typeof exported === "function") exported = await exported(TOOLS);
  } catch (cause) {
    throw new ProvisionError("HOOK_FAILED", `${where} does not load`, { cause, place: { file: from.path } });
  }
  const fault = faultOf(exported, from);
  if (fault !== undefined)
    throw new ProvisionError("HOOK_FAILED", `${where}: ${fault}`, { place: { file: from.path } });
  // Its shape was looked at; what its functions return is looked at where it is used.
  return bounded(exported as Module);
}

const DEADLINE_MS = 60_000;

/** The same module, with a deadline for each function: a promise that never settles must not hold a device. */
function bounded(module: Module): Module {
  const hooks = Object.entries(module.hooks ?? {}).map(([point, hook]) => [
    point,
    (context: HookContext) => inTime(`${module.name} in ${point}`, context.signal, () => hook(context)),
  ]);
  const plan = module.plan?.bind(module);
  return {
    ...module,
    hooks: Object.fromEntries(hooks),
    ...(plan && { plan: (context) => inTime(`${module.name} in plan`, context.signal, () => plan(context)) }),
  };
}

async function inTime<T>(what: string, signal: AbortSignal, call: () => T | Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let stop: (() => void) | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ProvisionError("HOOK_TIMEOUT", `module ${what} hangs`)), DEADLINE_MS);
    stop = () => reject(new ProvisionError("STOPPED", `module ${what} was asked to stop`));
    signal.addEventListener("abort", stop);
  });
  try {
    return await Promise.race([late, call()]);
  } finally {
    clearTimeout(timer);
    if (stop !== undefined) signal.removeEventListener("abort", stop);
  }
}

function faultOf(exported: unknown, from: ModuleFile): string | undefined {
  if (!isObject(exported)) return "its default export is neither a module nor a function that makes one";
  const { name, resources = {}, hooks = {}, plan } = exported;
  if (name !== from.name) return `it calls itself ${JSON.stringify(name)}, its file says ${from.name}`;
  if (plan !== undefined && typeof plan !== "function") return "its plan is no function";
  if (!isObject(resources) || !isObject(hooks)) return "its resources or hooks are no object";
  for (const [resource, request] of Object.entries(resources)) {
    const isRequest =
      isObject(request) && typeof request["uri"] === "string" && ["small", "large"].includes(String(request["size"]));
    if (!isRequest || !/^[a-z][a-z0-9_]{0,31}$/.test(resource)) return `its resource ${resource} has no uri and size`;
    template(String(request["uri"]));
  }
  for (const [point, hook] of Object.entries(hooks)) {
    if (!HOOK_POINTS.includes(point)) return `there is no stage ${point}`;
    if (typeof hook !== "function") return `its hook for ${point} is no function`;
  }
  return undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
