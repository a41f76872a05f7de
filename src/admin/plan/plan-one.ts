import { planChanges } from "../../change-device.ts";
import type { Device } from "../../context.ts";
import { asProvisionError, type ErrorCode, ProvisionError } from "../../errors.ts";
import { isModuleOn } from "../../module-choice.ts";
import type { Plan } from "../../plan.ts";
import { plugins } from "../../registry.ts";
import { type Download, fetchTree } from "../../stages/fetch.ts";
import type { Source } from "../../stages/geturi.ts";
import { parseUri } from "../../uri.ts";
import type { KnownDevice } from "./device-facts.ts";
import { type LayerPlan, layersOf } from "./layers-of.ts";
import { type PaperRun, paperDevice } from "./paper-run.ts";
import { NOWHERE, paperSource } from "./paper-source.ts";
import { paperWeb } from "./paper-web.ts";
import type { TreeFolder } from "./tree-folder.ts";

/** What the device would say of the tree. `unknown`: nobody told which keys it holds. */
export type PaperTrust =
  | { readonly verdict: "accepted"; readonly by: string; readonly reason: string; readonly signers: readonly string[] }
  | { readonly verdict: "refused" | "unknown"; readonly error: ProvisionError };

/** One run on paper, as far as it goes. */
export interface PaperPlan {
  readonly device: Device;
  readonly source: Source;
  readonly trust: PaperTrust;
  readonly layers: readonly LayerPlan[];
  /** URIs outside the tree, of which paper knows nothing. */
  readonly elsewhere: readonly string[];
  /** Undefined if the tree cannot be planned; `failure` says why. */
  readonly plan: Plan | undefined;
  readonly failure: ProvisionError | undefined;
}

/**
 * A whole run of one device with the tree, by the device's own code, up to the plan. A tree that the device would refuse is planned all the same, as
 * the laboratory setting would, so that all there is to mend is seen at once.
 */
export async function planOne(
  run: PaperRun,
  known: KnownDevice,
  tree: TreeFolder,
  base: string | undefined,
): Promise<PaperPlan> {
  const bare = paperDevice(run, known);
  const source = await paperSource(run.ctx, bare, base ?? NOWHERE);
  const web = paperWeb(tree, parseUri(source.base.text, "the provisioning URI"), run.spool);
  const device: Device = { ...bare, http: web };
  const modules = plugins.modules.filter((module) => isModuleOn(device.settings, module));
  const got = await fetchOnPaper(run, device, source, modules);
  const download = got.download;
  const facts = {
    device,
    source,
    trust: got.trust,
    layers: layersOf(device, source, modules, tree, download),
    elsewhere: [...web.elsewhere],
  };
  if (download === undefined) return { ...facts, plan: undefined, failure: got.failure };
  try {
    return { ...facts, plan: await planChanges(run.ctx, device, download, modules), failure: undefined };
  } catch (thrown) {
    return { ...facts, plan: undefined, failure: asProvisionError(thrown) };
  }
}

/** What a device without any key says of every tree that needs one. */
const ABOUT_KEYS: ReadonlySet<ErrorCode> = new Set([
  "UNTRUSTED",
  "SIGNATURE_MISSING",
  "SIGNATURE_WRONG",
  "SIGNATURES_TOO_FEW",
]);

/** Whether a refusal says no more than that nobody told which keys the device holds. */
export function isUnjudged({ code }: ProvisionError, keys: number, isOwned: boolean): boolean {
  return ABOUT_KEYS.has(code) && keys === 0 && !isOwned;
}

interface Fetched {
  readonly trust: PaperTrust;
  readonly download: Download | undefined;
  readonly failure: ProvisionError | undefined;
}

async function fetchOnPaper(
  run: PaperRun,
  device: Device,
  source: Source,
  modules: typeof plugins.modules,
): Promise<Fetched> {
  try {
    const download = await asForced(run, device, source, modules);
    const { by, reason, signers } = download.proof;
    return { trust: { verdict: "accepted", by, reason, signers }, download, failure: undefined };
  } catch (thrown) {
    const error = asProvisionError(thrown);
    const isAboutTrust = error.exit === "trust-refused" && error.code !== "DIGEST_MISMATCH";
    const isUnknown = isUnjudged(error, run.keys, device.state.latch !== undefined);
    const trust: PaperTrust = { verdict: isUnknown ? "unknown" : "refused", error };
    if (!isAboutTrust) return { trust, download: undefined, failure: error };
    try {
      return {
        trust,
        download: await asForced(silently(run), asInTheLaboratory(device), source, modules),
        failure: undefined,
      };
    } catch (again) {
      return { trust, download: undefined, failure: asProvisionError(again) };
    }
  }
}

async function asForced(
  run: PaperRun,
  device: Device,
  source: Source,
  modules: typeof plugins.modules,
): Promise<Download> {
  const found = await fetchTree(run.ctx, device, source, modules);
  if (found.kind === "tree") return found;
  throw new ProvisionError("INTERNAL", `a forced run does not end as ${found.kind}`);
}

/** What the laboratory warns of has been told already, better. */
function silently(run: PaperRun): PaperRun {
  return { ...run, ctx: { ...run.ctx, log: () => undefined } };
}

/** Believes anything, and so looks at no signature: only to see what the plan would be. */
export function asInTheLaboratory(device: Device): Device {
  const { settings, state, http } = device;
  const get: Device["http"]["get"] = async (request) =>
    http.get(request.uri.endsWith("/MANIFEST.sig") ? { ...request, uri: `${request.uri}.looked-at-already` } : request);
  return {
    ...device,
    http: { ...http, get },
    settings: { ...settings, main: { ...settings.main, trust: "any" } },
    state: { ...state, latch: undefined, trees: new Map() },
  };
}
