import type { Disk, FileStat, NewFile } from "../../src/api.ts";
import { ProvisionError } from "../../src/errors.ts";
import { resolveLinks } from "../../src/paths.ts";
import type { BulkDisk } from "../../src/transaction/writer.ts";

/** A file system that forgets what was not flushed: any subset of it, in no order, harsher than any real one. */
export interface MemoryDisk extends Disk, BulkDisk {
  /** What the medium holds if the power fails now; `survives` decides about each name and each file's bytes that were never flushed. */
  afterPowerCut(survives: () => boolean): MemoryDisk;
}

interface Node {
  kind: FileStat["kind"];
  mode: number;
  uid: number;
  gid: number;
  bytes: Uint8Array;
  flushed: Uint8Array;
  target: string;
  names: Map<string, Node>;
}

interface NameChange {
  /** Atomic: all of it or none, as a rename is. */
  readonly entries: readonly { readonly folder: Node; readonly name: string; readonly to: Node | undefined }[];
}

export function memoryDisk(): MemoryDisk {
  return diskOn(folder(0o755));
}

function diskOn(root: Node): MemoryDisk {
  /** What the medium holds by name; the nodes are those of the volatile tree. */
  const durable = new Map<Node, Map<string, Node>>();
  let pending: NameChange[] = [];
  remember(root, durable);

  const nodeAt = (path: string): Node | undefined => {
    let at: Node | undefined = root;
    for (const name of path.split("/")) if (name !== "") at = at?.names.get(name);
    return at;
  };
  const follow = (path: string): string => {
    const found = resolveLinks(path, (one) => {
      const node = nodeAt(one);
      return node?.kind === "symlink" ? node.target : undefined;
    });
    if (found === undefined) throw refused("ELOOP", path);
    return found.path;
  };
  /** The folder really meant, and the last name. */
  const place = (path: string): { folder: Node; name: string } => {
    const slash = path.lastIndexOf("/");
    const parent = nodeAt(follow(path.slice(0, slash) || "/"));
    if (parent?.kind !== "directory") throw refused("ENOENT", path);
    return { folder: parent, name: path.slice(slash + 1) };
  };
  const change = (...entries: { folder: Node; name: string; to: Node | undefined }[]): void => {
    for (const { folder: where, name, to } of entries) {
      if (to === undefined) where.names.delete(name);
      else where.names.set(name, to);
    }
    pending.push({ entries });
  };
  const flushNames = (where: Node): void => {
    const isHere = (one: NameChange): boolean => one.entries.some((entry) => entry.folder === where);
    for (const one of pending.filter(isHere)) applyTo(durable, one);
    pending = pending.filter((one) => !isHere(one));
  };
  const make = (path: string, node: Node): void => {
    const { folder: where, name } = place(path);
    if (where.names.has(name)) throw refused("EEXIST", path);
    change({ folder: where, name, to: node });
  };
  const existing = (path: string): { folder: Node; name: string; node: Node } => {
    const { folder: where, name } = place(path);
    const node = where.names.get(name);
    if (node === undefined) throw refused("ENOENT", path);
    return { folder: where, name, node };
  };

  const disk: MemoryDisk = {
    readBytes(path, limit = 1 << 20) {
      const node = nodeAt(follow(path));
      if (node === undefined) return undefined;
      if (node.kind !== "file" || node.bytes.length > limit) throw refused("EINVAL", path);
      return node.bytes.slice();
    },
    read(path, limit) {
      const bytes = disk.readBytes(path, limit);
      return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
    },
    list: (path) =>
      [...(nodeAt(follow(path))?.names.keys() ?? [])].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
    stat(path) {
      const slash = path.lastIndexOf("/");
      const parent = nodeAt(follow(path.slice(0, slash) || "/"));
      const node = path === "/" ? root : parent?.names.get(path.slice(slash + 1));
      if (node === undefined) return undefined;
      const { kind, mode, uid, gid } = node;
      return { kind, mode, uid, gid, size: node.bytes.length, modified: 0 };
    },
    readLink(path) {
      const slash = path.lastIndexOf("/");
      const node = nodeAt(follow(path.slice(0, slash) || "/"))?.names.get(path.slice(slash + 1));
      return node?.kind === "symlink" ? node.target : undefined;
    },
    writeNew(path, content, as) {
      const made = disk.createNew(path, as);
      made.write(content);
      made.finish();
    },
    createNew(path, as): NewFile {
      const node: Node = { ...blank("file"), ...as };
      make(path, node);
      return {
        write(chunk) {
          node.bytes = Buffer.concat([node.bytes, chunk]);
        },
        finish() {
          node.flushed = node.bytes;
        },
        abandon() {},
      };
    },
    createLoose: (path, as) => ({ ...disk.createNew(path, as), finish() {} }),
    flushLoose(paths) {
      for (const { node } of paths.map(existing)) node.flushed = node.bytes;
    },
    symlink: (target, path) => make(path, { ...blank("symlink"), target, mode: 0o777 }),
    rename(from, to) {
      const source = existing(from);
      const { folder: where, name } = place(to);
      const replaced = where.names.get(name);
      if (replaced?.kind === "directory" && replaced.names.size > 0) throw refused("ENOTEMPTY", to);
      if (replaced !== undefined && (replaced.kind === "directory") !== (source.node.kind === "directory"))
        throw refused("EISDIR", to);
      change({ folder: source.folder, name: source.name, to: undefined }, { folder: where, name, to: source.node });
    },
    unlink(path) {
      const { folder: where, name, node } = existing(path);
      if (node.kind === "directory") throw refused("EISDIR", path);
      change({ folder: where, name, to: undefined });
    },
    makeDirectory: (path, mode) => make(path, folder(mode)),
    removeDirectory(path) {
      const { folder: where, name, node } = existing(path);
      if (node.kind !== "directory") throw refused("ENOTDIR", path);
      if (node.names.size > 0) throw refused("ENOTEMPTY", path);
      change({ folder: where, name, to: undefined });
    },
    setMode(path, mode) {
      existing(path).node.mode = mode;
    },
    setOwner(path, uid, gid) {
      Object.assign(existing(path).node, { uid, gid });
    },
    syncDirectory(path) {
      const node = nodeAt(follow(path));
      if (node === undefined) throw refused("ENOENT", path);
      flushNames(node);
    },
    free: () => ({ bytes: 1e9, inodes: 1e6 }),
    hostPath: (path) => path,
    afterPowerCut(survives) {
      const kept = new Map([...durable].map(([node, names]) => [node, new Map(names)]));
      for (const one of pending) if (survives()) applyTo(kept, one);
      return diskOn(copyOf(root, kept, survives));
    },
  };
  return disk;
}

