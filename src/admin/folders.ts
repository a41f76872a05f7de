import { mkdirSync, type Stats, statSync } from "node:fs";
import { dirname } from "node:path";
import { ProvisionError } from "../errors.ts";

/**
 * Makes the folder that a person named, and those above it. USAGE if it cannot be made. Not by `recursive: true`: where a file system answers ENOENT
 * though the folder above is there, as /proc does, Node tries for ever, and no signal ends it.
 */
export function makeFolder(path: string): void {
  if (isFolder(path)) return;
  const above = dirname(path);
  if (above !== path) makeFolder(above);
  try {
    mkdirSync(path);
  } catch (cause) {
    throw new ProvisionError("USAGE", `${path} cannot be made`, { cause });
  }
}

/** Whether a folder is there that a person may look into. */
export function isFolder(path: string): boolean {
  return statOf(path)?.isDirectory() === true;
}

/** undefined: nothing is there, or nothing that can be looked at, as below a file. */
export function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}
