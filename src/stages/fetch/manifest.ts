import type { HttpAnswer, Transport } from "../../api.ts";
import type { Device, RunContext } from "../../context.ts";
import type { Confirmed } from "../../state.ts";
import { type Manifest, parseManifest } from "../../tree/manifest.ts";
import { entryUri } from "../../tree/resources.ts";
import { type PlainUri, redactUri } from "../../uri.ts";

/** What stands at the top of a tree; without a manifest a tree is found by asking for each file. */
export interface FetchedManifest {
  readonly kind: "fetched";
  readonly manifest: Manifest | undefined;
  /** The bytes that are signed. */
  readonly bytes: Uint8Array;
  readonly signature: string | undefined;
  readonly transport: Transport;
  readonly etag: string | undefined;
  readonly modified: string | undefined;
}

const SIGNATURE_LIMIT = 16_384;

/** Asks for MANIFEST, conditionally if `confirmed` is given, and for its signature. */
export async function fetchManifest(
  ctx: RunContext,
  device: Device,
  base: PlainUri,
  confirmed: Confirmed | undefined,
): Promise<FetchedManifest | { readonly kind: "not-modified" }> {
  const isConditional = confirmed?.etag !== undefined || confirmed?.modified !== undefined;
  // The signature travels along only when the manifest is expected to be new.
  const signature = isConditional ? undefined : startSignature(ctx, device, base);
  try {
    const answer = await device.http.get({
      uri: entryUri("MANIFEST", base).text,
      limit: device.settings.limits.small,
      signal: ctx.signal,
      ...(confirmed?.etag === undefined ? {} : { etag: confirmed.etag }),
      ...(confirmed?.modified === undefined ? {} : { modified: confirmed.modified }),
    });
    if (answer.kind === "not-modified") return { kind: "not-modified" };
    if (answer.kind === "absent") return without(answer);
    const text = await (signature ?? startSignature(ctx, device, base));
    const manifest = parseManifest(answer.bytes, { file: redactUri(answer.uri) });
    if (manifest.sha256 === confirmed?.digest) return { kind: "not-modified" };
    return {
      kind: "fetched",
      manifest,
      bytes: answer.bytes,
      signature: text,
      transport: answer.transport,
      etag: answer.etag,
      modified: answer.modified,
    };
  } finally {
    await signature?.catch(() => undefined);
  }
}

function startSignature(ctx: RunContext, device: Device, base: PlainUri): Promise<string | undefined> {
  const asked = device.http.get({
    uri: entryUri("MANIFEST.sig", base).text,
    limit: SIGNATURE_LIMIT,
    signal: ctx.signal,
  });
  const text = asked.then((answer) =>
    answer.kind === "body" ? Buffer.from(answer.bytes).toString("utf8") : undefined,
  );
  // Whoever awaits it sees the failure; until then it must not count as unheard.
  text.catch(() => undefined);
  return text;
}

function without(answer: Extract<HttpAnswer, { kind: "absent" }>): FetchedManifest {
  return {
    kind: "fetched",
    manifest: undefined,
    bytes: new Uint8Array(),
    signature: undefined,
    transport: answer.transport,
    etag: undefined,
    modified: undefined,
  };
}
