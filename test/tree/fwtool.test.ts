import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { checkImage, IMAGE_TAIL, imageBoards, readImageMetadata } from "../../src/tree/fwtool.ts";
import { fuzzImages } from "./fuzz-images.ts";
import { block, withMetadata } from "./image.ts";

/** Both made by OpenWrt's own fwtool: `fwtool -I`, and `fwtool -I` then `fwtool -S`. */
const OLD = readFileSync("fixtures/images/compat-1.0.bin");
const NEW = readFileSync("fixtures/images/compat-2.0-signed.bin");

async function* inPieces(bytes: Uint8Array, size = 100): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const outcome = async (bytes: Uint8Array): Promise<string> => {
  const read = readImageMetadata(bytes);
  if (read === undefined) return "none";
  return checkImage(read, bytes.length, inPieces(bytes)).then(
    () => "whole",
    () => "damaged",
  );
};

test("what fwtool appended is read", async () => {
  const read = readImageMetadata(OLD);
  expect(read).toMatchObject({
    supported_devices: ["tplink,archer-c7-v5", "archer-c7-v5"],
    new_supported_devices: undefined,
    compat_version: "1.0",
    version: { dist: "OpenWrt", version: "24.10.4", revision: "r28959-29397011cc", target: "ath79/generic" },
  });
  expect(await outcome(OLD)).toBe("whole");
});

test("a signature behind the metadata is passed over", async () => {
  const read = readImageMetadata(NEW);
  expect(read).toMatchObject({ compat_version: "2.0", compat_message: "Config cannot be migrated" });
  expect(read?.checks).toHaveLength(2);
  expect(await outcome(NEW)).toBe("whole");
});

test("with another compat version the new device names count, and only they", () => {
  expect(readImageMetadata(NEW) && imageBoards(readImageMetadata(NEW) ?? never())).toEqual(["tplink,archer-c7-v5"]);
  const without = withMetadata("x", { compat_version: "1.1", supported_devices: ["a"] });
  expect(imageBoards(readImageMetadata(without) ?? never())).toEqual([]);
});

test("an image without a trailer, cut off or shorter than one has no metadata", () => {
  expect(readImageMetadata(Buffer.alloc(5000, "k"))).toBeUndefined();
  for (let length = 0; length < OLD.length; length++) {
    expect(readImageMetadata(OLD.subarray(0, length))).toBeUndefined();
  }
});

test("the end of a large image is enough to read it", async () => {
  const large = withMetadata(Buffer.alloc(300_000, 7), { supported_devices: ["a,b"] });
  const read = readImageMetadata(large.subarray(large.length - IMAGE_TAIL)) ?? never();
  expect(read.supported_devices).toEqual(["a,b"]);
  await expect(checkImage(read, large.length, inPieces(large, 4096))).resolves.toBeUndefined();
});

test("a single bit that is wrong anywhere is found, by the checksum or since nothing can be read any more", async () => {
  for (let bit = 0; bit < NEW.length * 8; bit += 5) {
    const bent = Buffer.from(NEW);
    bent[bit >> 3] = (bent[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const isPadding = isUnused(bit >> 3);
    const told = await outcome(bent).catch(() => "unreadable");
    if (!isPadding) expect({ bit, told }).not.toEqual({ bit, told: "whole" });
  }
});

/** The type of the last block, a signature nobody reads, and the three bytes after it are covered by no checksum behind them. */
function isUnused(at: number): boolean {
  const type = NEW.length - 8;
  return at >= type && at < type + 4;
}

test("bytes that come short or too many for the size are refused", async () => {
  const read = readImageMetadata(OLD) ?? never();
  await expect(checkImage(read, OLD.length, inPieces(OLD.subarray(1)))).rejects.toThrow("checksum");
  await expect(checkImage(read, OLD.length, inPieces(Buffer.concat([OLD, OLD])))).rejects.toThrow("checksum");
});

test("metadata that is no JSON, or of other types, is IMAGE_INVALID", () => {
  const texts = ["", "{", "[]", "null", '{"supported_devices":"a"}', '{"supported_devices":[1]}', '{"version":[]}'];
  for (const text of texts) {
    const image = block(Buffer.from("kernel"), 1, Buffer.concat([Buffer.alloc(8), Buffer.from(text)]));
    expect(() => readImageMetadata(image), text).toThrow(expect.objectContaining({ code: "IMAGE_INVALID" }));
  }
  const many = withMetadata("x", { supported_devices: new Array(1025).fill("a") });
  expect(() => readImageMetadata(many)).toThrow(expect.objectContaining({ code: "IMAGE_INVALID" }));
});

test("a header of another version and blocks of unknown types are passed over; too many end the search", () => {
  const known = withMetadata("kernel", { supported_devices: ["a,b"] });
  const later = block(known, 1, Buffer.from([0, 0, 0, 9, 0, 0, 0, 0, ...Buffer.from("{}")]));
  expect(readImageMetadata(block(later, 7, Buffer.from("?")))?.supported_devices).toEqual(["a,b"]);
  let deep: Uint8Array = known;
  for (let blocks = 0; blocks < 16; blocks++) deep = block(deep, 7, Buffer.alloc(0));
  expect(readImageMetadata(deep)).toBeUndefined();
});

test("what is written behind any image is read back, with any signature after it", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 300 }),
      fc.array(fc.string(), { maxLength: 4 }),
      fc.string(),
      fc.option(fc.uint8Array({ maxLength: 1024 })),
      async (kernel, devices, revision, signature) => {
        const image = withMetadata(kernel, { supported_devices: devices, version: { revision } });
        const whole = signature === null ? image : block(image, 0, Buffer.from(signature));
        const read = readImageMetadata(whole) ?? never();
        expect([read.supported_devices, read.version.revision]).toEqual([devices, revision]);
        await checkImage(read, whole.length, inPieces(whole, 64));
      },
    ),
    { numRuns: 200 },
  );
});

test("damaged images are read or refused, never anything else", () => {
  const { read, refused } = fuzzImages(5000, 5);
  expect(read).toBeGreaterThan(500);
  expect(refused).toBeGreaterThan(50);
});

function never(): never {
  throw new Error("no metadata");
}
