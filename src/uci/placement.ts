import { longestRising } from "./rising.ts";

/** A place in the present order: taken by something that stays, or left free by something of a certain identity. */
export type Slot<T> = { readonly stays: T } | { readonly free: string };

/**
 * Puts `fresh`, in its own order, among what stays. A fresh one goes where one of the same identity was, as far as
 * their order allows; the others take free places in between, then follow the fresh one before them; what has no
 * anchor at all goes to the end. So nothing moves that need not, whatever else stands there. Takes n log n time.
 */
export function place<T>(slots: readonly Slot<T>[], fresh: readonly T[], identityOf: (thing: T) => string): T[] {
  const free = slots.flatMap((slot, position) => ("free" in slot ? [{ position, identity: slot.free }] : []));
  const orderOfFree = new Map(free.map(({ identity }, index) => [identity, index]));
  const matches = fresh.map((thing) => orderOfFree.get(identityOf(thing)));
  const anchored = new Set(longestRising(matches));
  const anchors = matches.map((match, i) => (anchored.has(i) ? match : undefined));

  const limits = nextAnchors(anchors, free.length);

  const inSlot = new Map<number, T[]>();
  const atEnd: T[] = [];
  let nextFree = 0;
  let last: T[] | undefined;
  fresh.forEach((thing, i) => {
    const limit = limits[i] ?? free.length;
    const isAnchored = anchors[i] !== undefined;
    if (isAnchored || nextFree < limit) {
      const index = isAnchored ? limit : nextFree;
      last = sharing(index);
      nextFree = index + 1;
    }
    // Nothing fresh before it: it shares the place of the one that follows.
    last ??= limit < free.length ? sharing(limit) : atEnd;
    last.push(thing);
  });
  const placed = slots.flatMap((slot, position) => ("stays" in slot ? [slot.stays] : (inSlot.get(position) ?? [])));
  return [...placed, ...atEnd];

  function sharing(index: number): T[] {
    const position = free[index]?.position ?? 0;
    const there = inSlot.get(position) ?? [];
    inSlot.set(position, there);
    return there;
  }
}

/** Something that was taken out, and the key of what it stood behind; `undefined` if it was the first. */
export interface Missing<T> {
  readonly thing: T;
  readonly after: string | undefined;
}

/** Puts every missing thing back behind its anchor, which may be a missing one itself; without its anchor it goes to the end. */
export function putBackBehind<T>(
  things: readonly T[],
  missing: readonly Missing<T>[],
  keyOf: (thing: T) => string,
): T[] {
  const behind = new Map<string | undefined, T[]>();
  for (const { thing, after } of missing) {
    const followers = behind.get(after);
    if (followers === undefined) behind.set(after, [thing]);
    else followers.push(thing);
  }
  const result: T[] = [];
  follow(undefined);
  for (const thing of things) {
    result.push(thing);
    follow(keyOf(thing));
  }
  for (const key of [...behind.keys()]) follow(key);
  return result;

  function follow(key: string | undefined): void {
    const waiting = takeFollowers(key);
    for (let thing = waiting.pop(); thing !== undefined; thing = waiting.pop()) {
      result.push(thing);
      for (const follower of takeFollowers(keyOf(thing))) waiting.push(follower);
    }
  }

  /** Last one first, and only once: a damaged record may turn in a circle. */
  function takeFollowers(key: string | undefined): T[] {
    const followers = behind.get(key) ?? [];
    behind.delete(key);
    return followers.reverse();
  }
}

/** For each, itself if it is an anchor, else the next one that is. */
function nextAnchors(anchors: readonly (number | undefined)[], end: number): number[] {
  const limits: number[] = [];
  let limit = end;
  for (let i = anchors.length - 1; i >= 0; i--) {
    limit = anchors[i] ?? limit;
    limits[i] = limit;
  }
  return limits;
}
