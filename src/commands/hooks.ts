import { existsSync, realpathSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import type { Change, Finding, HookContext, HookPoint, Module, PlanContext, Resource } from "../api.ts";
import type { Device, RunContext } from "../context.ts";
import { load, loadDeviceModules } from "../device-modules.ts";
import { asProvisionError, type ExitName, ProvisionError } from "../errors.ts";
import { causesOf } from "../messages.ts";
import { moduleNamed, whyNotSafe } from "../module-files.ts";
import { devicePath, whyForbidden } from "../paths.ts";
import { plugins } from "../registry.ts";
import { preinit } from "../stages/preinit.ts";
import type { Command, Invocation } from "./command.ts";
import { openRun } from "./open-run.ts";

/** `hooks list`: the modules of this device; `hooks test FILE`: whether a file would be one. */
export const hooks: Command = async (invocation) => {
  const [act = "list", ...words] = invocation.words;
  const [path] = words;
  if (act === "list" && path === undefined) return list(invocation);
  if (act === "test" && path !== undefined) return examine(invocation, path, words.slice(1));
  throw new ProvisionError("USAGE", "uciprov hooks takes `list`, or `test FILE [NAME=FILE…] [STAGE…]`");
};

async function list(invocation: Invocation): Promise<ExitName> {
  const { modules, left } = await loadDeviceModules(openRun(invocation), plugins.modules, invocation.signal);
  const facts = modules.map((module) => ({
    name: module.name,
    resources: Object.keys(module.resources ?? {}),
    hooks: Object.keys(module.hooks ?? {}),
  }));
  if (invocation.flags.isJson) invocation.print(JSON.stringify({ modules: facts, left }));
  else {
    for (const { name, resources, hooks: points } of facts) {
      const told = [
        resources.length > 0 && `fetches ${resources.join(" ")}`,
        points.length > 0 && `hooks ${points.join(" ")}`,
      ];
      invocation.print(`${name.padEnd(12)} ${told.filter((part) => part !== false).join("; ")}`.trimEnd());
    }
  }
  return "provisioned";
}

/** One check and what came of it; undefined: it holds. */
interface Check {
  readonly title: string;
  readonly fault: string | undefined;
}

/**
 * What a module must keep, tried on one file, on this machine: it loads, does nothing where nothing came, plans the same twice; and the
 * hooks of the named stages end well. `NAME=FILE` gives a resource something to hold. Its changes are shown and not made.
 */
async function examine(invocation: Invocation, path: string, words: readonly string[]): Promise<ExitName> {
  const ctx = openRun(invocation);
  const checks: Check[] = [];
  const check = async (title: string, act: () => Promise<string | undefined>): Promise<void> => {
    const fault = await act().catch((thrown: unknown) => {
      const error = asProvisionError(thrown);
      return [`${error.code}: ${error.message}`, ...causesOf(error)].join(", because ");
    });
    checks.push({ title, fault });
    if (invocation.flags.isJson) return;
    invocation.print(
      fault === undefined
        ? `${invocation.paint.good("ok")}    ${title}`
        : `${invocation.paint.bad("fault")} ${title}: ${fault}`,
    );
  };
  const from = fileFor(path);
  if (!existsSync(from.path)) throw new ProvisionError("FILE_UNREADABLE", `${path} is not there`);
  const unsafe = whyNotSafe(from.path, ctx.disk);
  if (unsafe !== undefined) invocation.tell(`  as it lies here it would not be run: it ${unsafe}`);

  let module: Module | undefined;
  await check("it loads", async () => {
    module = await load({ ...ctx, ...libraryHere() }, from, invocation.signal);
    const { plan, hooks: own = {}, resources = {} } = module;
    const isIdle = plan === undefined && [own, resources].every((one) => Object.keys(one).length === 0);
    return isIdle ? "it adds nothing: no resource, no plan, no hook" : undefined;
  });
  if (module !== undefined) {
    const device = preinit(ctx);
    await examineModule({ ctx, device, module }, words, check, invocation);
    await device.http.close();
  }
  const exit = checks.some(({ fault }) => fault !== undefined) ? "failed" : "provisioned";
  if (invocation.flags.isJson) invocation.print(JSON.stringify({ exit, checks }));
  return exit;
}

interface Bench {
  readonly ctx: RunContext;
  readonly device: Device;
  readonly module: Module;
}

async function examineModule(
  bench: Bench,
  words: readonly string[],
  check: (title: string, act: () => Promise<string | undefined>) => Promise<void>,
  { signal, flags, print }: Invocation,
): Promise<void> {
  const { ctx, module } = bench;
  const given = words.filter((word) => word.includes("="));
  const stages = words.filter((word) => !word.includes("="));
  const resources = given.map((word) => resourceFrom(ctx, module, word));
  await check("a tree that has nothing for it changes nothing and is no fault", async () => {
    const { changes, findings } = await planned(bench, [], signal);
    return told(changes, findings);
  });
  if (resources.length > 0) {
    let isPlanned = false;
    await check("what was given is planned without a fault", async () => {
      const { changes, findings } = await planned(bench, resources, signal);
      if (!flags.isJson) for (const change of changes) print(`      ${tellChange(change)}`);
      isPlanned = true;
      const faults = findings.filter(({ severity }) => severity === "error");
      return (
        [...changes.flatMap(whyRefused), told([], faults)].filter((one) => one !== undefined).join("; ") || undefined
      );
    });
    if (isPlanned)
      await check("the same resources give the same changes", async () => {
        const [one, other] = [await planned(bench, resources, signal), await planned(bench, resources, signal)];
        return JSON.stringify(one) === JSON.stringify(other) ? undefined : "they differ from one time to the next";
      });
  }
  for (const stage of stages) {
    await check(`its hook in ${stage}`, async () => {
      const [point, hook] = Object.entries(module.hooks ?? {}).find(([name]) => name === stage) ?? [];
      // A plan was made above, with what was given or with nothing.
      if (stage === "plan" && module.plan !== undefined) return undefined;
      if (hook === undefined || point === undefined) return "it has none";
      await hook(hookContext(bench, point as HookPoint, signal));
      return undefined;
    });
  }
}

function fileFor(path: string) {
  const from = moduleNamed(resolve(path));
  if (from === undefined) {
    throw new ProvisionError("USAGE", `${basename(path)} is not named like a module: 50-name.sh or 50-name.mjs`);
  }
  return from;
}

/** On a machine without the package, the library of the sources this program lies in. */
function libraryHere(): { library?: string } {
  const sources = resolve(dirname(realpathSync(process.argv[1] ?? ".")), "../openwrt-package/files/lib/uciprov");
  return existsSync("/lib/uciprov/module.sh") || !existsSync(sources) ? {} : { library: sources };
}

function resourceFrom(ctx: RunContext, module: Module, word: string): Resource {
  const [name = "", ...rest] = word.split("=");
  const path = resolve(rest.join("="));
  const bytes = ctx.disk.readBytes(path, 67_108_864);
  if (bytes === undefined) throw new ProvisionError("FILE_UNREADABLE", `${path} is not there`);
  if (module.resources?.[name] === undefined) throw new ProvisionError("USAGE", `the module has no resource ${name}`);
  const origin = { module: module.name, uri: `file:${path}` };
  return { name, uri: `file:${path}`, size: bytes.length, sha256: "", origin, content: { bytes } };
}

async function planned({ ctx, device, module }: Bench, resources: readonly Resource[], signal: AbortSignal) {
  const findings: Finding[] = [];
  const bytesOf = (resource: Resource | undefined): Uint8Array | undefined =>
    resource !== undefined && "bytes" in resource.content ? resource.content.bytes : undefined;
  const named = (name: string): Resource | undefined => resources.find((one) => one.name === name);
  const context: PlanContext = {
    resources,
    resource: named,
    text: (name) => {
      const bytes = bytesOf(named(name));
      return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
    },
    uci: () => undefined,
    files: ctx.disk,
    async *stream(resource) {
      yield bytesOf(resource) ?? new Uint8Array();
    },
    settings: device.settings,
    facts: device.facts,
    macros: device.macros,
    signal,
    owned: new Set(),
    placed: new Set(),
    finding: (severity, code, message, place) =>
      void findings.push({ severity, code, message, ...(place === undefined ? {} : { place }) }),
  };
  const changes = (await module.plan?.(context)) ?? [];
  return { changes, findings };
}

function hookContext({ ctx, device, module }: Bench, stage: HookPoint, signal: AbortSignal): HookContext {
  const { settings, facts, macros } = device;
  const log: HookContext["log"] = (level, message) => ctx.log(level, `${module.name}: ${message}`);
  return {
    stage,
    settings,
    facts,
    macros,
    files: ctx.disk,
    commands: ctx.commands,
    log,
    signal,
    clock: ctx.clock,
    resources: [],
    run: {},
    outbox: async () => ({
      put: ({ id, body }) => log("info", `reports ${id}: ${JSON.stringify(body)}`),
      isEmpty: true,
      deliver: (uri) => log("info", `would deliver reports to ${uri}`),
    }),
    led: async (state) => log("info", `sets the LED to ${state}`),
    setMacro: (name, value) => log("info", `sets {${name}} to ${value}`),
    offerUri: (uri) => log("info", `answers ${uri}`),
  };
}

/** What every device would refuse, wherever the tree is from. */
function whyRefused(change: Change): readonly string[] {
  if (!("path" in change)) return [];
  const why = whyForbidden(devicePath(change.path));
  return why === undefined ? [] : [`no device lets ${change.path} be changed: ${why}`];
}

function told(changes: readonly Change[], findings: readonly Finding[]): string | undefined {
  const all = [...changes.map(tellChange), ...findings.map((finding) => `${finding.severity}: ${finding.message}`)];
  return all.length === 0 ? undefined : all.join("; ");
}

function tellChange(change: Change): string {
  if (change.kind === "service") {
    const { name, boot, run, onChange } = change;
    const acts = onChange && `${onChange.act} when ${onChange.paths.join(", ")} changes`;
    return `service ${name}: ${[boot, run, acts].filter((word) => word !== undefined).join(", ")}`;
  }
  if (change.kind === "packages") {
    return `packages ${[...(change.install ?? []), ...(change.remove ?? []).map((name) => `-${name}`)].join(" ")}`;
  }
  if (change.kind === "reboot") return `reboot: ${change.reason}`;
  if (change.kind === "firmware") return `firmware ${change.revision} (${change.target})`;
  return `${change.kind} ${"path" in change ? change.path : "package" in change ? change.package : ""}`;
}
