/** Changing the keys a device believes: only by a manifest that the *old* keys signed, under the *old* threshold. */
import { createHash } from "node:crypto";
import { ProvisionError } from "../errors.ts";
import { hex, type PublicKey, parsePublicKey } from "./keys.ts";
import type { Manifest } from "./manifest.ts";

/** Who owns the device by signature. */
export interface KeyOwner {
  /** Sorted. */
  readonly fingerprints: readonly string[];
  readonly threshold: number;
}

export interface KeyRollover {
  readonly keys: ReadonlyMap<string, PublicKey>;
  readonly owner: KeyOwner;
  /** False: nothing to write. */
  readonly isChanged: boolean;
}

/**
 * Applies a manifest's `# key` lines. `files` holds the bytes of the listed `keys/FINGERPRINT`; `valid` are the keys that signed the manifest. What is already so is
 * left so, so the same manifest twice changes nothing. SIGNATURES_TOO_FEW if the owner did not sign; DIGEST_MISMATCH, KEY_INVALID if a file is not what it should
 * be; KEY_INVALID if fewer keys than the threshold would remain, for nobody could ever sign again.
 */
export function rollKeys(
  manifest: Manifest,
  valid: ReadonlySet<string>,
  before: { readonly keys: ReadonlyMap<string, PublicKey>; readonly owner: KeyOwner },
  files: ReadonlyMap<string, Uint8Array>,
): KeyRollover {
  if (manifest.keys.length === 0) return { ...before, isChanged: false };
  const signers = before.owner.fingerprints.filter((fingerprint) => valid.has(fingerprint));
  if (signers.length < before.owner.threshold) {
    throw new ProvisionError("SIGNATURES_TOO_FEW", "keys change only when the owner's old keys have signed it");
  }

  const keys = new Map(before.keys);
  const owners = new Set(before.owner.fingerprints);
  for (const { fingerprint } of manifest.keys.filter(({ act }) => act === "remove")) {
    keys.delete(fingerprint);
    owners.delete(fingerprint);
  }
  for (const { fingerprint } of manifest.keys.filter(({ act }) => act === "add")) {
    const key = readListed(manifest, fingerprint, files);
    refuseCollision(key, keys);
    keys.set(fingerprint, key);
    owners.add(fingerprint);
  }

  const usable = [...owners].filter((fingerprint) => keys.has(fingerprint)).sort();
  if (usable.length < before.owner.threshold) {
    throw new ProvisionError("KEY_INVALID", `${before.owner.threshold} keys must remain, ${usable.length} would`);
  }
  const fingerprints = [...owners].sort();
  const isChanged =
    !isSame(fingerprints, before.owner.fingerprints) || !isSame([...keys.keys()], [...before.keys.keys()]);
  return { keys, owner: { fingerprints, threshold: before.owner.threshold }, isChanged };
}

function readListed(manifest: Manifest, fingerprint: string, files: ReadonlyMap<string, Uint8Array>): PublicKey {
  const path = `keys/${fingerprint}`;
  const place = { file: path };
  const bytes = files.get(path);
  const listed = manifest.entries.get(path)?.sha256;
  if (bytes === undefined || createHash("sha256").update(bytes).digest("hex") !== listed) {
    throw new ProvisionError("DIGEST_MISMATCH", "key file that the manifest adds", { place });
  }
  const key = parsePublicKey(Buffer.from(bytes).toString("utf8"));
  if (key.fingerprint !== fingerprint) {
    throw new ProvisionError("KEY_INVALID", `holds key ${key.fingerprint}, not the one it is named for`, { place });
  }
  return key;
}

/** One number for two keys, or two numbers for one: either way a count of signers would lie. */
function refuseCollision(key: PublicKey, keys: ReadonlyMap<string, PublicKey>): void {
  for (const [fingerprint, known] of keys) {
    const isSameKey = hex(known.bytes) === hex(key.bytes);
    if (isSameKey !== (fingerprint === key.fingerprint)) {
      throw new ProvisionError("KEY_INVALID", `key ${key.fingerprint} collides with key ${fingerprint}`);
    }
  }
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && new Set([...a, ...b]).size === a.length;
}
