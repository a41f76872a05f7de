/**
 * What OpenWrt's `fwtool` puts behind a firmware image (openwrt/fwtool: fwtool.c, fwimage.h; openwrt/openwrt: scripts/metadata.pm). From the end of the
 * file backwards: any number of blocks, each its data and then 16 bytes: `FWx0`, a CRC-32 of all that stands before them, the type, 3 bytes of
 * nothing, the size of data and these 16 together; numbers are big-endian. Type 0 is a signature, type 1 the metadata: 8 bytes of header, then JSON.
 */
import { ProvisionError } from "../errors.ts";

export interface ImageMetadata {
  /** Board names, the new ones where the image's compat version is not 1.0: only those may be compared with the device's. */
  readonly supported_devices: readonly string[];
  readonly new_supported_devices: readonly string[] | undefined;
  /** `1.0` where the image says nothing. */
  readonly compat_version: string;
  readonly compat_message: string | undefined;
  /** `target` as DISTRIB_TARGET has it, `revision` as DISTRIB_REVISION; empty where the image does not say. */
  readonly version: {
    readonly dist: string;
    readonly version: string;
    readonly revision: string;
    readonly target: string;
    readonly board: string;
  };
  /** What the blocks up to the metadata say of the bytes before them, the last one first: `checkImage` compares. */
  readonly checks: readonly ImageCheck[];
}

interface ImageCheck {
  /** How many bytes at the end of the file it does not cover. */
  readonly fromEnd: number;
  /** As the block holds it. */
  readonly crc32: number;
}

/** The end of a file that surely holds all that `fwtool` looks at (its BUFLEN is 32 KiB a block; metadata 30 KiB, signature 1 KiB at most). */
export const IMAGE_TAIL = 65_536;

const MAGIC = 0x46577830;
const TRAILER = 16;
const HEADER = 8;
const MOST_BLOCKS = 16;
const MOST_JSON = 30 * 1024;
const MOST_DEVICES = 1024;
const SIGNATURE = 0;
const METADATA = 1;

/**
 * Reads the metadata from the last bytes of an image (`IMAGE_TAIL` of them, or the whole file if it is smaller); signatures behind it are passed over.
 * Undefined: the image has none, or is cut off. IMAGE_INVALID: there is metadata that nobody can read.
 */
export function readImageMetadata(tail: Uint8Array): ImageMetadata | undefined {
  const view = Buffer.from(tail.buffer, tail.byteOffset, tail.byteLength);
  const checks: ImageCheck[] = [];
  let end = view.length;
  for (let blocks = 0; blocks < MOST_BLOCKS && end >= TRAILER; blocks += 1) {
    const at = end - TRAILER;
    if (view.readUInt32BE(at) !== MAGIC) return undefined;
    const [type, size] = [view.readUInt8(at + 8), view.readUInt32BE(at + 12)];
    if (size < TRAILER || size > end) return undefined;
    checks.push({ fromEnd: view.length - at, crc32: view.readUInt32BE(at + 4) });
    const data = view.subarray(end - size, at);
    end -= size;
    if (type === METADATA && isKnownHeader(data)) return { ...readJson(data.subarray(HEADER)), checks };
    if (type === SIGNATURE && data.length > MOST_JSON) return undefined;
  }
  return undefined;
}

/**
 * Whether the image's own checksums hold over all of its bytes, `size` of them, as `fwtool` checks before it believes a block. IMAGE_INVALID if not.
 */
export async function checkImage(
  metadata: Pick<ImageMetadata, "checks">,
  size: number,
  chunks: AsyncIterable<Uint8Array>,
): Promise<void> {
  const { crc32 } = process.getBuiltinModule("node:zlib"); // not loaded by runs that see no image
  const open = metadata.checks.map(({ fromEnd, crc32: said }) => ({ upTo: size - fromEnd, said, sum: 0 }));
  let at = 0;
  for await (const chunk of chunks) {
    for (const check of open) {
      if (check.upTo > at) check.sum = crc32(chunk.subarray(0, Math.min(chunk.length, check.upTo - at)), check.sum);
    }
    at += chunk.length;
  }
  // fwtool begins with all ones and, unlike zlib, leaves out the inversion at the end.
  const wrong = at !== size || open.some(({ upTo, said, sum }) => upTo < 0 || ~sum >>> 0 !== said);
  if (wrong) throw new ProvisionError("IMAGE_INVALID", "the image does not match its own checksum");
}

/** The boards this image is for (openwrt base-files/lib/upgrade/fwtool.sh: the new names count once the compat version is not 1.0). */
export function imageBoards(metadata: ImageMetadata): readonly string[] {
  return metadata.compat_version === "1.0" ? metadata.supported_devices : (metadata.new_supported_devices ?? []);
}

/** A header of another version is passed over, as `fwtool` does. */
function isKnownHeader(data: Buffer): boolean {
  return data.length >= HEADER && data.readUInt32BE(0) === 0;
}

function readJson(bytes: Buffer): Omit<ImageMetadata, "checks"> {
  try {
    if (bytes.length > MOST_JSON) throw new TypeError(`it has ${bytes.length} bytes`);
    const from = asObject(JSON.parse(bytes.toString("utf8")));
    const version = from["version"] === undefined ? {} : asObject(from["version"]);
    return {
      supported_devices: from["supported_devices"] === undefined ? [] : names(from["supported_devices"]),
      new_supported_devices:
        from["new_supported_devices"] === undefined ? undefined : names(from["new_supported_devices"]),
      compat_version: textOf(from, "compat_version") || "1.0",
      compat_message: textOf(from, "compat_message") || undefined,
      version: {
        dist: textOf(version, "dist"),
        version: textOf(version, "version"),
        revision: textOf(version, "revision"),
        target: textOf(version, "target"),
        board: textOf(version, "board"),
      },
    };
  } catch (cause) {
    throw new ProvisionError("IMAGE_INVALID", "the metadata behind the image cannot be read", { cause });
  }
}

function asObject(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new TypeError("no object");
  return Object.fromEntries(Object.entries(value));
}

function names(value: unknown): readonly string[] {
  if (!Array.isArray(value) || value.length > MOST_DEVICES) throw new TypeError("no list of devices");
  return value.map((name: unknown) => {
    if (typeof name !== "string") throw new TypeError("a device that is no text");
    return name;
  });
}

function textOf(from: Record<string, unknown>, name: string): string {
  const value = from[name] ?? "";
  if (typeof value !== "string") throw new TypeError(`${name} is no text`);
  return value;
}
