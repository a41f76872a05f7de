import type { Finding, Module, PlanContext, Resource } from "../api.ts";
import type { Change, FirmwareChange, PackagesChange, PathChange, RebootChange, ServiceChange } from "../changes.ts";
import type { Device, RunContext } from "../context.ts";
import { ProvisionError } from "../errors.ts";
import type { LeftPart } from "../left-part.ts";
import { rememberOrigins } from "../origins.ts";
import type { Plan } from "../plan.ts";
import { readSettings } from "../settings.ts";
import { printOwned, STATE } from "../state.ts";
import { nextGeneration } from "../transaction/generations.ts";
import { stepsOf } from "../transaction/steps.ts";
import { writeBytes } from "../transaction/write-bytes.ts";
import { strictUtf8 } from "../utf8.ts";
import { type Held, holdBack } from "./bisect/hold.ts";
import type { Arrived, Download } from "./fetch.ts";
import { planFiles } from "./validate/files.ts";
import { planFirmware } from "./validate/firmware.ts";
import { keyActions } from "./validate/keys.ts";
import { noteLooks } from "./validate/looks.ts";
import { keepSchedule, ownSettings } from "./validate/own-survival.ts";
import { type PackageCraft, type PackagePlanner, PLAINLY, packagePlanner } from "./validate/packages.ts";
import { rebootReasons } from "./validate/reboots.ts";
import { planServices } from "./validate/services.ts";
import { settling } from "./validate/settling.ts";
import { planSoftware } from "./validate/software.ts";

export { refuseCircle } from "./validate/settling.ts";

/** How the pieces of a plan are made: anew for one device; whoever plans for many shares what comes out the same. */
export interface Craft extends PackageCraft {
  changes(module: Module, context: PlanContext): readonly Change[] | Promise<readonly Change[]>;
}

/** How one device reads and settles its packages. */
export const settlePlainly: PackageCraft = PLAINLY;

const BY_HAND: Craft = {
  ...PLAINLY,
  changes: (module, context) => module.plan?.(context) ?? [],
};

/** What all modules want, put together and not yet held against the device's files. */
export interface Layout {
  readonly packages: PackagePlanner;
  readonly byModule: ReadonlyMap<string, readonly Change[]>;
  readonly pathChanges: readonly PathChange[];
  readonly serviceChanges: readonly ServiceChange[];
  readonly packageChanges: readonly PackagesChange[];
  readonly images: readonly FirmwareChange[];
  readonly reboots: readonly RebootChange[];
  readonly findings: readonly Finding[];
}

/** What modules have asked for so far, in their order. */
export interface Begun {
  /** Whether the device is what it was made from. Not given: nothing comes in between. */
  isStillSo?(): boolean;
  readonly packages: PackagePlanner;
  readonly byModule: Map<string, readonly Change[]>;
  readonly findings: Finding[];
}

function begin(ctx: RunContext, device: Device, held: Held, craft: Craft): Begun {
  return { packages: packagePlanner(ctx, device, held, craft), byModule: new Map(), findings: [] };
}

/**
 * Begins a plan with what has come, while more is on its way for the modules of `coming`: up to the first of them, since modules see what those before
 * them want. For devices that hold nothing back.
 */
export async function planAhead(
  ctx: RunContext,
  device: Device,
  download: Arrived,
  modules: readonly Module[],
  coming: ReadonlySet<string>,
): Promise<Begun> {
  const { disk, isStillSo } = noteLooks(ctx.disk);
  const noted = { ...ctx, disk };
  const begun = begin(noted, device, holdBack([]), BY_HAND);
  for (const module of modules) {
    // The device's own (`revision`) look at it in ways nobody notes, and work in a folder that a second try needs.
    if (coming.has(module.name) || module.revision !== undefined) break;
    await ask(noted, device, download, module, begun, BY_HAND);
  }
  begun.packages.settle(); // it keeps what it makes of each package until that changes
  return { ...begun, isStillSo };
}

