/**
 * The sound that probes play to each other: syllables of a voice that says nothing, 10 s, the same bytes on every machine, so that nothing needs to be shipped (the
 * samples that come with P.862 may not be). Over it all lies a floor of noise: what is digitally silent in a recording then was lost, and nothing else.
 */
import { RATE } from "./wav.ts";

const SECONDS = 10;
/** Amplitude of the floor: about -63 dBov, under any voice, and above what codecs make silence of. */
const FLOOR = 24;
/** RMS of active speech, about -26 dBov (ITU-T P.56 and P.800 have tests at this level). */
const LEVEL = 1640;
const UNIT = 1 << 14;

/** A vowel's resonances, in Hz: enough of a mouth for codecs made for speech. */
const VOWELS = [
  [730, 1090, 2440],
  [270, 2290, 3010],
  [300, 870, 2240],
  [530, 1840, 2480],
  [570, 840, 2410],
] as const;
const BANDWIDTHS = [80, 100, 140] as const;

/** In whole numbers throughout: floating point would add up to other bytes on another machine. */
export function makeSample(): Int16Array {
  const random = numbers(0x5eed);
  const voice = new Int32Array(SECONDS * RATE);
  const active = new Uint8Array(voice.length);
  let pulse = 0;
  for (let at = milliseconds(200), count = 1; at < voice.length - milliseconds(400); count++) {
    const length = milliseconds(120 + (random() % 140));
    const resonators = (VOWELS[random() % VOWELS.length] ?? VOWELS[0]).map((hertz, index) =>
      resonator(hertz, BANDWIDTHS[index] ?? 100),
    );
    const hiss = random() % 4 === 0;
    const pitch = 62 + (random() % 24);
    for (let index = 0; index < length && at + index < voice.length; index++) {
      pulse = pulse <= 0 ? pitch + (random() % 3) : pulse - 1;
      const breath = (random() % 512) - 256;
      const excitation = hiss && index < length / 3 ? breath * 8 : (pulse === 0 ? 16_384 : 0) + breath;
      const sound = resonators.reduce((sum, ring) => sum + ring(excitation), 0);
      const swell = Math.min(index, length - index, milliseconds(30));
      voice[at + index] = Math.trunc((sound * swell) / milliseconds(30));
      active[at + index] = 1;
    }
    // A breath after some syllables, as between sentences.
    at += length + milliseconds(count % 7 === 0 ? 300 : 20 + (random() % 50));
  }
  const loudness = rootMeanSquare(voice, active);
  return Int16Array.from(voice, (sound) => {
    const floor = (random() % (2 * FLOOR + 1)) - FLOOR;
    const scaled = Math.trunc((sound * LEVEL) / loudness);
    return Math.max(-32_000, Math.min(32_000, scaled)) + floor;
  });
}

function milliseconds(count: number): number {
  return (count * RATE) / 1000;
}

/** A resonance of two poles; its factors are rounded, so that they are the same everywhere. */
function resonator(hertz: number, bandwidth: number): (input: number) => number {
  const radius = Math.exp((-Math.PI * bandwidth) / RATE);
  const first = Math.round(2 * radius * Math.cos((2 * Math.PI * hertz) / RATE) * UNIT);
  const second = Math.round(-radius * radius * UNIT);
  let [before, last] = [0, 0];
  return (input) => {
    const now = Math.trunc((input * (UNIT - Math.abs(second)) + first * last + second * before) / UNIT);
    [before, last] = [last, now];
    return now;
  };
}

function rootMeanSquare(sounds: Int32Array, active: Uint8Array): number {
  let [sum, count] = [0, 0];
  for (const [index, sound] of sounds.entries()) {
    if (active[index] === 0) continue;
    sum += sound * sound;
    count++;
  }
  return Math.max(1, Math.trunc(Math.sqrt(sum / count)));
}

/** Marsaglia's xorshift32: the same row of numbers on every machine. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 1;
  };
}
