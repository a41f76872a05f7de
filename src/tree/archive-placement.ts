/** Where an archive's entries come to lie on one device: through its links, past its folders, and never in a forbidden place. */
import type { ErrorCode } from "../errors.ts";
import { resolveLinks, showBytes, whyForbidden, whyNotLinkable } from "../paths.ts";
import type { ArchivedEntry } from "./archive.ts";

/** What must be known of the device. Neither follows a link at the path's end. */
export interface Ground {
  kind(path: string): "file" | "directory" | "symlink" | "other" | undefined;
  readLink(path: string): string | undefined;
  /** Whether uciprov itself put the thing there, in an earlier generation. */
  isOwned(path: string): boolean;
}

export type Placeable = Exclude<ArchivedEntry, { kind: "directory" }>;

export interface Placement {
  /** With the path as the device has it: `/var/x` would be `/tmp/x`. */
  readonly placed: readonly Placeable[];
  /** Folders in which the archive has nothing; they are not made. */
  readonly emptyFolders: readonly string[];
  readonly faults: readonly { readonly path: string; readonly code: ErrorCode; readonly message: string }[];
}

/**
 * Nothing is written through a link that leads to a forbidden place, nor through one that uciprov placed itself (it may be gone
 * tomorrow, and the file with it); the device's own links (`/lib64 -> lib`) are followed once, here, so that two names of one
 * file are seen to be one. A link may only be put where following it, and all links behind it, ends outside uciprov's own places.
 */
export function placeEntries(entries: readonly ArchivedEntry[], ground: Ground): Placement {
  const faults: { path: string; code: ErrorCode; message: string }[] = [];
  const placed = new Map<string, Placeable>();
  const folders = folderFinder(ground);
  for (const entry of entries) {
    if (entry.kind === "directory") continue;
    const fault = (code: ErrorCode, what: string): void => {
      faults.push({ path: entry.path, code, message: `${showBytes(entry.path)} ${what}` });
    };
    const folder = folders(entry.path.slice(0, entry.path.lastIndexOf("/")));
    if ("code" in folder) {
      fault(folder.code, folder.what);
      continue;
    }
    const path = folder.path + entry.path.slice(entry.path.lastIndexOf("/"));
    const refused = refusalOf(entry, path, folder.isThere ? ground.kind(path) : undefined);
    if (refused !== undefined) fault(refused.code, refused.what);
    else if (placed.has(path)) fault("ARCHIVE_UNSAFE", `is ${showBytes(path)} on this device, which is there twice`);
    else placed.set(path, { ...entry, path });
  }
  for (const link of placed.values()) {
    const what = link.kind === "symlink" ? whyNotThere(link.path, link.target, placed, ground) : undefined;
    if (what !== undefined) faults.push({ ...what, path: link.path });
  }
  return { placed: [...placed.values()], emptyFolders: emptyAmong(entries), faults };
}

interface Refusal {
  readonly code: ErrorCode;
  readonly what: string;
}

/** Where a folder of the archive lies on the device. In one that is not there, nothing is. */
interface Found {
  readonly path: string;
  readonly isThere: boolean;
}

/** Remembers folders: an archive has many files in few of them. The root is the empty path. */
function folderFinder(ground: Ground): (folder: string) => Found | Refusal {
  const known = new Map<string, Found | Refusal>();
  return (folder) => {
    const found = known.get(folder) ?? findFolder(folder, ground);
    known.set(folder, found);
    return found;
  };
}

function findFolder(folder: string, ground: Ground): Found | Refusal {
  const resolved = resolveLinks(folder, (path) => ground.readLink(path));
  if (resolved === undefined) return { code: "ARCHIVE_UNSAFE", what: "lies behind links that lead in a circle" };
  const own = resolved.through.find((link) => ground.isOwned(link));
  if (own !== undefined) {
    return { code: "ARCHIVE_UNSAFE", what: `would be written through ${showBytes(own)}, a link that a tree placed` };
  }
  const path = resolved.path === "/" ? "" : resolved.path;
  let isThere = true;
  for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1)) {
    const kind = ground.kind(path.slice(0, end));
    if (kind === "directory") break;
    if (kind !== undefined) {
      return {
        code: "PLAN_INVALID",
        what: `lies below ${showBytes(path.slice(0, end))}, which is no folder on this device`,
      };
    }
    isThere = false;
  }
  return { path, isThere };
}

function refusalOf(entry: Placeable, path: string, kind: ReturnType<Ground["kind"]>): Refusal | undefined {
  const why = whyForbidden(entry.path) ?? whyForbidden(path);
  if (why !== undefined) return { code: "PATH_FORBIDDEN", what: `may not be written by a tree: ${why}` };
  if (kind === "directory")
    return { code: "PLAN_INVALID", what: "is a folder on this device; only files and links are replaced" };
  if (kind === "other") return { code: "PLAN_INVALID", what: "is neither file nor link on this device, and stays" };
  return undefined;
}

function whyNotThere(
  path: string,
  target: string,
  placed: ReadonlyMap<string, Placeable>,
  ground: Ground,
): { readonly code: ErrorCode; readonly message: string } | undefined {
  const start = target.startsWith("/") ? target : `${path.slice(0, path.lastIndexOf("/"))}/${target}`;
  const direct = resolveLinks(start, () => undefined);
  const followed = resolveLinks(start, (at) => {
    const ours = placed.get(at);
    if (ours === undefined) return ground.readLink(at);
    return ours.kind === "symlink" ? ours.target : undefined;
  });
  const name = `${showBytes(path)} -> ${showBytes(target)}`;
  if (direct === undefined || followed === undefined) {
    return { code: "ARCHIVE_UNSAFE", message: `${name} leads in a circle` };
  }
  const why = whyNotLinkable(direct.path) ?? whyNotLinkable(followed.path);
  return why === undefined
    ? undefined
    : { code: "PATH_FORBIDDEN", message: `${name} may not be linked to by a tree: ${why}` };
}

function emptyAmong(entries: readonly ArchivedEntry[]): string[] {
  const used = new Set<string>();
  for (const { kind, path } of entries) {
    const start = kind === "directory" ? path.lastIndexOf("/") : path.length;
    for (let end = path.lastIndexOf("/", start); end > 0; end = path.lastIndexOf("/", end - 1))
      used.add(path.slice(0, end));
  }
  return entries.flatMap(({ kind, path }) => (kind === "directory" && path !== "/" && !used.has(path) ? [path] : []));
}
