import type { ArchiveLimits } from "./archive.ts";

/** Segments of a path, and unpacked bytes for each packed one: what no setting changes. */
const DEPTH = 32;
const RATIO = 200;

/** The bounds of an overlay, as the settings have them: one file may be all of it. */
export function archiveLimits(settings: { readonly unpacked: number; readonly entries: number }): ArchiveLimits {
  const { unpacked, entries } = settings;
  return { unpacked, file: unpacked, entries, depth: DEPTH, ratio: RATIO };
}
