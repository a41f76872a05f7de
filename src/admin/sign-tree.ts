import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { ProvisionError } from "../errors.ts";
import type { SecretKey } from "../tree/keys.ts";
import {
  type ManifestContent,
  type ManifestEntry,
  type ManifestImage,
  type ManifestKey,
  nameFault,
  parseManifest,
} from "../tree/manifest.ts";
import { printManifest } from "../tree/manifest-print.ts";
import type { Rollout } from "../tree/rollout.ts";
import { parseSignatures, printSignature, sign } from "../tree/signature.ts";
import { isOurs, publishAdded, publishSigned } from "./publish-signed.ts";

/** What a manifest says besides the files. */
export interface TreeLabel {
  readonly tree: string;
  readonly serial: number;
  /** Milliseconds since 1970, whole seconds. */
  readonly date?: number;
  readonly expires?: number;
  readonly successor?: string;
  readonly rollout?: Rollout;
  /** None if not given. */
  readonly images?: readonly ManifestImage[];
  readonly keys?: readonly ManifestKey[];
}

/** Makes the text of a usign signature over these bytes. */
export type Sign = (message: Uint8Array) => string;

/** As `tree lint` has it: folders of version control are no part of what is published. */
const NOT_PUBLISHED: ReadonlySet<string> = new Set([".git", ".hg", ".svn"]);

/** Writes MANIFEST over all files below `folder` and MANIFEST.sig with every key's signature; the manifest's bytes come back. */
export function signTree(folder: string, label: TreeLabel, keys: readonly SecretKey[]): Uint8Array {
  const bytes = printManifest(manifestOf(folder, label));
  publishSigned(
    folder,
    bytes,
    keys.map((key) => sign(bytes, key)),
  );
  return bytes;
}

/** What MANIFEST would say of all files below `folder`. */
export function manifestOf(folder: string, label: TreeLabel): ManifestContent {
  const entries = new Map<string, ManifestEntry>();
  for (const name of filesOfTree(folder)) entries.set(name, entryOf(join(folder, name)));
  return {
    tree: label.tree,
    serial: label.serial,
    date: label.date,
    expires: label.expires,
    successor: label.successor,
    rollout: label.rollout,
    entries,
    images: label.images ?? [],
    keys: label.keys ?? [],
  };
}

/**
 * Adds signatures to what somebody else signed; MANIFEST stays as it is, byte for byte. Who signs vouches for the files, so they must be
 * what MANIFEST says: DIGEST_MISMATCH. USAGE if there is no MANIFEST.
 */
export function addSignatures(folder: string, signers: readonly Sign[]): { bytes: Uint8Array; signedBy: string[] } {
  const [file, signed] = [join(folder, "MANIFEST"), join(folder, "MANIFEST.sig")];
  if (!existsSync(file)) throw new ProvisionError("USAGE", `${file} is not there: there is nothing to add to`);
  const bytes = readFileSync(file);
  for (const [name, told] of parseManifest(bytes, { file }).entries) {
    const path = join(folder, name);
    if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true || entryOf(path).sha256 !== told.sha256)
      throw new ProvisionError("DIGEST_MISMATCH", `${name} is not what MANIFEST says`, { place: { file: path } });
  }
  const added = signers.map((one) => one(bytes));
  const mine = new Set(added.map(fingerprintOf));
  const others = existsSync(signed) ? parseSignatures(readFileSync(signed, "utf8")) : [];
  const kept = others.filter(({ fingerprint }) => !mine.has(fingerprint)).map(printSignature);
  return { bytes, signedBy: publishAdded(folder, [...kept, ...added]).map(fingerprintOf) };
}

function fingerprintOf(signature: string): string {
  return parseSignatures(signature)[0]?.fingerprint ?? "";
}

function entryOf(file: string): { readonly sha256: string; readonly size: number } {
  const bytes = readFileSync(file);
  return { sha256: createHash("sha256").update(bytes).digest("hex"), size: bytes.length };
}

/** What a manifest of this folder lists. */
export function filesOfTree(folder: string): readonly string[] {
  return below(folder).flatMap(({ name, isFile }) => (isFile && !isOurs(name) ? [name] : []));
}

/** Links, pipes and the like, which MANIFEST cannot list: no device gets them, whatever a web server makes of them. */
export function leftOut(folder: string): readonly string[] {
  return below(folder).flatMap(({ name, isFile }) => (isFile ? [] : [name]));
}

function below(folder: string, prefix = ""): { readonly name: string; readonly isFile: boolean }[] {
  return readdirSync(join(folder, prefix), { withFileTypes: true }).flatMap((entry) => {
    const name = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
    if (entry.isDirectory() && NOT_PUBLISHED.has(entry.name)) return [];
    // Before it is opened: what is no UTF-8 cannot be found by the name that Node makes of it.
    const fault = entry.isDirectory() || entry.isFile() ? nameFault(name) : undefined;
    if (fault !== undefined)
      throw new ProvisionError("MANIFEST_INVALID", `${JSON.stringify(name)}: ${fault}; rename it`, {
        place: { file: join(folder, name) },
      });
    return entry.isDirectory() ? below(folder, name) : [{ name, isFile: entry.isFile() }];
  });
}
