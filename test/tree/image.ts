import { crc32 } from "node:zlib";

/** An image with one more block behind it, as fwtool appends it. */
export function block(image: Uint8Array, type: number, data: Uint8Array): Uint8Array {
  const trailer = Buffer.alloc(16);
  trailer.write("FWx0");
  trailer.writeUInt32BE(~crc32(data, crc32(image)) >>> 0, 4);
  trailer.writeUInt8(type, 8);
  trailer.writeUInt32BE(data.length + 16, 12);
  return Buffer.concat([image, data, trailer]);
}

/** An image with this metadata behind it. */
export function withMetadata(kernel: string | Uint8Array, metadata: unknown): Uint8Array {
  const bytes = typeof kernel === "string" ? Buffer.from(kernel) : kernel;
  return block(bytes, 1, Buffer.concat([Buffer.alloc(8), Buffer.from(JSON.stringify(metadata))]));
}
