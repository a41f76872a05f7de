/**
 * MANIFEST: what `sha256sum` prints, under comment lines that `sha256sum -c` skips and that are signed along (docs/tree.md).
 * A word we reserve must be written right; all other comments are nobody's business.
 */
import { createHash } from "node:crypto";
import { type Finding, ProvisionError } from "../errors.ts";
import { strictUtf8 } from "../utf8.ts";
import { HEADERS, type ManifestDraft, type ManifestImage, type ManifestKey } from "./manifest-headers.ts";
import type { Rollout } from "./rollout.ts";

export type { ManifestImage, ManifestKey } from "./manifest-headers.ts";

export interface ManifestEntry {
  /** SHA-256 of the file, 64 lower-case hex digits. */
  readonly sha256: string;
  /** Bytes, if a `# size` line says so. */
  readonly size?: number;
}

export interface ManifestContent {
  /** Empty if it names none. */
  readonly tree: string;
  /** A safe integer, 0 or more. */
  readonly serial: number | undefined;
  /** Milliseconds since 1970, whole seconds. */
  readonly date: number | undefined;
  readonly expires: number | undefined;
  /** The tree that takes over from this one. */
  readonly successor: string | undefined;
  /** Hours over which devices take it, one after the other, or `hold`; rollout.ts says whose turn it is. */
  readonly rollout?: Rollout | undefined;
  readonly entries: ReadonlyMap<string, ManifestEntry>;
  readonly images: readonly ManifestImage[];
  readonly keys: readonly ManifestKey[];
}

export interface Manifest extends ManifestContent {
  readonly version: 1;
  /** SHA-256 of the manifest's own bytes. */
  readonly sha256: string;
}

/** What any manifest may be; a device takes no more than its `limits.small`, 1 MiB if nobody says otherwise. */
export const MANIFEST_LIMITS = { bytes: 16 * 1024 * 1024, entries: 150_000, name: 1024, findings: 20 } as const;

/**
 * Reads a manifest: 16 MiB and 150,000 files at most. MANIFEST_INVALID with all faults (20 at most) as findings, each with its line.
 * `file` is the name or URI they are told with.
 */
export function parseManifest(bytes: Uint8Array, { file }: { readonly file: string }): Manifest {
  const findings: Finding[] = [];
  const fault = (line: number, message: string) => {
    findings.push({ code: "MANIFEST_INVALID", message, place: { file, line }, severity: "error" });
  };
  const draft: ManifestDraft = { digests: new Map(), sizes: new Map(), images: [], keys: [] };

  const text = readText(bytes, fault);
  const lines = text?.split("\n") ?? [];
  for (const [index, line] of lines.entries()) {
    if (findings.length >= MANIFEST_LIMITS.findings) break;
    const reason = readLine(line, index + 1, draft);
    if (reason !== undefined) fault(index + 1, reason);
  }
  if (findings.length === 0) checkWhole(draft, fault);
  if (findings.length > 0) {
    throw new ProvisionError(
      "MANIFEST_INVALID",
      `${findings.length === 1 ? "one fault" : `${findings.length} faults`} in ${file}`,
      {
        findings,
        ...(findings[0]?.place === undefined ? {} : { place: findings[0].place }),
      },
    );
  }
  return finish(draft, createHash("sha256").update(bytes).digest("hex"));
}

/** What is wrong with a file's name in a manifest; undefined: nothing. */
export function nameFault(name: string): string | undefined {
  if (Buffer.byteLength(name) > MANIFEST_LIMITS.name) return `name is longer than ${MANIFEST_LIMITS.name} bytes`;
  if (/[\u0000-\u001f\u007f-\u009f\ufffd\ufeff]/.test(name)) return "name holds a control character or is no UTF-8";
  if (name.includes("\\")) return "name holds a backslash";
  if (name.startsWith("/")) return "name is absolute";
  for (const segment of name.split("/")) {
    if (segment === "") return "name has an empty segment";
    if (segment === "." || segment === "..") return `name has a \`${segment}\` segment`;
  }
  return undefined;
}

function readText(bytes: Uint8Array, fault: (line: number, message: string) => void): string | undefined {
  if (bytes.length > MANIFEST_LIMITS.bytes) {
    fault(1, `longer than ${MANIFEST_LIMITS.bytes} bytes`);
    return undefined;
  }
  const text = strictUtf8(bytes);
  if (text === undefined) fault(1, "not UTF-8");
  else if (text === "") fault(1, "empty");
  else if (!text.endsWith("\n")) fault(text.split("\n").length, "ends in mid-line: cut off?");
  else return text.slice(0, -1);
  return undefined;
}

function readLine(line: string, at: number, draft: ManifestDraft): string | undefined {
  if (line === "") return undefined;
  return line.startsWith("#") ? readComment(line, at, draft) : readEntry(line, draft);
}

function readComment(line: string, at: number, draft: ManifestDraft): string | undefined {
  const word = /^#[ \t]*([A-Za-z-]+)/.exec(line)?.[1]?.toLowerCase();
  if (word === undefined || !Object.hasOwn(HEADERS, word)) return undefined;
  const header = HEADERS[word];
  if (header === undefined) return undefined;
  if (draft.digests.size > 0) return `\`# ${word}\` stands below the first file`;
  const values = header.shape.exec(line);
  return values === null ? `wrong; write \`${header.form}\`` : header.take(values.slice(1), draft, at);
}

function readEntry(line: string, draft: ManifestDraft): string | undefined {
  if (line.startsWith("\\")) return "name holds a backslash or a newline (`sha256sum` marks it by `\\` in front)";
  const [, digest = "", name = ""] = /^([0-9a-f]{64}) [ *](.+)$/s.exec(line) ?? [];
  if (digest === "") return "not a line of `sha256sum`: 64 hex digits in lower case, two blanks, name";
  const reason = nameFault(name);
  if (reason !== undefined) return reason;
  if (draft.digests.has(name)) return "the same file again";
  if (draft.digests.size >= MANIFEST_LIMITS.entries) return `more than ${MANIFEST_LIMITS.entries} files`;
  draft.digests.set(name, digest);
  return undefined;
}

/** What only the whole can tell: comments name files that are listed. */
function checkWhole(draft: ManifestDraft, fault: (line: number, message: string) => void): void {
  for (const [path, { line }] of draft.sizes) {
    if (!draft.digests.has(path)) fault(line, "size of a file that is not listed");
  }
  for (const { path, line } of draft.images) {
    if (!draft.digests.has(path)) fault(line, "image that is not listed");
  }
  for (const { act, fingerprint, line } of draft.keys) {
    if (act === "add" && !draft.digests.has(`keys/${fingerprint}`)) fault(line, `keys/${fingerprint} is not listed`);
  }
  if (draft.date !== undefined && draft.expires !== undefined && draft.expires <= draft.date) {
    fault(1, "expires before its date");
  }
}

function finish(draft: ManifestDraft, sha256: string): Manifest {
  const entries = new Map<string, ManifestEntry>();
  for (const [path, digest] of draft.digests) {
    const size = draft.sizes.get(path)?.size;
    entries.set(path, size === undefined ? { sha256: digest } : { sha256: digest, size });
  }
  return {
    version: 1,
    tree: draft.tree ?? "",
    serial: draft.serial,
    date: draft.date,
    expires: draft.expires,
    successor: draft.successor,
    rollout: draft.rollout,
    entries,
    images: draft.images.map(({ path, target, revision }) => ({ path, target, revision })),
    keys: draft.keys.map(({ act, fingerprint }) => ({ act, fingerprint })),
    sha256,
  };
}
