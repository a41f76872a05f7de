import type { Finding, HttpAnswer, MacroTable, Resource } from "../../api.ts";
import type { Device, RunContext } from "../../context.ts";
import { ProvisionError } from "../../errors.ts";
import type { Expanded } from "../../macros.ts";
import { SPOOL } from "../../ram-folder.ts";
import type { ManifestEntry } from "../../tree/manifest.ts";
import { candidates, entryName } from "../../tree/resources.ts";
import { judgeResource, type ResourcePlace } from "../../trust.ts";
import { type PlainUri, parseUri, redactUri } from "../../uri.ts";
import type { Source } from "../geturi.ts";
import { chooseImage, type ImageChoice, imageMacros } from "./image.ts";
import type { Keys } from "./keys.ts";
import type { FetchedManifest } from "./manifest.ts";
import { questionAbout, signatureFacts, type TreeProof } from "./proof.ts";
import type { Wanted } from "./wanted.ts";

/** Resources by the name of the module they are for. */
export type Brought = ReadonlyMap<string, readonly Resource[]>;

const SIGNATURE_LIMIT = 16_384;

interface Tree {
  readonly base: PlainUri;
  readonly source: Source;
  readonly macros: MacroTable;
  readonly keys: Keys;
  readonly proof: TreeProof;
  readonly answer: FetchedManifest;
}

/** One file to ask for: where, and what the manifest says of it. */
interface Request {
  readonly wanted: Wanted;
  readonly expanded: Expanded;
  readonly uri: PlainUri;
  readonly place: ResourcePlace;
  readonly entry: ManifestEntry | undefined;
}

/** What came, and why something that the tree has did not. */
export interface Fetched {
  readonly brought: Brought;
  readonly findings: readonly Finding[];
}

/** Told when all is asked for, and when all that is small has come though more is to come. */
interface Meanwhile {
  asked(isLargeComing: boolean): void;
  smallCame(brought: Brought, coming: ReadonlySet<string>): void;
}

/**
 * Gets every resource that is wanted, all at once; the first failure stops the others. With a manifest nothing is asked for
 * that is not there; without one, a 404 means "not for me".
 */
export async function fetchResources(
  ctx: RunContext,
  device: Device,
  tree: Tree,
  wanted: readonly Wanted[],
  meanwhile: Meanwhile,
): Promise<Fetched> {
  const failed = new AbortController();
  const signal = AbortSignal.any([ctx.signal, failed.signal]);
  const context = { ...ctx, signal };
  try {
    const findings: Finding[] = [];
    const get = (one: Wanted) => fetchFirst(context, device, tree, one, findings);
    const found = await largestFirst(wanted, get, (asked, isLargeComing) => {
      meanwhile.asked(isLargeComing);
      tellSmall(wanted, asked, meanwhile).catch(() => undefined); // whoever waits for all hears of it
    });
    return { brought: byModule(wanted, found), findings };
  } catch (thrown) {
    failed.abort();
    throw thrown;
  }
}

function byModule(wanted: readonly Wanted[], found: readonly (Resource | undefined)[]): Brought {
  const brought = new Map<string, Resource[]>();
  for (const [index, { module, name }] of wanted.entries()) {
    const resource = found[index];
    if (!resource) continue;
    const own = { ...resource, name, origin: { ...resource.origin, module: module.name } };
    brought.set(module.name, [...(brought.get(module.name) ?? []), own]);
  }
  return brought;
}

async function tellSmall(
  wanted: readonly Wanted[],
  asked: readonly Promise<Resource | undefined>[],
  { smallCame }: Meanwhile,
): Promise<void> {
  const found: (Resource | undefined)[] = [];
  const coming = new Set(wanted);
  const came = wanted.map(async (one, index) => {
    found[index] = await asked[index];
    coming.delete(one);
  });
  const small = Promise.all(came.filter((_, index) => wanted[index]?.size === "small")).then(() => {
    if (coming.size > 0) smallCame(byModule(wanted, found), new Set([...coming].map(({ module }) => module.name)));
  });
  await Promise.all([small, ...came]); // each is waited for from the start: Node ends at a failure that nobody waits for
}

/**
 * All at once, answers in the order of `wanted`; what several modules want is asked for once. The large ones ask first, since a long body over a far link needs round trips until its connection is fast,
 * and the small ones fit in between: those are not even looked at before the large ones' questions are on their way.
 */
