import { hash } from "node:crypto";
import type { FileStat, Finding } from "../../api.ts";
import type { PathChange } from "../../changes.ts";
import type { Device, RunContext } from "../../context.ts";
import { ProvisionError } from "../../errors.ts";
import type { OwnedNames } from "../../origins.ts";
import { type FileAction, type FileRecord, type FileState, settleFiles } from "../../ownership.ts";
import { isProtectedPath, resolveLinks, whyForbidden, whyNotLinkable } from "../../paths.ts";
import type { DriftPlan, FilePlan } from "../../plan.ts";
import { STATE } from "../../state.ts";
import type { Action, Seen } from "../../transaction/order.ts";
import { lookIn, placesIn } from "../../transaction/steps.ts";
import { writeBytes } from "../../transaction/write-bytes.ts";
import type { Held } from "../bisect/hold.ts";
import { whyScheduleLost } from "./own-survival.ts";
import { withOwners } from "./owners.ts";

/** A file that is to come back whole must fit into memory once. */
const ORIGINAL_LIMIT = 33_554_432;
/** Texts longer than this are told by size, not by line. */
const TOLD_LIMIT = 16_384;

export interface FilesPlanned {
  readonly files: readonly FilePlan[];
  readonly actions: readonly Action[];
  readonly record: FileRecord;
  /** For the record of who set what. */
  readonly names: OwnedNames;
  readonly drift: readonly DriftPlan[];
  readonly findings: readonly Finding[];
}

/** Settles the file changes of all modules against the ownership record and the device. */
export function planFiles(
  ctx: RunContext,
  device: Device,
  all: readonly PathChange[],
  held: Held,
  isMoreToCome = false,
): FilesPlanned {
  const record = device.state.owned.files ?? {};
  const isHeld = (path: string) => {
    const module = record[path]?.module;
    return module !== undefined && held.hasPath(path, module);
  };
  const protect = device.settings.main.protect.filter((path) => path.startsWith("/"));
  const place = placesIn(ctx.disk);
  // By its name, and by where that leads through links.
  const isProtected = (path: string) =>
    isHeld(path) || isProtectedPath(protect, path) || (protect.length > 0 && isProtectedPath(protect, place(path)));
  const wanted = all.filter(({ path, origin }) => !isHeld(path) && !held.hasPath(path, origin.module));
  const owned = withOwners(ctx, wanted, isMoreToCome);
  const look = lookIn(ctx.disk);
  const seen = new Map<string, FileState>();
  const see = (path: string): FileState => {
    const state = seen.get(path) ?? stateOf(ctx, path, look(path));
    seen.set(path, state);
    return state;
  };
  const settlement = settleFiles(record, owned.wanted, see, isProtected);
  const findings = [...forbidden(ctx, wanted), ...owned.findings, ...settlement.findings];
  if (findings.some((finding) => finding.severity === "error")) {
    return { files: [], actions: [], record, names: { owned: [], set: new Map() }, drift: [], findings };
  }
  const actions = settlement.actions.filter((action) => !isLost(ctx, action));
  const lost = settlement.actions.filter((action) => isLost(ctx, action)).map(({ path }) => path);
  const left = Object.fromEntries(lost.flatMap((path) => (record[path] ? [[path, record[path]]] : [])));
  const next = { ...settlement.record, ...left };
  return {
    files: actions.map((action) => filePlan(ctx, action, look)),
    actions: [
      ...settlement.save.map(({ path, sha256 }) => keepOriginal(ctx, path, sha256)),
      ...actions.map((action) => ({ ...asAction(ctx, action), was: wasFor(action, see(action.path)) })),
      ...settlement.drop.map((sha256): Action => ({ kind: "remove", path: original(sha256) })),
    ],
    record: next,
    names: {
      owned: Object.keys(next),
      set: new Map(actions.flatMap((action) => (action.kind === "set" ? [[action.path, action.change.origin]] : []))),
    },
    drift: settlement.drift.map(({ path, outcome }) => ({ path, isKept: outcome === "kept" })),
    findings: [...findings, ...lost.map(toldLost)],
  };
}

