import { createHash } from "node:crypto";
import * as zlib from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ProvisionError } from "../../src/errors.ts";
import { type ArchivedEntry, type ArchiveLimits, copyArchived, readArchive } from "../../src/tree/archive.ts";
import { rehearseArchive } from "../../src/tree/archive-rehearsal.ts";
import { paxEntry, tar, tarEntry, tarGz } from "../helpers/tar.ts";
import { ATTACKS, noise } from "./archive-attacks.ts";

const LIMITS: ArchiveLimits = { unpacked: 8_500_000, file: 8_400_000, entries: 1000, depth: 32, ratio: 200 };

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function entriesOf(bytes: Uint8Array, piece = 4096): Promise<ArchivedEntry[]> {
  const entries: ArchivedEntry[] = [];
  await readArchive(inPieces(bytes, piece), LIMITS, (entry) => entries.push(entry));
  return entries;
}

async function refusal(reading: Promise<unknown>): Promise<ProvisionError> {
  const thrown = await reading.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(thrown instanceof ProvisionError)) throw new Error(`was not refused: ${String(thrown)}`);
  return thrown;
}

const sha256 = (bytes: string | Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

describe("content that is wanted at hand", () => {
  const bodies = ["first", "x".repeat(3_000), "", "last"];
  const packed = tarGz(...bodies.map((body, index) => ({ name: `f${index}`, body })), {
    name: "again",
    type: "1",
    link: "f0",
  });
  const contents = async (atHand: number, piece: number) => {
    const told: (string | undefined)[] = [];
    const note = (_entry: ArchivedEntry, content?: Uint8Array) =>
      void told.push(content && Buffer.from(content).toString());
    await readArchive(inPieces(packed, piece), LIMITS, note, atHand);
    return told;
  };

  test.each([1, 100, 65_536])(
    "comes with its entry, in pieces of %d, and with each other name of it",
    async (piece) => {
      expect(await contents(3_009, piece)).toEqual([...bodies, "first"]);
    },
  );

  test("comes as long as all of it fits", async () => {
    expect(await contents(3_008, 65_536)).toEqual(["first", "x".repeat(3_000), "", undefined, "first"]);
    expect(await contents(100, 65_536)).toEqual(["first", undefined, undefined, undefined, "first"]);
    expect(await contents(0, 65_536)).toEqual([undefined, undefined, undefined, undefined, undefined]);
  });

  test("is of the bytes that the digest is of, for every way to cut them", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 2_000 }), { maxLength: 8 }),
        fc.nat(999),
        async (files, cut) => {
          const bytes = tarGz(...files.map((body, index) => ({ name: `f${index}`, body })));
          await readArchive(
            inPieces(bytes, cut + 1),
            LIMITS,
            (entry, content) => {
              if (entry.kind === "file") expect(sha256(content ?? "none")).toBe(entry.sha256);
            },
            20_000,
          );
        },
      ),
    );
  });
});

test("the small archive that is read beforehand has a folder, a file and a link", async () => {
  expect((await rehearseArchive()).map(({ kind, path }) => `${kind} ${path}`)).toEqual([
    "directory /a",
    "file /a/b",
    "symlink /a/c",
  ]);
});

describe("a hostile archive is refused", () => {
  test("there are at least 35 kinds of them, each with a name of its own", () => {
    expect(ATTACKS.length).toBeGreaterThanOrEqual(35);
    expect(new Set(ATTACKS.map((attack) => attack.title)).size).toBe(ATTACKS.length);
  });

  test.each(ATTACKS)("$title: $code", async ({ bytes, code }) => {
    const error = await refusal(entriesOf(bytes));
    expect(error.code, error.message).toBe(code);
    expect(error.exit).toBe("invalid-content");
    expect(error.message).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
  });

  test.each(ATTACKS)("$title: the same however it comes in pieces", async ({ bytes, code }) => {
    for (const piece of bytes.length > 20_000 ? [65_536] : [1, 7, 511, 65_536]) {
      expect((await refusal(entriesOf(bytes, piece))).code).toBe(code);
    }
  });

  /** Only the first reading has two readers that can disagree; what it let pass is copied by the same one, and compared by digest. */
  const seenByBoth = ATTACKS.filter((attack) => !attack.title.includes("line-wise reader"));
  test.each(seenByBoth)("$title: copying refuses it, too", async ({ bytes, code }) => {
    const target = { write: () => undefined, finish: () => undefined };
    const wanted = new Map([[0, target]]);
    expect((await refusal(copyArchived(inPieces(bytes, 4096), LIMITS, wanted))).code).toBe(code);
  });
});

