/** Which parts of a plan have to stay out so that the rest holds, in few trials: each that fails costs a device its network for a window. */

/**
 * Tries the plan with parts left out until one trial works, then gives back what turns out to be harmless. The most suspicious part comes first
 * in `parts`. `works` carries out everything but what it is given, on top of what worked before, and tells whether that holds; at most `tries`
 * calls. Gives back what is left out of the last trial that worked; undefined: none did. The whole plan is known to fail, and
 * leaving out all of it is no trial.
 */
export async function leastToLeaveOut<T>(
  parts: readonly T[],
  tries: number,
  works: (left: readonly T[]) => Promise<boolean>,
): Promise<readonly T[] | undefined> {
  let open = tries;
  const attempt = async (left: readonly T[]): Promise<boolean> => {
    open -= 1;
    return works(left);
  };

  // The last part stays in all through a round: if no trial of it works, it is guilty itself, and goes first in the next one.
  for (let order = parts, round = 0; round < parts.length; round += 1) {
    let batch = order.slice(0, 1);
    let left: readonly T[] = batch;
    while (left.length < order.length) {
      if (open === 0) return undefined;
      if (await attempt(left)) return giveBack(left, batch);
      const rest = order.slice(left.length);
      batch = rest.slice(0, Math.ceil(rest.length / 2));
      left = order.slice(0, left.length + batch.length);
    }
    order = [...order.slice(-1), ...order.slice(0, -1)];
  }
  return undefined;

  /** The trial without `last` failed: something in it is guilty, and all before it may be innocent. */
  async function giveBack(all: readonly T[], last: readonly T[]): Promise<readonly T[]> {
    const innocent = all.slice(0, all.length - last.length);
    return halves(last, await chunk(innocent, all));
  }

  async function chunk(back: readonly T[], from: readonly T[]): Promise<readonly T[]> {
    const rest = from.filter((part) => !back.includes(part));
    if (back.length === 0 || open === 0) return from;
    if (rest.length > 0 && (await attempt(rest))) return rest;
    return halves(back, from);
  }

  async function halves(of: readonly T[], from: readonly T[]): Promise<readonly T[]> {
    if (of.length < 2) return from;
    const middle = Math.ceil(of.length / 2);
    return chunk(of.slice(middle), await chunk(of.slice(0, middle), from));
  }
}
