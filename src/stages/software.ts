import type { CommandResult } from "../api.ts";
import type { Device, RunContext } from "../context.ts";
import { type ErrorCode, ProvisionError } from "../errors.ts";
import { type InstalledSet, isInstalled, protectedIn, type SoftwarePlan, sorted } from "../software.ts";
import { NO_SOFTWARE, type SoftwareRecord } from "../software-record.ts";
import { printSoftware, STATE } from "../state.ts";
import { TX } from "../transaction/layout.ts";
import { restoreDeltas, setAllDeltasAside } from "./foreign-deltas.ts";
import { readInstalled } from "./package-data.ts";
import { writeState } from "./write-state.ts";

/** Left free on the overlay whatever happens, as for files. */
const RESERVE = 131_072;
const TAIL = 300;
/** apk's status is a number of errors, up to this. */
const MOST_ERRORS = 99;

/**
 * Installs what the plan wants, before anything of the configuration is touched, and only if nothing else would be upgraded or removed
 * by it; gives back whether anything was. What is done is believed when the data base says so. Nothing can be taken back here, so it is written down first
 * whose it is. `onFailedInstall` hears of an installation that began and will not do better the next time. PACKAGES_UNAVAILABLE: the feeds are out of reach. PACKAGES_FAILED, NO_SPACE.
 */
export async function installSoftware(
  ctx: RunContext,
  device: Device,
  { tool, install }: SoftwarePlan,
  onFailedInstall: (reason: string) => void = () => undefined,
): Promise<boolean> {
  if (tool === undefined || install.length === 0) return false;
  const wanted = install.map(({ name }) => name);
  if (!ctx.commands.has(tool)) {
    ctx.log("warning", `not installed here, since there is no ${tool}: ${wanted.join(", ")}`);
    return false;
  }
  const manager = openManager(ctx, device, tool);
  if (tool === "apk") await cleanWorld(ctx, manager, leftInWorld(ctx, device, wanted));
  const update = await manager.run("update");
  const hasAllFeeds = update.status === 0 && !update.timedOut;
  if (!hasAllFeeds) ctx.log("warning", `${tool} update: ${tailOf(update)}`);
  ctx.signal.throwIfAborted();
  await tryFirst(ctx, manager, wanted, hasAllFeeds);
  ctx.signal.throwIfAborted();

  const before = readInstalled(ctx).set;
  const record = device.state.software ?? NO_SOFTWARE;
  remember(ctx, { ...record, ours: { ...record.ours, ...as(wanted, "named") } });
  ctx.log("info", `${tool} installs ${wanted.join(", ")}`);
  // Their scripts commit whatever is staged, also other people's changes (OpenWrt base-files, default_postinst).
  setAllDeltasAside(ctx);
  const result = await manager.run("install", wanted).finally(() => restoreDeltas(ctx));
  const { set } = readInstalled(ctx);
  const missing = wanted.filter((name) => !isInstalled(set, name));
  // What did not come keeps its line: the next try writes the same, and that is nothing. It goes when the tree no longer names it.
  remember(ctx, { ...record, ours: { ...record.ours, ...as(missing, "named"), ...broughtBy(before, set, wanted) } });
  if (missing.length > 0) {
    if (tool === "apk") await cleanWorld(ctx, manager, missing);
    const error = failure(`${tool} did not install ${missing.join(", ")}`, result, hasAllFeeds);
    if (!error.mayRetry) onFailedInstall(error.message);
    throw error;
  }
  if (result.status !== 0)
    ctx.log("warning", `${tool} ended with ${result.status}, but all is installed: ${tailOf(result)}`);
  return true;
}

/** Writes down what is to be removed once the trial is confirmed, so that a run that dies in between is made up for. */
export function noteRemovals(ctx: RunContext, device: Device, { remove }: SoftwarePlan): void {
  if (remove.length === 0) return;
  const { ours } = device.state.software ?? NO_SOFTWARE;
  remember(ctx, { ours, pending: remove.map(({ name }) => name).sort() });
}

