import { createHash } from "node:crypto";
import type { ManifestContent, ManifestEntry } from "../../src/tree/manifest.ts";

/** SHA-256 as manifests have it. */
export function digest(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

/** What a manifest says, for these files and whatever else is given. */
export function contentOf(
  files: Readonly<Record<string, string>>,
  more: Partial<Omit<ManifestContent, "entries">> = {},
): ManifestContent {
  const entries = new Map<string, ManifestEntry>(
    Object.entries(files).map(([name, text]) => [name, { sha256: digest(text), size: Buffer.byteLength(text) }]),
  );
  const nothing = { tree: "", serial: undefined, date: undefined, expires: undefined, successor: undefined };
  return { ...nothing, images: [], keys: [], ...more, entries };
}
