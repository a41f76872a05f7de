/**
 * What uciprov set among the files, and what was there before; so that what a tree no longer says goes back to the device's own,
 * and what a person changed in between stays theirs. Pure: it decides, the transaction does.
 */
import type { FileChange, Origin, RemoveChange, SymlinkChange } from "./changes.ts";
import type { Finding } from "./errors.ts";
import type { FileRecord, FileState, OwnedPath } from "./ownership-record.ts";

export { type FileRecord, type FileState, parseFileRecord } from "./ownership-record.ts";

/** A change of one path; a file's owner and group are numbers by now, if the change names them. */
export type WantedFile = (FileChange & { readonly uid?: number; readonly gid?: number }) | SymlinkChange | RemoveChange;

export type FileAction =
  /** Makes a change of a module true. */
  | { readonly kind: "set"; readonly path: string; readonly change: WantedFile }
  /** Puts the device's own back: `to` is what was before; a file's bytes are the kept original of that digest. */
  | { readonly kind: "restore"; readonly path: string; readonly to: FileState; readonly module: string };

/** What is not as uciprov left it. */
export interface Drift {
  readonly path: string;
  readonly module: string;
  /** `kept`: no longer in the tree, so it stays as it is now. `overwritten`: the tree still says it; the change is kept as the new original. */
  readonly outcome: "kept" | "overwritten";
}

export interface Settlement {
  /** In an order that works: what makes room comes first. Empty if everything is as it should be. */
  readonly actions: readonly FileAction[];
  readonly record: FileRecord;
  /** Files whose bytes must be kept before the first action; of several with the same bytes, one. */
  readonly save: readonly { readonly path: string; readonly sha256: string; readonly size: number }[];
  /** Digests of kept originals that nobody needs once this is confirmed. */
  readonly drop: readonly string[];
  readonly drift: readonly Drift[];
  readonly findings: readonly Finding[];
}

/** So many paths may be owned; above, the record itself would wear the flash. */
const RECORD_LIMIT = 50_000;

/**
 * Compares what modules want with what uciprov set earlier and with what is there. `look` tells the state of a path without
 * following a link at its end. `isProtected` names paths never touched: neither set nor put back.
 * With any finding of severity `error` (PLAN_INVALID, TOO_LARGE) there is nothing to carry out.
 */
export function settleFiles(
  record: FileRecord,
  wanted: readonly WantedFile[],
  look: (path: string) => FileState,
  isProtected: (path: string) => boolean = () => false,
): Settlement {
  const findings = clashesAmong(wanted);
  const touchable = wanted.filter((change) => {
    if (!isProtected(change.path)) return true;
    findings.push(finding("note", "PLAN_INVALID", `${change.path} is protected and stays as it is`, change.origin));
    return false;
  });
  const settled = new Map<string, Settled>();
  for (const [path, owned] of Object.entries(record)) {
    if (isProtected(path)) settled.set(path, { owned });
    else settled.set(path, withdraw(path, owned, look(path)));
  }
  for (const change of touchable)
    settled.set(change.path, set(change, record[change.path], look(change.path), findings));
  findings.push(...misplaced(touchable, settled, look));
  return summary(record, settled, findings);
}

/** What becomes of one path. */
interface Settled {
  readonly action?: FileAction;
  readonly owned?: OwnedPath;
  readonly drift?: Drift;
  readonly save?: { readonly path: string; readonly sha256: string; readonly size: number };
}

/** The tree no longer says it. */
function withdraw(path: string, { module, set, before }: OwnedPath, now: FileState): Settled {
  if (isSame(now, before)) return {};
  if (isSame(now, set)) return { action: { kind: "restore", path, to: before, module } };
  return { drift: { path, module, outcome: "kept" } };
}

function set(change: WantedFile, owned: OwnedPath | undefined, now: FileState, findings: Finding[]): Settled {
  const { path, origin } = change;
  const next = stateOf(change);
  if (now.kind === "other") {
    findings.push(finding("error", "PLAN_INVALID", `${path} is neither a file nor a link on this device`, origin));
    return owned === undefined ? {} : { owned };
  }
  const action: FileAction = { kind: "set", path, change };
  if (change.kind === "file" && change.shared) return isSame(now, next) ? {} : { action };
  if (isSame(now, next)) {
    // Nothing to do. What was the same before we came is the device's own, and stays when the tree falls silent.
    return { owned: { module: origin.module, set: next, before: owned?.before ?? now } };
  }
  if (owned !== undefined && isSame(now, owned.set)) {
    const { before } = owned;
    // What was ours by chance is still the device's own; now its bytes go, so now they are kept.
    const isOriginal = now.kind === "file" && before.kind === "file" && isSame(now, before);
    return {
      action,
      owned: { module: origin.module, set: next, before },
      ...(isOriginal ? { save: { path, sha256: now.sha256, size: now.size } } : {}),
    };
  }
  return {
    action,
    owned: { module: origin.module, set: next, before: now },
    ...(owned === undefined ? {} : { drift: { path, module: origin.module, outcome: "overwritten" } }),
    ...(now.kind === "file" ? { save: { path, sha256: now.sha256, size: now.size } } : {}),
  };
}

