/**
 * MANIFEST and its signatures, put in place so that a device accepts the tree at every moment, also if we are killed half-way: first the
 * signatures of the old and the new manifest together, then the manifest, then the new signatures alone. Each by a file beside it and a rename.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { ProvisionError } from "../errors.ts";
import { MOST_SIGNATURES, parseSignatures, printSignature } from "../tree/signature.ts";
import { unwritable } from "./disk-faults.ts";

const BESIDE = ".MANIFEST.new";
const OURS = /^(?:MANIFEST(?:\.sig(?:\.[0-9a-f]{16})?)?|\.MANIFEST\.new)$/;

/** Whether this file at the top of a tree is made by signing it, and so never listed. */
export function isOurs(name: string): boolean {
  return OURS.test(name);
}

/** A new manifest and who signed it, a usign signature each. */
export function publishSigned(folder: string, manifest: Uint8Array, signatures: readonly string[]): void {
  checkCount(signatures);
  const before = existsSync(join(folder, "MANIFEST")) ? oldSignatures(join(folder, "MANIFEST.sig")) : [];
  const room = MOST_SIGNATURES - signatures.length;
  if (before.length > 0) replace(folder, "MANIFEST.sig", [...signatures, ...before.slice(0, room)].join(""));
  else if (!existsSync(join(folder, "MANIFEST"))) replace(folder, "MANIFEST.sig", signatures.join(""));
  replace(folder, "MANIFEST", manifest);
  publishAdded(folder, signatures);
}

/** Other signatures for the manifest that is there; they come back. Stock tools read the first of several only, so each then also stands alone. */
export function publishAdded(folder: string, signatures: readonly string[]): readonly string[] {
  checkCount(signatures);
  replace(folder, "MANIFEST.sig", signatures.join(""));
  const alone = new Map<string, string>(
    signatures.length < 2
      ? []
      : signatures.map((text) => [`MANIFEST.sig.${parseSignatures(text)[0]?.fingerprint}`, text] as const),
  );
  for (const [name, text] of alone) replace(folder, name, text);
  for (const name of readdirSync(folder))
    if (name.startsWith("MANIFEST.sig.") && isOurs(name) && !alone.has(name)) rmSync(join(folder, name));
  return signatures;
}

function checkCount(signatures: readonly string[]): void {
  if (signatures.length <= MOST_SIGNATURES) return;
  throw new ProvisionError("USAGE", `${signatures.length} signatures: devices read ${MOST_SIGNATURES} at most`);
}

/** None if there is no such file, or devices could not read it anyway. */
function oldSignatures(file: string): readonly string[] {
  try {
    return existsSync(file) ? parseSignatures(readFileSync(file, "utf8")).map(printSignature) : [];
  } catch (thrown) {
    if (thrown instanceof ProvisionError) return [];
    throw thrown;
  }
}

function replace(folder: string, name: string, content: string | Uint8Array): void {
  const beside = join(folder, BESIDE);
  try {
    rmSync(beside, { force: true });
    const file = openSync(beside, "wx", 0o644);
    try {
      writeFileSync(file, content);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(beside, join(folder, name));
  } catch (cause) {
    rmSync(beside, { force: true });
    throw unwritable(join(folder, name), cause);
  }
}
