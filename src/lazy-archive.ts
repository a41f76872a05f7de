/** Reading archives, loaded when the first one comes: most runs see none. */
import type { copyArchived as Copy, readArchive as Read } from "./tree/archive.ts";
import type { placeEntries as Place } from "./tree/archive-placement.ts";

export const readArchive: typeof Read = async (...given) => (await import("./tree/archive.ts")).readArchive(...given);

export const copyArchived: typeof Copy = async (...given) => (await import("./tree/archive.ts")).copyArchived(...given);

export async function placeEntries(...given: Parameters<typeof Place>): Promise<ReturnType<typeof Place>> {
  return (await import("./tree/archive-placement.ts")).placeEntries(...given);
}
