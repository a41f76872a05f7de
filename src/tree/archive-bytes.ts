/** The bytes of a tar archive, however it is packed: sniffed by content, bounded in size and in what a byte may unpack to. */
import { Readable, type Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import * as zlib from "node:zlib";
import { ProvisionError } from "../errors.ts";

export interface PackingLimits {
  /** Bytes unpacked, with headers and padding. */
  readonly unpacked: number;
  /** Unpacked bytes for each packed one; looked at from 1 MiB on, since a few zeros always pack well. */
  readonly ratio: number;
}

const CHUNK = 262_144;
/** With packed bytes that wait, so that unpacking goes on in its own thread while ours is busy with what was unpacked before. */
const STREAM = { chunkSize: CHUNK, writableHighWaterMark: 2 * CHUNK } as const;
const RATIO_FROM = 1_048_576;
/** A zstd archive may ask for a window of up to 128 MiB; what `zstd -19` uses is enough. */
const ZSTD_WINDOW_LOG = 23;

/**
 * Unpacks tar, tar.gz and, where this Node can, tar.zst. ARCHIVE_INVALID for anything else, for damage, and for anything
 * behind the packed stream; TOO_LARGE over `unpacked`; ARCHIVE_UNSAFE over `ratio`. Errors of `chunks` itself pass unchanged.
 */
export async function* unpackedBytes(
  chunks: AsyncIterable<Uint8Array>,
  limits: PackingLimits,
): AsyncGenerator<Uint8Array> {
  const source = counted(chunks);
  const head = await source.peek(512);
  const unpack = unpackerFor(head);
  let size = 0;
  for await (const chunk of unpack === undefined ? source.rest() : inflated(source, unpack)) {
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
}

interface Counted {
  /** Packed bytes that were handed out. */
  readonly read: number;
  /** The first bytes, fewer only if there are no more; they come again with the rest. */
  peek(length: number): Promise<Uint8Array>;
  rest(): AsyncGenerator<Uint8Array>;
}

function counted(chunks: AsyncIterable<Uint8Array>): Counted {
  const iterator = chunks[Symbol.asyncIterator]();
  let waiting = new Uint8Array();
  let read = 0;
  return {
    get read() {
      return read;
    },
    async peek(length) {
      while (waiting.length < length) {
        const next = await iterator.next();
        if (next.done === true) break;
        waiting = Buffer.concat([waiting, next.value]);
      }
      return waiting.subarray(0, length);
    },
    async *rest() {
      try {
        read += waiting.length;
        if (waiting.length > 0) yield waiting;
        for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
          read += next.value.length;
          yield next.value;
        }
      } finally {
        await iterator.return?.();
      }
    },
  };
}

type Unpacker = Transform & { readonly bytesWritten: number };

/** How to unpack what begins so; undefined for a plain tar archive. */
function unpackerFor(head: Uint8Array): Unpacker | undefined {
  const begins = (...bytes: number[]): boolean => bytes.every((byte, at) => head[at] === byte);
  if (begins(0x1f, 0x8b)) return zlib.createGunzip(STREAM);
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
  return create({ ...STREAM, params: { [parameter]: ZSTD_WINDOW_LOG } });
}

async function* inflated(source: Counted, unpack: Unpacker): AsyncGenerator<Uint8Array> {
  const feed = Readable.from(source.rest(), { objectMode: false });
  const fed = pipeline(feed, unpack).catch(() => undefined); // the loop hears of it, too
  try {
    for await (const chunk of unpack) yield chunk;
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

/** zlib's own codes, `Z_DATA_ERROR`, `ZSTD_error_…` and such; whatever else fails is not the archive's fault. */
function isPackingError(thrown: unknown): thrown is Error & { readonly code: unknown } {
  return thrown instanceof Error && "code" in thrown && /^(?:Z_|ZSTD_|ERR_ZLIB_)/.test(String(thrown.code));
}

function faultOf({ code }: { readonly code: unknown }): string {
  if (!String(code).endsWith("windowTooLarge")) return "damaged or cut off";
  return `packed with a window of more than ${2 ** (ZSTD_WINDOW_LOG - 20)} MiB, as \`zstd --long\` does`;
}