/** Whether a file cannot come back since its original is gone: then it stays as it is, for no tree would ever be taken again if that were an error. */
function isLost({ disk }: RunContext, action: FileAction): boolean {
  return (
    action.kind === "restore" && action.to.kind === "file" && disk.stat(original(action.to.sha256))?.kind !== "file"
  );
}

function toldLost(path: string): Finding {
  const message = `${path} stays as it is: what was there before is not kept any more`;
  return { code: "STATE_INVALID", severity: "warning", message, place: { file: path } };
}

/** Whatever the module, some places are no tree's to write: neither by their name, nor through a link, nor by a link that leads there. */
function forbidden(ctx: RunContext, wanted: readonly PathChange[]): Finding[] {
  const place = placesIn(ctx.disk);
  return wanted.flatMap((change): Finding[] => {
    const reason =
      whyForbidden(change.path) ??
      whyForbiddenBehindLinks(ctx, change, place(change.path)) ??
      whyOutOfReach(change, wanted) ??
      whyScheduleLost(ctx, change, place(change.path)) ??
      whyOddMode(change);
    if (reason === undefined) return [];
    return [
      {
        code: "PATH_FORBIDDEN",
        severity: "error",
        message: `${change.path}: ${reason}`,
        place: { ...(change.origin.uri === undefined ? {} : { file: change.origin.uri }), option: change.path },
      },
    ];
  });
}

/** Archives and shell modules are held to it where they are read; a module in JavaScript may say anything. */
function whyOddMode(change: PathChange): string | undefined {
  if (change.kind !== "file") return undefined;
  const { mode } = change;
  if (Number.isInteger(mode) && mode >= 0 && mode <= 0o777) return undefined;
  const told = Number.isInteger(mode) && mode >= 0 ? `0o${mode.toString(8)}` : String(mode);
  return `its mode ${told} is more than rights of owner, group and others: no setuid, setgid or sticky bit`;
}

function whyForbiddenBehindLinks(ctx: RunContext, change: PathChange, landing: string): string | undefined {
  const why = whyForbidden(landing);
  if (why !== undefined) return `it is ${landing}: ${why}`;
  if (change.kind !== "symlink") return undefined;
  const { target } = change;
  const named = target.startsWith("/") ? target : `${landing.slice(0, landing.lastIndexOf("/"))}/${target}`;
  const leadsTo = resolveLinks(named, (path) => ctx.disk.readLink(path))?.path;
  const whyNot = leadsTo === undefined ? undefined : whyNotLinkable(leadsTo);
  return whyNot === undefined ? undefined : `it leads to ${leadsTo}: ${whyNot}`;
}

const NETWORK = "/etc/init.d/network";
const isNetworkStart = (path: string) => /^\/etc\/rc\.d\/S[0-9]{1,3}network$/.test(path);

/** No trial would tell: the network that runs goes on, and the next boot has none. */
function whyOutOfReach({ path }: PathChange, wanted: readonly PathChange[]): string | undefined {
  const isLost =
    isNetworkStart(path) &&
    !wanted.some(
      (one) =>
        one.kind === "symlink" && isNetworkStart(one.path) && /^(?:\.\.|\/etc)\/init\.d\/network$/.test(one.target),
    );
  return path === NETWORK || isLost ? "without it nobody would ever reach the device again" : undefined;
}

function stateOf(ctx: RunContext, path: string, stat: FileStat | undefined): FileState {
  if (stat === undefined) return { kind: "absent" };
  if (stat.kind === "symlink") return { kind: "symlink", target: ctx.disk.readLink(path) ?? "" };
  if (stat.kind !== "file") return { kind: "other" };
  const bytes = ctx.disk.readBytes(path, ORIGINAL_LIMIT) ?? new Uint8Array();
  const { mode, size, uid, gid } = stat;
  return { kind: "file", sha256: hash("sha256", bytes, "hex"), mode, size, uid, gid };
}

