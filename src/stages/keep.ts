import type { Settings } from "../settings.ts";
import type { Keep } from "../transaction/generations.ts";

/** Originals of all kept generations together: a small part of the smallest overlay. */
const BYTES = 16_777_216;

export function keepBy(settings: Settings): Keep {
  return { generations: settings.limits.generations, bytes: BYTES };
}
