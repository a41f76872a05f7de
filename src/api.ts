/**
 * All that an author of a resolver or a module needs, and the shape of the device they see.
 * It stands on `errors.ts` and on types of the pure rooms, and reaches nothing above itself.
 */
import type { Change, Origin } from "./changes.ts";
import type { ErrorCode, Place } from "./errors.ts";
import type { Http } from "./http-api.ts";
import type { MacroTable, Template } from "./macros.ts";
import type { Dns } from "./name-lookup.ts";
import type { LedState, Outbox, RunFacts } from "./report-api.ts";
import type { Settings } from "./settings.ts";
import type { UciPackage } from "./uci/model.ts";

export {
  type Change,
  type FileContent,
  file,
  firmware,
  type Origin,
  packages,
  reboot,
  remove,
  service,
  symlink,
  uci,
} from "./changes.ts";
export { asProvisionError, type ErrorCode, type Finding, type Place, ProvisionError } from "./errors.ts";
export { copyArchived, placeEntries, readArchive } from "./lazy-archive.ts";
export { imageReader } from "./lazy-image.ts";
export { expandText, expandUri, type MacroTable, type Template, template } from "./macros.ts";
export { AGENT_FILE, AGENT_KEYS, MONITOR_FOLDER, SENDER_FILE } from "./monitor-keys.ts";
export type { Dns, SecureTxtAnswer, TxtAnswer, TxtRecord } from "./name-lookup.ts";
export { deviceNameServers } from "./name-servers.ts";
export { PROBE_FILE, type ProbeConfig } from "./probe-file.ts";
export type { ArchivedEntry } from "./tree/archive.ts";
export { archiveLimits } from "./tree/archive-limits.ts";
export type { Placeable } from "./tree/archive-placement.ts";
export type { ImageMetadata } from "./tree/fwtool.ts";
export { type BatchLine, batchPackages, parseBatch } from "./uci/batch.ts";
export { makeSection, optionFlag, optionList, optionText, type UciPackage, type UciSection } from "./uci/model.ts";
export { isPackageName } from "./uci/names.ts";
export { parseExport, parsePackage } from "./uci/parse.ts";
export { parseUri, redactUri } from "./uri.ts";
export { strictUtf8 } from "./utf8.ts";

/** The stages of a run, in order; `stages/table.ts` says what each does and where its failure leads. */
export type StageName =
  | "recover"
  | "ready"
  | "preinit"
  | "geturi"
  | "fetch"
  | "validate"
  | "preapply"
  | "apply"
  | "postapply"
  | "reboot"
  | "confirm";

/** Where a hook can stand: every stage but the two that run before any module is known, and the two ends of a run. */
export type HookPoint = Exclude<StageName, "recover" | "ready"> | "done" | "failed";

export type { Http, HttpAnswer, HttpLetter, HttpRequest, ServerProof, Transport } from "./http-api.ts";
export type { LedState, Letter, Outbox, RunFacts } from "./report-api.ts";

// ---------------------------------------------------------------- the device

