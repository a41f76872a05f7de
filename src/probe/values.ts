/** What others may read of the probe: the last round's numbers, and how it stands with the collector. */
import type { Disk, Files } from "../api.ts";
import { asObject } from "../json-fields.ts";
import { makeFolder } from "../ram-folder.ts";
import { replaceFile } from "../transaction/replace-file.ts";
import { PLACES } from "./places.ts";
import type { CallResult } from "./result.ts";
import { leaveLinks, leaveStatus } from "./tell-zabbix.ts";

/** Readable by all: a monitoring agent is not root. */
const READABLE = { mode: 0o644 } as const;

export interface Status {
  /** Seconds since 1970 of the last round that ended; 0 if there was none. */
  readonly round: number;
  readonly measured: number;
  readonly failed: number;
  /** What waits for the collector. */
  readonly waiting: number;
  /** Recordings and results that were dropped for want of room, since boot. */
  readonly dropped: number;
  /** What went wrong last, and has not gone right since. */
  readonly trouble: string;
}

const NOTHING: Status = { round: 0, measured: 0, failed: 0, waiting: 0, dropped: 0, trouble: "" };

export function readStatus(files: Files): Status {
  try {
    const from = asObject(JSON.parse(files.read(PLACES.status, 65_536) ?? "{}"));
    const count = (name: keyof Status) => (typeof from[name] === "number" ? from[name] : 0);
    return {
      round: count("round"),
      measured: count("measured"),
      failed: count("failed"),
      waiting: count("waiting"),
      dropped: count("dropped"),
      trouble: typeof from["trouble"] === "string" ? from["trouble"] : "",
    };
  } catch {
    return NOTHING;
  }
}

export function noteStatus(disk: Disk, more: Partial<Status>): void {
  const before = readStatus(disk);
  const next = { ...before, ...more };
  if (JSON.stringify(next) === JSON.stringify(before) && disk.stat(PLACES.status) !== undefined) return;
  put(disk, PLACES.status, next);
  leaveStatus(disk, next);
}

/** What came from a partner in the last round: times in milliseconds, loss as a share; without numbers if it was not measured. */
export interface Link {
  readonly partner: string;
  readonly state: CallResult["state"];
  readonly round: number;
  readonly mos?: number;
  readonly loss?: number;
  readonly jitter?: number;
  readonly rtt?: number;
}

export function noteLinks(disk: Disk, results: readonly CallResult[]): readonly Link[] {
  const links = results.map(linkOf);
  put(disk, PLACES.links, links);
  leaveLinks(disk, links);
  return links;
}

function linkOf({ partner, state, measured, round }: CallResult): Link {
  if (measured === undefined) return { partner, state, round };
  const { mos, loss, jitter, rtt } = measured;
  const times = { ...(jitter === undefined ? {} : { jitter }), ...(rtt === undefined ? {} : { rtt }) };
  return { partner, state, round, mos, loss, ...times };
}

/** The file is this program's own, and replaced in one go. */
export function readLinks(files: Files): readonly Link[] {
  return JSON.parse(files.read(PLACES.links) ?? "[]") as Link[];
}

function put(disk: Disk, path: string, value: unknown): void {
  makeFolder(disk, PLACES.folder, 0o755);
  replaceFile(disk, path, `${PLACES.folder}/.value`, Buffer.from(`${JSON.stringify(value)}\n`), READABLE);
}
