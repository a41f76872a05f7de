import type { DeviceFacts } from "../../api.ts";
import { asProvisionError, type ProvisionError } from "../../errors.ts";
import { isModuleOn } from "../../module-choice.ts";
import { plugins } from "../../registry.ts";
import type { Brought, Fetched } from "../../stages/fetch/resources.ts";
import { inLine } from "../../stages/fetch/turn.ts";
import type { Source } from "../../stages/geturi.ts";
import type { Layout } from "../../stages/validate.ts";
import { type Turn, turnOf } from "../../tree/rollout.ts";
import type { InventoryDevice } from "../inventory.ts";
import { type PaperRun, paperDevice, withKnown } from "../plan/paper-run.ts";
import { NOWHERE, paperSource } from "../plan/paper-source.ts";
import type { TreeFolder } from "../plan/tree-folder.ts";
import { type Asked, Askings } from "./askings.ts";
import { type Difference, Differences } from "./differences.ts";
import { type FleetDevice, noTree, openPaperTree, type PaperTree } from "./paper-tree.ts";
import { sharedCraft, type Work } from "./shared-craft.ts";

/** One device of the inventory and what becomes of it. */
export interface FleetRow {
  readonly known: InventoryDevice;
  /** Host name, MAC or serial number: whatever the inventory has first. */
  readonly name: string;
  /** When it would take the new tree, if that is rolled out. */
  readonly turn: Turn | undefined;
  /** Why it cannot be planned, before and after. */
  readonly failedBefore: ProvisionError | undefined;
  readonly failedAfter: ProvisionError | undefined;
  readonly isChanged: boolean;
}

/** The same difference, and the rows that it is for. */
export interface SharedDifference extends Difference {
  readonly rows: readonly number[];
}

export interface FleetPlan {
  readonly rows: readonly FleetRow[];
  readonly differences: readonly SharedDifference[];
  /** `before` undefined: the devices have no tree yet. */
  readonly before: PaperTree | undefined;
  readonly after: PaperTree;
  readonly source: Source;
  readonly work: Work;
}

/**
 * What changes for each device of an inventory when it gets `after` instead of `before` (or instead of nothing), by the device's own code. Devices count as confirmed: what is for the
 * first boot alone (`-fd`) is not looked at, unless there is no tree before.
 */
export async function planFleet(
  openRun: () => PaperRun,
  devices: readonly InventoryDevice[],
  trees: { readonly before: TreeFolder | undefined; readonly after: TreeFolder },
  options: { readonly base: string | undefined; readonly showsSecrets: boolean },
): Promise<FleetPlan> {
  const base = options.base ?? NOWHERE;
  const run = openRun();
  const work: Work = { parses: 0, modulePlans: 0, merges: 0 };
  const craft = sharedCraft(work);
  const muster = await musterDevices(run, base, trees.before === undefined);
  const first = await muster(devices[0] ?? { facts: {}, macros: {}, line: 0 });
  const modules = plugins.modules.filter((module) => isModuleOn(first.device.settings, module));
  const open = (folder: TreeFolder) => openPaperTree(openRun(), first, folder, modules, craft);
  const before = trees.before && (await open(trees.before));
  const after = await open(trees.after);
  const nothing = before ?? noTree(run, modules, craft);
  const askings = new Askings(modules);
  const comparing = new Differences(options);
  const gathered = new Gathered();
  const rows: FleetRow[] = [];
  for (const known of devices) {
    run.ctx.signal.throwIfAborted();
    const about = { known, name: nameOf(known.facts) };
    try {
      const device = await muster(known);
      const outcome = await planDevice(device, askings.of(device), nothing, after, comparing);
      const { rollout, date, serial, tree } = after.manifest ?? {};
      const turn =
        tree === undefined
          ? undefined
          : turnOf({ tree, serial, date, rollout }, inLine(device.device), {
              now: date ?? 0,
              isClockProven: true,
              sinceBoot: 0,
            });
      for (const list of outcome.differences) gathered.add(list, rows.length);
      const { failedBefore, failedAfter } = outcome;
      rows.push({ ...about, turn, failedBefore, failedAfter, isChanged: outcome.differences.length > 0 });
    } catch (thrown) {
      const error = asProvisionError(thrown);
      if (error.exit === "failed") throw error;
      rows.push({ ...about, turn: undefined, failedBefore: error, failedAfter: error, isChanged: false });
    }
  }
  return { rows, differences: gathered.all(), before, after, source: first.source, work };
}

