import type { Disk, FileStat, Files } from "../../api.ts";
import { ProvisionError } from "../../errors.ts";
import { resolveLinks } from "../../paths.ts";

/** What stands on paper instead of a device's flash. */
export type PaperFile =
  | { readonly kind: "file"; readonly bytes: Uint8Array; readonly mode: number }
  | { readonly kind: "symlink"; readonly target: string };

const DEFAULT_LIMIT = 1_048_576;

/**
 * A disk to read from: files in memory, by path, before those of `below` (a device's folder, if there is one). Nothing can be written: what would be
 * is what the plan tells.
 */
export function paperDisk(paper: ReadonlyMap<string, PaperFile>, below?: Files): Disk {
  const folders = new FolderIndex(paper);
  const readLink = (path: string): string | undefined => {
    const one = paper.get(path);
    if (one !== undefined) return one.kind === "symlink" ? one.target : undefined;
    return below?.readLink(path);
  };
  const follow = (path: string): string => (paper.has(path) ? path : (resolveLinks(path, readLink)?.path ?? path));
  const stat = (path: string): FileStat | undefined => {
    const one = paper.get(path);
    if (one === undefined && folders.has(path)) return { kind: "directory", mode: 0o755, ...NOBODYS };
    if (one === undefined) return below?.stat(path);
    if (one.kind === "symlink") return { kind: "symlink", mode: 0o777, ...NOBODYS };
    return { kind: "file", mode: one.mode, ...NOBODYS, size: one.bytes.length };
  };
  const readBytes = (path: string, limit = DEFAULT_LIMIT): Uint8Array | undefined => {
    const landing = follow(path);
    const one = paper.get(landing);
    if (one?.kind !== "file") return below?.readBytes(landing, limit);
    if (one.bytes.length <= limit) return one.bytes;
    throw new ProvisionError("FILE_UNREADABLE", `${path} is larger than ${limit} bytes`, { place: { file: path } });
  };
  return {
    readBytes,
    read(path, limit) {
      const bytes = readBytes(path, limit);
      return bytes && Buffer.from(bytes).toString("utf8");
    },
    list: (path) => {
      const own = folders.namesIn(follow(path));
      const others = below?.list(path) ?? [];
      return own.length === 0 ? others : [...new Set([...own, ...others])].sort();
    },
    stat,
    readLink,
    free: () => ({ bytes: Number.MAX_SAFE_INTEGER, inodes: Number.MAX_SAFE_INTEGER }),
    hostPath: (path) => path,
    writeNew: refuse,
    createNew: refuse,
    symlink: refuse,
    rename: refuse,
    unlink: refuse,
    makeDirectory: refuse,
    removeDirectory: refuse,
    setMode: refuse,
    setOwner: refuse,
    syncDirectory: refuse,
  };
}

const NOBODYS = { uid: 0, gid: 0, size: 0, modified: 0 } as const;

function refuse(): never {
  throw new ProvisionError("FILE_UNREADABLE", "a plan on paper writes nothing");
}

/** The folders that the paths imply, made when they are first asked for. */
class FolderIndex {
  readonly #paper: ReadonlyMap<string, PaperFile>;
  #known = -1;
  readonly #folders = new Map<string, Set<string>>();

  constructor(paper: ReadonlyMap<string, PaperFile>) {
    this.#paper = paper;
  }

  has(path: string): boolean {
    return this.#index().has(path);
  }

  namesIn(path: string): string[] {
    return [...(this.#index().get(path) ?? [])].sort();
  }

  #index(): ReadonlyMap<string, ReadonlySet<string>> {
    if (this.#known === this.#paper.size) return this.#folders;
    this.#known = this.#paper.size;
    this.#folders.clear();
    for (const path of this.#paper.keys()) this.#note(path);
    return this.#folders;
  }

  #note(path: string): void {
    for (let at = path; at !== ""; ) {
      const slash = at.lastIndexOf("/");
      const [folder, name] = [at.slice(0, slash) || "/", at.slice(slash + 1)];
      const names = this.#folders.get(folder);
      if (names?.has(name)) return;
      if (names) names.add(name);
      else this.#folders.set(folder, new Set([name]));
      at = at.slice(0, slash);
    }
  }
}