/** Lets a module turn what came for it into changes. */
async function ask(
  ctx: RunContext,
  device: Device,
  download: Arrived,
  module: Module,
  { packages, byModule, findings }: Begun,
  craft: Craft,
): Promise<readonly Change[]> {
  const context = planContext(ctx, device, download, module, packages.planned, findings);
  const changes = await craft.changes(module, context);
  byModule.set(module.name, changes);
  for (const change of changes) if (change.kind === "uci") packages.add(change);
  return changes;
}

/** Lets every module turn what came into changes, from where it was begun. */
export async function layOut(
  ctx: RunContext,
  device: Device,
  download: Arrived,
  modules: readonly Module[],
  held: Held = holdBack([]),
  craft: Craft = BY_HAND,
  begun: Begun = begin(ctx, device, held, craft),
): Promise<Layout> {
  const pathChanges: PathChange[] = [];
  const serviceChanges: ServiceChange[] = [];
  const packageChanges: PackagesChange[] = [];
  const images: FirmwareChange[] = [];
  const reboots: RebootChange[] = [];
  for (const module of modules) {
    const known = begun.byModule.get(module.name);
    for (const change of known ?? (await ask(ctx, device, download, module, begun, craft))) {
      if (change.kind === "uci") continue; // its package has it
      if (change.kind === "service") serviceChanges.push(change);
      else if (change.kind === "packages") packageChanges.push(change);
      else if (change.kind === "firmware") images.push(change);
      else if (change.kind === "reboot") reboots.push(change);
      else pathChanges.push(change);
    }
  }
  return {
    ...begun,
    pathChanges: await keepSchedule(ctx, device, pathChanges),
    serviceChanges,
    packageChanges,
    images,
    reboots,
  };
}

/** What the device itself has against the layout's files, services and settings, as a plan would find it. */
export async function judgeLayout(
  ctx: RunContext,
  device: Device,
  { packages, pathChanges, serviceChanges, packageChanges }: Layout,
): Promise<readonly Finding[]> {
  const held = holdBack([]);
  const { software, findings } = planSoftware(ctx, device, packageChanges);
  const isMoreToCome = software.install.length > 0;
  const services = await planServices(ctx, device, serviceChanges, pathChanges, held, isMoreToCome);
  const files = planFiles(ctx, device, [...pathChanges, ...services.links], held, isMoreToCome);
  return [
    ...findings,
    ...services.findings,
    ...files.findings,
    ...ownSettings(device, packages.planned("uciprov"), {
      services: serviceChanges,
      paths: pathChanges,
      disk: ctx.disk,
    }),
  ];
}

/**
 * Lets every module turn what came into changes, and makes the plan of them. All faults of the tree are told together; with one of them no
 * plan is made. Nothing is written. Parts that are left out stay as they are on the device; those that the same tree was confirmed without stay out.
 */
export async function planChanges(
  ctx: RunContext,
  device: Device,
  download: Download,
  modules: readonly Module[],
  left: readonly LeftPart[] = leftBefore(device, download),
  begun?: Begun,
): Promise<Plan> {
  const held = holdBack(left);
  // A large file may take minutes, and a module may have put its own beside what it saw in a file.
  const usable = begun?.isStillSo?.() ? begun : undefined;
  const layout = await layOut(ctx, device, download, modules, held, BY_HAND, usable);
  const { packages, pathChanges, serviceChanges, packageChanges, images, reboots } = layout;
  const findings = [...layout.findings];
  const uci = packages.settle();
  const { software, findings: aboutSoftware } = planSoftware(ctx, device, packageChanges);
  // What packages that are still to come bring (init scripts, users) is judged when they are there and the plan is made again.
  const isMoreToCome = software.install.length > 0;
  const services = await planServices(ctx, device, serviceChanges, pathChanges, held, isMoreToCome);
  const files = planFiles(ctx, device, [...pathChanges, ...services.links], held, isMoreToCome);
  findings.push(...download.findings, ...uci.findings, ...aboutSoftware, ...services.findings, ...files.findings);
  findings.push(
    ...ownSettings(device, packages.planned("uciprov"), {
      services: serviceChanges,
      paths: pathChanges,
      disk: ctx.disk,
      toldBy: download.source.resolver,
    }),
  );
  refuseFaulty(findings);
  const { firmware, findings: aboutImage } = await planFirmware(ctx, device, download, images);
  findings.push(...aboutImage);
  refuseFaulty(findings);
  const { acts, record } = await services.settle(
    new Set([...files.files.map(({ path }) => path), ...uci.packages.map(({ name }) => `/etc/config/${name}`)]),
  );
  for (const { path, isKept } of [...uci.drift, ...files.drift]) {
    ctx.log("warning", `${path} was changed on the device: ${isKept ? "it stays so" : "the tree has its way"}`);
  }
  const keys = keyActions(download.keys, download.keyChange);
  const origins = rememberOrigins(
    device.state.owned.origins,
    { uci: uci.names, files: files.names },
    { generation: nextGeneration(ctx.disk), at: Math.floor(ctx.clock.now() / 1000) },
  );
  const actions = withOwnership(ctx, device, [...uci.actions, ...files.actions, ...keys], {
    uci: uci.records,
    files: files.record,
    services: record,
    ...(origins === undefined ? {} : { origins }),
  });
  const { reboot } = readSettings(packages.planned("uciprov")).settings.main;
  return {
    download,
    firmware,
    reboots: rebootReasons(reboots, reboot, uci.packages, actions),
    packages: uci.packages,
    files: files.files,
    services: acts,
    software,
    drift: [...uci.drift, ...files.drift],
    findings,
    actions,
    left,
    ...settling(ctx, device, download, modules, packages.planned),
  };
}

