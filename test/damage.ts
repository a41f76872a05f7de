/** What a fuzzing run came to; every run either reads its input or refuses it with a known error. */
export interface FuzzResult {
  readonly runs: number;
  readonly read: number;
  readonly refused: number;
  /** Milliseconds of the slowest run. */
  readonly slowest: number;
}

export type Random = (below: number) => number;

/**
 * Feeds `runs` damaged copies of the seeds to `read`. Whatever it throws that `isRefusal` does not know ends the fuzzing, with the input in
 * the message. The same seed number gives the same inputs, everywhere.
 */
export function fuzz(
  how: { readonly seeds: readonly Uint8Array[]; readonly runs: number; readonly seed: number },
  read: (input: Uint8Array) => void,
  isRefusal: (thrown: unknown) => boolean,
): FuzzResult {
  const random = xorshift(how.seed);
  let wasRead = 0;
  let slowest = 0;
  for (let run = 0; run < how.runs; run++) {
    const input = damaged(how.seeds[random(how.seeds.length)] ?? new Uint8Array(), random);
    const start = performance.now();
    try {
      read(input);
      wasRead++;
    } catch (thrown) {
      if (!isRefusal(thrown)) {
        throw new Error(`run ${run} of seed ${how.seed}: ${Buffer.from(input).toString("hex")}`, { cause: thrown });
      }
    }
    slowest = Math.max(slowest, performance.now() - start);
  }
  return { runs: how.runs, read: wasRead, refused: how.runs - wasRead, slowest };
}

function damaged(seed: Uint8Array, random: Random): Uint8Array {
  let bytes = Uint8Array.from(seed);
  for (let times = random(5); times > 0; times--) {
    const at = random(bytes.length || 1);
    switch (random(7)) {
      case 0:
        bytes[at] = random(256);
        break;
      case 1:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
        break;
      case 2:
        bytes = bytes.slice(0, at);
        break;
      case 3:
        bytes = joined(bytes.subarray(0, at), Uint8Array.of(random(256)), bytes.subarray(at));
        break;
      case 4:
        bytes = joined(bytes.subarray(0, at), bytes.subarray(at + 1 + random(8)));
        break;
      case 5:
        // A compression pointer, or a length of 192 and what follows it.
        bytes[at] = 0xc0;
        bytes[at + 1] = random(bytes.length || 1);
        break;
      default:
        bytes = joined(bytes, bytes.subarray(at));
    }
  }
  return bytes;
}

function joined(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.concat(parts));
}

/** Marsaglia's xorshift32. */
function xorshift(seed: number): Random {
  let state = seed | 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