/** After the confirmation: removes what the plan says. Nothing depends on it any more, so its failures are only told. */
export async function settleSoftware(ctx: RunContext, device: Device, plan: SoftwarePlan): Promise<void> {
  const { tool, remove, record } = plan;
  const names = remove.map(({ name }) => name);
  try {
    if (tool !== undefined && !ctx.commands.has(tool) && names.length > 0) {
      ctx.log("warning", `not removed here, since there is no ${tool}: ${names.join(", ")}`);
      return;
    }
    if (tool !== undefined && names.length > 0) await removeAll(ctx, device, tool, names);
    if (tool === "apk" && ctx.commands.has(tool)) {
      const kept = Object.keys(record.ours);
      await cleanWorld(ctx, openManager(ctx, device, tool), leftInWorld(ctx, device, kept));
    }
    const { set } = readInstalled(ctx);
    // What could not be removed is nobody's from now on, or it would be tried for ever.
    remember(ctx, {
      ours: Object.fromEntries(Object.entries(record.ours).filter(([name]) => set.has(name))),
      pending: [],
    });
  } catch (thrown) {
    ctx.log("error", `removing ${names.join(", ")}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
}

async function removeAll(
  ctx: RunContext,
  device: Device,
  tool: "opkg" | "apk",
  names: readonly string[],
): Promise<void> {
  const manager = openManager(ctx, device, tool);
  const words = tool === "apk" ? [...names, ...otherNamesInWorld(ctx, names)] : names;
  const trial = await manager.run("try-remove", words);
  const acts = actsIn(trial.stdout);
  if (trial.timedOut || (trial.status !== 0 && acts.length === 0)) {
    ctx.log(
      "error",
      `not removed: ${names.join(", ")}: ${tool} does not say what would go with them: ${tailOf(trial)}`,
    );
    return;
  }
  const safe = protectedIn(readInstalled(ctx).set);
  const also = acts.filter(({ act, name }) => act !== "Installing" && safe.has(name));
  if (also.length > 0) {
    ctx.log("error", `not removed: ${names.join(", ")}: with them would go ${also.map(({ name }) => name).join(", ")}`);
    return;
  }
  setAllDeltasAside(ctx);
  const result = await manager.run("remove", words).finally(() => restoreDeltas(ctx));
  const { set } = readInstalled(ctx);
  const left = names.filter((name) => set.has(name));
  if (left.length > 0) ctx.log("error", `${tool} did not remove ${left.join(", ")}: ${tailOf(result)}`);
  const gone = names.filter((name) => !set.has(name));
  if (gone.length > 0) ctx.log("info", `${tool} removed ${gone.join(", ")}`);
}

/** All that would be done, without doing it: what is not plainly an installation is refused, and the space is reckoned. */
async function tryFirst(
  ctx: RunContext,
  manager: Manager,
  wanted: readonly string[],
  hasAllFeeds: boolean,
): Promise<void> {
  const trial = await manager.run("try", wanted);
  const acts = actsIn(trial.stdout);
  const coming = [...new Set(acts.filter(({ act }) => act === "Installing").map(({ name }) => name))];
  const others = acts.filter(({ act }) => act !== "Installing");
  if (others.length > 0) {
    const told = others.map(({ act, name }) => `${act.toLowerCase()} ${name}`).join(", ");
    throw new ProvisionError(
      "PACKAGES_FAILED",
      `to install ${wanted.join(", ")} would mean ${told}: only what adds is done`,
    );
  }
  const isOnlyBroken = manager.tool === "apk" && coming.length > 0 && countsOnlyBroken(trial);
  if (trial.status !== 0 && !isOnlyBroken)
    throw failure(`${manager.tool} cannot install ${wanted.join(", ")}`, trial, hasAllFeeds);
  const bytes = await manager.sizeOf(coming);
  const free = ctx.disk.free(TX.folder).bytes;
  if (bytes + RESERVE > free) {
    throw new ProvisionError(
      "NO_SPACE",
      `${coming.join(", ")} need ${bytes} bytes, besides ${RESERVE} kept free; free are ${free}`,
    );
  }
}

/**
 * apk ends every command with 1 as long as any installed package is broken (its script once failed), and says so in its last line alone: `1 error; …`. An error
 * of the command itself has a line that begins with ERROR (apk-tools src/commit.c, apk_solver_commit_changeset).
 */
function countsOnlyBroken({ status, stdout, stderr, timedOut }: CommandResult): boolean {
  return !timedOut && status !== null && status <= MOST_ERRORS && !/^ERROR:/m.test(`${stderr}\n${stdout}`);
}

interface Act {
  readonly act: string;
  readonly name: string;
}

/** What a tool says it does (would do), a line each; opkg-lede libopkg/opkg_install.c, apk-tools src/commit.c. */
export function actsIn(output: string): readonly Act[] {
  const acts: Act[] = [];
  for (const line of output.split("\n")) {
    const opkg = /^(Installing|Upgrading|Downgrading) +([^ ]+) (?:\(|on )/.exec(line);
    const removing = /^Removing (?:obsolete )?package ([^ ]+) from/.exec(line);
    const apk = /^\( *[0-9]+\/[0-9]+\) ([A-Z][a-z-]+) ([^ ]+)/.exec(line);
    const [, act, name] = opkg ?? apk ?? [];
    if (removing?.[1] !== undefined) acts.push({ act: "Removing", name: removing[1] });
    else if (act !== undefined && name !== undefined) acts.push({ act, name });
  }
  return acts;
}

type Verb = "update" | "try" | "install" | "try-remove" | "remove";

interface Manager {
  readonly tool: "opkg" | "apk";
  run(verb: Verb, names?: readonly string[]): Promise<CommandResult>;
  /** Bytes that these need when installed, as far as the tool says. */
  sizeOf(names: readonly string[]): Promise<number>;
}

const ARGUMENTS: Readonly<Record<"opkg" | "apk", Readonly<Record<Verb, readonly string[]>>>> = {
  opkg: {
    update: ["update"],
    try: ["--noaction", "install"],
    install: ["install"],
    "try-remove": ["--noaction", "remove"],
    remove: ["remove"],
  },
  apk: {
    update: ["--wait", "60", "update"],
    try: ["--wait", "60", "add", "--simulate"],
    install: ["--wait", "60", "add"],
    "try-remove": ["--wait", "60", "del", "--simulate"],
    remove: ["--wait", "60", "del"],
  },
};

function openManager(ctx: RunContext, { settings }: Device, tool: "opkg" | "apk"): Manager {
  const deadline = settings.packages.timeout * 1000;
  const call = (args: readonly string[]) =>
    // A package manager that is killed half way leaves more trouble than one that is waited for: its own deadline must do.
    ctx.commands.run(tool, args, { deadline, signal: AbortSignal.timeout(deadline + 1000), leavesChildren: true });
  return {
    tool,
    run: (verb, names = []) => call([...ARGUMENTS[tool][verb], ...names]),
    async sizeOf(names) {
      let sum = 0;
      if (tool === "apk") return names.length === 0 ? 0 : apkSizes((await call(["info", "--size", ...names])).stdout);
      for (const name of names) sum += opkgSize((await call(["info", name])).stdout);
      return sum;
    },
  };
}

/** `Installed-Size: N`, bytes; without it, three times the packed `Size`. */
function opkgSize(text: string): number {
  const field = (name: string) => Number(new RegExp(`^${name}: *([0-9]{1,15})$`, "m").exec(text)?.[1] ?? 0);
  return field("Installed-Size") || field("Size") * 3;
}

const UNITS: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1_048_576, GiB: 1_073_741_824 };

function apkSizes(text: string): number {
  const sizes = [...text.matchAll(/installed size:\n([0-9]{1,12}(?:\.[0-9]{1,3})?) (B|KiB|MiB|GiB)$/gm)];
  return Math.ceil(sizes.reduce((sum, [, number, unit]) => sum + Number(number) * (UNITS[unit ?? ""] ?? 0), 0));
}

const SPACE = /no space left|only have \S+ available on filesystem/i;
/** Words of the tools, of uclient-fetch and of libfetch for what may pass. */
const PASSING =
  /could not lock|unable to lock|failed to download|wget returned|temporary error|transient error|network error|remote server returned error|try again later|timed out|unreachable|connection (?:refused|reset|failed)|could not resolve|host not found/i;

function failure(what: string, result: CommandResult, hasAllFeeds: boolean): ProvisionError {
  const said = `${result.stdout}\n${result.stderr}`;
  const isPassing = result.timedOut || PASSING.test(said) || !hasAllFeeds;
  const code: ErrorCode = SPACE.test(said) ? "NO_SPACE" : isPassing ? "PACKAGES_UNAVAILABLE" : "PACKAGES_FAILED";
  return new ProvisionError(code, `${what}: ${tailOf(result)}`);
}

/** The end of what it said, in one line. */
function tailOf({ status, signal, stdout, stderr, timedOut }: CommandResult): string {
  // A feed's address may hold a password.
  const told = (stderr.trim() || stdout.trim()).replace(/:\/\/[^/\s@]*@/g, "://***@");
  const said = told.replace(/\s+/g, " ").slice(-TAIL);
  const ended = timedOut ? "took too long" : `ended with ${status ?? signal}`;
  return said === "" ? ended : `${ended}: ${said}`;
}

/** What a run of ours asked for and, having died, did not take out of apk's world again: by now neither there nor wanted. */
function leftInWorld(ctx: RunContext, { state }: Device, wanted: readonly string[]): readonly string[] {
  const { set } = readInstalled(ctx);
  return Object.keys(state.software?.ours ?? {}).filter((name) => !isInstalled(set, name) && !wanted.includes(name));
}

/** apk keeps the name that was asked for, and what provides it stays as long as that does. One that others provide as well is not ours to take away. */
function otherNamesInWorld(ctx: RunContext, names: readonly string[]): readonly string[] {
  const { set } = readInstalled(ctx);
  const provided = names.flatMap((name) => set.get(name)?.provides ?? []);
  const elsewhere = new Set(
    [...set.values()].flatMap((one) => (names.includes(one.name) ? [] : [one.name, ...one.provides])),
  );
  const world = worldOf(ctx);
  return [...new Set(provided)].filter((name) => world.includes(name) && !elsewhere.has(name));
}

function worldOf(ctx: RunContext): readonly string[] {
  return (ctx.disk.read("/etc/apk/world") ?? "").split(/\s+/);
}

/** apk keeps a name it could not install in its world, and tries it again with whatever else is asked of it. */
async function cleanWorld(ctx: RunContext, manager: Manager, missing: readonly string[]): Promise<void> {
  const world = worldOf(ctx);
  const stuck = missing.filter((name) => world.includes(name));
  if (stuck.length > 0) await manager.run("remove", stuck);
}

function broughtBy(before: InstalledSet, after: InstalledSet, wanted: readonly string[]): SoftwareRecord["ours"] {
  const brought = [...after.values()].filter(({ name }) => !before.has(name));
  const isNamed = (name: string, provides: readonly string[]) =>
    [name, ...provides].some((one) => wanted.includes(one));
  return Object.fromEntries(
    brought.map(({ name, provides }) => [name, isNamed(name, provides) ? "named" : "dependency"] as const),
  );
}

function as(names: readonly string[], how: "named" | "dependency"): SoftwareRecord["ours"] {
  return Object.fromEntries(names.map((name) => [name, how]));
}

function remember(ctx: RunContext, { ours, pending }: SoftwareRecord): void {
  const isEmpty = Object.keys(ours).length === 0 && pending.length === 0;
  if (isEmpty && ctx.disk.stat(STATE.software) === undefined) return;
  writeState(ctx, STATE.software, printSoftware({ ours: sorted(ours), pending }));
}