function remember(node: Node, durable: Map<Node, Map<string, Node>>): void {
  if (node.kind !== "directory") return;
  durable.set(node, new Map(node.names));
  for (const below of node.names.values()) remember(below, durable);
}

function applyTo(names: Map<Node, Map<string, Node>>, { entries }: NameChange): void {
  for (const { folder: where, name, to } of entries) {
    const here = names.get(where) ?? new Map<string, Node>();
    names.set(where, here);
    if (to === undefined) here.delete(name);
    else here.set(name, to);
  }
}

function copyOf(node: Node, durable: Map<Node, Map<string, Node>>, survives: () => boolean): Node {
  const bytes = node.flushed === node.bytes || survives() ? node.bytes : torn(node.bytes, survives);
  const names = new Map<string, Node>();
  for (const [name, below] of durable.get(node) ?? []) names.set(name, copyOf(below, durable, survives));
  return { ...node, bytes, flushed: bytes, names };
}

function torn(bytes: Uint8Array, survives: () => boolean): Uint8Array {
  return survives() ? bytes.slice(0, bytes.length >> 1) : new Uint8Array();
}

function folder(mode: number): Node {
  return { ...blank("directory"), mode };
}

function blank(kind: FileStat["kind"]): Node {
  const bytes = new Uint8Array();
  const [uid, gid] = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0];
  return { kind, mode: 0o644, uid, gid, bytes, flushed: bytes, target: "", names: new Map() };
}

function refused(code: string, path: string): ProvisionError {
  const cause = Object.assign(new Error(`${code}: ${path}`), { code });
  return new ProvisionError("FILE_UNREADABLE", `${code} at ${path}`, { cause });
}
