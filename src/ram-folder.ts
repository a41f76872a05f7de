import type { Disk } from "./api.ts";

/** In RAM on every OpenWrt (`/var` is a link to `/tmp`): what a run leaves for people to look at, and nothing that must outlive a boot. */
export const RAM_FOLDER = "/var/run/uciprov";

/** Where large bodies wait until they are planned and staged. */
export const SPOOL = `${RAM_FOLDER}/spool`;

/** Makes the folder and its parents. */
export function makeFolder(disk: Disk, path: string, mode: number): void {
  const parts = path.split("/").slice(1);
  for (let depth = 1; depth <= parts.length; depth++) {
    const folder = `/${parts.slice(0, depth).join("/")}`;
    if (disk.stat(folder) !== undefined) continue;
    disk.makeDirectory(folder, depth === parts.length ? mode : 0o755);
  }
}
