import type { Device, RunContext } from "../../context.ts";
import { ProvisionError } from "../../errors.ts";
import type { Manifest } from "../../tree/manifest.ts";
import { entryUri } from "../../tree/resources.ts";
import { type KeyRollover, rollKeys } from "../../tree/rollover.ts";
import { type PlainUri, redactUri } from "../../uri.ts";
import type { Keys } from "./keys.ts";
import type { TreeProof } from "./proof.ts";

const KEY_LIMIT = 4096;

/**
 * The keys as the manifest's `# key` lines want them, under the threshold of the old ones; undefined: they stay as they are. Only a tree that was
 * accepted by its signatures can change keys: its owner is the latch, or what this tree would become the owner by.
 */
export async function fetchKeyChange(
  ctx: RunContext,
  device: Device,
  tree: {
    readonly base: PlainUri;
    readonly manifest: Manifest | undefined;
    readonly proof: TreeProof;
    readonly keys: Keys;
  },
): Promise<KeyRollover | undefined> {
  const { manifest, proof } = tree;
  if (manifest === undefined || manifest.keys.length === 0) return undefined;
  const owner = proof.latch ?? device.state.latch;
  if (proof.by !== "signature" || owner?.kind !== "keys") {
    throw new ProvisionError("UNTRUSTED", "keys change only by a manifest that the owner's keys have signed");
  }
  const files = new Map<string, Uint8Array>();
  for (const { act, fingerprint } of manifest.keys) {
    const name = `keys/${fingerprint}`;
    if (act === "add") files.set(name, await fetchKey(ctx, device, tree.base, name));
  }
  const rolled = rollKeys(manifest, new Set(proof.signers), { keys: tree.keys, owner }, files);
  return rolled.isChanged ? rolled : undefined;
}

async function fetchKey(ctx: RunContext, device: Device, base: PlainUri, name: string): Promise<Uint8Array> {
  const uri = entryUri(name, base).text;
  const answer = await device.http.get({ uri, limit: KEY_LIMIT, signal: ctx.signal });
  if (answer.kind === "body") return answer.bytes;
  throw new ProvisionError("HTTP_NOT_FOUND", `MANIFEST adds a key, and ${redactUri(uri)} is not there`);
}
