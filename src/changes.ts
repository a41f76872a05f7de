/** What a module may ask for. A plan is made of changes; the transaction makes them true, all or none. */
import { sha256 } from "./sha256.ts";
import type { BatchLine } from "./uci/batch.ts";
import type { UciPackage } from "./uci/model.ts";

/** Who a change comes from, for the plan, `blame` and errors. */
export interface Origin {
  readonly module: string;
  /** The resource's URI, if one stands behind it. */
  readonly uri?: string;
  /** Fingerprint of the key that signed it, if one did. */
  readonly signer?: string;
  /** Entry or line inside the resource. */
  readonly detail?: string;
}

/**
 * The bytes of a file to be: in memory, or the `index`-th entry of an archive that lies in RAM, read again when it is staged, so that
 * an overlay of 50 MB never is in memory as a whole. `isUntold`: nobody said what is in it, so that a plan tells its size and none of its lines.
 */
export type FileContent =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array; readonly isUntold?: true }
  | { readonly kind: "archived"; readonly archive: string; readonly index: number };

export interface UciChange {
  readonly kind: "uci";
  readonly package: string;
  readonly layer:
    | { readonly mode: "merge" | "replace"; readonly content: UciPackage }
    | { readonly mode: "batch"; readonly content: readonly BatchLine[] };
  readonly origin: Origin;
}

export interface FileChange {
  readonly kind: "file";
  readonly path: string;
  readonly content: FileContent;
  readonly size: number;
  /** 64 lower-case hex digits. */
  readonly sha256: string;
  /** 0o777 at most. */
  readonly mode: number;
  /** Owner and group by name, as the device's own /etc/passwd and /etc/group know them; not given: as the replaced file has it, else root's. */
  readonly user?: string;
  readonly group?: string;
  /**
   * The module keeps other people's lines in this file itself (authorized_keys): it is not in the ownership record,
   * and not put back when the tree falls silent.
   */
  readonly shared: boolean;
  /** What the module saw in the file and has kept in its content: if something else is there by the time it lands, the plan is made again. */
  readonly madeFrom?: Uint8Array;
  readonly origin: Origin;
}

export interface SymlinkChange {
  readonly kind: "symlink";
  readonly path: string;
  readonly target: string;
  readonly origin: Origin;
}

/** The file or link is not to be there; an absent one is fine. */
export interface RemoveChange {
  readonly kind: "remove";
  readonly path: string;
  readonly origin: Origin;
}

/**
 * What becomes of one service, that is of its init script /etc/init.d/NAME. Several modules may speak of one service; of `reload` and
 * `restart` the stronger is done, once. uciprov's own is never acted on.
 */
export interface ServiceChange {
  readonly kind: "service";
  readonly name: string;
  /** Whether it starts at boot: the links in /etc/rc.d that `/etc/init.d/NAME enable` and `disable` make and remove. */
  readonly boot?: "enabled" | "disabled";
  /**
   * Whether it runs from now on: acted on when a tree first says so, not at every run; what somebody stops afterwards stays stopped. When the tree
   * falls silent it is again as it was.
   */
  readonly run?: "started" | "stopped";
  /** What it is asked to do once one of these paths (a file, a folder with `/` at its end, `/etc/config/NAME`) has changed in this plan. */
  readonly onChange?: { readonly paths: readonly string[]; readonly act: "reload" | "restart" };
  readonly origin: Origin;
}

/** A firmware image is to run instead of what runs now. The run ends with it: configuration comes after the new firmware has booted. */
export interface FirmwareChange {
  readonly kind: "firmware";
  /** The file in RAM that holds the image. */
  readonly image: string;
  readonly size: number;
  /** 64 lower-case hex digits; it must stand in an authentic manifest. */
  readonly sha256: string;
  /** What DISTRIB_TARGET is, and DISTRIB_REVISION will be once it runs: the next boot compares. */
  readonly target: string;
  readonly revision: string;
  readonly origin: Origin;
}

/** What the plan changes takes effect only with a reboot; a plan that changes nothing never reboots. */
export interface RebootChange {
  readonly kind: "reboot";
  /** For people: what needs it. */
  readonly reason: string;
  readonly origin: Origin;
}

/**
 * Software packages, by the names that opkg or apk knows them by. They are installed before anything else changes, and removed after the
 * confirmation; a way back leaves them. What uciprov installed and no tree names any more is removed.
 */
export interface PackagesChange {
  readonly kind: "packages";
  readonly install?: readonly string[];
  readonly remove?: readonly string[];
  readonly origin: Origin;
}

/** A change of one path. */
export type PathChange = FileChange | SymlinkChange | RemoveChange;

export type Change = UciChange | PathChange | ServiceChange | PackagesChange | FirmwareChange | RebootChange;

interface FileOptions {
  /** Permission bits; 0o644 if not given. */
  readonly mode?: number;
  /** Owner and group by name. */
  readonly user?: string;
  readonly group?: string;
  readonly shared?: boolean;
  readonly madeFrom?: Uint8Array;
  readonly origin: Origin;
}

/** A file with these bytes (text becomes UTF-8). */
export function file(path: string, content: string | Uint8Array, options: FileOptions): FileChange {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return {
    kind: "file",
    path,
    content: { kind: "bytes", bytes },
    size: bytes.length,
    sha256: sha256(bytes),
    mode: options.mode ?? 0o644,
    ...(options.user === undefined ? {} : { user: options.user }),
    ...(options.group === undefined ? {} : { group: options.group }),
    shared: options.shared ?? false,
    ...(options.madeFrom && { madeFrom: options.madeFrom }),
    origin: options.origin,
  };
}

export function symlink(path: string, target: string, origin: Origin): SymlinkChange {
  return { kind: "symlink", path, target, origin };
}

export function remove(path: string, origin: Origin): RemoveChange {
  return { kind: "remove", path, origin };
}

/** What shall become of a service. */
export function service(
  name: string,
  what: Pick<ServiceChange, "boot" | "run" | "onChange">,
  origin: Origin,
): ServiceChange {
  return { kind: "service", name, ...what, origin };
}

/** Software packages that are to be there, or not to be. */
export function packages(what: Pick<PackagesChange, "install" | "remove">, origin: Origin): PackagesChange {
  return { kind: "packages", ...what, origin };
}

/** A layer of UCI for one package; the core merges it onto what the device has without uciprov. */
export function uci(layer: UciChange["layer"], packageName: string, origin: Origin): UciChange {
  return { kind: "uci", package: packageName, layer, origin };
}

/** This spooled resource as the firmware to run. */
export function firmware(
  image: { readonly size: number; readonly sha256: string; readonly origin: Origin },
  spool: string,
  release: { readonly target: string; readonly revision: string },
): FirmwareChange {
  const { size, sha256: digest, origin } = image;
  return { kind: "firmware", image: spool, size, sha256: digest, ...release, origin };
}

export function reboot(reason: string, origin: Origin): RebootChange {
  return { kind: "reboot", reason, origin };
}