async function largestFirst<T>(
  wanted: readonly Wanted[],
  get: (one: Wanted) => Promise<T>,
  onAsked: (asked: readonly Promise<T>[], isLargeComing: boolean) => void,
): Promise<T[]> {
  const asked = new Map<string, Promise<T>>();
  const ask = (one: Wanted): Promise<T> => {
    // A large one lies in a file that bears its module's name.
    const key = `${one.size === "small" ? one.size : `${one.module.name} ${one.name}`} ${one.template.text}`;
    const answer = asked.get(key) ?? get(one);
    asked.set(key, answer);
    return answer;
  };
  const large = wanted.filter(({ size }) => size === "large").map(ask);
  const isLargeComing = await Promise.race([sent().then(() => true), Promise.all(large).then(() => false)]);
  const all = wanted.map(ask);
  onAsked(all, isLargeComing);
  return await Promise.all(all);
}

/** What was just begun has left: a kept connection is looked at for one turn before it is used again. */
function sent(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

/** The best candidate that exists: on first boot the `-fd` one, else the plain one. */
export async function fetchFirst(
  ctx: RunContext,
  device: Device,
  tree: Tree,
  wanted: Wanted,
  findings: Finding[],
  tries: readonly Expanded[] = triesOf(device, wanted, tree.macros),
): Promise<Resource | undefined> {
  for (const expanded of tries) {
    const uri = parseUri(expanded.text, `resource ${wanted.name}`);
    const request = { wanted, expanded, uri, ...placeOf(uri, tree) };
    if (request.place === "unlisted") continue;
    if (wanted.isImage) return await fetchImage(ctx, device, tree, request, findings);
    const resource = await fetchOne(ctx, device, tree, request);
    if (resource !== undefined) return resource;
  }
  return undefined;
}

/** Never asked for where it could not count: without a manifest, or where no manifest can list it. */
async function fetchImage(
  ctx: RunContext,
  device: Device,
  tree: Tree,
  request: Request,
  findings: Finding[],
): Promise<Resource | undefined> {
  const choice = choiceOf(ctx, device, tree, request);
  if (choice.isWanted) {
    const resource = await fetchOne(ctx, device, tree, request);
    if (resource === undefined || choice.release === undefined) return resource;
    return { ...resource, release: choice.release };
  }
  if (choice.finding !== undefined) findings.push(choice.finding);
  return undefined;
}

function choiceOf(ctx: RunContext, device: Device, tree: Tree, { uri, place }: Request): ImageChoice {
  const told = redactUri(uri.text);
  const { manifest } = tree.answer;
  const name = entryName(uri, tree.base);
  if (manifest === undefined || name === undefined) {
    if (place !== "elsewhere") return { isWanted: false };
    const message = "firmware counts only if the tree's manifest lists it: the image is left out";
    return { isWanted: false, finding: { severity: "warning", code: "UNTRUSTED", message, place: { file: told } } };
  }
  return chooseImage(ctx, device, { manifest, proof: tree.proof }, { name, uri: told });
}

/** What a device tries for a resource, best first; an image's name may hold what only images are named after. */
export function triesOf(device: Device, wanted: Wanted, macros: MacroTable): readonly Expanded[] {
  return candidatesOf(wanted, wanted.isImage ? imageMacros(device, macros) : macros);
}

/** A resource named after something this device does not have is not for it; a wrong template is an error. */
function candidatesOf(wanted: Wanted, macros: MacroTable): readonly Expanded[] {
  const isDefault = wanted.module.resources?.[wanted.name]?.uri === wanted.template.text;
  try {
    return candidates(wanted.template, macros);
  } catch (thrown) {
    if (isDefault && thrown instanceof ProvisionError && thrown.code === "MACRO_UNKNOWN") return [];
    throw thrown;
  }
}

function placeOf(uri: PlainUri, tree: Tree): { place: ResourcePlace; entry: ManifestEntry | undefined } {
  const name = entryName(uri, tree.base);
  if (name === undefined) return { place: "elsewhere", entry: undefined };
  if (tree.answer.manifest === undefined) return { place: "no-manifest", entry: undefined };
  const entry = tree.answer.manifest.entries.get(name);
  return entry === undefined ? { place: "unlisted", entry } : { place: "listed", entry };
}

async function fetchOne(ctx: RunContext, device: Device, tree: Tree, request: Request): Promise<Resource | undefined> {
  const { wanted, uri } = request;
  const limit = device.settings.limits[wanted.size];
  checkAnnounced(ctx, request, limit);
  const spool = wanted.size === "large" ? `${SPOOL}/${wanted.module.name}-${wanted.name}` : undefined;
  const answer = await device.http.get({
    uri: uri.text,
    limit,
    signal: ctx.signal,
    ...(spool === undefined ? {} : { spool }),
    ...(request.entry?.size === undefined ? {} : { size: request.entry.size, sha256: request.entry.sha256 }),
  });
  if (answer.kind !== "body") {
    if (request.place !== "listed") return undefined;
    throw new ProvisionError("HTTP_NOT_FOUND", `MANIFEST lists ${redactUri(uri.text)}, which is not there`);
  }
  await checkProof(ctx, device, tree, request, answer);
  const signer = tree.proof.signers[0];
  return {
    name: wanted.name,
    uri: uri.text,
    size: answer.size,
    sha256: answer.sha256,
    origin: {
      module: wanted.module.name,
      uri: redactUri(uri.text),
      ...(signer === undefined ? {} : { signer }),
    },
    content: spool === undefined ? { bytes: answer.bytes } : { spool },
  };
}

/** What the manifest says of the size is checked against the limits and the free RAM before the body is asked for. */
function checkAnnounced(ctx: RunContext, { wanted, uri, entry }: Request, limit: number): void {
  if (entry?.size === undefined) return;
  if (entry.size > limit) {
    throw new ProvisionError("TOO_LARGE", `${redactUri(uri.text)} has ${entry.size} bytes, ${limit} are allowed`);
  }
  const free = wanted.size === "large" ? ctx.disk.free(SPOOL).bytes : Number.POSITIVE_INFINITY;
  if (entry.size > free) {
    throw new ProvisionError("NO_SPACE", `${redactUri(uri.text)} has ${entry.size} bytes, ${free} are free in RAM`);
  }
}

async function checkProof(
  ctx: RunContext,
  device: Device,
  tree: Tree,
  request: Request,
  answer: Extract<HttpAnswer, { kind: "body" }>,
): Promise<void> {
  const told = redactUri(request.uri.text);
  if (request.entry && answer.sha256 !== request.entry.sha256) {
    throw new ProvisionError(
      "DIGEST_MISMATCH",
      `${told} is not what the manifest says: SHA-256 ${answer.sha256}, listed ${request.entry.sha256}`,
    );
  }
  if (request.entry?.size !== undefined && answer.size !== request.entry.size) {
    throw new ProvisionError(
      "DIGEST_MISMATCH",
      `${told} is not what the manifest says: its size is ${answer.size}, listed ${request.entry.size}`,
    );
  }
  const signature = request.place === "elsewhere" ? await ownSignature(ctx, device, request) : undefined;
  const { signatures: _, ...question } = questionAbout(device, namedBy(request, tree), answer.transport, undefined);
  const verdict = judgeResource({
    ...question,
    latch: tree.proof.latch ?? question.latch,
    place: request.place,
    isTainted: request.expanded.isTainted,
    tree: tree.proof.by,
    ownSignatures: signatureFacts(
      device,
      tree.keys,
      signature ? bodyBytes(ctx, answer, request) : new Uint8Array(),
      signature,
    ),
  });
  if (!verdict.accepted) throw new ProvisionError(verdict.code, `${told} is refused (${verdict.reason})`);
}

/**
 * Who named this URI: the settings alone, where it does not begin with `{base_uri}`; else whoever named the base, even if the rest of it
 * (a query, an escaped slash) puts it outside what a manifest can list.
 */
function namedBy({ place, expanded }: Request, { source }: Tree): Source {
  if (place !== "elsewhere" || expanded.used.has("base_uri")) return source;
  return { ...source, resolver: "settings", evidence: "local", base: { ...source.base, isTainted: false } };
}

async function ownSignature(ctx: RunContext, device: Device, { uri }: Request): Promise<string | undefined> {
  if (uri.query !== undefined) return undefined;
  const answer = await device.http.get({ uri: `${uri.text}.sig`, limit: SIGNATURE_LIMIT, signal: ctx.signal });
  return answer.kind === "body" ? Buffer.from(answer.bytes).toString("utf8") : undefined;
}

function bodyBytes(ctx: RunContext, answer: Extract<HttpAnswer, { kind: "body" }>, { wanted }: Request): Uint8Array {
  if (wanted.size === "small") return answer.bytes;
  return ctx.disk.readBytes(`${SPOOL}/${wanted.module.name}-${wanted.name}`, answer.size) ?? new Uint8Array();
}