function leftBefore({ state: { confirmed } }: Device, { digest }: Download): readonly LeftPart[] {
  return confirmed?.digest === digest ? (confirmed.left ?? []) : [];
}

/** Only what makes a difference; PLAN_INVALID tells what can't be put in place, while nothing has been touched. */
function withOwnership(
  ctx: RunContext,
  device: Device,
  actions: Plan["actions"],
  owned: Parameters<typeof printOwned>[0],
): Plan["actions"] {
  const before = Buffer.from(printOwned(device.state.owned));
  const bytes = Buffer.from(printOwned(owned));
  const record = before.equals(bytes) ? [] : [writeBytes(STATE.owned, bytes, { mode: 0o600 })];
  return stepsOf(ctx.disk, [...actions, ...record]).map((step) => step.action);
}

function refuseFaulty(findings: readonly Finding[]): void {
  const wrong = findings.filter((finding) => finding.severity === "error");
  const [first] = wrong;
  if (first === undefined) return;
  const code = wrong.every((finding) => finding.code === first.code) ? first.code : "PLAN_INVALID";
  const count = wrong.length === 1 ? "a fault" : `${wrong.length} faults`;
  throw new ProvisionError(code, `the tree has ${count}`, { findings });
}

function planContext(
  ctx: RunContext,
  device: Device,
  download: Arrived,
  module: Module,
  planned: PlanContext["uci"],
  findings: Finding[],
): PlanContext {
  const resources = download.brought.get(module.name) ?? [];
  const resource = (name: string) => resources.find((one) => one.name === name);
  const finding: PlanContext["finding"] = (severity, code, message, place) =>
    findings.push({ severity, code, message, ...(place === undefined ? {} : { place }) });
  const placed = Object.entries(device.state.owned.files ?? {});
  const owned = placed.filter(([, one]) => one.module === module.name);
  return {
    resources,
    resource,
    text: (name) => textOf(resource(name), finding),
    uci: planned,
    files: ctx.disk,
    stream: (one) => ("spool" in one.content ? ctx.stream(one.content.spool) : once(one.content.bytes)),
    settings: device.settings,
    facts: device.facts,
    macros: download.source.macros,
    signal: ctx.signal,
    owned: new Set(owned.map(([path]) => path)),
    placed: new Set(placed.map(([path]) => path)),
    finding,
  };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function textOf(resource: Resource | undefined, finding: PlanContext["finding"]): string | undefined {
  if (resource === undefined || !("bytes" in resource.content)) return undefined;
  const text = strictUtf8(resource.content.bytes);
  if (text === undefined) finding("error", "PLAN_INVALID", `${resource.name} is no UTF-8 text`, { file: resource.uri });
  return text?.replace(/^\ufeff/, "");
}
