/**
 * How good a call sounded, by the E-model (ITU-T G.107, all other values as its table of defaults has them). It knows delay, loss and codec; it has not
 * heard the call, so it is no PESQ (P.862) and no POLQA (P.863), and must not be called so.
 */

/** What a codec costs: `ie` without any loss, `bpl` how robust it is against losses (ITU-T G.113, appendix I). */
interface Impairment {
  readonly ie: number;
  readonly bpl: number;
}

/** G.711 as receivers with and without loss concealment (its appendix I) play it; G.729A conceals by itself. */
export const IMPAIRMENTS = {
  "G.711 with concealment": { ie: 0, bpl: 25.1 },
  "G.711": { ie: 0, bpl: 4.3 },
  "G.729A": { ie: 11, bpl: 19 },
} as const satisfies Readonly<Record<string, Impairment>>;

export interface Heard {
  /** One way, mouth to ear, in milliseconds. */
  readonly delay: number;
  /** Share of packets that were lost, 0 to 1. */
  readonly loss: number;
  /** Mean length of bursts of losses, over that of random losses; 1 if not given, which is random. */
  readonly burst?: number;
  readonly codec: keyof typeof IMPAIRMENTS;
}

/** Above this, a second term of the delay's impairment begins, in milliseconds. */
const CONVERSATION = 177.3;
/** R of a call with default values and nothing wrong. */
const BEST = 93.2;

/**
 * The transmission rating R: 93.2 at best. Delay counts by the usual simplification of G.107's Id (Cole and Rosenbluth 2001), which holds up to some 400 ms; losses by Ie,eff,
 * which G.107 has up to 20 %: beyond, it still falls, but nobody has listened.
 */
export function rating({ delay, loss, burst = 1, codec }: Heard): number {
  const { ie, bpl } = IMPAIRMENTS[codec];
  const percent = 100 * Math.min(1, Math.max(0, loss));
  const id = 0.024 * delay + (delay > CONVERSATION ? 0.11 * (delay - CONVERSATION) : 0);
  const ieEff = percent === 0 ? ie : ie + ((95 - ie) * percent) / (percent / Math.max(1, burst) + bpl);
  return BEST - id - ieEff;
}

/** Mean opinion score of a rating, 1 to 4.5 (G.107, annex B). */
export function mosOf(r: number): number {
  if (r < 0) return 1;
  if (r > 100) return 4.5;
  return Math.max(1, 1 + 0.035 * r + 7e-6 * r * (r - 60) * (100 - r));
}

/** Milliseconds of speech in a packet. */
export const PACKET = 20;
/** What a phone's jitter buffer holds at least, in milliseconds; twice the jitter if that is more. */
const BUFFER = 40;

/** One-way delay in milliseconds: half of the way there and back, a packet, and a jitter buffer. What is not known counts as nothing. */
export function delayOf({
  rtt,
  jitter,
}: {
  readonly rtt: number | undefined;
  readonly jitter: number | undefined;
}): number {
  return (rtt ?? 0) / 2 + PACKET + Math.max(BUFFER, 2 * (jitter ?? 0));
}
