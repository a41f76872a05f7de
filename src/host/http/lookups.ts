import type { LookupFunction } from "node:net";

type OnAddress = Parameters<LookupFunction>[2];

/**
 * Looks up a name for all who want it at the same time at once: each look-up holds one of the few threads that Node has for as long as the name servers are
 * silent, and cannot be taken back. All must ask with the same options. An address needs none, and node:dns is not loaded for it.
 */
export function sharedLookup(): LookupFunction {
  const underWay = new Map<string, OnAddress[]>();
  return (name, options, done) => {
    const others = underWay.get(name);
    if (others !== undefined) {
      others.push(done);
      return;
    }
    const waiting = [done];
    const tell: OnAddress = (...found) => {
      underWay.delete(name);
      for (const one of waiting) one(...found);
    };
    process.getBuiltinModule("node:dns").lookup(name, options, tell);
    underWay.set(name, waiting);
  };
}
