/** Lines in RAM with a bound: what is full becomes `PATH.1`, and the one before that goes. */
import { appendFileSync } from "node:fs";
import type { Disk } from "../api.ts";

export interface RamLog {
  append(line: string): void;
  /** Both files, oldest line first. */
  read(): string;
}

/** `most`: bytes of each of the two files. The folder is root's alone to write, so nobody can put a link there. */
export function openRamLog(disk: Disk, path: string, most: number): RamLog {
  const older = `${path}.1`;
  return {
    append(line) {
      const bytes = Buffer.from(`${line}\n`);
      const size = disk.stat(path)?.size ?? 0;
      if (size > 0 && size + bytes.length > most) disk.rename(path, older);
      appendFileSync(disk.hostPath(path), bytes, { mode: 0o600 });
    },
    read: () => `${disk.read(older, most * 2) ?? ""}${disk.read(path, most * 2) ?? ""}`,
  };
}
