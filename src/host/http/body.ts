import { createHash, type Hash } from "node:crypto";
import type { Disk, NewFile } from "../../api.ts";
import { ProvisionError } from "../../errors.ts";
import type { Sink } from "./exchange.ts";
import { Gathered } from "./gathered.ts";
import { contentRange, type Head, strongTag } from "./head.ts";

/** What came of a body. */
export interface Received {
  readonly bytes: Uint8Array;
  readonly size: number;
  readonly sha256: string;
}

/** What is known of a body before its first byte. */
export interface WholeBody {
  /** Bytes, if they are stated. */
  readonly length: number | undefined;
  /** Its entity tag, if it is a strong one. */
  readonly tag: string | undefined;
}

/** Where one answer's body goes. */
export interface Body extends Sink {
  /** Request fields that ask for the rest of what is kept; none if nothing is. */
  fields(): Readonly<Record<string, string>>;
  /** A whole body begins: what was kept is void. Throws TOO_LARGE or NO_SPACE if its stated length is too much. */
  begin(whole: WholeBody, uri: string): void;
  /** The rest of what was kept begins; Restart if the answer is not precisely that. */
  resume(head: Head, uri: string): void;
  /** TRUNCATED if less came than was stated. One in memory can be asked again. */
  finish(): Received;
  /** Ends without success: keeps the part if `error` says the body was cut and a later `get` can ask for the rest. */
  giveUp(error: unknown): void;
}

/** The server cannot go on where the body was cut; asking for the whole is next. */
export class Restart extends Error {}

/** The beginning of a spooled body that was cut. */
export interface Part {
  readonly asked: string;
  readonly from: string;
  /** A strong entity tag: the only thing that says two parts are of one body (RFC 9110 §13.1.5). */
  readonly tag: string;
  readonly file: NewFile;
  readonly hash: Hash;
  readonly size: number;
}

export function memoryBody(limit: number): Body {
  let gathered = new Gathered(limit);
  let hash = createHash("sha256");
  let received: Received | undefined;
  return {
    fields: () => ({}),
    begin({ length }) {
      refuseLarge(length, limit);
      received = undefined;
      gathered = new Gathered(limit);
      hash = createHash("sha256");
    },
    resume() {
      throw new ProvisionError("HTTP_ODD", "a part was sent where the whole was asked for");
    },
    write(chunk) {
      refuseLarge(gathered.bytes.length + chunk.length, limit);
      hash.update(chunk);
      gathered.add(chunk);
    },
    finish() {
      received ??= { bytes: gathered.bytes, size: gathered.bytes.length, sha256: hash.digest("hex") };
      return received;
    },
    giveUp: () => undefined,
  };
}

export interface SpoolTo {
  readonly disk: Disk;
  readonly path: string;
  readonly asked: string;
  readonly limit: number;
  /** Parts of cut bodies by spool path, kept while this client lives. */
  readonly parts: Map<string, Part>;
}

/**
 * A body in a file. A cut one stays, with its file open and its digest running, so that the digest in the end covers just what was written; a file that
 * somebody touched in between is begun anew.
 */
export function spoolBody({ disk, path, asked, limit, parts }: SpoolTo): Body {
  let file: NewFile | undefined;
  let hash = createHash("sha256");
  let size = 0;
  let total: number | undefined;
  let source: { from: string; tag: string | undefined } = { from: "", tag: undefined };
  let kept = takePart(parts, path, asked, disk);

  const drop = () => {
    const begun = file ?? kept?.file;
    file = undefined;
    kept = undefined;
    begun?.abandon();
    if (begun && disk.stat(path) !== undefined) disk.unlink(path);
  };
  return {
    fields: (): Record<string, string> => (kept ? { range: `bytes=${kept.size}-`, "if-range": kept.tag } : {}),
    begin({ length, tag }, uri) {
      total = length;
      refuseLarge(total, limit);
      drop();
      if (disk.stat(path) !== undefined) disk.unlink(path);
      refuseFull(disk, path, total ?? 0);
      file = disk.createNew(path, { mode: 0o600 });
      hash = createHash("sha256");
      size = 0;
      source = { from: uri, tag };
    },
    resume(head, uri) {
      const range = contentRange(head);
      if (kept === undefined) throw new ProvisionError("HTTP_ODD", "a part was sent where the whole was asked for");
      const isTheRest =
        range !== undefined &&
        range.first === kept.size &&
        range.last === range.total - 1 &&
        strongTag(head) === kept.tag &&
        kept.from === uri;
      if (!isTheRest) {
        drop();
        throw new Restart("the server sent another part than the one asked for");
      }
      refuseLarge(range.total, limit);
      refuseFull(disk, path, range.total - kept.size);
      ({ file, hash, size } = kept);
      total = range.total;
      source = kept;
      kept = undefined;
    },
    write(chunk) {
      size += chunk.length;
      refuseLarge(size, limit);
      file?.write(chunk);
      hash.update(chunk);
    },
    finish() {
      if (total !== undefined && size !== total) {
        throw new ProvisionError("TRUNCATED", `the body ends after ${size} of ${total} bytes`);
      }
      file?.finish();
      file = undefined;
      return { bytes: new Uint8Array(0), size, sha256: hash.digest("hex") };
    },
    giveUp(error) {
      const { from, tag } = source;
      if (kept && !isContentWrong(error)) {
        parts.set(path, kept);
      } else if (file && tag !== undefined && size > 0 && isCut(error)) {
        parts.set(path, { asked, from, tag, file, hash, size });
      } else {
        drop();
      }
    },
  };
}

function takePart(parts: Map<string, Part>, path: string, asked: string, disk: Disk): Part | undefined {
  const part = parts.get(path);
  parts.delete(path);
  if (part === undefined) return undefined;
  if (part.asked === asked && disk.stat(path)?.size === part.size) return part;
  part.file.abandon();
  return undefined;
}

function isCut(error: unknown): boolean {
  return error instanceof ProvisionError && (error.code === "TRUNCATED" || error.code === "HTTP_TIMEOUT");
}

/** Errors that say what is published now is not what was begun; any other leaves the part as good as it was. */
function isContentWrong(error: unknown): boolean {
  return !(error instanceof ProvisionError) || !error.mayRetry || error.code === "PORTAL";
}

function refuseLarge(size: number | undefined, limit: number): void {
  if (size !== undefined && size > limit) {
    throw new ProvisionError("TOO_LARGE", `the body has ${size} bytes or more, ${limit} are allowed`);
  }
}

function refuseFull(disk: Disk, path: string, needed: number): void {
  const { bytes } = disk.free(path);
  if (bytes < needed) throw new ProvisionError("NO_SPACE", `${path} needs ${needed} bytes, ${bytes} are free`);
}
