import type { DeviceFacts, Finding, Module, Resource } from "../../api.ts";
import type { Device, RunContext } from "../../context.ts";
import { asProvisionError, ProvisionError } from "../../errors.ts";
import type { Expanded } from "../../macros.ts";
import { readKeys } from "../../stages/fetch/keys.ts";
import { type FetchedManifest, fetchManifest } from "../../stages/fetch/manifest.ts";
import { proveTree, type TreeProof } from "../../stages/fetch/proof.ts";
import { type Fetched, fetchFirst } from "../../stages/fetch/resources.ts";
import type { Wanted } from "../../stages/fetch/wanted.ts";
import type { Source } from "../../stages/geturi.ts";
import { type Craft, judgeLayout, type Layout, layOut } from "../../stages/validate.ts";
import { parseUri } from "../../uri.ts";
import type { PaperRun } from "../plan/paper-run.ts";
import { paperWeb } from "../plan/paper-web.ts";
import { asInTheLaboratory, isUnjudged } from "../plan/plan-one.ts";
import type { TreeFolder } from "../plan/tree-folder.ts";
import type { Asked } from "./askings.ts";

/** One version of a tree, as devices would get it. */
export interface PaperTree {
  readonly folder: TreeFolder;
  readonly manifest: FetchedManifest["manifest"];
  /** Why devices would refuse it; it is planned all the same. */
  readonly refusal: ProvisionError | undefined;
  /** Nobody said which keys the devices hold: the refusal says nothing. */
  readonly isUnjudged: boolean;
  /** What a device gets, by the names below the base; throws what the device would fail by. */
  fetch(device: FleetDevice, asked: Asked): Promise<Fetched>;
  lay(device: FleetDevice, fetched: Fetched): Promise<Layout>;
  judge(device: FleetDevice, layout: Layout): Promise<ProvisionError | undefined>;
}

/** A device of the fleet, ready to be planned: all but its facts, macros and source is shared. */
export interface FleetDevice {
  readonly device: Device;
  readonly source: Source;
  readonly facts: DeviceFacts;
}

interface Got {
  readonly resource: Resource | undefined;
  readonly findings: readonly Finding[];
}

async function gather(
  asked: Asked,
  fetch: (wanted: Wanted, tries: readonly Expanded[]) => Promise<Got>,
): Promise<Fetched> {
  const brought = new Map<string, Resource[]>();
  const findings: Finding[] = [];
  for (const { wanted, tries } of asked) {
    if (tries.length === 0) continue;
    const got = await fetch(wanted, tries);
    findings.push(...got.findings);
    if (got.resource === undefined) continue;
    const known = brought.get(wanted.module.name);
    if (known === undefined) brought.set(wanted.module.name, [got.resource]);
    else known.push(got.resource);
  }
  return { brought, findings };
}

const EMPTY: Fetched = { brought: new Map(), findings: [] };

/** No tree at all: what a device is without one. */
export function noTree(run: PaperRun, modules: readonly Module[], craft: Craft): PaperTree {
  const folder: TreeFolder = { path: "", names: new Set(), file: () => undefined };
  return {
    folder,
    manifest: undefined,
    refusal: undefined,
    isUnjudged: false,
    fetch: async () => EMPTY,
    lay: ({ device, source }, { brought }) => layOut(run.ctx, device, { brought, source }, modules, undefined, craft),
    judge: async () => undefined,
  };
}

/**
 * Fetches and proves the manifest once, as a device like `first` would; a tree that it refuses is taken as the laboratory would. Everything a device asks for
 * afterwards goes through the device's own code.
 */
