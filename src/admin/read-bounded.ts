import { closeSync, openSync, readSync } from "node:fs";
import { ProvisionError } from "../errors.ts";

const CHUNK = 1_048_576;

/** A file the admin names, also a pipe: all of it, `limit` bytes at most. FILE_UNREADABLE, TOO_LARGE. */
export function readBounded(file: string, limit: number): Uint8Array {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    const descriptor = openSync(file, "r");
    try {
      for (;;) {
        const chunk = Buffer.allocUnsafe(CHUNK);
        const length = readSync(descriptor, chunk);
        if (length === 0) return Buffer.concat(chunks);
        size += length;
        if (size > limit)
          throw new ProvisionError("TOO_LARGE", `${file} has more than ${limit} bytes`, { place: { file } });
        chunks.push(chunk.subarray(0, length));
      }
    } finally {
      closeSync(descriptor);
    }
  } catch (cause) {
    if (cause instanceof ProvisionError) throw cause;
    throw new ProvisionError("FILE_UNREADABLE", `${file} cannot be read`, { cause, place: { file } });
  }
}
