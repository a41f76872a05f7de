/** Modules in shell: files that call `uciprov_hook_add`, run under the device's own sh, each in a process of its own. */
import {
  type Change,
  type Commands,
  type Disk,
  expandText,
  file,
  type HookContext,
  type HookPoint,
  type Log,
  type MacroTable,
  type Module,
  type PlanContext,
  ProvisionError,
  packages,
  parseExport,
  type Resource,
  reboot,
  remove,
  service,
  symlink,
  template,
  uci,
} from "./api.ts";
import type { ModuleFile } from "./module-files.ts";
import { devicePath } from "./paths.ts";
import { makeFolder, RAM_FOLDER } from "./ram-folder.ts";
import { readSayings, type Saying, type Sayings, type ShellStage } from "./shell-sayings.ts";
import { removeTree } from "./transaction/folders.ts";

/** What running a module takes of the device. */
export interface ShellDoor {
  readonly disk: Disk;
  readonly commands: Commands;
  readonly log: Log;
  /** Where module.sh and functions.sh lie on the host, if not where the package puts them. */
  readonly library?: string;
}

const LIBRARY = "/lib/uciprov";
const LOAD_MS = 5_000;
const DEADLINE_SECONDS = 60;
/** What a module may say and print in one go; more is a flood, and dropped. */
const OUTPUT_LIMIT = 262_144;
const PRINTED_LINES = 50;
/** EX_TEMPFAIL of sysexits.h. */
const TRY_LATER = 75;
const KEPT_LIMIT = 16_777_216;

/**
 * Loads the file once to learn its hooks and resources. HOOK_FAILED if it does not load or adds what it does not have, HOOK_TIMEOUT if
 * it does more than that.
 */
export async function loadShellModule(door: ShellDoor, from: ModuleFile, signal: AbortSignal): Promise<Module> {
  const { preamble } = await run(door, from, "list", { env: {}, deadline: LOAD_MS, signal });
  const shell = new ShellModule(door, from, deadlineOf(preamble));
  const resources = preamble.flatMap((saying) => (saying.word === "uri" ? [resourceOf(saying, from)] : []));
  const stages = new Set(preamble.flatMap((saying) => (saying.word === "hook" ? [saying.stage] : [])));
  const points = [...stages].filter((stage): stage is HookPoint => stage !== "plan");
  return {
    name: from.name,
    resources: Object.fromEntries(resources),
    hooks: Object.fromEntries(points.map((point) => [point, (context: HookContext) => shell.hook(point, context)])),
    // What came is kept in it for the hooks, too.
    ...(stages.size + resources.length === 0
      ? {}
      : { plan: (context: PlanContext) => shell.plan(context, stages.has("plan")) }),
  };
}

function deadlineOf(preamble: readonly Saying[]): number {
  const said = preamble.findLast((saying) => saying.word === "deadline");
  return (said?.seconds ?? DEADLINE_SECONDS) * 1000;
}

function resourceOf(saying: Saying & { word: "uri" }, from: ModuleFile) {
  const { name, uri, size } = saying;
  if (name === "base_uri") {
    throw new ProvisionError("HOOK_FAILED", `module ${from.name}: where the tree is can be answered in geturi only`);
  }
  template(uri); // MACRO_INVALID now rather than when it is fetched
  return [name, { uri, size }] as const;
}

class ShellModule {
  readonly #door: ShellDoor;
  readonly #from: ModuleFile;
  readonly #deadline: number;
  /** What came for the module; known from `fetch` on. */
  #brought: readonly Resource[] = [];

  constructor(door: ShellDoor, from: ModuleFile, deadline: number) {
    this.#door = door;
    this.#from = from;
    this.#deadline = deadline;
  }

  async hook(point: HookPoint, context: HookContext): Promise<void> {
    if (context.resources.length > 0) this.#brought = context.resources;
    const { hooks } = await this.#inWork((work) => this.#run(point, context, work));
    for (const saying of hooks) {
      if (saying.word === "set") context.setMacro(saying.name, saying.value, { isTainted: saying.isTainted });
      else if (saying.word === "uri" && saying.name === "base_uri") context.offerUri(saying.uri);
      else if (saying.word !== "log") {
        throw new ProvisionError(
          "HOOK_FAILED",
          `module ${this.#from.name}: uciprov_${saying.word} has no place in ${point}`,
        );
      }
    }
  }

