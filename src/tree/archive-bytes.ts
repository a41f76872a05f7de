/** The bytes of a tar archive, however it is packed: sniffed by content, bounded in size and in what a byte may unpack to. */
import type { Transform } from "node:stream";
import * as zlib from "node:zlib";
import { ProvisionError } from "../errors.ts";

export interface PackingLimits {
  /** Bytes unpacked, with headers and padding. */
  readonly unpacked: number;
  /** Unpacked bytes for each packed one; looked at from 1 MiB on, since a few zeros always pack well. */
  readonly ratio: number;
}

/** What unpacks into one buffer, and what is given to it in one. */
const [CHUNK, PIECE] = [1_048_576, 262_144];
const RATIO_FROM = 1_048_576;
/** A zstd archive may ask for a window of up to 128 MiB; what `zstd -19` uses is enough. */
const ZSTD_WINDOW_LOG = 23;

/** Bytes that can be put where their reader wants them: new memory for each piece is new pages, which the kernel has to find and to clear. */
export interface FillableBytes extends AsyncIterable<Uint8Array> {
  /** Fills the buffer from its start and says how far; 0 at the end. */
  readInto(buffer: Uint8Array): number;
  close(): void;
}

/**
 * Unpacks tar, tar.gz and, where this Node can, tar.zst. ARCHIVE_INVALID for anything else, for damage, and for anything
 * behind the packed stream; TOO_LARGE over `unpacked`; ARCHIVE_UNSAFE over `ratio`. Errors of `chunks` itself pass unchanged.
 * A chunk is lent: the next one may come in the same memory.
 */
export async function* unpackedBytes(
  chunks: AsyncIterable<Uint8Array> | FillableBytes,
  limits: PackingLimits,
): AsyncGenerator<Uint8Array> {
  const source = new PackedBytes("readInto" in chunks ? filled(chunks) : chunks[Symbol.asyncIterator]());
  try {
    const unpack = unpackerFor(await source.peek(512));
    let size = 0;
    for await (const chunk of unpack === undefined ? source : inflated(source, unpack)) {
      size += chunk.length;
      if (size > limits.unpacked) {
        throw new ProvisionError("TOO_LARGE", `the archive unpacks to more than ${limits.unpacked} bytes`);
      }
      if (size > RATIO_FROM && size > limits.ratio * source.read) {
        throw new ProvisionError(
          "ARCHIVE_UNSAFE",
          `a byte of the archive unpacks to more than ${limits.ratio}: it is a bomb`,
        );
      }
      yield chunk;
    }
  } finally {
    await source.close();
  }
}

/** In two buffers by turns: a chunk lasts until the next but one is asked for. */
function filled(bytes: FillableBytes): AsyncIterator<Uint8Array> {
  const buffers = [new Uint8Array(PIECE), new Uint8Array(PIECE)] as const;
  let turn: 0 | 1 = 0;
  let isAtEnd = false;
  return {
    async next() {
      if (isAtEnd) return { done: true, value: undefined };
      turn = turn === 0 ? 1 : 0;
      const buffer = buffers[turn];
      const length = bytes.readInto(buffer);
      isAtEnd = length === 0;
      return isAtEnd ? { done: true, value: undefined } : { done: false, value: buffer.subarray(0, length) };
    },
    async return() {
      bytes.close();
      return { done: true, value: undefined };
    },
  };
}

/** The packed bytes, of which the first can be looked at before they are taken. */
class PackedBytes implements AsyncIterable<Uint8Array> {
  /** Bytes that were taken. */
  read = 0;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #head: Uint8Array | undefined;

  constructor(chunks: AsyncIterator<Uint8Array>) {
    this.#chunks = chunks;
  }

  /** The first bytes, fewer only if there are no more; they come again with the rest. */
  async peek(length: number): Promise<Uint8Array> {
    let head: Uint8Array = new Uint8Array();
    while (head.length < length) {
      const next = await this.#chunks.next();
      if (next.done === true) break;
      head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
    }
    this.#head = head;
    return head.subarray(0, length);
  }

  async take(): Promise<Uint8Array | undefined> {
    const head = this.#head;
    this.#head = undefined;
    const next = head === undefined || head.length === 0 ? await this.#chunks.next() : { done: false, value: head };
    if (next.done === true) return undefined;
    this.read += next.value.length;
    return next.value;
  }

