/**
 * Reads an archive of which nothing is to be believed, as a stream and in bounded memory. Nothing is written here: the first
 * reading tells what the archive holds, and once that is planned a second one copies what is wanted.
 */
import { createHash, type Hash, hash } from "node:crypto";
import { Parser } from "tar/parse";
import { ProvisionError } from "../errors.ts";
import { showBytes } from "../paths.ts";
import { type PackingLimits, unpackedBytes } from "./archive-bytes.ts";
import { BLOCK } from "./archive-header.ts";
import { ArchiveNames, type NamedEntry } from "./archive-names.ts";
import { ArchiveScan, type ArchiveTarget, type RawEntry } from "./archive-scan.ts";

export interface ArchiveLimits extends PackingLimits {
  /** Bytes of one file. */
  readonly file: number;
  /** Entries of any kind. */
  readonly entries: number;
  /** Segments of a path. */
  readonly depth: number;
}

/** What an archive holds, in its order; `index` finds a file's content again. */
export type ArchivedEntry =
  | {
      readonly kind: "file";
      readonly index: number;
      readonly path: string;
      /** 0o777 at most. */
      readonly mode: number;
      readonly size: number;
      /** 64 lower-case hex digits. */
      readonly sha256: string;
    }
  | { readonly kind: "symlink"; readonly path: string; readonly target: string }
  | { readonly kind: "delete"; readonly path: string }
  | { readonly kind: "directory"; readonly path: string };

/**
 * Tells each entry once all of it has been read and checked. Errors come before the caller knows the whole archive, so collect first
 * and act when this has returned: ARCHIVE_INVALID (damaged, cut, not an archive), ARCHIVE_UNSAFE (a name, type, mode or link
 * that has no place in a tree; a bomb), TOO_LARGE. A hard link to an earlier file is told as one more file with that file's `index`.
 * When this rejects, nothing of it goes on. With `atHand`, bytes, files are told with their content as long as all of them together have no more.
 */
export async function readArchive(
  chunks: AsyncIterable<Uint8Array>,
  limits: ArchiveLimits,
  onEntry: (entry: ArchivedEntry, content?: Uint8Array) => void,
  atHand = 0,
): Promise<void> {
  const files = new Map<number, { readonly file: ArchivedEntry & { kind: "file" }; readonly content?: Uint8Array }>();
  let room = atHand;
  await walk(chunks, limits, (entry) => {
    switch (entry.kind) {
      case "symlink":
      case "directory":
      case "delete":
        onEntry(entry);
        return undefined;
      case "copy": {
        const original = files.get(entry.of);
        if (original === undefined) throw new ProvisionError("INTERNAL", `entry ${entry.of} was not read`);
        onEntry({ ...original.file, path: entry.path }, original.content);
        return undefined;
      }
      case "file": {
        room -= entry.size;
        const content = room >= 0 ? new Uint8Array(entry.size) : undefined;
        return digested(entry.size, content, (digest) => {
          const file = { ...entry, sha256: digest };
          files.set(entry.index, content === undefined ? { file } : { file, content });
          onEntry(file, content);
        });
      }
    }
  });
}

/**
 * Copies the content of the wanted entries and calls `finish` on each when its last byte is written. Names and sizes are checked as in the
 * first reading; whether the content is the same is for the caller to compare, by digest. ARCHIVE_INVALID if a wanted entry is missing.
 */
export async function copyArchived(
  chunks: AsyncIterable<Uint8Array>,
  limits: ArchiveLimits,
  wanted: ReadonlyMap<number, ArchiveTarget>,
): Promise<void> {
  let missing = wanted.size;
  const scan = openScan(limits, (entry) => {
    const target = entry.kind === "file" ? wanted.get(entry.index) : undefined;
    if (target !== undefined) missing--; // each index is told once
    return target;
  });
  for await (const chunk of unpackedBytes(chunks, limits)) scan.write(chunk);
  scan.end();
  if (missing > 0) {
    throw new ProvisionError("ARCHIVE_INVALID", `the archive changed: ${missing} of its files are gone`);
  }
}

/** Most files come in one piece: these need no state between pieces, of which V8 would have to dispose later. What comes is written to `content` as well. */
function digested(size: number, content: Uint8Array | undefined, done: (sha256: string) => void): ArchiveTarget {
  let whole: string | undefined;
  let inPieces: Hash | undefined;
  let at = 0;
  return {
    write(chunk) {
      content?.set(chunk, at);
      at += chunk.length;
      if (chunk.length === size) whole = hash("sha256", chunk, "hex");
      else {
        inPieces ??= createHash("sha256");
        inPieces.update(chunk);
      }
    },
    finish() {
      done(whole ?? inPieces?.digest("hex") ?? hash("sha256", "", "hex"));
    },
  };
}

