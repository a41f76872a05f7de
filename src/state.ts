/**
 * What uciprov remembers of a device, in /etc/uciprov/state: kept by sysupgrade, gone with a factory reset. The ownership record rolls back
 * with the configuration it describes; everything else becomes true only with a confirmation.
 */
import type { Files } from "./api.ts";
import { ProvisionError } from "./errors.ts";
import { type FirmwareRecord, NO_FIRMWARE, parseFirmware } from "./firmware-record.ts";
import { asObject, numberOf, textOf } from "./json-fields.ts";
import type { LeftPart } from "./left-part.ts";
import { type OriginRecord, parseOrigins } from "./origins.ts";
import { type FileRecord, parseFileRecord } from "./ownership-record.ts";
import { parseServiceRecord, type ServiceRecord } from "./service-record.ts";
import { parseSoftwareRecord, type SoftwareRecord } from "./software-record.ts";
import type { TreeRecord, TreeRecords } from "./tree/freshness.ts";
import { type Latch, parseLatch } from "./trust/latch.ts";
import { type PackageRecord, parsePackageRecord } from "./uci/record.ts";

const FOLDER = "/etc/uciprov/state";

export const STATE = {
  folder: FOLDER,
  /** JSON: what uciprov set and what was there before. */
  owned: `${FOLDER}/owned.json`,
  /** The bytes of files that were replaced, by SHA-256. */
  originals: `${FOLDER}/originals`,
  confirmed: `${FOLDER}/confirmed.json`,
  owner: `${FOLDER}/owner.json`,
  freshness: `${FOLDER}/freshness.json`,
  failed: `${FOLDER}/failed.json`,
  /** Images that were written or tried. */
  firmware: `${FOLDER}/firmware.json`,
  /** JSON: the software packages that uciprov installed. No transaction takes them back. */
  software: `${FOLDER}/packages.json`,
  keys: "/etc/uciprov/keys",
} as const;

/** The last generation that proved itself. */
export interface Confirmed {
  readonly base: string;
  readonly resolver: string;
  readonly tree: string;
  readonly serial: number | undefined;
  /** SHA-256 of the manifest, or of the list of files for a tree without one. */
  readonly digest: string;
  readonly etag: string | undefined;
  readonly modified: string | undefined;
  /** Milliseconds since 1970. */
  readonly expires: number | undefined;
  /** All else that the plan was made from: settings, modules, facts, keys, resources. Other inputs, other plan. */
  readonly inputs: string;
  /** Seconds since 1970. */
  readonly at: number;
  /** What this tree says and the device was cut off by: it is held back until the tree changes. Absent: nothing. */
  readonly left?: readonly LeftPart[];
}

export interface Owned {
  readonly uci: Readonly<Record<string, PackageRecord>>;
  readonly files: FileRecord | undefined;
  readonly services?: ServiceRecord;
  /** Who set it; only ever told. */
  readonly origins?: OriginRecord;
}

/** A tree that was tried and taken back: not tried for ever. */
export interface FailedTree {
  readonly digest: string;
  readonly attempts: number;
  /** Trials that ended since somebody asked for it. */
  readonly stops?: number | undefined;
  readonly reason: string;
}

export interface State {
  readonly confirmed: Confirmed | undefined;
  readonly owned: Owned;
  readonly latch: Latch | undefined;
  /** Milliseconds since 1970 that have surely passed. */
  readonly floor: number;
  readonly trees: TreeRecords;
  readonly failed: FailedTree | undefined;
  readonly firmware: FirmwareRecord;
  readonly software?: SoftwareRecord;
}

/** Reads all of it. STATE_INVALID if a file is there and cannot be believed: forgetting an owner must not be that easy. */
export function readState(files: Files): State {
  const freshness = readJson(files, STATE.freshness, parseFreshness);
  const software = readJson(files, STATE.software, parseSoftwareRecord);
  return {
    confirmed: readConfirmed(files),
    owned: readJson(files, STATE.owned, parseOwned) ?? { uci: {}, files: undefined },
    latch: readJson(files, STATE.owner, parseLatch),
    floor: freshness?.floor ?? 0,
    trees: freshness?.trees ?? new Map(),
    failed: readJson(files, STATE.failed, parseFailed),
    firmware: readFirmware(files),
    ...(software === undefined ? {} : { software }),
  };
}

/** Its `floor` alone; STATE_INVALID as above. */
export function readFloor(files: Files): number {
  return readJson(files, STATE.freshness, parseFreshness)?.floor ?? 0;
}

