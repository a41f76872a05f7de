import { createHash } from "node:crypto";
import * as zlib from "node:zlib";
import { expect, test } from "vitest";
import { type ArchivedEntry, type ArchiveLimits, copyArchived, readArchive } from "../../src/tree/archive.ts";
import { type FillableBytes, unpackedBytes } from "../../src/tree/archive-bytes.ts";
import { tar } from "../helpers/tar.ts";
import { ATTACKS, noise } from "./archive-attacks.ts";

const LIMITS: ArchiveLimits = { unpacked: 8_500_000, file: 8_400_000, entries: 1000, depth: 32, ratio: 200 };

/** Bytes that come in their reader's own memory, as much of a piece at a time as given, and how often they were closed. */
function fillable(bytes: Uint8Array, most = Number.POSITIVE_INFINITY): FillableBytes & { closed: number } {
  let at = 0;
  return {
    closed: 0,
    readInto(buffer) {
      const piece = bytes.subarray(at, at + Math.min(buffer.length, most));
      buffer.fill(0xee);
      buffer.set(piece);
      at += piece.length;
      return piece.length;
    },
    close() {
      this.closed++;
    },
    [Symbol.asyncIterator]: () => {
      throw new Error("asked for memory of their own");
    },
  };
}

async function entriesOf(bytes: FillableBytes): Promise<ArchivedEntry[]> {
  const entries: ArchivedEntry[] = [];
  await readArchive(bytes, LIMITS, (entry) => entries.push(entry));
  return entries;
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
/** Of all sizes up to 90 kB, half of each packs: seven megabytes, which no buffer and no piece holds. */
const BODIES = Array.from({ length: 160 }, (_, at) =>
  Buffer.from(noise(((at * 7919) % 45_000) + 1, at).toString("hex")),
);
const PLAIN = tar(...BODIES.map((body, at) => ({ name: `f${at}`, body })));
const GZIP = zlib.gzipSync(PLAIN);
const MEMBERS = Buffer.concat([zlib.gzipSync(PLAIN.subarray(0, 777_777)), zlib.gzipSync(PLAIN.subarray(777_777))]);

test.each([
  ["plain, in whole pieces", PLAIN, Number.POSITIVE_INFINITY],
  ["plain, in odd pieces", PLAIN, 70_001],
  ["gzip, in whole pieces", GZIP, Number.POSITIVE_INFINITY],
  ["gzip, in odd pieces", GZIP, 4999],
  ["a gzip of two members", MEMBERS, Number.POSITIVE_INFINITY],
])("memory that is used again holds what is read until it was read: %s", async (_, bytes, most) => {
  const source = fillable(bytes, most);
  const entries = await entriesOf(source);
  expect(entries.map((entry) => (entry.kind === "file" ? [entry.path, entry.sha256] : entry))).toEqual(
    BODIES.map((body, at) => [`/f${at}`, sha256(body)]),
  );
  const copied = BODIES.map(() => createHash("sha256"));
  const targets = copied.map((hash, at) => {
    return [at, { write: (chunk: Uint8Array) => void hash.update(chunk), finish: () => undefined }] as const;
  });
  const again = fillable(bytes, most);
  await copyArchived(again, LIMITS, new Map(targets));
  expect(copied.map((hash) => hash.digest("hex"))).toEqual(BODIES.map(sha256));
  expect([source.closed, again.closed]).toEqual([1, 1]);
});

test.each([
  ["plain", PLAIN, 262_144, 2],
  ["gzip", GZIP, 1_048_576, 4],
])("seven megabytes unpack in a few buffers, and none changes while it is read: %s", async (_, bytes, size, most) => {
  const memory = new Set<ArrayBufferLike>();
  const hash = createHash("sha256");
  for await (const chunk of unpackedBytes(fillable(bytes), LIMITS)) {
    if (chunk.buffer.byteLength === size) memory.add(chunk.buffer); // Node joins small pieces that wait, in memory of another size
    await new Promise((resolve) => setTimeout(resolve, 10)); // so that zlib is ahead
    hash.update(chunk);
  }
  expect(memory.size).toBeGreaterThan(1);
  expect(memory.size).toBeLessThanOrEqual(most);
  expect(hash.digest("hex")).toBe(sha256(PLAIN));
});

test.each(ATTACKS)("$title: refused, whoever has the memory", async ({ bytes, code }) => {
  for (const most of [Number.POSITIVE_INFINITY, 511]) {
    const source = fillable(bytes, most);
    await expect(entriesOf(source)).rejects.toMatchObject({ code });
    expect(source.closed).toBe(1);
  }
});

test("an error of reading passes as it is, at the first byte and behind it", async () => {
  const broken = new Error("the spool is gone");
  for (const good of [0, 1, 3]) {
    const source = fillable(GZIP, 100_000);
    const { readInto } = source;
    let reads = 0;
    source.readInto = (buffer) => {
      if (reads++ === good) throw broken;
      return readInto(buffer);
    };
    await expect(entriesOf(source)).rejects.toBe(broken);
    expect(source.closed).toBe(1);
  }
});

test("what is behind the end is looked at and not kept", async () => {
  const zeros = 64 * 1024 * 1024;
  const source = fillable(Buffer.concat([PLAIN, Buffer.alloc(zeros)]));
  const { readInto } = source;
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  source.readInto = (buffer) => {
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
    return readInto(buffer);
  };
  const entries: ArchivedEntry[] = [];
  await readArchive(source, { ...LIMITS, unpacked: 2 * zeros }, (entry) => entries.push(entry));
  expect(entries).toHaveLength(BODIES.length);
  expect(most).toBeLessThan(zeros / 2);
});

test.each([
  ["plain", PLAIN],
  ["gzip", GZIP],
])("while an archive is read a signal is heard: %s", async (_, bytes) => {
  const stop = new AbortController();
  const source = fillable(bytes, 50_000);
  const { readInto } = source;
  source.readInto = (buffer) => {
    stop.signal.throwIfAborted();
    return readInto(buffer);
  };
  const reading = entriesOf(source);
  setTimeout(() => stop.abort(new Error("asked to stop")), 0);
  await expect(reading).rejects.toThrow("asked to stop");
  expect(source.closed).toBe(1);
});

test("nothing more is asked for once nobody reads any more", async () => {
  const source = fillable(GZIP, 50_000);
  const { readInto } = source;
  let isOver = false;
  let late = 0;
  source.readInto = (buffer) => {
    if (isOver) late++;
    return readInto(buffer);
  };
  for await (const chunk of unpackedBytes(source, LIMITS)) {
    expect(chunk.length).toBeGreaterThan(0);
    isOver = true;
    break;
  }
  expect(late).toBe(0);
  expect(source.closed).toBe(1);
});
