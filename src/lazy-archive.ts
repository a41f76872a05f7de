/** Reading archives, loaded when the first one comes: most runs see none. */
import type { copyArchived as Copy, readArchive as Read } from "./tree/archive.ts";

export const readArchive: typeof Read = async (...given) => (await import("./tree/archive.ts")).readArchive(...given);

export const copyArchived: typeof Copy = async (...given) => (await import("./tree/archive.ts")).copyArchived(...given);
