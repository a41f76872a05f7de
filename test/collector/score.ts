/** What a recording says of the link it came over. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { delayOf, mosOf, rating } from "../../src/probe/e-model.ts";
import { FRAME } from "../../src/probe/wav.ts";

/** What was found in a recording by looking for what is not there. */
export interface Heard {
  /** Share of the sound that is missing, 0 to 1. */
  readonly loss: number;
  /** Mean length of what is missing in a row, in packets; 0 if nothing is. */
  readonly burst: number;
  /** Level of what came over that of what was sent, in dB. */
  readonly level: number;
  /** Milliseconds of the recording from its first to its last sound. */
  readonly length: number;
}

/** This many samples of digital silence are no sound any more: half of a packet, since codecs and clocks shift the borders. */
const SILENT = FRAME / 2;

/**
 * Asterisk writes a packet that did not come as 160 samples of digital silence, or shortens the recording by it; the sound itself is never digitally silent. So what is missing is what
 * was sent less what is not silent, wherever the recording begins.
 */
export function hear(sent: Int16Array, came: Int16Array): Heard {
  const runs = silentRuns(came);
  const silent = runs.reduce((sum, { length }) => sum + length, 0);
  const inside = runs.filter(({ start, length }) => start > 0 && start + length < came.length);
  const loss = Math.min(1, Math.max(0, (sent.length - (came.length - silent)) / sent.length));
  const packets = inside.map(({ length }) => Math.max(1, Math.round(length / FRAME)));
  const outside = silent - inside.reduce((sum, { length }) => sum + length, 0);
  return {
    loss,
    burst: packets.length === 0 ? 0 : packets.reduce((sum, one) => sum + one, 0) / packets.length,
    level: decibels(came, silent) - decibels(sent, 0),
    length: (1000 * (came.length - outside)) / 8000,
  };
}

function silentRuns(samples: Int16Array): { readonly start: number; readonly length: number }[] {
  const runs: { start: number; length: number }[] = [];
  for (let start = 0; start < samples.length; ) {
    let end = start;
    while (end < samples.length && samples[end] === 0) end++;
    if (end - start >= SILENT) runs.push({ start, length: end - start });
    start = Math.max(end, start + 1);
  }
  return runs;
}

/** Of what is not silent, over full scale. */
function decibels(samples: Int16Array, silent: number): number {
  const power = samples.reduce((sum, one) => sum + one * one, 0) / Math.max(1, samples.length - silent);
  return power === 0 ? -100 : 10 * Math.log10(power / 32_768 ** 2);
}

/** By the E-model, from loss and bursts as heard and the delay that the probe measured: no PESQ, and not called so. */
export const BUILTIN_LABEL = "MOS-E(wav)";

export function score(
  { loss, burst }: Heard,
  measured: { readonly rtt: number | undefined; readonly jitter: number | undefined },
  conceals: boolean,
): number {
  if (loss >= 1) return 1;
  const codec = conceals ? "G.711 with concealment" : "G.711";
  // Random losses of this share come in bursts of 1/(1 - loss) on average.
  return mosOf(rating({ delay: delayOf(measured), loss, burst: burst * (1 - loss), codec }));
}

/** Seconds for somebody else's program to judge one recording. */
const SCORER_SECONDS = 60;

/** Runs a program that judges: words with `{ref}` and `{deg}` in them, no shell. The last number it prints is the MOS; undefined if it is none. */
export async function scoreBy(words: readonly string[], ref: string, deg: string): Promise<number | undefined> {
  const [program = "", ...args] = words.map((word) => word.replaceAll("{ref}", ref).replaceAll("{deg}", deg));
  try {
    const { stdout } = await promisify(execFile)(program, args, { timeout: SCORER_SECONDS * 1000, maxBuffer: 1 << 20 });
    const mos = Number(stdout.match(/[0-9]+(?:\.[0-9]+)?/g)?.at(-1));
    return mos >= 1 && mos <= 5 ? mos : undefined;
  } catch {
    return undefined;
  }
}
