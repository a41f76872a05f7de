import { hash } from "node:crypto";
import type { FileStat, Files } from "../api.ts";
import { type Finding, ProvisionError } from "../errors.ts";
import { devicePath, resolveLinks } from "../paths.ts";
import { folderOf, foldersAbove } from "./layout.ts";
import type { Action } from "./order.ts";

const MAX_ACTIONS = 100_000;

/** An action that changes something, at the place where it really lands. */
export interface Step {
  /** From 1, in order of landing; names its staged file, its kept original and its temporary. */
  readonly number: number;
  /** With the path of `action` led through the links of its folder, so that a shell can follow it plainly. */
  readonly path: string;
  readonly action: Action;
  /** What is there before. */
  readonly before: FileStat | undefined;
}

/**
 * What of an order changes the device, in order of landing. PLAN_INVALID, with a finding each: two actions for one place, a
 * place below another's, a folder or device where a file shall be. PATH_FORBIDDEN: what the way back itself needs.
 */
export function stepsOf(files: Files, actions: readonly Action[]): Step[] {
  if (actions.length > MAX_ACTIONS) {
    throw new ProvisionError("PLAN_INVALID", `the plan has ${actions.length} files; ${MAX_ACTIONS} are the limit`);
  }
  const known = new Map<string, Folder>();
  const look = lookIn(files);
  const places = actions.map((action): Landing => {
    const { path, through } = placeIn(files, action.path, known);
    return { path, through, action, before: look(path) };
  });
  refuseForbidden(places);
  refuseCollisions(files, places);
  return places
    .filter((place) => changesSomething(files, place))
    .sort((a, b) => landingRank(a.path) - landingRank(b.path))
    .map(({ path, action, before }, index) => ({ number: index + 1, path, action, before }));
}

interface Landing {
  readonly path: string;
  readonly action: Action;
  readonly before: FileStat | undefined;
  /** Links on the way to its folder. */
  readonly through: readonly string[];
}

/** `stat`, which looks for nothing in a folder that is not there, as most of a new overlay's are not. Of folders it tells what it saw first. */
export function lookIn(files: Files): (path: string) => FileStat | undefined {
  const there = new Map<string, boolean>();
  return (path) => {
    const folder = folderOf(path);
    const isThere = there.get(folder) ?? files.stat(folder) !== undefined;
    there.set(folder, isThere);
    return isThere ? files.stat(path) : undefined;
  };
}

/** Where paths land when the links on the way to their folder are followed; the last name itself is not. Each folder is gone to once. */
export function placesIn(files: Files): (path: string) => string {
  const known = new Map<string, Folder>();
  return (path) => placeIn(files, path, known).path;
}

/** A folder as a path names it: where it really is, and the links on the way. */
interface Folder {
  readonly path: string;
  readonly through: readonly string[];
}

function placeIn(files: Files, given: string, known: Map<string, Folder>): Folder {
  const path = devicePath(given);
  const named = folderOf(path);
  const folder = known.get(named) ?? resolveLinks(named, (at) => files.readLink(at));
  if (folder === undefined) throw new ProvisionError("PLAN_INVALID", `${path} lies behind a circle of links`);
  known.set(named, folder);
  const name = path.slice(path.lastIndexOf("/") + 1);
  const landing = `${folder.path === "/" ? "" : folder.path}/${name}`;
  return { path: landing === path ? path : devicePath(landing), through: folder.through };
}

/** Recovery reads these before it has put anything back. */
function refuseForbidden(places: readonly Landing[]): void {
  const found = places.find(({ path }) => /^\/(?:lib\/uciprov(?:\/|$)|etc\/openwrt_release$)/.test(path));
  if (found === undefined) return;
  throw new ProvisionError("PATH_FORBIDDEN", `${found.path} is what recovery itself needs`, {
    place: { file: found.path },
  });
}

function refuseCollisions(files: Files, places: readonly Landing[]): void {
  const findings: Finding[] = [];
  const refuse = (path: string, message: string): void => {
    findings.push({ code: "PLAN_INVALID", severity: "error", message: `${path} ${message}`, place: { file: path } });
  };
  const taken = new Set<string>();
  for (const { path } of places) {
    if (taken.has(path)) refuse(path, "is changed twice");
    taken.add(path);
  }
  const folders = new Map<string, boolean>();
  const faults = new Map<string, string | undefined>();
  for (const { path, action, before, through } of places) {
    const folder = [folderOf(path), ...through].join("\0");
    if (!faults.has(folder)) faults.set(folder, faultAbove(files, path, through, taken, folders));
    const fault = faults.get(folder);
    if (fault !== undefined) refuse(path, fault);
    const kind = before?.kind;
    if (kind === "directory" || kind === "other") {
      refuse(
        path,
        `is a ${kind === "other" ? "device" : "folder"} and can't be ${action.kind === "remove" ? "removed" : "replaced"}`,
      );
    }
  }
  if (findings.length > 0) throw new ProvisionError("PLAN_INVALID", "the plan can't be applied", { findings });
}

/** What is wrong with the folders above a path; the same for all in one folder that are led there through the same links. */
function faultAbove(
  files: Files,
  path: string,
  through: readonly string[],
  taken: ReadonlySet<string>,
  folders: Map<string, boolean>,
): string | undefined {
  const above = foldersAbove(path);
  const changed = [...above, ...through].find((folder) => taken.has(folder));
  if (changed !== undefined) return `lies below ${changed}, which is changed itself`;
  const notFolder = above.find((folder) => !isFolderOrNothing(files, folder, folders));
  return notFolder === undefined ? undefined : `lies below ${notFolder}, which is no folder`;
}

function isFolderOrNothing(files: Files, path: string, known: Map<string, boolean>): boolean {
  const isSo = known.get(path) ?? ["directory", undefined].includes(files.stat(path)?.kind);
  known.set(path, isSo);
  return isSo;
}

function changesSomething(files: Files, { path, action, before }: Landing): boolean {
  if (action.kind === "remove") return before !== undefined;
  if (before === undefined) return true;
  if (action.kind === "symlink") return files.readLink(path) !== action.target;
  if (before.kind !== "file" || before.size !== action.size || before.mode !== action.mode) return true;
  if (action.uid !== undefined && action.uid !== before.uid) return true;
  if (action.gid !== undefined && action.gid !== before.gid) return true;
  const bytes = files.readBytes(path, action.size);
  return bytes === undefined || hash("sha256", bytes, "hex") !== action.sha256;
}

/** Whoever reads uciprov's own settings during a trial sees them last; what the core knows of itself comes after all it tells about. */
function landingRank(path: string): number {
  if (path.startsWith("/etc/uciprov/")) return 2;
  return path === "/etc/config/uciprov" ? 1 : 0;
}
