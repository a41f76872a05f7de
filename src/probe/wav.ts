/** Sound as the probe has it: WAV (RIFF, PCM), 8 kHz, 16 bit, one channel. */

export const RATE = 8000;
/** Samples in 20 ms: what one packet carries, and what Asterisk puts in the place of a lost one. */
export const FRAME = 160;

export interface Limits {
  /** Longest sound, in seconds. */
  readonly seconds: number;
}

/** Bytes of a file with this many seconds of sound, with room for a writer's own chunks. */
export function bytesFor({ seconds }: Limits): number {
  return seconds * RATE * 2 + 4096;
}

/** More chunks than any writer makes. */
const MOST_CHUNKS = 64;

/**
 * The samples, or what is wrong with the file as the rest of a sentence. A file whose writer has not finished it is cut: it may be shorter than it says, or its sizes may be zero still,
 * which Asterisk fills in when it closes the file, the whole's before the sound's.
 */
export function readWav(
  bytes: Uint8Array,
  limits: Limits,
): { readonly samples: Int16Array } | { readonly fault: string } {
  if (bytes.length > bytesFor(limits)) return { fault: `is longer than ${limits.seconds} s` };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (at: number) => Buffer.from(bytes.subarray(at, at + 4)).toString("latin1");
  if (bytes.length < 12 || word(0) !== "RIFF" || word(8) !== "WAVE") return { fault: "is no WAV" };
  if (view.getUint32(4, true) === 0) return { fault: "is cut" };
  let isRight = false;
  for (let at = 12, count = 0; at + 8 <= bytes.length && count < MOST_CHUNKS; count++) {
    const size = view.getUint32(at + 4, true);
    const [name, start] = [word(at), at + 8];
    if (name === "fmt ") {
      if (size < 16 || start + 16 > bytes.length) return { fault: "has a broken format" };
      const [format, channels, bits] = [start, start + 2, start + 14].map((place) => view.getUint16(place, true));
      const rate = view.getUint32(start + 4, true);
      if (format !== 1 || channels !== 1 || bits !== 16 || rate !== RATE)
        return { fault: `is not plain 8 kHz, 16 bit, mono (format ${format}, ${channels} × ${bits} bit, ${rate} Hz)` };
      isRight = true;
    }
    if (name === "data") {
      if (!isRight) return { fault: "says what it holds before how" };
      const isOpen = size === 0 && bytes.length > start;
      if (isOpen || start + size > bytes.length || size % 2 !== 0) return { fault: "is cut" };
      const samples = new Int16Array(size / 2);
      for (let index = 0; index < samples.length; index++) samples[index] = view.getInt16(start + 2 * index, true);
      return { samples };
    }
    at = start + size + (size % 2);
  }
  return { fault: "holds no sound" };
}

/** Samples as a file. */
export function writeWav(samples: Int16Array): Uint8Array {
  const bytes = Buffer.alloc(44 + samples.length * 2);
  bytes.write("RIFF", 0, "latin1");
  bytes.writeUInt32LE(bytes.length - 8, 4);
  bytes.write("WAVEfmt ", 8, "latin1");
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(1, 22);
  bytes.writeUInt32LE(RATE, 24);
  bytes.writeUInt32LE(RATE * 2, 28);
  bytes.writeUInt16LE(2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write("data", 36, "latin1");
  bytes.writeUInt32LE(samples.length * 2, 40);
  for (const [index, sample] of samples.entries()) bytes.writeInt16LE(sample, 44 + 2 * index);
  return bytes;
}