/** The last generation that proved itself; STATE_INVALID as above. */
export function readConfirmed(files: Files): Confirmed | undefined {
  return readJson(files, STATE.confirmed, parseConfirmed);
}

/** What is known of images; STATE_INVALID as above. */
export function readFirmware(files: Files): FirmwareRecord {
  return readJson(files, STATE.firmware, parseFirmware) ?? NO_FIRMWARE;
}

export function printFirmware(firmware: FirmwareRecord): Uint8Array {
  return asJson({ version: 1, ...firmware });
}

export function printOwned(owned: Owned): Uint8Array {
  const hasServices = Object.keys(owned.services ?? {}).length > 0;
  return asJson({
    version: 1,
    uci: owned.uci,
    files: owned.files ?? null,
    ...(hasServices ? { services: owned.services } : {}),
    ...(owned.origins === undefined ? {} : { origins: owned.origins }),
  });
}

export function printConfirmed(confirmed: Confirmed): Uint8Array {
  return asJson({ version: 1, ...confirmed });
}

export function printFreshness(floor: number, trees: TreeRecords): Uint8Array {
  return asJson({ version: 1, floor, trees: Object.fromEntries(trees) });
}

export function printFailed(failed: FailedTree): Uint8Array {
  return asJson({ version: 1, ...failed });
}

export function printSoftware(record: SoftwareRecord): Uint8Array {
  return asJson({ version: 1, ...record });
}

export function asJson(value: unknown): Uint8Array {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}

const LIMIT = 8_388_608;

function readJson<T>(files: Files, path: string, parse: (value: unknown) => T): T | undefined {
  const text = files.read(path, LIMIT);
  if (text === undefined) return undefined;
  try {
    return parse(JSON.parse(text));
  } catch (cause) {
    throw new ProvisionError("STATE_INVALID", "what the device remembers cannot be read", {
      cause,
      place: { file: path },
    });
  }
}

function parseConfirmed(value: unknown): Confirmed {
  const from = asObject(value);
  return {
    base: textOf(from, "base"),
    resolver: textOf(from, "resolver"),
    tree: textOf(from, "tree"),
    serial: optional(from, "serial", numberOf),
    digest: textOf(from, "digest"),
    etag: optional(from, "etag", textOf),
    modified: optional(from, "modified", textOf),
    expires: optional(from, "expires", numberOf),
    inputs: textOf(from, "inputs"),
    at: numberOf(from, "at"),
    ...(from["left"] === undefined ? {} : { left: parseLeft(from["left"]) }),
  };
}

function parseLeft(value: unknown): readonly LeftPart[] {
  if (!Array.isArray(value)) throw new TypeError("left is no list");
  return value.map((one: unknown) => {
    const from = asObject(one);
    const names = from["names"];
    if (!Array.isArray(names)) throw new TypeError("names are no list");
    return { part: textOf(from, "part"), names: names.map(String), more: numberOf(from, "more") };
  });
}

function parseOwned(value: unknown): Owned {
  const from = asObject(value);
  const packages = Object.entries(asObject(from["uci"])).map(([name, record]) => [name, parsePackageRecord(record)]);
  return {
    uci: Object.fromEntries(packages),
    files: from["files"] === null ? undefined : parseFileRecord(from["files"]),
    ...(from["services"] === undefined ? {} : { services: parseServiceRecord(from["services"]) }),
    ...(from["origins"] === undefined ? {} : { origins: parseOrigins(from["origins"]) }),
  };
}

function parseFreshness(value: unknown): { floor: number; trees: TreeRecords } {
  const from = asObject(value);
  const trees = Object.entries(asObject(from["trees"])).map(([name, one]): [string, TreeRecord] => {
    const record = asObject(one);
    return [
      name,
      {
        serial: numberOf(record, "serial"),
        sha256: textOf(record, "sha256"),
        ...(record["successor"] === undefined ? {} : { successor: textOf(record, "successor") }),
        ...(record["isLeft"] === true ? { isLeft: true } : {}),
      },
    ];
  });
  return { floor: numberOf(from, "floor"), trees: new Map(trees) };
}

function parseFailed(value: unknown): FailedTree {
  const from = asObject(value);
  return {
    digest: textOf(from, "digest"),
    attempts: numberOf(from, "attempts"),
    stops: optional(from, "stops", numberOf),
    reason: textOf(from, "reason"),
  };
}

function optional<T>(
  from: Record<string, unknown>,
  name: string,
  read: (from: Record<string, unknown>, name: string) => T,
): T | undefined {
  return from[name] === undefined ? undefined : read(from, name);
}