export async function openPaperTree(
  run: PaperRun,
  first: FleetDevice,
  folder: TreeFolder,
  modules: readonly Module[],
  craft: Craft,
): Promise<PaperTree> {
  const { ctx, spool } = run;
  const { source } = first;
  const base = parseUri(source.base.text, "the provisioning URI");
  const http = paperWeb(folder, base, spool);
  const keys = readKeys(ctx);
  const device = { ...first.device, http };
  const answer = await fetchManifest(ctx, device, base, undefined);
  if (answer.kind === "not-modified") throw new ProvisionError("INTERNAL", "a plan on paper asks unconditionally");
  const { proof, refusal } = proven(ctx, device, source, keys, answer);
  const judged = new Map<string, Promise<ProvisionError | undefined>>();
  const idOf = listIds();
  const fetched = new WeakMap<readonly Expanded[], Promise<Got>>();
  return {
    folder,
    manifest: answer.manifest,
    refusal,
    isUnjudged: refusal !== undefined && isUnjudged(refusal, run.keys, device.state.latch !== undefined),
    fetch: (one, asked) =>
      gather(asked, (wanted, tries) => {
        // Devices that share what they try share what comes; which image comes depends on what they are and run, besides.
        const isShared = !wanted.isImage;
        const known = isShared ? fetched.get(tries) : undefined;
        if (known !== undefined) return known;
        const itsBase =
          one.source.base.text === base.text ? base : parseUri(one.source.base.text, "the provisioning URI");
        const itsHttp = itsBase === base ? http : paperWeb(folder, itsBase, spool);
        const tree = { base: itsBase, source: one.source, macros: one.source.macros, keys, proof, answer };
        const asking = { ...one.device, http: itsHttp };
        const findings: Finding[] = [];
        const asker = refusal === undefined ? asking : asInTheLaboratory(asking);
        const resource = fetchFirst(ctx, asker, tree, wanted, findings, tries).then((found) => ({
          resource: found,
          findings,
        }));
        if (isShared) fetched.set(tries, resource);
        return resource;
      }),
    lay: (one, { brought }) => layOut(ctx, one.device, { brought, source: one.source }, modules, undefined, craft),
    judge(one, layout) {
      const own = layout.packages.planned("uciprov");
      const key = `${idOf(layout.byModule)} ${own === undefined ? 0 : idOf.of(own)}`;
      const known = judged.get(key);
      const verdict = known ?? judgeFiles(ctx, one.device, layout);
      if (known === undefined) judged.set(key, verdict);
      return verdict.then((files) => files ?? faulty(layout.findings, layout.packages.findings()));
    },
  };
}

function proven(
  ctx: RunContext,
  device: Device,
  source: Source,
  keys: ReturnType<typeof readKeys>,
  answer: FetchedManifest,
): { readonly proof: TreeProof; readonly refusal: ProvisionError | undefined } {
  try {
    return { proof: proveTree(ctx, device, source, keys, answer), refusal: undefined };
  } catch (thrown) {
    const refusal = asProvisionError(thrown);
    return { proof: LABORATORY, refusal };
  }
}

const LABORATORY: TreeProof = {
  by: "lab",
  reason: "laboratory",
  latch: undefined,
  signers: [],
  isClockProven: true,
};

async function judgeFiles(ctx: RunContext, device: Device, layout: Layout): Promise<ProvisionError | undefined> {
  try {
    return faulty(await judgeLayout(ctx, device, layout));
  } catch (thrown) {
    return asProvisionError(thrown);
  }
}

function faulty(...lists: readonly (readonly ProvisionError["findings"][number][])[]): ProvisionError | undefined {
  const wrong = lists.flat().filter(({ severity }) => severity === "error");
  const [first] = wrong;
  if (first === undefined) return undefined;
  return new ProvisionError(first.code, first.message, {
    findings: wrong,
    ...(first.place ? { place: first.place } : {}),
  });
}

/** The same text for the same lists of changes: those of the `uci` kind are judged elsewhere. */
function listIds(): ((lists: ReadonlyMap<string, readonly object[]>) => string) & { of(thing: object): number } {
  const numbers = new WeakMap<object, number>();
  let last = 0;
  const of = (thing: object): number => {
    const known = numbers.get(thing) ?? ++last;
    numbers.set(thing, known);
    return known;
  };
  const ids = (lists: ReadonlyMap<string, readonly object[]>) =>
    [...lists.values()].map((list) => (list.every(isUci) ? 0 : of(list))).join(" ");
  return Object.assign(ids, { of });
}

function isUci(change: object): boolean {
  return "kind" in change && change.kind === "uci";
}
