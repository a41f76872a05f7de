import type { Files } from "../api.ts";

/**
 * Which firmware runs, as the journal notes it: DISTRIB_REVISION read as `recover.sh` reads it, since a word that each of them reads in another way
 * would be another firmware's. Empty: it does not say, or not in plain ASCII; then no journal is another firmware's.
 */
export function runningFirmware(files: Files): string {
  const lines = [...(files.read("/etc/openwrt_release") ?? "").matchAll(/^DISTRIB_REVISION=['"]?([^'"\n]*)['"]?$/gm)];
  const revision = lines.at(-1)?.[1] ?? "";
  return /^[\x20-\x7e]{1,200}$/.test(revision) ? revision : "";
}

/** Whether a journal was written under another firmware than the one that runs; who cannot tell takes it back rather than leave it half way. */
export function isOtherFirmware(noted: string, running: string): boolean {
  return noted !== "" && running !== "" && noted !== running;
}