/** What a change makes of its path. */
function stateOf(change: WantedFile): FileState {
  switch (change.kind) {
    case "file": {
      const { sha256, mode, size, uid, gid } = change;
      return {
        kind: "file",
        sha256,
        mode,
        size,
        ...(uid === undefined ? {} : { uid }),
        ...(gid === undefined ? {} : { gid }),
      };
    }
    case "symlink":
      return { kind: "symlink", target: change.target };
    case "remove":
      return { kind: "absent" };
  }
}

/** Owners are compared where both sides know one: a change that names none leaves them as they are. */
function isSame(a: FileState, b: FileState): boolean {
  if (a.kind === "file" && b.kind === "file") {
    const isOwner = (one: number | undefined, other: number | undefined) =>
      one === undefined || other === undefined || one === other;
    return a.sha256 === b.sha256 && a.mode === b.mode && isOwner(a.uid, b.uid) && isOwner(a.gid, b.gid);
  }
  if (a.kind === "symlink" && b.kind === "symlink") return a.target === b.target;
  return a.kind === b.kind && a.kind !== "other";
}

function clashesAmong(wanted: readonly WantedFile[]): Finding[] {
  const first = new Map<string, WantedFile>();
  const findings: Finding[] = [];
  for (const change of wanted) {
    const other = first.get(change.path);
    if (other === undefined) first.set(change.path, change);
    else {
      const message = `${change.path} is wanted twice, by ${teller(other.origin)} and by ${teller(change.origin)}`;
      findings.push(finding("error", "PLAN_INVALID", message, change.origin));
    }
  }
  return findings;
}

/** A file in the place of a folder that another file needs, as things will be afterwards. */
function misplaced(
  wanted: readonly WantedFile[],
  settled: ReadonlyMap<string, Settled>,
  look: (path: string) => FileState,
): Finding[] {
  const findings: Finding[] = [];
  const folders = new Map<string, FileState>();
  const later = (path: string): FileState => {
    const action = settled.get(path)?.action;
    if (action === undefined) return look(path);
    return action.kind === "set" ? stateOf(action.change) : action.to;
  };
  for (const change of wanted) {
    if (change.kind === "remove") continue;
    for (let end = change.path.lastIndexOf("/"); end > 0; end = change.path.lastIndexOf("/", end - 1)) {
      const folder = change.path.slice(0, end);
      const known = folders.get(folder);
      const state = known ?? later(folder);
      folders.set(folder, state);
      // A link of the device may lead to a folder; one that we set may not be there tomorrow.
      const isWrong = state.kind === "file" || (state.kind === "symlink" && settled.get(folder)?.owned !== undefined);
      if (isWrong) {
        findings.push(
          finding("error", "PLAN_INVALID", `${change.path} lies below ${folder}, a ${state.kind}`, change.origin),
        );
      }
      if (isWrong || known !== undefined) break;
    }
  }
  return findings;
}

function summary(record: FileRecord, settled: ReadonlyMap<string, Settled>, findings: Finding[]): Settlement {
  const all = [...settled];
  const owned = all.flatMap(([path, { owned }]) => (owned === undefined ? [] : [[path, owned] as const]));
  const next = Object.fromEntries(owned.sort(([a], [b]) => (a < b ? -1 : 1)));
  if (owned.length > RECORD_LIMIT) {
    findings.push({
      code: "TOO_LARGE",
      severity: "error",
      message: `the tree sets ${owned.length} files; ${RECORD_LIMIT} are allowed`,
    });
  }
  const actions = all.flatMap(([, { action }]) => (action === undefined ? [] : [action]));
  const kept = originalsIn(next);
  return {
    actions: actions.sort((a, b) => Number(!removes(a)) - Number(!removes(b))),
    record: next,
    save: [...new Map(all.flatMap(([, { save }]) => (save === undefined ? [] : [[save.sha256, save]]))).values()],
    drop: [...originalsIn(record)].filter((sha256) => !kept.has(sha256)),
    drift: all.flatMap(([, { drift }]) => (drift === undefined ? [] : [drift])),
    findings,
  };
}

function removes(action: FileAction): boolean {
  return action.kind === "set" ? action.change.kind === "remove" : action.to.kind === "absent";
}

/** Digests of the kept originals that a record needs. */
export function originalsIn(record: FileRecord): ReadonlySet<string> {
  return new Set(
    Object.values(record).flatMap(({ set, before }) =>
      before.kind === "file" && !isSame(set, before) ? [before.sha256] : [],
    ),
  );
}

function teller({ module, uri, detail }: Origin): string {
  return [module, uri, detail].filter((part) => part !== undefined).join(" ");
}

function finding(severity: Finding["severity"], code: Finding["code"], message: string, { uri }: Origin): Finding {
  return { severity, code, message, ...(uri === undefined ? {} : { place: { file: uri } }) };
}