interface DeviceOutcome {
  readonly differences: readonly (readonly Difference[])[];
  readonly failedBefore: ProvisionError | undefined;
  readonly failedAfter: ProvisionError | undefined;
}

async function planDevice(
  device: FleetDevice,
  asked: Asked,
  before: PaperTree,
  after: PaperTree,
  comparing: Differences,
): Promise<DeviceOutcome> {
  const [was, is] = [await fetched(device, before, asked), await fetched(device, after, asked)];
  if (was.got && is.got && isSameFiles(was.got.brought, is.got.brought)) {
    const { failure } = await laidOut(device, after, is);
    return { differences: [], failedBefore: failure, failedAfter: failure };
  }
  const [a, b] = [await laidOut(device, before, was), await laidOut(device, after, is)];
  const differences = a.layout && b.layout && b.failure === undefined ? comparing.between(a.layout, b.layout) : [];
  return { differences, failedBefore: a.failure, failedAfter: b.failure };
}

interface FetchedOrNot {
  readonly got?: Fetched;
  readonly failure?: ProvisionError;
}

async function fetched(device: FleetDevice, tree: PaperTree, asked: Asked): Promise<FetchedOrNot> {
  try {
    return { got: await tree.fetch(device, asked) };
  } catch (thrown) {
    return { failure: asProvisionError(thrown) };
  }
}

async function laidOut(
  device: FleetDevice,
  tree: PaperTree,
  { got, failure }: FetchedOrNot,
): Promise<{ readonly layout?: Layout; readonly failure: ProvisionError | undefined }> {
  if (got === undefined) return { failure };
  const layout = await tree.lay(device, got);
  return { layout, failure: await tree.judge(device, layout) };
}

function isSameFiles(a: Brought, b: Brought): boolean {
  if (a === b) return true;
  if (a.size !== b.size) return false;
  for (const [module, resources] of a) {
    const others = b.get(module);
    if (others?.length !== resources.length) return false;
    if (resources.some((one, at) => one.sha256 !== others[at]?.sha256 || one.uri !== others[at]?.uri)) return false;
  }
  return true;
}

/** Makes devices of the inventory's lines; what they share is read once. */
async function musterDevices(
  run: PaperRun,
  base: string,
  isFirstBoot: boolean,
): Promise<(known: InventoryDevice) => Promise<FleetDevice>> {
  const model = paperDevice(run, { facts: {}, macros: {} });
  let shared: Source | undefined;
  return async (known) => {
    const facts: DeviceFacts = { ...model.facts, ...known.facts };
    const made = withKnown(run, model, known, facts);
    const device = isFirstBoot ? made : { ...made, macros: withoutFirstBoot(made.macros) };
    shared ??= await sharedSource(run, device, base);
    if (shared.base.used.size > 0) return { device, facts, source: await paperSource(run.ctx, device, base) };
    const resolver = shared.macros.get("resolver");
    const macros = resolver === undefined ? device.macros : new Map(device.macros).set("resolver", resolver);
    return { device, facts, source: { ...shared, macros } };
  };
}

async function sharedSource(run: PaperRun, device: FleetDevice["device"], base: string): Promise<Source> {
  return paperSource(run.ctx, device, base);
}

function withoutFirstBoot(macros: FleetDevice["device"]["macros"]): FleetDevice["device"]["macros"] {
  const fd = macros.get("fd");
  return fd === undefined ? macros : new Map(macros).set("fd", { ...fd, value: "" });
}

function nameOf({ hostname, mac, serial }: InventoryDevice["facts"]): string {
  return hostname ?? mac ?? serial ?? "?";
}

/** Rows by difference. Lists that many devices share are the same objects: they are opened once, at the end. */
class Gathered {
  readonly #lists = new Map<readonly Difference[], number[]>();

  add(list: readonly Difference[], row: number): void {
    const rows = this.#lists.get(list);
    if (rows === undefined) this.#lists.set(list, [row]);
    else rows.push(row);
  }

  all(): readonly SharedDifference[] {
    const found = new Map<string, { readonly one: Difference; readonly rows: number[] }>();
    for (const [list, rows] of this.#lists) {
      for (const one of list) {
        const key = JSON.stringify([one.group, one.subject, one.before ?? null, one.after ?? null]);
        const known = found.get(key);
        if (known === undefined) found.set(key, { one, rows: [...rows] });
        else for (const row of rows) known.rows.push(row);
      }
    }
    const all = [...found.values()].map(({ one, rows }) => ({ ...one, rows: rows.sort((a, b) => a - b) }));
    return all.sort((a, b) => b.rows.length - a.rows.length || (a.subject < b.subject ? -1 : 1));
  }
}