function wasFor(action: FileAction, was: FileState): Seen {
  const madeFrom = action.kind === "set" && action.change.kind === "file" ? action.change.madeFrom : undefined;
  return madeFrom && was.kind !== "absent" ? { ...was, sha256: hash("sha256", madeFrom, "hex") } : was;
}

function original(sha256: string): string {
  return `${STATE.originals}/${sha256}`;
}

function keepOriginal(ctx: RunContext, path: string, sha256: string): Action {
  const bytes = ctx.disk.readBytes(path, ORIGINAL_LIMIT) ?? new Uint8Array();
  return writeBytes(original(sha256), bytes, { sha256, mode: 0o600 });
}

function asAction(ctx: RunContext, action: FileAction): Action {
  if (action.kind === "restore") return restoring(ctx, action.path, action.to);
  const { change } = action;
  if (change.kind === "remove") return { kind: "remove", path: change.path };
  if (change.kind === "symlink") return { kind: "symlink", path: change.path, target: change.target };
  const { path, content, size, sha256, mode } = change;
  const owner = {
    ...(change.uid === undefined ? {} : { uid: change.uid }),
    ...(change.gid === undefined ? {} : { gid: change.gid }),
  };
  return { kind: "write", path, content, size, sha256, mode, ...owner };
}

function restoring(ctx: RunContext, path: string, to: FileState): Action {
  if (to.kind === "symlink") return { kind: "symlink", path, target: to.target };
  if (to.kind !== "file") return { kind: "remove", path };
  const bytes = ctx.disk.readBytes(original(to.sha256), ORIGINAL_LIMIT);
  if (bytes === undefined) {
    throw new ProvisionError("STATE_INVALID", `the original of ${path} is not kept any more`, {
      place: { file: original(to.sha256) },
    });
  }
  const { kind: _, size: __, ...as } = to;
  return writeBytes(path, bytes, as);
}

function filePlan(ctx: RunContext, action: FileAction, look: (path: string) => FileStat | undefined): FilePlan {
  const { path } = action;
  if (action.kind === "restore") return { path, act: "restored", origin: { module: action.module } };
  const { change } = action;
  if (change.kind === "remove") return { path, act: "removed", origin: change.origin };
  if (change.kind === "symlink") return { path, act: "linked", origin: change.origin };
  const before = look(path);
  // What only its owner may read on the device is not for a terminal's history either.
  const isPrivate = (change.mode & 0o077) === 0 || (before !== undefined && (before.mode & 0o077) === 0);
  const { content } = change;
  const isTold = content.kind === "bytes" && content.isUntold !== true && !isPrivate;
  const text = isTold ? toldText(ctx, path, before, content.bytes) : undefined;
  return {
    path,
    act: before === undefined ? "new" : "changed",
    origin: change.origin,
    mode: change.mode,
    ...(change.user === undefined && change.group === undefined
      ? {}
      : { owner: `${change.user ?? ""}:${change.group ?? ""}` }),
    size: change.size,
    ...(text === undefined ? {} : { text }),
  };
}

function toldText(ctx: RunContext, path: string, stat: FileStat | undefined, bytes: Uint8Array): FilePlan["text"] {
  if (bytes.length > TOLD_LIMIT || (stat?.kind === "file" && stat.size > TOLD_LIMIT)) return undefined;
  const before = stat?.kind === "file" ? (ctx.disk.readBytes(path, TOLD_LIMIT) ?? new Uint8Array()) : new Uint8Array();
  if (before.includes(0) || bytes.includes(0)) return undefined;
  return { before: Buffer.from(before).toString("utf8"), after: Buffer.from(bytes).toString("utf8") };
}
