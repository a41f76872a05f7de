import { closeSync, openSync, readSync } from "node:fs";

/** Unpredictable bytes from the kernel itself (random(4)): the same source as node:crypto's, without loading it. */
export function randomBytes(count: number): Buffer {
  const bytes = Buffer.alloc(count);
  const fd = openSync("/dev/urandom", "r");
  try {
    for (let at = 0; at < count; ) at += readSync(fd, bytes, at, count - at, null);
  } finally {
    closeSync(fd);
  }
  return bytes;
}
