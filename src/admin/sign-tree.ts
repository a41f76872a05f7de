import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SecretKey } from "../tree/keys.ts";
import type { ManifestContent, ManifestEntry, ManifestImage } from "../tree/manifest.ts";
import { printManifest } from "../tree/manifest-print.ts";
import type { Rollout } from "../tree/rollout.ts";
import { sign } from "../tree/signature.ts";

/** What a manifest says besides the files. */
export interface TreeLabel {
  readonly tree: string;
  readonly serial: number;
  /** Milliseconds since 1970, whole seconds. */
  readonly date?: number;
  readonly expires?: number;
  readonly rollout?: Rollout;
  /** None if not given. */
  readonly images?: readonly ManifestImage[];
}

const OURS = /^MANIFEST(?:\.sig(?:\.[0-9a-f]{16})?)?$/;

/** Writes MANIFEST over all files below `folder` and MANIFEST.sig with every key's signature; the manifest's bytes come back. */
export function signTree(folder: string, label: TreeLabel, keys: readonly SecretKey[]): Uint8Array {
  const bytes = printManifest(manifestOf(folder, label));
  const signatures = keys.map((key) => ({ key, text: sign(bytes, key) }));
  writeFileSync(join(folder, "MANIFEST"), bytes);
  writeFileSync(join(folder, "MANIFEST.sig"), signatures.map(({ text }) => text).join(""));
  for (const { key, text } of keys.length > 1 ? signatures : []) {
    writeFileSync(join(folder, `MANIFEST.sig.${key.fingerprint}`), text);
  }
  return bytes;
}

function manifestOf(folder: string, label: TreeLabel): ManifestContent {
  const entries = new Map<string, ManifestEntry>();
  for (const name of filesOfTree(folder)) {
    const bytes = readFileSync(join(folder, name));
    entries.set(name, { sha256: createHash("sha256").update(bytes).digest("hex"), size: bytes.length });
  }
  return {
    tree: label.tree,
    serial: label.serial,
    date: label.date,
    expires: label.expires,
    successor: undefined,
    rollout: label.rollout,
    entries,
    images: label.images ?? [],
    keys: [],
  };
}

/** What a manifest of this folder lists. */
export function filesOfTree(folder: string): readonly string[] {
  return filesBelow(folder).filter((name) => !OURS.test(name));
}

function filesBelow(folder: string, prefix = ""): string[] {
  return readdirSync(join(folder, prefix), { withFileTypes: true }).flatMap((entry) => {
    const name = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
    if (entry.isDirectory()) return filesBelow(folder, name);
    return entry.isFile() ? [name] : [];
  });
}