export interface FileStat {
  readonly kind: "file" | "directory" | "symlink" | "other";
  /** Permission bits, 0o7777 at most. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modified: number;
}

/**
 * Reading below the root. Paths are absolute as the device sees them (`/etc/config/network`); links are followed as
 * the device would follow them, and never out of the root. Nothing there is `undefined` or an empty list, not an error.
 */
export interface Files {
  /** A file's bytes. FILE_UNREADABLE if it is no regular file or larger than `limit` bytes (1 MiB if not given). */
  readBytes(path: string, limit?: number): Uint8Array | undefined;
  /** The same as UTF-8 text; bytes that are not UTF-8 become U+FFFD. */
  read(path: string, limit?: number): string | undefined;
  /** Names in a folder, sorted by byte. */
  list(path: string): readonly string[];
  /** About the thing itself; a link is not followed. */
  stat(path: string): FileStat | undefined;
  readLink(path: string): string | undefined;
}

export interface NewFile {
  write(chunk: Uint8Array): void;
  /** Flushes the file to the medium and closes it. */
  finish(): void;
  /** Closes it as it is; the caller removes it. */
  abandon(): void;
}

/**
 * Writing below the root: each call is one step that a power cut can precede or follow. Nothing here makes a name
 * durable but `syncDirectory`. Only `transaction/`, state, spool and status use it; plug-ins never see it.
 * A full disk is NO_SPACE, everything else FILE_UNREADABLE, with the system's error as cause.
 */
export interface Disk extends Files {
  /** Makes a file that must not exist yet (never through a link), writes and flushes it. */
  writeNew(path: string, content: Uint8Array, as: { mode: number; uid?: number; gid?: number }): void;
  createNew(path: string, as: { mode: number; uid?: number; gid?: number }): NewFile;
  symlink(target: string, path: string): void;
  rename(from: string, to: string): void;
  unlink(path: string): void;
  makeDirectory(path: string, mode: number): void;
  removeDirectory(path: string): void;
  setMode(path: string, mode: number): void;
  setOwner(path: string, uid: number, gid: number): void;
  syncDirectory(path: string): void;
  /** What is free on the file system that holds `path` (or its nearest existing parent). */
  free(path: string): { bytes: number; inodes: number };
  /** The path as the host sees it, for a program that is handed a file. */
  hostPath(path: string): string;
}

export interface CommandResult {
  readonly status: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

/** The device's programs. Below a scratch root there are none: nothing outside the root is ever run. */
export interface Commands {
  /** Whether the program is on the device's PATH; `/etc/init.d/NAME` is one by its path. */
  has(name: string): boolean;
  /**
   * Runs a program in its own process group with a clean environment and no input but `stdin`; at the deadline or the signal the
   * whole group is killed. Output beyond `limit` bytes (256 KiB if not given) is dropped. Not finding it is COMMAND_FAILED; its exit status is the caller's to judge.
   */
  run(
    name: string,
    args: readonly string[],
    how: {
      deadline: number;
      signal: AbortSignal;
      stdin?: string;
      env?: Readonly<Record<string, string>>;
      limit?: number;
      /** What it leaves running at its regular end is meant to stay: an init script may start a daemon itself. */
      leavesChildren?: boolean;
    },
  ): Promise<CommandResult>;
}

export interface Clock {
  /** Milliseconds since 1970, as the device believes. */
  now(): number;
  /** Milliseconds since some moment; never steps. */
  elapsed(): number;
  /** Seconds since the device booted; never steps. */
  sinceBoot(): number;
  /** Resolves after `ms`, rejects with STOPPED when the signal fires. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export type LogLevel = "debug" | "info" | "warning" | "error";
export type Log = (level: LogLevel, message: string) => void;

/** What the device knows of itself; never what a network says. */
export interface DeviceFacts {
  /** 12 lower-case hex digits, or undefined if no interface has one. */
  readonly mac: string | undefined;
  readonly hostname: string;
  readonly serial: string | undefined;
  readonly board: string;
  readonly model: string;
  readonly target: string;
  readonly arch: string;
  readonly distro: string;
  readonly release: string;
  readonly revision: string;
  /** Seconds since 1970 at which the firmware was built, if it says so. */
  readonly built: number | undefined;
}

// ---------------------------------------------------------------- resolvers

/** How a resolver came to know; `trust.ts` alone makes a verdict of it. */
export type EvidenceKind = "local" | "tls" | "dnssec" | "none";

/** "I know": where the tree is, and how that was learnt. */
export interface Evidence {
  readonly uri: Template;
  readonly evidence: EvidenceKind;
  /** Macros that came with it, by name; they are tainted unless the evidence is authentic. */
  readonly macros?: Readonly<Record<string, string>>;
  /** A number that changes whenever the tree does; lets a run end after one query. */
  readonly beacon?: string;
  /** For `explain`: what was asked and what answered, in a few words. */
  readonly told?: string;
}

export interface ResolverContext {
  readonly files: Files;
  readonly commands: Commands;
  readonly dns: Dns;
  readonly http: Http;
  readonly settings: Settings;
  readonly facts: DeviceFacts;
  readonly macros: MacroTable;
  readonly clock: Clock;
  readonly log: Log;
  /** Fires when the run stops or this resolver's deadline has passed. */
  readonly signal: AbortSignal;
}

export interface Resolver {
  readonly name: string;
  /** The best evidence it can give: its failure blocks the resolvers after it that could give no better. */
  readonly evidence: EvidenceKind;
  /** Whether it takes part in this run at all. */
  isEnabled(context: Pick<ResolverContext, "settings" | "files" | "commands">): boolean;
  /** Milliseconds it may take. */
  readonly deadline: number;
  /** Evidence: I know. `undefined`: not for me to say. A thrown error: I should know and could not find out. */
  resolve(context: ResolverContext): Promise<Evidence | undefined>;
}

export function defineResolver(resolver: Resolver): Resolver {
  return resolver;
}

// ---------------------------------------------------------------- modules

/** A file that was fetched for a module. */
export interface Resource {
  readonly name: string;
  readonly uri: string;
  readonly size: number;
  readonly sha256: string;
  readonly origin: Origin;
  /** Of an image: what the manifest's `# image` line says it is. */
  readonly release?: { readonly target: string; readonly revision: string };
  /** In memory, or in a file in RAM if it was fetched as a large one. */
  readonly content: { readonly bytes: Uint8Array } | { readonly spool: string };
}

export interface ResourceRequest {
  /** URI template, `{base_uri}/overlay{fd}.tar.gz`; settings may replace it under the resource's name. */
  readonly uri: string;
  /** `small`: in memory, `limits.small` bytes at most. `large`: in a file in RAM, `limits.large` at most. */
  readonly size: "small" | "large";
  /** A firmware image: asked for only if an authentic manifest lists it and as far as is known something else runs. */
  readonly isImage?: boolean;
}

export interface PlanContext {
  /** All that came for this module: its own resources in their order, then those that settings add to it. */
  readonly resources: readonly Resource[];
  /** What came for one of the module's resources; undefined: the tree has none for this device. */
  resource(name: string): Resource | undefined;
  /** The same as UTF-8 text; not UTF-8 is a finding and undefined. */
  text(name: string): string | undefined;
  /** A package as it will be, with the UCI changes of the modules before this one merged in. */
  uci(name: string): UciPackage | undefined;
  readonly files: Files;
  /** A spooled resource as a stream of chunks. */
  stream(resource: Resource): AsyncIterable<Uint8Array>;
  readonly settings: Settings;
  readonly facts: DeviceFacts;
  readonly macros: MacroTable;
  readonly signal: AbortSignal;
  /**
   * What `make` reads out of a resource and nothing else; whoever plans for many devices makes it once for all that get the same bytes. Not there: make
   * it yourself.
   */
  once?<T>(resource: Resource, make: () => T): T;
  /** Paths that this module set in the confirmed generation. */
  readonly owned: ReadonlySet<string>;
  /** Paths that any module set: what is there is a tree's, not the device's own. */
  readonly placed: ReadonlySet<string>;
  /** Notes a fault in the tree; all are told together, and one `error` among them refuses the plan. */
  finding(severity: "error" | "warning" | "note", code: ErrorCode, message: string, place?: Place): void;
}

export interface HookContext {
  readonly stage: HookPoint;
  readonly settings: Settings;
  readonly facts: DeviceFacts;
  readonly macros: MacroTable;
  readonly files: Files;
  readonly commands: Commands;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** What came for this module; empty before `fetch`. */
  readonly resources: readonly Resource[];
  readonly run: RunFacts;
  /** Letters to whoever watches the fleet. */
  outbox(): Promise<Outbox>;
  /** Sets the LED that `uciprov.main.led` names, if one is named; whether it worked never matters. */
  led(state: LedState): Promise<void>;
  /** Adds or changes a macro for the rest of the run; tainted unless the hook vouches for it. */
  setMacro(name: string, value: string, options?: { readonly isTainted: boolean }): void;
  /** In `geturi`: answers with a URI template, after `static` and before everybody else. Elsewhere HOOK_FAILED. */
  offerUri(uri: string): void;
}

export type Hook = (context: HookContext) => void | Promise<void>;

/** A module turns what the tree holds into changes; it never touches the device itself. */
export interface Module {
  readonly name: string;
  /** Says another thing whenever the module does something else with the same tree; those that ship have the program's version. */
  readonly revision?: string;
  /** What it wants fetched, by name. */
  readonly resources?: Readonly<Record<string, ResourceRequest>>;
  readonly hooks?: Readonly<Partial<Record<HookPoint, Hook>>>;
  /** Its hooks change nothing that a plan looks at, so that planning need not wait for them. */
  readonly isWatching?: boolean;
  plan?(context: PlanContext): readonly Change[] | Promise<readonly Change[]>;
}

export function defineModule(module: Module): Module {
  return module;
}
