/**
 * One header block of a tar archive, read byte by byte and strictly. Archive readers disagree about odd headers, and whoever
 * packs an archive can choose which reader is wrong; so what is odd is refused rather than read one way or the other.
 * (POSIX.1-2017 pax "ustar Interchange Format"; GNU tar manual, "Basic Tar Format".)
 */
import { ProvisionError } from "../errors.ts";
import { showBytes } from "../paths.ts";
import { strictUtf8 } from "../utf8.ts";

export type HeaderType =
  | "file"
  | "directory"
  | "symlink"
  | "hardlink"
  | "pax"
  | "pax-global"
  | "gnu-long-name"
  | "gnu-long-link";

export interface Header {
  readonly type: HeaderType;
  /** Without the NULs behind it; with the ustar prefix, if there is one. */
  readonly name: Uint8Array;
  readonly linkName: Uint8Array;
  /** 0o7777 at most. */
  readonly mode: number;
  readonly size: number;
}

export const BLOCK = 512;
const NOTHING = new Uint8Array();
const [SPACE, ZERO] = [0x20, 0x30];

const POSIX = Buffer.from("ustar\u000000", "latin1");
const GNU = Buffer.from("ustar  \0", "latin1");

/** What gzip (RFC 1952) and zstd (RFC 8878) begin with: readers of tar unpack what begins so, whatever else it may be. No name does. */
const PACKED = [Uint8Array.of(0x1f, 0x8b), Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd)];

const TYPES: Readonly<Record<string, HeaderType>> = {
  "\0": "file",
  "0": "file",
  "1": "hardlink",
  "2": "symlink",
  "5": "directory",
  L: "gnu-long-name",
  K: "gnu-long-link",
  x: "pax",
  g: "pax-global",
};

/** What is refused, by its name, so that the message says more than a letter. */
const REFUSED: Readonly<Record<string, string>> = {
  "3": "a character device",
  "4": "a block device",
  "6": "a named pipe",
  "7": "a contiguous file",
  D: "a GNU incremental folder",
  M: "a piece of a multi-volume archive",
  S: "a sparse file",
  V: "a volume label",
};

const ZEROS = Buffer.alloc(BLOCK);

/** By Node's own comparison: an ordinary header has some 340 bytes to look at, and a first run's loops are not compiled yet. */
export function isZero(bytes: Uint8Array, start = 0, end = bytes.length): boolean {
  for (let at = start; at < end; at += BLOCK) {
    const stop = Math.min(at + BLOCK, end);
    if (ZEROS.compare(bytes, at, stop, 0, stop - at) !== 0) return false;
  }
  return true;
}

/** The header in a block that is not all zero. ARCHIVE_INVALID if it is none, ARCHIVE_UNSAFE for a type that is refused. */
export function readHeader(block: Uint8Array): Header {
  if (PACKED.some((magic) => holds(block, 0, magic)))
    throw new ProvisionError(
      "ARCHIVE_UNSAFE",
      "a header begins like packed bytes: it can be read in more than one way",
    );
  checkSum(block);
  const isPosix = holds(block, 257, POSIX);
  if (!isPosix && !holds(block, 257, GNU))
    throw new ProvisionError("ARCHIVE_INVALID", "a header is not of a ustar archive");

  const prefix = isPosix ? field(block, 345, 155) : NOTHING;
  const base = field(block, 0, 100);
  const name = prefix.length > 0 ? Buffer.concat([prefix, Buffer.from("/"), base]) : base;
  if (base.length === 0) throw new ProvisionError("ARCHIVE_INVALID", "a header has no name");

  const letter = String.fromCharCode(block[156] ?? 0);
  const type = TYPES[letter];
  if (type === undefined) {
    const what = REFUSED[letter] ?? `of the unknown type ${showBytes(letter)}`;
    throw new ProvisionError("ARCHIVE_UNSAFE", `${showBytes(name)} is ${what}`);
  }
  return {
    type,
    name,
    linkName: field(block, 157, 100),
    mode: octal(block, 100, 108, "mode") & 0o7777,
    size: readSize(block),
  };
}

function holds(block: Uint8Array, start: number, bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at++) if (block[start + at] !== bytes[at]) return false;
  return true;
}

function checkSum(block: Uint8Array): void {
  let sum = 8 * 0x20;
  for (let i = 0; i < 148; i++) sum += block[i] ?? 0;
  for (let i = 156; i < BLOCK; i++) sum += block[i] ?? 0;
  if (octal(block, 148, 156, "checksum") !== sum) {
    throw new ProvisionError("ARCHIVE_INVALID", "a header has a wrong checksum");
  }
}