describe("reading", () => {
  test("tells path, mode, size and digest of each entry, in order", async () => {
    const entries = await entriesOf(
      tarGz(
        { name: "./", type: "5" },
        { name: "./etc/", type: "5", mode: 0o2775 },
        { name: "./etc/banner", body: "hello\n", mode: 0o600 },
        { name: "etc/resolv.conf", type: "2", link: "/tmp/resolv.conf" },
        { name: "etc/same", type: "1", link: "./etc/banner" },
        { name: "etc/.wh.motd" },
        { name: "empty" },
      ),
    );
    expect(entries).toMatchObject([
      { kind: "directory", path: "/" },
      { kind: "directory", path: "/etc" },
      { kind: "file", index: 2, path: "/etc/banner", mode: 0o600, size: 6, sha256: sha256("hello\n") },
      { kind: "symlink", path: "/etc/resolv.conf", target: "/tmp/resolv.conf" },
      { kind: "file", index: 2, path: "/etc/same", mode: 0o600, size: 6, sha256: sha256("hello\n") },
      { kind: "delete", path: "/etc/motd" },
      { kind: "file", path: "/empty", size: 0, sha256: sha256("") },
    ]);
  });

  test("takes a plain tar, and a gzip of several members", async () => {
    const plain = tar({ name: "a", body: "1" }, { name: "b", body: "2" });
    const members = Buffer.concat([zlib.gzipSync(plain.subarray(0, 700)), zlib.gzipSync(plain.subarray(700))]);
    expect(await entriesOf(plain)).toHaveLength(2);
    expect(await entriesOf(members)).toEqual(await entriesOf(plain));
  });

  test.skipIf("createZstdDecompress" in zlib)(
    "tar.zst is refused with a sentence by a Node that cannot unpack it",
    async () => {
      const error = await refusal(entriesOf(Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0])));
      expect(error).toMatchObject({ code: "ARCHIVE_INVALID", message: expect.stringContaining("22.15") });
    },
  );

  test.skipIf(!("zstdCompressSync" in zlib))("tar.zst is read by a Node that can, with the same limits", async () => {
    const { zstdCompressSync: pack } = zlib as unknown as { zstdCompressSync: (bytes: Uint8Array) => Buffer };
    const packed = pack(tar({ name: "a", body: noise(5000, 1) }));
    expect(await entriesOf(packed)).toMatchObject([{ path: "/a", size: 5000 }]);
    expect((await refusal(entriesOf(packed.subarray(0, -10)))).code).toBe("ARCHIVE_INVALID");
    expect((await refusal(entriesOf(Buffer.concat([packed, Buffer.from("more")])))).code).toBe("ARCHIVE_INVALID");
    const bomb = pack(tar({ name: "a", body: Buffer.alloc(8_000_000) }));
    expect((await refusal(entriesOf(bomb))).code).toBe("ARCHIVE_UNSAFE");
  });

  test("an archive without entries is an overlay without files", async () => {
    expect(await entriesOf(tarGz())).toEqual([]);
    expect(await entriesOf(Buffer.alloc(10_240))).toEqual([]);
  });

  test("names longer than 100 bytes come by prefix, pax or GNU header", async () => {
    const long = `etc/${"n".repeat(150)}/${"m".repeat(120)}`;
    const header = { name: long.slice(0, 100), body: "x" };
    const byPax = tarGz(paxEntry({ path: long }), header);
    const byGnu = tarGz({ name: "././@LongLink", type: "L", body: `${long}\0` }, { ...header, magic: "ustar  \0" });
    const byPrefix = tarGz({ name: "m".repeat(90), prefix: `etc/${"n".repeat(130)}`, body: "x" });
    expect((await entriesOf(byPax))[0]?.path).toBe(`/${long}`);
    expect((await entriesOf(byGnu))[0]?.path).toBe(`/${long}`);
    expect((await entriesOf(byPrefix))[0]?.path).toBe(`/etc/${"n".repeat(130)}/${"m".repeat(90)}`);
  });

  test("comments and times for all entries, as `git archive` writes them, do no harm", async () => {
    const bytes = tarGz(paxEntry({ comment: "0123abcd", mtime: "1.5" }, "g"), { name: "a", body: "x" });
    expect(await entriesOf(bytes)).toMatchObject([{ path: "/a" }]);
  });

  test("an error of the source passes as it is", async () => {
    const broken = new Error("the spool is gone");
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield tarGz({ name: "a", body: noise(5000, 1) }).subarray(0, 1000);
      throw broken;
    }
    await expect(readArchive(failing(), LIMITS, () => undefined)).rejects.toBe(broken);
  });

  test("after a refusal nothing more is told, and the source is closed", async () => {
    let closed = false;
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        yield* inPieces(
          tarGz({ name: "a" }, { name: "../b" }, ...Array.from({ length: 500 }, (_, at) => ({ name: `c${at}` }))),
          100,
        );
      } finally {
        closed = true;
      }
    }
    const told: string[] = [];
    await refusal(readArchive(source(), LIMITS, (entry) => told.push(entry.path)));
    const before = [...told];
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(told).toEqual(before);
    expect(closed).toBe(true);
  });

  test("whatever bytes come, the answer is entries or one known error", async () => {
    const seed = tar(
      { name: "etc/a", body: "12345" },
      paxEntry({ path: "etc/b" }),
      { name: "b", body: "x" },
      { name: "c", type: "2", link: "d" },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ at: fc.nat(seed.length - 1), byte: fc.nat(255) }), { minLength: 1, maxLength: 6 }),
        fc.boolean(),
        async (changes, mendSum) => {
          const bytes = Buffer.from(seed);
          for (const { at, byte } of changes) bytes[at] = byte;
          if (mendSum) mendChecksums(bytes);
          const outcome = await entriesOf(bytes).catch((error: unknown) => error);
          if (Array.isArray(outcome)) {
            for (const { path } of outcome) expect(path).toMatch(/^\/(?!.*(?:^|\/)\.\.(?:\/|$))[^\u0000-\u001f]*$/);
          } else {
            expect(outcome).toBeInstanceOf(ProvisionError);
            expect((outcome as ProvisionError).exit).toBe("invalid-content");
          }
        },
      ),
      { numRuns: 1500 },
    );
  });
});