/** Where the content of an entry goes; undefined if nobody wants it. */
type Visit = (entry: NamedEntry) => ArchiveTarget | undefined;

/**
 * Reads with both readers, each of which walks all blocks by itself. Content stands right behind its header, so that two which find the
 * same headers in the same order, of the same sizes, have the same content; it is handed over as ours sees it, which also copies it.
 */
async function walk(chunks: AsyncIterable<Uint8Array>, limits: ArchiveLimits, visit: Visit): Promise<void> {
  const announced: RawEntry[] = [];
  let isEmpty = true;
  const scan = openScan(limits, (entry, raw) => {
    announced.push(raw);
    isEmpty = false;
    return visit(entry);
  });
  const parser = openParser((parsed) => {
    const next = announced.shift();
    if (next === undefined || !isSame(next, parsed)) throw disagreement(next?.name ?? parsed.path);
  });

  for await (const chunk of unpackedBytes(chunks, limits)) {
    const isBehind = scan.isEnded;
    scan.write(chunk);
    if (!isBehind) parser.write(chunk); // the library keeps all that comes behind the end, and copies it for each piece
  }
  scan.end();
  if (!isEmpty) parser.end(); // the library calls an archive without entries bad; tar does not
  if (announced[0] !== undefined) throw disagreement(announced[0].name);
}

/** The raw blocks, with names judged and entries counted. */
function openScan(
  limits: ArchiveLimits,
  onEntry: (entry: NamedEntry, raw: RawEntry) => ArchiveTarget | undefined,
): ArchiveScan {
  const names = new ArchiveNames(limits.depth);
  let count = 0;
  return new ArchiveScan((raw) => {
    if (count === limits.entries) throw new ProvisionError("TOO_LARGE", `the archive has more than ${count} entries`);
    if (raw.size > limits.file) throw new ProvisionError("TOO_LARGE", `${showBytes(raw.name)} has ${raw.size} bytes`);
    return onEntry(names.add(raw, count++), raw);
  });
}

/** An entry as the library's parser tells it. */
interface ParsedEntry {
  readonly path: string;
  readonly type: string;
  readonly size: number;
  readonly linkpath?: string | undefined;
}

/**
 * The library's parser, with its warnings made errors. Every entry is filtered out once it is told: the library then walks over the content
 * without making a stream of it, which is most of what it costs, and nothing waits anywhere.
 */
function openParser(onEntry: (parsed: ParsedEntry) => void): {
  write(chunk: Uint8Array): void;
  end(): void;
} {
  let warning: Error | undefined;
  const parser = new Parser({
    onwarn: (code: string, message: string | Error) => {
      warning ??= new ProvisionError("ARCHIVE_INVALID", `${code}: ${String(message)}`);
    },
    filter: (_path, parsed) => {
      onEntry(parsed as ParsedEntry);
      return false;
    },
  });
  const check = (): void => {
    if (warning !== undefined) throw warning;
  };
  const write = (bytes: Uint8Array): void => {
    if (bytes.length > 0) parser.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    check();
  };
  // The parser gets whole blocks: it keeps the rest of others, in memory that is only lent, and copies all that comes next to join it. It also
  // unpacks, unbounded, what begins like a gzip; so it gets nothing before a whole header was seen to be one, and none that begins so.
  const block = new Uint8Array(BLOCK);
  let filled = 0;
  return {
    write(chunk) {
      const joining = filled === 0 ? 0 : Math.min(BLOCK - filled, chunk.length);
      block.set(chunk.subarray(0, joining), filled);
      filled += joining;
      if (filled === BLOCK) {
        write(block.slice());
        filled = 0;
      }
      if (filled > 0) return;
      const end = chunk.length - ((chunk.length - joining) % BLOCK);
      write(chunk.subarray(joining, end));
      block.set(chunk.subarray(end));
      filled = chunk.length - end;
    },
    end() {
      write(block.subarray(0, filled));
      parser.end();
      check();
    },
  };
}

const PARSED_TYPES: Readonly<Record<RawEntry["type"], readonly string[]>> = {
  file: ["File", "OldFile"],
  directory: ["Directory"],
  symlink: ["SymbolicLink"],
  hardlink: ["Link"],
};

function isSame(raw: RawEntry, parsed: ParsedEntry): boolean {
  const isLink = raw.type === "symlink" || raw.type === "hardlink";
  return (
    PARSED_TYPES[raw.type].includes(parsed.type) &&
    parsed.size === raw.size &&
    parsed.path === leniently(raw.name) &&
    (!isLink || parsed.linkpath === leniently(raw.linkName))
  );
}

/** As the library decodes a name: what is no UTF-8 is not seen to be none. */
function leniently(name: Uint8Array): string {
  return Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString();
}

function disagreement(name: string | Uint8Array): ProvisionError {
  return new ProvisionError("ARCHIVE_UNSAFE", `${showBytes(name)} can be read in more than one way`);
}
