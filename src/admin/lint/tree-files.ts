import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { ProvisionError } from "../../errors.ts";
import { nameFault } from "../../tree/manifest.ts";
import { isFolder } from "../folders.ts";
import type { Report } from "./rules.ts";

/** A plain file of the tree; `name` as a manifest lists it. */
export interface TreeFile {
  readonly name: string;
  readonly path: string;
  readonly size: number;
}

const MOST_FILES = 500_000;
const DEEPEST = 32;

/** Folders of version control are no part of what is published. */
const NOT_PUBLISHED: ReadonlySet<string> = new Set([".git", ".hg", ".svn"]);

/** Every plain file below the folder, by name; whatever else lies there, and names that cannot be published, are told. USAGE if there is no such folder. */
export function treeFiles(folder: string, report: Report): ReadonlyMap<string, TreeFile> {
  if (!isFolder(folder)) throw new ProvisionError("USAGE", `${folder} is no folder`);
  const files = new Map<string, TreeFile>();
  const walk = (prefix: string, depth: number): void => {
    if (depth > DEEPEST) throw new ProvisionError("TOO_LARGE", `${prefix} lies more than ${DEEPEST} folders deep`);
    for (const entry of readdirSync(join(folder, prefix), { withFileTypes: true }).toSorted(byName)) {
      if (NOT_PUBLISHED.has(entry.name)) continue;
      const name = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
      if (entry.isDirectory() && nameFault(entry.name) === undefined) walk(name, depth + 1);
      else if (entry.isDirectory()) tellName(name);
      else if (!entry.isFile())
        report({ rule: "not-a-file", message: `${JSON.stringify(name)} is no plain file`, file: name });
      else add(name);
      if (files.size > MOST_FILES)
        throw new ProvisionError("TOO_LARGE", `${folder} holds more than ${MOST_FILES} files`);
    }
  };
  const tellName = (name: string): boolean => {
    const fault = nameFault(name);
    if (fault !== undefined) report({ rule: "name-invalid", message: `${JSON.stringify(name)}: ${fault}`, file: name });
    return fault !== undefined;
  };
  const add = (name: string): void => {
    if (tellName(name)) return;
    const path = join(folder, name);
    files.set(name, { name, path, size: statSync(path).size });
  };
  walk("", 0);
  tellTwins(files, report);
  return files;
}

/** Names that a server or disk without upper and lower case takes for one. */
function tellTwins(files: ReadonlyMap<string, TreeFile>, report: Report): void {
  const seen = new Map<string, string>();
  for (const name of files.keys()) {
    const key = name.normalize("NFC").toLowerCase();
    const before = seen.get(key);
    if (before === undefined) seen.set(key, name);
    else report({ rule: "name-case", message: `${name} and ${before} differ in case only`, file: name });
  }
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}