/** A text field. Bytes behind its first NUL are refused: to one reader `etc/passwd\0.txt` ends with `.txt`, to another with `passwd`. */
function field(block: Uint8Array, offset: number, length: number): Uint8Array {
  if (block[offset] === 0 && isZero(block, offset, offset + length)) return NOTHING;
  const bytes = block.subarray(offset, offset + length);
  const end = bytes.indexOf(0);
  if (end < 0) return bytes.slice();
  if (!isZero(bytes, end)) {
    throw new ProvisionError("ARCHIVE_UNSAFE", `the name ${showBytes(bytes)} goes on behind a NUL`);
  }
  return bytes.slice(0, end);
}

/** Octal digits, or GNU's base-256 for sizes of 8 GiB and more, which are over every limit. */
function readSize(block: Uint8Array): number {
  if (((block[124] ?? 0) & 0x80) === 0) return octal(block, 124, 136, "size");
  throw new ProvisionError("TOO_LARGE", "a file is said to have 8 GiB or more");
}

/** Spaces, octal digits, then spaces and NULs, read without a text of them: there are three in each header. */
function octal(block: Uint8Array, start: number, end: number, what: string): number {
  let at = start;
  while (at < end && block[at] === SPACE) at++;
  const first = at;
  let number = 0;
  for (let digit = (block[at] ?? 0) - ZERO; at < end && digit >= 0 && digit < 8; digit = (block[++at] ?? 0) - ZERO) {
    number = number * 8 + digit;
  }
  const isNumber = at > first;
  while (at < end && (block[at] === SPACE || block[at] === 0)) at++;
  if (!isNumber || at < end) throw new ProvisionError("ARCHIVE_INVALID", `a header's ${what} is no octal number`);
  return number;
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/** What an extended header says of the next entry; only what a name, a link or a size is made of is looked at. */
export interface Extension {
  readonly name?: Uint8Array;
  readonly linkName?: Uint8Array;
  readonly size?: number;
}

/**
 * The records `LENGTH KEY=VALUE\n` of a pax header, by their length as POSIX says, not by line. Times, owners, comments and
 * extended attributes are skipped: uciprov does not take them from an archive.
 */
export function readPax(body: Uint8Array, type: "pax" | "pax-global"): Extension {
  const found: { name?: Uint8Array; linkName?: Uint8Array; size?: number } = {};
  for (const { key, value } of paxRecords(body)) {
    if (key.startsWith("GNU.sparse.")) throw new ProvisionError("ARCHIVE_UNSAFE", "an entry is a sparse file");
    const own = key === "path" ? "name" : key === "linkpath" ? "linkName" : key === "size" ? "size" : undefined;
    if (own === undefined) continue;
    if (type === "pax-global" || found[own] !== undefined) {
      throw new ProvisionError(
        "ARCHIVE_UNSAFE",
        `an extended header says ${key} ${type === "pax" ? "twice" : "for all entries"}`,
      );
    }
    if (own === "size") found.size = decimal(value);
    else found[own] = value;
  }
  return found;
}

function* paxRecords(body: Uint8Array): Generator<{ key: string; value: Uint8Array }> {
  let rest = body;
  while (rest.length > 0) {
    const digits = /^([1-9][0-9]{0,6}) /.exec(latin1(rest.subarray(0, 8)))?.[1];
    const length = Number(digits);
    const record = digits === undefined ? rest.subarray(0, 0) : rest.subarray(digits.length + 1, length);
    const equals = record.indexOf(0x3d);
    const key = strictUtf8(record.subarray(0, Math.max(0, equals)));
    if (digits === undefined || length > rest.length || equals < 1 || record.at(-1) !== 0x0a || key === undefined) {
      throw new ProvisionError("ARCHIVE_INVALID", "an extended header is not made of `length key=value` records");
    }
    yield { key, value: record.subarray(equals + 1, -1) };
    rest = rest.subarray(length);
  }
}

function decimal(value: Uint8Array): number {
  const text = latin1(value);
  if (!/^(?:0|[1-9][0-9]{0,14})$/.test(text)) {
    throw new ProvisionError("ARCHIVE_INVALID", `an extended header gives the size ${showBytes(text)}`);
  }
  return Number(text);
}

/** The body of a GNU long name: the name and at most one NUL. */
export function readGnuName(body: Uint8Array): Uint8Array {
  const name = body.at(-1) === 0 ? body.subarray(0, -1) : body;
  if (name.includes(0)) throw new ProvisionError("ARCHIVE_UNSAFE", `the name ${showBytes(name)} goes on behind a NUL`);
  return name;
}