  async plan(context: PlanContext, hasPart: boolean): Promise<readonly Change[]> {
    this.#brought = context.resources;
    if (!hasPart) return [];
    return this.#inWork(async (work) => {
      const { hooks } = await this.#run("plan", context, work);
      return hooks.flatMap((saying) => this.#changes(saying, work, context));
    });
  }

  #changes(saying: Saying, work: string, context: PlanContext): readonly Change[] {
    const origin = { ...this.#brought[0]?.origin, module: this.#from.name };
    switch (saying.word) {
      case "log":
        return [];
      case "fault":
      case "warn":
        context.finding(saying.word === "fault" ? "error" : "warning", "PLAN_INVALID", saying.message, {
          file: this.#from.path,
        });
        return [];
      case "file":
        return [file(devicePath(saying.path), this.#kept(work, saying.kept), { ...saying, origin })];
      case "service":
        return [service(saying.name, saying.what, origin)];
      case "package":
        return [packages({ install: saying.install, remove: saying.remove }, origin)];
      case "reboot":
        return [reboot(saying.message, origin)];
      case "link":
        return [symlink(devicePath(saying.path), saying.target, origin)];
      case "remove":
        return [remove(devicePath(saying.path), origin)];
      case "merge":
        return parseExport(this.#kept(work, saying.kept), { file: this.#from.path }).map((content) =>
          uci({ mode: "merge", content }, content.name, origin),
        );
      default:
        throw new ProvisionError(
          "HOOK_FAILED",
          `module ${this.#from.name}: uciprov_${saying.word} has no place in plan`,
        );
    }
  }

  #kept(work: string, name: string): Uint8Array {
    const bytes = this.#door.disk.readBytes(`${work}/${name}`, KEPT_LIMIT);
    if (bytes === undefined)
      throw new ProvisionError("HOOK_FAILED", `module ${this.#from.name} took back what it gave`);
    return bytes;
  }

  #run(stage: ShellStage, context: HookContext | PlanContext, work: string): Promise<Sayings> {
    const env = {
      ...macrosIn(context.macros),
      UCIPROV_STAGE: stage,
      UCIPROV_MODULE: this.#from.name,
      UCIPROV_WORK: this.#door.disk.hostPath(work),
    };
    return run(this.#door, this.#from, stage, { env, deadline: this.#deadline, signal: context.signal });
  }

  /** A folder in RAM for this call alone, with what came for the module; gone afterwards. */
  async #inWork<T>(use: (work: string) => Promise<T>): Promise<T> {
    const { disk } = this.#door;
    const work = `${RAM_FOLDER}/module-${this.#from.name}`;
    removeTree(disk, work);
    makeFolder(disk, work, 0o700);
    try {
      for (const resource of this.#brought) {
        const path = `${work}/resource-${resource.name}`;
        if ("bytes" in resource.content) disk.writeNew(path, resource.content.bytes, { mode: 0o600 });
        else disk.symlink(disk.hostPath(resource.content.spool), path);
      }
      return await use(work);
    } finally {
      removeTree(disk, work);
    }
  }
}

/** Macros that hooks may also name by a fixed variable, `$UCIPROV_MAC`. (Design §3: the device's own.) */
const PLAIN_NAMES: ReadonlySet<string> = new Set([
  ...["base_uri", "mac", "hostname", "domain", "fqdn", "ip", "ip6", "board", "model", "target"],
  ...["subtarget", "arch", "distro", "release", "revision", "serial", "fd", "resolver"],
]);

/** All macros that have a value now, as variables; one that cannot stand in a variable is left out. */
function macrosIn(table: MacroTable): Record<string, string> {
  const env: Record<string, string> = {};
  for (const name of table.keys()) {
    const value = /^[a-z][a-z0-9_]*$/.test(name) ? macroValue(name, table) : undefined;
    if (value === undefined || /[\u0000-\u001f\u007f]/.test(value)) continue;
    env[`UCIPROV_MACRO_${name}`] = value;
    if (PLAIN_NAMES.has(name)) env[`UCIPROV_${name.toUpperCase()}`] = value;
  }
  return env;
}

function macroValue(name: string, table: MacroTable): string | undefined {
  try {
    return expandText(template(`{${name}}`), table).text;
  } catch (thrown) {
    if (thrown instanceof ProvisionError) return undefined; // it names one that is not known yet
    throw thrown;
  }
}

async function run(
  { disk, commands, log, library = disk.hostPath(LIBRARY) }: ShellDoor,
  from: ModuleFile,
  stage: ShellStage | "list",
  how: { readonly env: Readonly<Record<string, string>>; readonly deadline: number; readonly signal: AbortSignal },
): Promise<Sayings> {
  const args = [`${library}/module.sh`, disk.hostPath(from.path), stage];
  const { status, stdout, stderr, timedOut } = await commands.run("sh", args, { ...how, limit: OUTPUT_LIMIT });
  const say: Log = (level, message) => log(level, `${from.name}: ${message}`);
  tellPrinted(stderr, say);
  const where = `module ${from.name} in ${stage}`;
  if (how.signal.aborted) throw new ProvisionError("STOPPED", `${where} was asked to stop`);
  if (timedOut)
    throw new ProvisionError("HOOK_TIMEOUT", `${where} took more than ${how.deadline / 1000} s and was killed`);
  if (Buffer.byteLength(stdout) >= OUTPUT_LIMIT) throw new ProvisionError("HOOK_FAILED", `${where} says too much`);

  const sayings = readSayings(stdout, from.name);
  for (const saying of sayings.hooks) if (saying.word === "log") say(saying.level, saying.message);
  if (status === 0 && sayings.isLoaded) return sayings;
  throw failure(where, stage, status, sayings.isLoaded, lastLine(stderr));
}

function failure(where: string, stage: string, status: number | null, isLoaded: boolean, last: string): ProvisionError {
  const told = last === "" ? "" : `: ${last}`;
  if (!isLoaded) return new ProvisionError("HOOK_FAILED", `${where} did not load${told}`);
  if (status === TRY_LATER) return new ProvisionError("HOOK_TRY_LATER", `${where} asks to try later${told}`);
  const isVeto = status !== null && (stage === "validate" || stage === "preapply");
  const ended = status === null ? "was killed" : `ended with status ${status}`;
  return new ProvisionError(isVeto ? "HOOK_VETO" : "HOOK_FAILED", `${where} ${ended}${told}`);
}

/** Whatever a module prints goes to the log, as far as people would read it. */
function tellPrinted(printed: string, say: Log): void {
  const lines = printed.split("\n").filter((line) => line !== "");
  for (const line of lines.slice(0, PRINTED_LINES)) say("info", plain(line));
  if (lines.length > PRINTED_LINES) say("info", `… and ${lines.length - PRINTED_LINES} lines more`);
}

function lastLine(printed: string): string {
  return plain(printed.trimEnd().split("\n").at(-1) ?? "");
}

function plain(line: string): string {
  return line.replace(/[\u0000-\u001f\u007f-\u009f]/g, " ").slice(0, 300);
}
