/** Which names an archive may hold, and how its entries may stand to one another. */
import { ProvisionError } from "../errors.ts";
import { devicePath, hasControl, showBytes } from "../paths.ts";
import { strictUtf8 } from "../utf8.ts";
import type { RawEntry } from "./archive-scan.ts";

/** An entry as a tree may have it. Folders are not handed on: they come into being with what lies in them. */
export type NamedEntry =
  | {
      readonly kind: "file";
      readonly index: number;
      readonly path: string;
      readonly mode: number;
      readonly size: number;
    }
  /** The same content as an earlier file: a hard link in the archive, a copy on the device. */
  | { readonly kind: "copy"; readonly index: number; readonly path: string; readonly of: number }
  | { readonly kind: "symlink"; readonly index: number; readonly path: string; readonly target: string }
  /** `.wh.NAME`: NAME is not to be there. */
  | { readonly kind: "delete"; readonly index: number; readonly path: string; readonly size: number }
  | { readonly kind: "directory"; readonly index: number; readonly path: string };

const WHITEOUT = ".wh.";
const TARGET_LIMIT = 1024;

export class ArchiveNames {
  readonly #depth: number;
  readonly #entries = new Map<string, NamedEntry | "implied-directory">();

  constructor(depth: number) {
    this.#depth = depth;
  }

  /** Takes the archive's next entry. ARCHIVE_UNSAFE if it has no place beside the ones before it. */
  add(raw: RawEntry, index: number): NamedEntry {
    const entry = this.#read(raw, index);
    this.#claim(entry);
    return entry;
  }

  #read(raw: RawEntry, index: number): NamedEntry {
    const path = entryPath(raw.name, raw.type === "directory", this.#depth);
    if (raw.type === "directory") return { kind: "directory", index, path };
    if (path === "/") throw unsafe(raw.name, "stands for the root but is no folder");
    if (raw.type === "symlink") return { kind: "symlink", index, path, target: linkTarget(raw) };

    if ((raw.mode & 0o7000) !== 0) {
      throw unsafe(raw.name, "is setuid, setgid or sticky");
    }
    const deleted = whiteout(raw, path);
    if (deleted !== undefined) return { kind: "delete", index, path: deleted, size: raw.size };
    if (raw.type === "hardlink") return { kind: "copy", index, path, of: this.#original(raw) };
    return { kind: "file", index, path, mode: raw.mode & 0o777, size: raw.size };
  }

  /** Hard links may only repeat a file of the same archive: on the device they would reach any file there. */
  #original(raw: RawEntry): number {
    const original = this.#entries.get(entryPath(raw.linkName, false, this.#depth));
    if (original === undefined || original === "implied-directory" || original.kind !== "file") {
      throw unsafe(raw.name, `is a hard link to ${showBytes(raw.linkName)}, which is no earlier file of the archive`);
    }
    return original.index;
  }

  #claim(entry: NamedEntry): void {
    const there = this.#entries.get(entry.path);
    const isFolderToo = entry.kind === "directory" && there === "implied-directory";
    if (there !== undefined && !isFolderToo) throw unsafe(entry.path, "is there twice");
    for (let end = entry.path.lastIndexOf("/"); end > 0; end = entry.path.lastIndexOf("/", end - 1)) {
      const folder = entry.path.slice(0, end);
      const above = this.#entries.get(folder);
      if (above === undefined) this.#entries.set(folder, "implied-directory");
      else if (above === "implied-directory" || above.kind === "directory") break;
      else throw unsafe(entry.path, `lies below ${showBytes(folder)}, which is a ${above.kind} of the archive`);
    }
    this.#entries.set(entry.path, entry);
  }
}

function unsafe(name: string | Uint8Array, what: string): ProvisionError {
  return new ProvisionError("ARCHIVE_UNSAFE", `${showBytes(name)} ${what}`, { place: { option: showBytes(name) } });
}

/** `./etc/banner` and `etc/banner` are `/etc/banner`, `./` is `/`; whatever else is odd in a name is refused. */
function entryPath(name: Uint8Array, isDirectory: boolean, depth: number): string {
  const text = strictUtf8(name);
  if (text === undefined) throw unsafe(name, "is not valid UTF-8");
  if (text.startsWith("/")) throw unsafe(name, "is an absolute name");
  const relative = text.startsWith("./") ? text.slice(2) : text;
  const inner = isDirectory && relative.endsWith("/") ? relative.slice(0, -1) : relative;
  if (isDirectory && (inner === "" || inner === ".")) return "/";
  const path = devicePath(`/${inner}`);
  if (segmentsOf(path) > depth) throw unsafe(name, `lies deeper than ${depth} folders`);
  return path;
}

function segmentsOf(path: string): number {
  let count = 0;
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) count++;
  return count;
}

/**
 * A link's target as it stands; where it leads is judged when it is known what else there is. `..` may only lead upwards from
 * the link itself: behind a name, which may be a link, nobody can tell from the archive where it leads.
 */
function linkTarget(raw: RawEntry): string {
  const target = strictUtf8(raw.linkName);
  if (target === undefined || target === "")
    throw unsafe(raw.name, "is a link without a target, or one that is not UTF-8");
  if (hasControl(target)) throw unsafe(raw.name, "is a link whose target holds a control character");
  if (raw.linkName.length > TARGET_LIMIT) throw unsafe(raw.name, `is a link to more than ${TARGET_LIMIT} bytes`);
  const segments = target.split("/").filter((segment) => segment !== "" && segment !== ".");
  const firstName = segments.findIndex((segment) => segment !== "..");
  if (firstName >= 0 && segments.includes("..", firstName)) {
    throw unsafe(raw.name, `is a link to ${showBytes(target)}, which goes up again behind a name`);
  }
  const climbs = firstName < 0 ? segments.length : firstName;
  const folders = target.startsWith("/")
    ? 0
    : entryPath(raw.name, false, Number.POSITIVE_INFINITY).split("/").length - 2;
  if (climbs > folders) throw unsafe(raw.name, `is a link to ${showBytes(target)}, above the root`);
  return target;
}

/** What a whiteout deletes; undefined for an entry that is none. (OCI image specification, "Whiteouts"; the opaque kind is refused.) */
function whiteout(raw: RawEntry, path: string): string | undefined {
  const at = path.lastIndexOf("/") + 1;
  if (!path.startsWith(WHITEOUT, at)) return undefined;
  const name = path.slice(at + WHITEOUT.length);
  if (name === "" || name === "." || name === ".." || name.startsWith(WHITEOUT)) {
    throw unsafe(path, "deletes nothing that has a name; whole folders cannot be blanked");
  }
  if (raw.type !== "file" || raw.size !== 0) throw unsafe(path, "says that something goes, but is no empty file");
  return path.slice(0, at) + name;
}
