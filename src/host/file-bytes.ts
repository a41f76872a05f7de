import { closeSync, createReadStream, openSync, readSync } from "node:fs";
import type { FillableBytes } from "../tree/archive-bytes.ts";

const CHUNK = 262_144;

/** The bytes of a file, opened when they are first asked for; reading ends with the signal's reason. What is read like this lies in RAM, so that nothing is waited for. */
export function openFileBytes(hostPath: string, signal: AbortSignal): FillableBytes {
  let fd: number | undefined;
  return {
    readInto(buffer) {
      signal.throwIfAborted();
      fd ??= openSync(hostPath, "r");
      return readSync(fd, buffer);
    },
    close() {
      if (fd !== undefined) closeSync(fd);
      fd = undefined;
    },
    [Symbol.asyncIterator]: () => createReadStream(hostPath, { signal, highWaterMark: CHUNK })[Symbol.asyncIterator](),
  };
}
