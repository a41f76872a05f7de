/**
 * Values on their way to Zabbix servers: a file in RAM for each batch, so that what could not be sent is sent later, by whichever of our processes comes
 * next. A batch that is being sent bears the token of the process that does it: no two processes send the same one.
 */
import type { Disk } from "../api.ts";
import { asObject, numberOf, textOf } from "../json-fields.ts";
import { makeFolder } from "../ram-folder.ts";
import type { TrapperValue } from "./message.ts";

export const QUEUE_FOLDER = "/var/run/beesip/sender";

/** Bytes of all batches together, and of one; the oldest batches give way. */
const MOST = { all: 262_144, one: 65_536, values: 250, value: 16_384, batches: 2000 } as const;

/** `TIME-COUNT-TRIES`, and `.TOKEN` of the process that has it: sorted as they came. */
const NAME = /^([0-9a-z]{10}-[0-9a-z]{8}-([0-9]{1,3}))(?:\.([0-9a-z-]{1,80}))?$/;

export interface Batch {
  readonly values: readonly TrapperValue[];
  /** Servers that have it already, as `HOST PORT`. */
  readonly sent: readonly string[];
  /** How often a server knew none of its items. */
  readonly tries: number;
}

/** A batch that this process alone has until it gives it back or removes it. */
export interface Claimed extends Batch {
  readonly name: string;
  readonly path: string;
}

/** Puts values into the queue; what is over the bounds is left out. Gives how many batches gave way. */
export function enqueue(disk: Disk, values: readonly TrapperValue[], now: number): number {
  let gone = 0;
  for (const batch of batches(values)) {
    const bytes = asBytes({ values: batch, sent: [] });
    gone += makeRoom(disk, bytes.length);
    const order = Math.floor(Math.max(0, now)).toString(36).padStart(10, "0");
    place(disk, `${order}-${nextCount()}-0`, bytes);
  }
  return gone;
}

/** Names of batches that wait for somebody, the oldest first. */
export function waiting(disk: Disk, isAlive: (token: string) => boolean): readonly string[] {
  return disk.list(QUEUE_FOLDER).filter((name) => {
    const [whole, , , token] = NAME.exec(name) ?? [];
    return whole !== undefined && (token === undefined || !isAlive(token));
  });
}

/** Takes a batch for this process; undefined if another was quicker, or if it cannot be read and is gone now. */
export function claim(disk: Disk, name: string, self: string): Claimed | undefined {
  const [, bare = "", tries = "0"] = NAME.exec(name) ?? [];
  const path = `${QUEUE_FOLDER}/${bare}.${self}`;
  if (disk.stat(`${QUEUE_FOLDER}/${name}`) === undefined) return undefined;
  disk.rename(`${QUEUE_FOLDER}/${name}`, path);
  try {
    return { ...readBatch(disk.read(path, MOST.one * 2) ?? "", Number(tries)), name: bare, path };
  } catch {
    disk.unlink(path);
    return undefined;
  }
}

export function finish(disk: Disk, { path }: Claimed): void {
  if (disk.stat(path) !== undefined) disk.unlink(path);
}

/** Gives a batch back, for a later try. */
export function giveBack(disk: Disk, { name, path }: Claimed, now: Batch): void {
  const next = name.replace(/-[0-9]+$/, `-${Math.min(999, now.tries)}`);
  place(disk, next, asBytes({ values: now.values, sent: now.sent }));
  if (disk.stat(path) !== undefined) disk.unlink(path);
}

let count = 0;

/** Batches of one millisecond keep their order, and no two processes make the same name. */
function nextCount(): string {
  count += 1;
  return `${(count % 46_656).toString(36).padStart(3, "0")}${(process.pid % 60_466_176).toString(36).padStart(5, "0")}`;
}

function* batches(values: readonly TrapperValue[]): Generator<readonly TrapperValue[]> {
  let batch: TrapperValue[] = [];
  let bytes = 0;
  for (const one of values) {
    const size = Buffer.byteLength(JSON.stringify(one)) + 1;
    if (Buffer.byteLength(one.value) > MOST.value) continue;
    if (batch.length === MOST.values || bytes + size > MOST.one) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(one);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

/** The oldest go, whoever has them. */
function makeRoom(disk: Disk, bytes: number): number {
  const names = disk.list(QUEUE_FOLDER).filter((name) => NAME.test(name));
  let used = bytes;
  let gone = 0;
  for (const [at, name] of names.reverse().entries()) {
    used += disk.stat(`${QUEUE_FOLDER}/${name}`)?.size ?? 0;
    if (used <= MOST.all && at < MOST.batches) continue;
    disk.unlink(`${QUEUE_FOLDER}/${name}`);
    gone += 1;
  }
  return gone;
}

/** A file that is there is whole: whoever reads it meanwhile sees it, or not. */
function place(disk: Disk, name: string, bytes: Uint8Array): void {
  makeFolder(disk, QUEUE_FOLDER, 0o700);
  const fresh = `${QUEUE_FOLDER}/.${name}.${process.pid}`;
  if (disk.stat(fresh) !== undefined) disk.unlink(fresh);
  disk.writeNew(fresh, bytes, { mode: 0o600 });
  disk.rename(fresh, `${QUEUE_FOLDER}/${name}`);
}

function asBytes(batch: Omit<Batch, "tries">): Uint8Array {
  return Buffer.from(JSON.stringify(batch));
}

function readBatch(text: string, tries: number): Batch {
  const from = asObject(JSON.parse(text));
  const { values, sent } = from;
  if (!Array.isArray(values) || !Array.isArray(sent)) throw new TypeError("no batch");
  return {
    tries,
    sent: sent.map(String),
    values: values.map((one: unknown) => {
      const value = asObject(one);
      return {
        key: textOf(value, "key"),
        value: textOf(value, "value"),
        clock: numberOf(value, "clock"),
        ns: numberOf(value, "ns"),
      };
    }),
  };
}