  /** Between two chunks everything else has its turn: signals and deadlines, too. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (let chunk = await this.take(); chunk !== undefined; chunk = await this.take()) {
      yield chunk;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}

type Unpacker = Transform & { readonly bytesWritten: number };

/** How to unpack what begins so; undefined for a plain tar archive. */
function unpackerFor(head: Uint8Array): Unpacker | undefined {
  const begins = (...bytes: number[]): boolean => bytes.every((byte, at) => head[at] === byte);
  if (begins(0x1f, 0x8b)) return zlib.createGunzip({ chunkSize: CHUNK });
  if (begins(0x28, 0xb5, 0x2f, 0xfd)) return unzstd();
  if (Buffer.from(head.subarray(257, 262)).toString("latin1") === "ustar") return undefined;
  if (head.length === 512 && head.every((byte) => byte === 0)) return undefined;
  throw new ProvisionError("ARCHIVE_INVALID", `no tar archive: it is ${whatElse(head)}`);
}

function whatElse(head: Uint8Array): string {
  const text = Buffer.from(head).toString("latin1");
  if (head.length === 0) return "an empty file";
  if (text.startsWith("\u00fd7zXZ\0")) return "packed with xz, which this version does not unpack";
  if (text.startsWith("BZh")) return "packed with bzip2";
  if (text.startsWith("PK\u0003\u0004")) return "a zip file";
  if (/^\s*</.test(text)) return "a web page";
  return "something else";
}

function unzstd(): Unpacker {
  // Newer than the types of Node 20, whose zlib has no zstd.
  const { createZstdDecompress: create } = zlib as { createZstdDecompress?: (options: object) => Unpacker };
  const parameter = (zlib.constants as Record<string, number>)["ZSTD_d_windowLogMax"];
  if (create === undefined || parameter === undefined) {
    throw new ProvisionError(
      "ARCHIVE_INVALID",
      "the archive is packed with zstd, which Node has from version 22.15 on",
    );
  }
  return create({ chunkSize: CHUNK, params: { [parameter]: ZSTD_WINDOW_LOG } });
}

async function* inflated(source: PackedBytes, unpack: Unpacker): AsyncGenerator<Uint8Array> {
  const giveBack = lendBuffers(unpack);
  const fed = feed(source, unpack);
  try {
    for await (const chunk of unpack) {
      yield chunk;
      giveBack(chunk.length);
    }
  } catch (thrown) {
    throw isPackingError(thrown)
      ? new ProvisionError("ARCHIVE_INVALID", `the archive is ${faultOf(thrown)}`, { cause: thrown })
      : thrown;
  } finally {
    unpack.destroy();
    await fed;
  }
  // zlib stops reading, without a word, at the first bytes behind a whole stream that are not another one.
  if (source.read > unpack.bytesWritten) {
    throw new ProvisionError("ARCHIVE_INVALID", "there is something behind the packed archive");
  }
}

/**
 * Hands over a chunk while the one before is unpacked, in a thread of its own, and asks for another only when zlib has said that it is done with
 * the one before. Whatever goes wrong is told by `unpack`.
 */
async function feed(source: PackedBytes, unpack: Unpacker): Promise<void> {
  const closed = new Promise<void>((resolve) => unpack.once("close", resolve));
  try {
    let before = Promise.resolve();
    for (let chunk = await source.take(); chunk !== undefined && !unpack.destroyed; chunk = await source.take()) {
      const given = chunk;
      const used = new Promise<void>((resolve) => unpack.write(given, () => resolve()));
      await before;
      if (unpack.destroyed) return; // its thread may still read the buffer that would be filled next
      before = Promise.race([used, closed]);
    }
    unpack.end();
  } catch (thrown) {
    unpack.destroy(thrown instanceof Error ? thrown : new Error(String(thrown)));
  }
}

/**
 * Lets zlib fill again the buffers whose bytes have been read, of which the result hears; it would take new memory for each. None holds more
 * than a chunk, so that one that is free by the count of bytes was read. The property is in no manual, and is there in Node 20 to 26;
 * where it is not, each chunk comes in memory of its own.
 */
function lendBuffers(unpack: Unpacker & { _outBuffer?: unknown }): (bytes: number) => void {
  let filling = unpack._outBuffer;
  const lent = [filling];
  const free: unknown[] = [];
  let read = 0;
  Object.defineProperty(unpack, "_outBuffer", {
    get: () => filling,
    set: (fresh: unknown) => {
      filling = free.pop() ?? fresh;
      lent.push(filling);
    },
  });
  return (bytes) => {
    read += bytes;
    for (; read >= CHUNK && lent.length > 1; read -= CHUNK) free.push(lent.shift());
  };
}

/** zlib's own codes, `Z_DATA_ERROR`, `ZSTD_error_…` and such; whatever else fails is not the archive's fault. */
function isPackingError(thrown: unknown): thrown is Error & { readonly code: unknown } {
  return thrown instanceof Error && "code" in thrown && /^(?:Z_|ZSTD_|ERR_ZLIB_)/.test(String(thrown.code));
}

function faultOf({ code }: { readonly code: unknown }): string {
  if (!String(code).endsWith("windowTooLarge")) return "damaged or cut off";
  return `packed with a window of more than ${2 ** (ZSTD_WINDOW_LOG - 20)} MiB, as \`zstd --long\` does`;
}
