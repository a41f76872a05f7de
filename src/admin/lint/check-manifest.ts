import { createHash } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import { ProvisionError } from "../../errors.ts";
import { type PublicKey, parsePublicKey } from "../../tree/keys.ts";
import { MANIFEST_LIMITS, type Manifest, parseManifest } from "../../tree/manifest.ts";
import { verifySignatures } from "../../tree/signature.ts";
import { readKeyFile } from "../key-files.ts";
import type { Report } from "./rules.ts";
import type { TreeFile } from "./tree-files.ts";

const DAYS_AHEAD = 30;
const DAY = 86_400_000;

/** How soon something expires that `tree lint` warns of; undefined: not soon. */
export function expiry(
  at: number,
  now: number,
): { readonly level: "error" | "warning"; readonly told: string } | undefined {
  const day = new Date(at).toISOString().replace(/T.*/, "");
  if (at <= now) return { level: "error", told: `expired on ${day}` };
  return at - now > DAYS_AHEAD * DAY
    ? undefined
    : { level: "warning", told: `expires on ${day}, in ${Math.ceil((at - now) / DAY)} days` };
}

/** MANIFEST against the files, its dates, its signatures and `limit`, which devices take. undefined: the tree has none, or none that can be read. */
export async function checkManifest(
  files: ReadonlyMap<string, TreeFile>,
  keyFiles: readonly string[],
  limit: number,
  now: number,
  report: Report,
): Promise<Manifest | undefined> {
  const keys = readKeys(keyFiles);
  const file = files.get("MANIFEST");
  if (file === undefined) return undefined;
  if (file.size > limit)
    report({ rule: "too-large", message: `${file.size} bytes, and devices take ${limit}`, file: file.name });
  if (file.size > MANIFEST_LIMITS.bytes) {
    report({
      rule: "manifest-invalid",
      message: `${file.size} bytes, and ${MANIFEST_LIMITS.bytes} are allowed`,
      file: file.name,
    });
    return undefined;
  }
  const bytes = readFileSync(file.path);
  const manifest = readable(bytes, report);
  checkSignatures(bytes, files, keys, report);
  if (manifest === undefined) return undefined;
  const soon = manifest.expires === undefined ? undefined : expiry(manifest.expires, now);
  if (soon !== undefined)
    report({ rule: "manifest-expiry", level: soon.level, message: `MANIFEST ${soon.told}`, file: "MANIFEST" });
  for (const [name, entry] of manifest.entries) {
    const there = files.get(name);
    if (there === undefined)
      report({ rule: "manifest-outdated", message: `MANIFEST lists ${name}, which is not there`, file: name });
    else if ((entry.size ?? there.size) !== there.size || (await digestOf(there.path)) !== entry.sha256)
      report({ rule: "manifest-outdated", message: `${name} has changed since MANIFEST was signed`, file: name });
  }
  return manifest;
}

function readable(bytes: Uint8Array, report: Report): Manifest | undefined {
  try {
    return parseManifest(bytes, { file: "MANIFEST" });
  } catch (thrown) {
    if (!(thrown instanceof ProvisionError)) throw thrown;
    for (const { message, place } of thrown.findings.length > 0 ? thrown.findings : [thrown])
      report({
        rule: "manifest-invalid",
        message,
        file: "MANIFEST",
        ...(place?.line === undefined ? {} : { line: place.line }),
      });
    return undefined;
  }
}

function checkSignatures(
  manifest: Uint8Array,
  files: ReadonlyMap<string, TreeFile>,
  keys: ReadonlyMap<string, PublicKey>,
  report: Report,
): void {
  const file = files.get("MANIFEST.sig");
  if (file === undefined) {
    const message = "MANIFEST is not signed: only `trust any`, or a source of one's own over TLS, accepts it";
    report({ rule: "signature", level: "warning", message, file: "MANIFEST" });
    return;
  }
  try {
    const { valid, unknown, wrong } = verifySignatures(manifest, readFileSync(file.path).toString("utf8"), keys);
    for (const fingerprint of wrong)
      report({
        rule: "signature",
        message: `the signature of ${fingerprint} is not over this MANIFEST`,
        file: file.name,
      });
    if (keys.size > 0 && valid.size === 0 && wrong.length === 0)
      report({
        rule: "signature",
        message: `signed by ${unknown.join(", ")}, and none of them was given`,
        file: file.name,
      });
  } catch (thrown) {
    if (!(thrown instanceof ProvisionError)) throw thrown;
    report({
      rule: "signature",
      message: thrown.message,
      file: file.name,
      ...(thrown.place?.line === undefined ? {} : { line: thrown.place.line }),
    });
  }
}

/** All of them, also where there is no signature yet: a wrong file is no key of anybody's. */
function readKeys(files: readonly string[]): ReadonlyMap<string, PublicKey> {
  return new Map(
    files.map((file) => {
      const key = readKeyFile(file, "public", parsePublicKey);
      return [key.fingerprint, key] as const;
    }),
  );
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}
