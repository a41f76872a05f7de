import type { Finding, Module, Transport } from "../api.ts";
import type { Device, RunContext } from "../context.ts";
import { ProvisionError } from "../errors.ts";
import { type FailedTree, STATE } from "../state.ts";
import type { Manifest } from "../tree/manifest.ts";
import type { KeyRollover } from "../tree/rollover.ts";
import { parseUri, redactUri } from "../uri.ts";
import { baseMacros } from "./base-macros.ts";
import { digestOfTree, inputsOf } from "./fetch/inputs.ts";
import { fetchKeyChange } from "./fetch/key-files.ts";
import { type Keys, readKeys } from "./fetch/keys.ts";
import { fetchManifest } from "./fetch/manifest.ts";
import { proveTree, type TreeProof } from "./fetch/proof.ts";
import { type Brought, fetchResources } from "./fetch/resources.ts";
import { whyWait } from "./fetch/turn.ts";
import { wantedResources } from "./fetch/wanted.ts";
import { noteFullCheck } from "./full-check.ts";
import type { Source } from "./geturi.ts";
import { BY_HAND, MOST_ATTEMPTS } from "./most-attempts.ts";
import { isOver } from "./time-floor.ts";

/** A tree as far as it concerns this device: fetched, and proven to be its owner's. */
export interface Download {
  readonly kind: "tree";
  readonly source: Source;
  readonly manifest: Manifest | undefined;
  readonly proof: TreeProof;
  readonly transport: Transport;
  /** What came for each module, by its name, in the order its resources stand in. */
  readonly brought: Brought;
  /** What the tree has and was left out on purpose. */
  readonly findings: readonly Finding[];
  /** The keys the device holds, and what the owner's manifest makes of them. */
  readonly keys: Keys;
  readonly keyChange: KeyRollover | undefined;
  /** Of the manifest, or of the list of what came. */
  readonly digest: string;
  readonly etag: string | undefined;
  readonly modified: string | undefined;
  /** Why a run that is not forced would leave it for later. */
  readonly wait?: string;
}

/** The server says that the confirmed tree is still the one. */
export interface Unchanged {
  readonly kind: "unchanged";
  readonly source: Source;
  readonly told: string;
}

/** The tree is new, and good, and not for this device yet. */
export interface Waiting {
  readonly kind: "waiting";
  readonly source: Source;
  readonly told: string;
  /** Seconds until its turn, if one comes. */
  readonly seconds: number | undefined;
}

/** What has come of a tree by now, and is proven. */
export type Arrived = Pick<Download, "brought" | "source">;

/** What is done while files come. */
export interface Meanwhile {
  /** Told when all is asked for that can be asked for at once. */
  asked(isLargeComing: boolean): void;
  /** Told when all small files have come, if large ones have not: for which modules something is on its way. */
  smallCame(arrived: Arrived, coming: ReadonlySet<string>): void;
}

const NOTHING: Meanwhile = { asked: () => undefined, smallCame: () => undefined };

/**
 * Gets and proves the tree. If everything else the last confirmed plan was made from is as it was, one conditional request for the
 * manifest answers the whole question. The proof comes before the first resource is asked for.
 */
export async function fetchTree(
  ctx: RunContext,
  device: Device,
  source: Source,
  modules: readonly Module[],
  meanwhile: Meanwhile = NOTHING,
): Promise<Download | Unchanged | Waiting> {
  const base = parseUri(source.base.text, "the provisioning URI");
  const confirmed = device.state.confirmed;
  const macros = baseMacros(device, source);
  const wanted = wantedResources(device.settings, modules);
  const keys = readKeys(ctx);
  const isSameQuestion =
    !ctx.choices.isForced &&
    confirmed?.base === source.base.text &&
    confirmed.inputs === inputsOf({ ...device, macros }, modules, ctx.disk.list(STATE.keys), device.state.latch);

  const answer = await fetchManifest(ctx, device, base, isSameQuestion ? confirmed : undefined);
  if (answer.kind === "not-modified") return unchanged(ctx, device, source);

  const proof = proveTree(ctx, device, source, keys, answer);
  refuseKnownFailure(device, answer.manifest?.sha256);
  const keyChange = await fetchKeyChange(ctx, device, { base, manifest: answer.manifest, proof, keys });
  const wait = whyWait(ctx, device, answer.manifest, keyChange);
  if (wait !== undefined && !ctx.choices.isForced) return { kind: "waiting", source, ...wait };
  const tree = { base, source, macros, keys, proof, answer };
  const { brought, findings } = await fetchResources(ctx, device, tree, wanted, {
    asked: meanwhile.asked,
    smallCame: (some, coming) => meanwhile.smallCame({ brought: some, source: { ...source, macros } }, coming),
  });
  const digest = answer.manifest?.sha256 ?? digestOfTree(brought);
  refuseKnownFailure(device, digest); // without a manifest it is known only now
  noteFullCheck(ctx, { beacon: source.beacon, digest });
  ctx.log("info", `tree ${redactUri(base.text)}: ${proof.reason}, ${count(brought)} files`);
  return {
    kind: "tree",
    source: { ...source, macros },
    manifest: answer.manifest,
    proof,
    transport: answer.transport,
    brought,
    findings,
    keys,
    keyChange,
    digest,
    etag: answer.etag,
    modified: answer.modified,
    ...(wait === undefined ? {} : { wait: wait.told }),
  };
}

function unchanged(ctx: RunContext, device: Device, source: Source): Unchanged {
  const { expires, digest = "" } = device.state.confirmed ?? {};
  if (expires !== undefined && isOver(ctx, device, expires)) {
    throw new ProvisionError(
      "MANIFEST_EXPIRED",
      `the tree at ${redactUri(source.base.text)} expired ${new Date(expires).toISOString()}`,
    );
  }
  noteFullCheck(ctx, { beacon: source.beacon, digest });
  return { kind: "unchanged", source, told: "the manifest is the confirmed one" };
}

function refuseKnownFailure(device: Device, digest: string | undefined): void {
  const failed = device.state.failed;
  const isHeldInPart = device.state.confirmed?.left !== undefined && device.state.confirmed.digest === failed?.digest;
  if (isHeldInPart && !failed?.reason.startsWith(BY_HAND)) return;
  if (failed === undefined || digest !== failed.digest || failed.attempts < MOST_ATTEMPTS) return;
  throw new ProvisionError("GENERATION_BAD", `this tree counts as bad until it changes: ${toldFailure(failed)}`);
}

function toldFailure({ attempts, reason }: FailedTree): string {
  return reason.startsWith(BY_HAND) ? reason : `taken back ${attempts} times, ${reason}`;
}

function count(brought: Brought): number {
  return [...brought.values()].reduce((sum, resources) => sum + resources.length, 0);
}
