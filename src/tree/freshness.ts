/** Whether a manifest is of today: an old one, however well signed, must not come back. */
import type { ErrorCode } from "../errors.ts";
import type { Manifest } from "./manifest.ts";

/** What the device remembers of a tree of its owner; written when a generation is confirmed or marked bad. */
export interface TreeRecord {
  readonly serial: number;
  /** SHA-256 of the manifest with that serial. */
  readonly sha256: string;
  /** The tree that manifest named to take over. */
  readonly successor?: string;
  /** The successor has taken over: this tree is closed. */
  readonly isLeft?: boolean;
}

/** By tree name. */
export type TreeRecords = ReadonlyMap<string, TreeRecord>;

export type Freshness =
  | { readonly isFresh: true }
  | {
      readonly isFresh: false;
      readonly code: Extract<ErrorCode, "SERIAL_LOWER" | "SERIAL_REUSED" | "MANIFEST_EXPIRED">;
      readonly reason: "tree-left" | "serial-missing" | "serial-lower" | "serial-reused" | "expired";
    };

/**
 * Whether the device may take this manifest after what it `known` of the tree (`recordOf`). `now` and `floor` are milliseconds since 1970; the floor is a time that has surely
 * passed. A clock that is not proven right says nothing about expiry: only the floor does.
 */
export function judgeFreshness(
  manifest: Pick<Manifest, "serial" | "sha256" | "expires">,
  known: TreeRecord | undefined,
  now: number,
  floor: number,
  isClockProven: boolean,
): Freshness {
  const time = isClockProven ? Math.max(now, floor) : floor;
  if (known?.isLeft) return { isFresh: false, code: "SERIAL_LOWER", reason: "tree-left" };
  if (known !== undefined) {
    // Else leaving the line out would be the way around it.
    if (manifest.serial === undefined) return { isFresh: false, code: "SERIAL_LOWER", reason: "serial-missing" };
    if (manifest.serial < known.serial) return { isFresh: false, code: "SERIAL_LOWER", reason: "serial-lower" };
    if (manifest.serial === known.serial && manifest.sha256 !== known.sha256) {
      return { isFresh: false, code: "SERIAL_REUSED", reason: "serial-reused" };
    }
  }
  if (manifest.expires !== undefined && manifest.expires <= time) {
    return { isFresh: false, code: "MANIFEST_EXPIRED", reason: "expired" };
  }
  return { isFresh: true };
}

/**
 * What counts as known of a tree: its own record, or that of a tree that named it as successor, the higher serial of the two: a successor goes on counting, so
 * that nobody can fall back over the move.
 */
export function recordOf(records: TreeRecords, tree: string): TreeRecord | undefined {
  const own = records.get(tree);
  const before = [...records.values()].filter((record) => record.successor === tree && !record.isLeft);
  const open = own === undefined || own.isLeft ? before : [own, ...before];
  const [first, ...others] = open;
  if (first === undefined) return own;
  const highest = others.reduce((best, record) => (record.serial > best.serial ? record : best), first);
  return { serial: highest.serial, sha256: highest.sha256 };
}

/**
 * Whether a device that is owned may take this tree: one it knows, or one that a tree it knows names as successor. Else whoever chooses the URI would choose among all that the
 * owner ever signed, for whatever devices. One that remembers no serial may take any.
 */
export function mayFollow(records: TreeRecords, tree: string): boolean {
  return records.size === 0 || records.has(tree) || [...records.values()].some(({ successor }) => successor === tree);
}

/** The records after this manifest was confirmed or marked bad; one without serial leaves them as they are. */
export function remember(
  records: TreeRecords,
  manifest: Pick<Manifest, "tree" | "serial" | "sha256" | "successor">,
): TreeRecords {
  if (manifest.serial === undefined) return records;
  const { serial, sha256, successor } = manifest;
  const next = new Map(records);
  for (const [tree, record] of records) {
    if (record.successor === manifest.tree && tree !== manifest.tree) next.set(tree, { ...record, isLeft: true });
  }
  next.set(manifest.tree, successor === undefined ? { serial, sha256 } : { serial, sha256, successor });
  return next;
}

/** The time floor after this manifest was accepted. With a proven clock a date in the future does not count: one slip of the pen would expire all that follows. */
export function raiseFloor(floor: number, manifest: Manifest, now: number, isClockProven: boolean): number {
  const date = manifest.date ?? floor;
  return Math.max(floor, isClockProven ? Math.min(date, now) : date);
}
