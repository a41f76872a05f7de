/**
 * Walks the raw blocks of a tar archive beside the library's parser, which decodes names leniently, skips what it finds odd
 * and ignores extended headers that are too long. Two readers that must agree on every entry leave no room for an archive
 * that is one thing to a check and another to whoever writes the files.
 */
import { ProvisionError } from "../errors.ts";
import { showBytes } from "../paths.ts";
import {
  BLOCK,
  type Extension,
  type Header,
  type HeaderType,
  isZero,
  readGnuName,
  readHeader,
  readPax,
} from "./archive-header.ts";

/** An entry as its bytes say it, not yet judged. */
export interface RawEntry {
  readonly type: "file" | "directory" | "symlink" | "hardlink";
  readonly name: Uint8Array;
  readonly linkName: Uint8Array;
  readonly mode: number;
  readonly size: number;
}

/** What takes an entry's content. */
export interface ArchiveTarget {
  /** The chunk is lent for the length of the call: what is to stay is copied. */
  write(chunk: Uint8Array): void;
  /** Hears that the last byte was written. */
  finish(): void;
}

/** More than any name, and the extended attributes that a packer may add; more is only there to fill memory. */
const EXTENSION_LIMIT = 65_536;

type State =
  | { readonly kind: "header" }
  | { readonly kind: "body"; readonly target: ArchiveTarget | undefined; left: number; padding: number }
  | { readonly kind: "extension"; readonly type: HeaderType; readonly body: Uint8Array; at: number; padding: number }
  | { readonly kind: "ended" };

export class ArchiveScan {
  readonly #onEntry: (entry: RawEntry) => ArchiveTarget | undefined;
  readonly #block = new Uint8Array(BLOCK);
  #filled = 0;
  #state: State = { kind: "header" };
  #zeroBlocks = 0;
  #extension: Extension = {};
  #hasExtension = false;

  /** `onEntry` hears of each entry as soon as its header is complete, and may name who takes its content. */
  constructor(onEntry: (entry: RawEntry) => ArchiveTarget | undefined) {
    this.#onEntry = onEntry;
  }

  /** The next bytes of the unpacked archive. ARCHIVE_INVALID, ARCHIVE_UNSAFE or TOO_LARGE at the first fault. */
  write(chunk: Uint8Array): void {
    let rest = chunk;
    while (rest.length > 0) rest = rest.subarray(this.#take(rest));
  }

  /** Whether the end mark was seen: nothing but zeros may follow. */
  get isEnded(): boolean {
    return this.#state.kind === "ended";
  }

  /** Says that no more bytes come: an archive that stops before its end mark was cut. */
  end(): void {
    if (this.#state.kind !== "ended") throw new ProvisionError("ARCHIVE_INVALID", "the archive is cut off");
  }

  /** Uses up some of the bytes and says how many. */
  #take(bytes: Uint8Array): number {
    const state = this.#state;
    switch (state.kind) {
      case "ended":
        if (!isZero(bytes)) throw new ProvisionError("ARCHIVE_INVALID", "there is something behind the archive's end");
        return bytes.length;
      case "body":
        return this.#takeBody(state, bytes);
      case "extension":
        return this.#takeExtension(state, bytes);
      case "header": {
        const taken = Math.min(BLOCK - this.#filled, bytes.length);
        this.#block.set(bytes.subarray(0, taken), this.#filled);
        this.#filled += taken;
        if (this.#filled === BLOCK) this.#takeBlock();
        return taken;
      }
    }
  }

  #takeBody(state: State & { kind: "body" }, bytes: Uint8Array): number {
    const own = Math.min(state.left, bytes.length);
    if (own > 0) {
      state.target?.write(bytes.subarray(0, own));
      state.left -= own;
      if (state.left === 0) state.target?.finish();
    }
    const padding = Math.min(state.padding, bytes.length - own);
    state.padding -= padding;
    if (state.left === 0 && state.padding === 0) this.#state = { kind: "header" };
    return own + padding;
  }

  #takeExtension(state: State & { kind: "extension" }, bytes: Uint8Array): number {
    const own = Math.min(state.body.length - state.at, bytes.length);
    state.body.set(bytes.subarray(0, own), state.at);
    state.at += own;
    const padding = Math.min(state.padding, bytes.length - own);
    state.padding -= padding;
    if (state.at === state.body.length && state.padding === 0) {
      this.#state = { kind: "header" };
      this.#extend(state.type, state.body);
    }
    return own + padding;
  }

  #takeBlock(): void {
    this.#filled = 0;
    if (isZero(this.#block)) {
      this.#zeroBlocks++;
      if (this.#zeroBlocks === 2) this.#finish();
      return;
    }
    if (this.#zeroBlocks > 0) throw new ProvisionError("ARCHIVE_INVALID", "there is an empty block between entries");
    const header = readHeader(this.#block);
    if (isEntry(header)) this.#startEntry(header);
    else this.#startExtension(header);
  }

  #finish(): void {
    if (this.#hasExtension) throw new ProvisionError("ARCHIVE_INVALID", "an extended header has no entry");
    this.#state = { kind: "ended" };
  }

  #startExtension(header: Header): void {
    if (header.size > EXTENSION_LIMIT) {
      throw new ProvisionError(
        "TOO_LARGE",
        `an extended header has ${header.size} bytes, ${EXTENSION_LIMIT} are allowed`,
      );
    }
    if (header.size === 0) throw new ProvisionError("ARCHIVE_INVALID", "an extended header is empty");
    const { type, size } = header;
    this.#state = { kind: "extension", type, body: new Uint8Array(size), at: 0, padding: padded(size) - size };
  }

  #extend(type: HeaderType, body: Uint8Array): void {
    const more = readExtension(type, body);
    if (type === "pax-global") return;
    for (const key of Object.keys(more)) {
      if (key in this.#extension) throw new ProvisionError("ARCHIVE_UNSAFE", `an entry's ${key} is told twice`);
    }
    this.#extension = { ...this.#extension, ...more };
    this.#hasExtension = true;
  }

  #startEntry(header: RawEntry): void {
    const entry = this.#hasExtension ? { ...header, ...this.#extension } : header;
    this.#extension = {};
    this.#hasExtension = false;
    if (entry.type !== "file" && entry.size !== 0) {
      throw new ProvisionError("ARCHIVE_UNSAFE", `${showBytes(entry.name)} is a ${entry.type} with content`);
    }
    const target = this.#onEntry(entry);
    if (entry.size === 0) target?.finish();
    else this.#state = { kind: "body", target, left: entry.size, padding: padded(entry.size) - entry.size };
  }
}

function isEntry(header: Header): header is Header & RawEntry {
  const { type } = header;
  return type === "file" || type === "directory" || type === "symlink" || type === "hardlink";
}

function readExtension(type: HeaderType, body: Uint8Array): Extension {
  if (type === "gnu-long-name") return { name: readGnuName(body) };
  if (type === "gnu-long-link") return { linkName: readGnuName(body) };
  return readPax(body, type === "pax-global" ? "pax-global" : "pax");
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}
