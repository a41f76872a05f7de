import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { ProvisionError } from "../../errors.ts";
import { nameFault } from "../../tree/manifest.ts";
import { isFolder } from "../folders.ts";

/** One file of a tree as it would be served; the same object, and the same bytes, at every asking. */
export interface TreeFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** 64 lower-case hex digits. */
  readonly sha256: string;
}

/** A folder that is, or will be, served. */
export interface TreeFolder {
  readonly path: string;
  /** Names of all files, relative, with slashes. */
  readonly names: ReadonlySet<string>;
  /** Undefined if there is no such file; read once. */
  file(name: string): TreeFile | undefined;
}

const LIMITS = { files: 200_000, depth: 32, bytes: 1_073_741_824 } as const;

/** USAGE if it is no folder, TOO_LARGE beyond 200,000 files; links are followed, as a web server does. */
export function openTree(path: string): TreeFolder {
  if (!isFolder(path)) {
    throw new ProvisionError("USAGE", `${path} is no folder`);
  }
  const names = new Set<string>();
  collect(path, "", names, 0);
  const known = new Map<string, TreeFile>();
  return {
    path,
    names,
    file(name) {
      if (!names.has(name)) return undefined;
      const before = known.get(name);
      if (before !== undefined) return before;
      const bytes = read(join(path, name));
      const file = { name, bytes, sha256: createHash("sha256").update(bytes).digest("hex") };
      known.set(name, file);
      return file;
    },
  };
}

function collect(root: string, prefix: string, names: Set<string>, depth: number): void {
  if (depth > LIMITS.depth) throw new ProvisionError("TOO_LARGE", `${root} is nested deeper than ${LIMITS.depth}`);
  for (const entry of readdirSync(join(root, prefix), { withFileTypes: true })) {
    // No device can ask for it.
    if (nameFault(entry.name) !== undefined) continue;
    const name = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
    const what = entry.isSymbolicLink() ? statSync(join(root, name), { throwIfNoEntry: false }) : entry;
    if (what?.isDirectory()) collect(root, name, names, depth + 1);
    else if (what?.isFile()) names.add(name);
    if (names.size > LIMITS.files) throw new ProvisionError("TOO_LARGE", `${root} has more than ${LIMITS.files} files`);
  }
}

function read(path: string): Uint8Array {
  try {
    const file = openSync(path, "r");
    try {
      if (fstatSync(file).size > LIMITS.bytes) throw new ProvisionError("TOO_LARGE", `${path} is too large`);
      return readFileSync(file);
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    if (cause instanceof ProvisionError) throw cause;
    throw new ProvisionError("FILE_UNREADABLE", `${path} cannot be read`, { cause, place: { file: path } });
  }
}
