import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { makeSample } from "../../src/probe/sample.ts";
import { bytesFor, FRAME, RATE, readWav, writeWav } from "../../src/probe/wav.ts";

const LIMITS = { seconds: 20 };

describe("the sound that every probe can make", () => {
  const sample = makeSample();

  test("is the same bytes everywhere", () => {
    expect(createHash("sha256").update(writeWav(sample)).digest("hex")).toBe(
      "8e161f6f0900dce613f764685808cc4e934652b6559942e4ca49367ad97ed9a5",
    );
  });

  test("has 10 s, at the level that speech is tested at, and is never digitally silent", () => {
    expect(sample.length).toBe(10 * RATE);
    const rms = Math.sqrt(sample.reduce((sum, one) => sum + one * one, 0) / sample.length);
    // -30 to -24 dBov with its pauses.
    expect(rms).toBeGreaterThan(1000);
    expect(rms).toBeLessThan(2100);
    let [run, longest] = [0, 0];
    for (const one of sample) {
      run = one === 0 ? run + 1 : 0;
      longest = Math.max(longest, run);
    }
    expect(longest).toBeLessThan(FRAME / 20);
  });

  test("has pauses, as speech has", () => {
    const loud = Array.from({ length: sample.length / FRAME }, (_, index) => {
      const frame = sample.subarray(index * FRAME, (index + 1) * FRAME);
      return Math.sqrt(frame.reduce((sum, one) => sum + one * one, 0) / FRAME) > 100;
    });
    const share = loud.filter(Boolean).length / loud.length;
    expect(share).toBeGreaterThan(0.5);
    expect(share).toBeLessThan(0.95);
  });
});

describe("a WAV file", () => {
  const samples = fc
    .array(fc.integer({ min: -32_768, max: 32_767 }), { maxLength: 600 })
    .map((all) => Int16Array.from(all));

  test("comes back as it was written", () => {
    fc.assert(
      fc.property(samples, (given) => {
        expect(readWav(writeWav(given), LIMITS)).toEqual({ samples: given });
      }),
    );
  });

  test("is read past chunks that others put before the sound", () => {
    const bytes = Buffer.from(writeWav(Int16Array.of(1, -2, 3)));
    const list = Buffer.from("LIST\x03\x00\x00\x00abc\x00", "latin1");
    const more = Buffer.concat([bytes.subarray(0, 36), list, bytes.subarray(36)]);
    expect(readWav(more, LIMITS)).toEqual({ samples: Int16Array.of(1, -2, 3) });
  });

  test.each([
    ["another rate", 24, 16_000],
    ["another format", 20, 0x0001_0007],
    ["two channels", 20, 0x0002_0001],
    ["8 bit", 32, 0x0008_0001],
  ])("with %s is refused", (_, at, value) => {
    const bytes = Buffer.from(writeWav(Int16Array.of(1, 2)));
    bytes.writeUInt32LE(value, at);
    expect(readWav(bytes, LIMITS)).toMatchObject({ fault: expect.stringContaining("is not plain 8 kHz") });
  });

  test("that its writer has not finished, or that says it holds more than it does, is cut", () => {
    const bytes = Buffer.from(writeWav(Int16Array.of(1, 2, 3, 4)));
    expect(readWav(bytes.subarray(0, bytes.length - 2), LIMITS)).toEqual({ fault: "is cut" });
    bytes.writeUInt32LE(0xffff_fff0, 40);
    expect(readWav(bytes, LIMITS)).toEqual({ fault: "is cut" });
  });

  test("as Asterisk leaves it until the call has ended, with sizes of zero before all its sound, is cut", () => {
    const bytes = Buffer.from(writeWav(Int16Array.of(1, 2, 3, 4)));
    const [whole, sound] = [bytes.readUInt32LE(4), bytes.readUInt32LE(40)];
    // It fills them in one after the other.
    for (const sizes of [
      [0, 0],
      [whole, 0],
      [0, sound],
    ] as const) {
      bytes.writeUInt32LE(sizes[0], 4);
      bytes.writeUInt32LE(sizes[1], 40);
      expect(readWav(bytes, LIMITS), sizes.join()).toEqual({ fault: "is cut" });
    }
    // Nothing was heard, and this may not be known yet.
    const empty = Buffer.from(writeWav(new Int16Array(0)));
    expect(readWav(empty, LIMITS)).toEqual({ samples: new Int16Array(0) });
    empty.writeUInt32LE(0, 4);
    expect(readWav(empty, LIMITS)).toEqual({ fault: "is cut" });
  });

  test("that is too long is refused before it is read", () => {
    expect(readWav(new Uint8Array(bytesFor(LIMITS) + 1), LIMITS)).toEqual({ fault: "is longer than 20 s" });
  });

  test("of any bytes at all is read or refused, and never throws", () => {
    const whole = writeWav(Int16Array.of(5, 6, 7, 8));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(60), (noise, at) => {
        const spoilt = Buffer.from(whole);
        spoilt.set(noise.subarray(0, Math.max(0, spoilt.length - at)), at < spoilt.length ? at : 0);
        for (const bytes of [noise, spoilt]) expect(Object.keys(readWav(bytes, LIMITS))).toHaveLength(1);
      }),
    );
  });
});
