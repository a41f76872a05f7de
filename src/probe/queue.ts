/**
 * What waits to be uploaded, in RAM and bounded: for each call its result, and beside it its recording. An item is there from the moment its result is; a recording without one is
 * a leftover. Names never come twice, and what is in a file never changes: sending one again after a cut tells the collector what it knows already.
 */
import type { Disk, Log } from "../api.ts";
import { makeFolder } from "../ram-folder.ts";
import { unlinkIfThere } from "../transaction/folders.ts";
import { replaceFile } from "../transaction/replace-file.ts";
import { PLACES } from "./places.ts";

const FOLDER = PLACES.queue;
const NAME = /^([0-9]{10,16})\.([a-z0-9][a-z0-9-]{0,31})\.(json|wav)$/;
/** Results alone, however small, are bounded as well. */
const MOST_ITEMS = 4000;

export interface Item {
  /** `ROUND.PARTNER`. */
  readonly name: string;
  readonly round: string;
  readonly partner: string;
  readonly hasRecording: boolean;
}

/** Oldest first. */
export function waiting(disk: Disk): readonly Item[] {
  const names = disk.list(FOLDER);
  const recordings = new Set(names.filter((name) => name.endsWith(".wav")));
  return names.flatMap((file): Item[] => {
    const [, round, partner, kind] = NAME.exec(file) ?? [];
    if (round === undefined || partner === undefined || kind !== "json") return [];
    const name = `${round}.${partner}`;
    return [{ name, round, partner, hasRecording: recordings.has(`${name}.wav`) }];
  });
}

export function isWaiting(disk: Disk, name: string): boolean {
  return disk.stat(`${FOLDER}/${name}.json`) !== undefined;
}

/** The recording first: once the result is there, the item is whole. */
export function enqueue(disk: Disk, name: string, result: Uint8Array, recording: Uint8Array | undefined): void {
  makeFolder(disk, FOLDER, 0o700);
  if (recording !== undefined) put(disk, `${name}.wav`, recording);
  put(disk, `${name}.json`, result);
}

function put(disk: Disk, file: string, bytes: Uint8Array): void {
  replaceFile(disk, `${FOLDER}/${file}`, `${FOLDER}/.new`, bytes, { mode: 0o600 });
}

export function contentOf(disk: Disk, name: string, kind: "json" | "wav"): Uint8Array | undefined {
  return disk.readBytes(`${FOLDER}/${name}.${kind}`, 8 << 20);
}

/** The result first: without it, the recording is a leftover. */
export function dequeue(disk: Disk, { name }: Item): void {
  unlinkIfThere(disk, `${FOLDER}/${name}.json`);
  unlinkIfThere(disk, `${FOLDER}/${name}.wav`);
}

/** Takes leftovers away, and as much of the oldest as is too much: first recordings, then results. Answers how many went. */
export function trim(disk: Disk, bytes: number, log: Log): { readonly recordings: number; readonly results: number } {
  const items = waiting(disk);
  const whole = new Set(items.flatMap(({ name }) => [`${name}.json`, `${name}.wav`]));
  for (const file of disk.list(FOLDER)) if (!whole.has(file)) unlinkIfThere(disk, `${FOLDER}/${file}`);

  const size = (file: string) => disk.stat(`${FOLDER}/${file}`)?.size ?? 0;
  let used = disk.list(FOLDER).reduce((sum, file) => sum + size(file), 0);
  const gone = { recordings: 0, results: 0 };
  for (const { name, hasRecording } of items) {
    if (used <= bytes) break;
    if (!hasRecording) continue;
    used -= size(`${name}.wav`);
    unlinkIfThere(disk, `${FOLDER}/${name}.wav`);
    gone.recordings++;
  }
  for (const [index, item] of items.entries()) {
    if (used <= bytes && items.length - index <= MOST_ITEMS) break;
    used -= size(`${item.name}.json`);
    dequeue(disk, item);
    gone.results++;
  }
  if (gone.recordings + gone.results > 0) {
    log(
      "warning",
      `too much waits for the collector: ${gone.recordings} recordings and ${gone.results} results, the oldest, are dropped`,
    );
  }
  return gone;
}
