import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Disk, Files } from "../../src/api.ts";
import { openDisk } from "../../src/host/disk.ts";

/** An empty root of a device on the host, in RAM where there is one: flushing costs nothing there. */
export function scratchRoot(): { readonly path: string; readonly disk: Disk; remove(): void } {
  const path = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "uciprov-tx-"));
  return { path, disk: openDisk(path), remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Copies what one disk holds onto another, rights included. */
export function copyTree(from: Files, to: Disk, folder = ""): void {
  for (const name of from.list(folder === "" ? "/" : folder)) {
    const path = `${folder}/${name}`;
    const stat = from.stat(path);
    if (stat === undefined) continue;
    const owner = process.geteuid?.() === 0 ? { uid: stat.uid, gid: stat.gid } : {};
    if (stat.kind === "symlink") to.symlink(from.readLink(path) ?? "", path);
    else if (stat.kind === "file")
      to.writeNew(path, from.readBytes(path) ?? new Uint8Array(), { mode: stat.mode, ...owner });
    else {
      to.makeDirectory(path, stat.mode);
      copyTree(from, to, path);
    }
  }
}