function mendChecksums(bytes: Buffer): void {
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    if (bytes.subarray(at + 257, at + 262).toString() !== "ustar") continue;
    bytes.write("        ", at + 148, "latin1");
    const sum = bytes.subarray(at, at + 512).reduce((all, byte) => all + byte, 0);
    bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, at + 148, "latin1");
  }
}

describe("copying", () => {
  function collector(): { bytes: Buffer[]; finished: number; write(chunk: Uint8Array): void; finish(): void } {
    return {
      bytes: [],
      finished: 0,
      write(chunk) {
        this.bytes.push(Buffer.from(chunk));
      },
      finish() {
        this.finished++;
      },
    };
  }

  test("hands the wanted content over, whole and once", async () => {
    const bodies = Array.from({ length: 20 }, (_, at) => noise(at * 1000, at));
    const bytes = tarGz(...bodies.map((body, at) => ({ name: `f${at}`, body })));
    const wanted = new Map([3, 0, 19].map((index) => [index, collector()]));
    await copyArchived(inPieces(bytes, 1000), LIMITS, wanted);
    for (const [index, target] of wanted) {
      expect(Buffer.concat(target.bytes).equals(bodies[index] ?? Buffer.alloc(0))).toBe(true);
      expect(target.finished).toBe(1);
    }
  });

  test("an archive that lost a file in between is refused", async () => {
    const wanted = new Map([[5, collector()]]);
    const error = await refusal(copyArchived(inPieces(tarGz({ name: "a" }), 100), LIMITS, wanted));
    expect(error.code).toBe("ARCHIVE_INVALID");
  });

  test("an error of the target stops everything and passes as it is", async () => {
    const full = new ProvisionError("NO_SPACE", "the disk is full");
    const target = {
      write: () => {
        throw full;
      },
      finish: () => undefined,
    };
    const bytes = tarGz({ name: "a", body: "x" }, tarEntry({ name: "b", body: "y" }));
    await expect(copyArchived(inPieces(bytes, 100), LIMITS, new Map([[0, target]]))).rejects.toBe(full);
  });
});
