import { ARCHIVE_DEPTH, ARCHIVE_RATIO, type ArchiveLimits } from "./archive.ts";

/** The bounds of an overlay, as the settings have them: one file may be all of it. */
export function archiveLimits(settings: { readonly unpacked: number; readonly entries: number }): ArchiveLimits {
  const { unpacked, entries } = settings;
  return { unpacked, file: unpacked, entries, depth: ARCHIVE_DEPTH, ratio: ARCHIVE_RATIO };
}
