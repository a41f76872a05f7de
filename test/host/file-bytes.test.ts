import { mkdtempSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openFileBytes } from "../../src/host/file-bytes.ts";

const file = join(mkdtempSync(join(tmpdir(), "uciprov-bytes-")), "spool");
const CONTENT = Buffer.from(Array.from({ length: 700_000 }, (_, at) => at % 251));
writeFileSync(file, CONTENT);

const isOpen = (): boolean =>
  readdirSync("/proc/self/fd").some((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === file;
    } catch {
      return false; // the descriptor that listed them
    }
  });

test("gives the same bytes in the reader's memory as in its own, and is open only while it is read", async () => {
  const bytes = openFileBytes(file, new AbortController().signal);
  expect(isOpen()).toBe(false);
  const buffer = new Uint8Array(100_000);
  const read: Buffer[] = [];
  for (let length = bytes.readInto(buffer); length > 0; length = bytes.readInto(buffer)) {
    read.push(Buffer.from(buffer.subarray(0, length)));
    expect(isOpen()).toBe(true);
  }
  bytes.close();
  expect(isOpen()).toBe(false);
  expect(Buffer.concat(read).equals(CONTENT)).toBe(true);
  const chunks: Uint8Array[] = [];
  for await (const chunk of openFileBytes(file, new AbortController().signal)) chunks.push(chunk);
  expect(Buffer.concat(chunks).equals(CONTENT)).toBe(true);
});

test("reading ends with the signal's reason, and tells of a file that is not there", async () => {
  const stop = new AbortController();
  const bytes = openFileBytes(file, stop.signal);
  expect(bytes.readInto(new Uint8Array(10))).toBe(10);
  const reason = new Error("asked to stop");
  stop.abort(reason);
  expect(() => bytes.readInto(new Uint8Array(10))).toThrow(reason);
  bytes.close();
  const none = openFileBytes(`${file}-none`, new AbortController().signal);
  expect(() => none.readInto(new Uint8Array(10))).toThrow("ENOENT");
  none.close();
});
