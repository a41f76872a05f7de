/** Letters on their way to whoever watches the fleet: in RAM, and on flash what a boot must not lose. Loaded when there is one. */
import type { Disk, Files, Letter, Outbox } from "./api.ts";
import type { RunContext } from "./context.ts";
import { asProvisionError } from "./errors.ts";
import { letEnd } from "./last-words.ts";
import { makeFolder, RAM_FOLDER } from "./ram-folder.ts";
import type { Settings } from "./settings.ts";
import { STATE } from "./state.ts";
import { makeFolders } from "./transaction/folders.ts";
import { replaceFile } from "./transaction/replace-file.ts";
import { redactUri } from "./uri.ts";

const RAM = { folder: `${RAM_FOLDER}/reports`, bytes: 65_536, one: 16_384 } as const;
/** Survives a firmware upgrade, as reports about one must. */
const FLASH = { folder: `${STATE.folder}/reports`, bytes: 16_384, one: 8192 } as const;
/** What was delivered since boot, and until when the server wants to hear nothing. */
const NOTES = `${RAM_FOLDER}/reports.json`;
/** The last durable one that was delivered: a boot must not tell it again. */
const LAST = `${FLASH.folder}/last`;
const MOST_NOTED = 32;

type Place = typeof RAM | typeof FLASH;

/** One delivery at a time in this process; another process's only tells the receiver twice what it counts once. */
let isDelivering = false;
let isAskedAgain = false;

export function openOutbox(ctx: RunContext, settings: Settings): Outbox {
  const { disk } = ctx;
  const quietly = (what: string, act: () => void): void => {
    try {
      act();
    } catch (thrown) {
      ctx.log("debug", `${what}: ${asProvisionError(thrown).message}`);
    }
  };
  return {
    get isEmpty() {
      return waiting(disk).length === 0;
    },
    put({ id, body, about, isDurable }: Letter) {
      quietly("a report is not kept", () => {
        if (ctx.choices.isDry || (about !== undefined && notes(disk).last === about)) return;
        if (!isId(id) || wasDelivered(disk, id) || waiting(disk).some((one) => one.id === id)) return;
        const bytes = Buffer.from(`${JSON.stringify(body)}\n`);
        const place = isDurable && bytes.length <= FLASH.one ? FLASH : RAM;
        if (bytes.length > place.one) return;
        makeRoom(disk, place, bytes.length);
        if (place === FLASH) makeFolders(disk, FLASH.folder, 0o700);
        else makeFolder(disk, RAM.folder, 0o700);
        replaceFile(disk, `${place.folder}/${name(ctx, id)}`, `${place.folder}/.new`, bytes, { mode: 0o600 });
        if (about !== undefined) note(disk, { last: about });
      });
    },
    deliver(uri) {
      if (ctx.choices.isDry || notes(disk).notBefore > ctx.clock.sinceBoot()) return;
      // What was put while letters are on their way goes after them: a run's last one comes that late.
      if (isDelivering) {
        isAskedAgain = true;
        return;
      }
      isDelivering = true;
      letEnd(
        deliverAll(ctx, settings, uri)
          .catch((thrown: unknown) => ctx.log("info", `reports wait: ${asProvisionError(thrown).message}`))
          .finally(() => {
            isDelivering = false;
          }),
      );
    },
  };
}

let count = 0;

/** Sorted as they came: a boot's later letters after its earlier ones, those of one millisecond by a count, and what is on flash by the clock. */
function name(ctx: RunContext, id: string): string {
  const time = Math.floor(Math.max(0, ctx.clock.now())).toString(36).padStart(9, "0");
  return `${time}${(count++ % 46_656).toString(36).padStart(3, "0")}.${id}`;
}

interface Waiting {
  readonly id: string;
  readonly path: string;
  readonly place: Place;
}

function waiting(files: Files): Waiting[] {
  return [FLASH, RAM].flatMap((place) =>
    files.list(place.folder).flatMap((file): Waiting[] => {
      const id = /^[0-9a-z]{9,12}\.([a-z0-9-]{1,64})$/.exec(file)?.[1];
      return id === undefined ? [] : [{ id, path: `${place.folder}/${file}`, place }];
    }),
  );
}

function isId(id: string): boolean {
  return /^[a-z0-9-]{1,64}$/.test(id);
}

/** The oldest go. */
function makeRoom(disk: Disk, place: Place, bytes: number): void {
  let used = bytes;
  for (const one of waiting(disk)
    .filter((letter) => letter.place === place)
    .reverse()) {
    used += disk.stat(one.path)?.size ?? 0;
    if (used > place.bytes) disk.unlink(one.path);
  }
}

async function deliverAll(ctx: RunContext, settings: Settings, uri: string): Promise<void> {
  do {
    isAskedAgain = false;
    await deliverWaiting(ctx, settings, uri);
  } while (isAskedAgain && notes(ctx.disk).notBefore <= ctx.clock.sinceBoot());
}

async function deliverWaiting(ctx: RunContext, settings: Settings, uri: string): Promise<void> {
  const http = ctx.openHttp(settings);
  if (http.post === undefined) return;
  const signal = AbortSignal.timeout(settings.report.seconds * 1000);
  try {
    for (const letter of waiting(ctx.disk)) {
      const body = ctx.disk.readBytes(letter.path, letter.place.one);
      if (body === undefined) continue;
      const { status, retryAfter } = await http.post({ uri, body, headers: { "idempotency-key": letter.id }, signal });
      if (status === 408 || status === 429 || status >= 500) {
        if (retryAfter !== undefined) note(ctx.disk, { notBefore: ctx.clock.sinceBoot() + retryAfter });
        ctx.log("info", `reports wait: ${redactUri(uri)} answered with status ${status}`);
        return;
      }
      if (status < 200 || status > 299) {
        ctx.log("warning", `report ${letter.id} is dropped: ${redactUri(uri)} answered with status ${status}`);
      }
      if (letter.place === FLASH) noteLast(ctx.disk, letter.id);
      note(ctx.disk, { delivered: letter.id });
      if (ctx.disk.stat(letter.path)) ctx.disk.unlink(letter.path);
    }
  } finally {
    await http.close();
  }
}

function noteLast(disk: Disk, id: string): void {
  replaceFile(disk, LAST, `${FLASH.folder}/.new`, Buffer.from(`${id}\n`), { mode: 0o600 });
}

function wasDelivered(files: Files, id: string): boolean {
  return notes(files).delivered.includes(id) || files.read(LAST, 128)?.trim() === id;
}

interface Notes {
  readonly delivered: readonly string[];
  /** Seconds since boot. */
  readonly notBefore: number;
  /** What the last letter with a mark said. */
  readonly last: string;
}

function notes(files: Files): Notes {
  try {
    const value: unknown = JSON.parse(files.read(NOTES, 16_384) ?? "null");
    const { delivered, notBefore, last } = Object.fromEntries(Object.entries(value ?? {}));
    return {
      delivered: Array.isArray(delivered) ? delivered.map(String) : [],
      notBefore: typeof notBefore === "number" ? notBefore : 0,
      last: typeof last === "string" ? last : "",
    };
  } catch {
    return { delivered: [], notBefore: 0, last: "" };
  }
}

function note(
  disk: Disk,
  more: { readonly delivered?: string; readonly notBefore?: number; readonly last?: string },
): void {
  const before = notes(disk);
  const delivered = more.delivered === undefined ? before.delivered : [...before.delivered, more.delivered];
  const next: Notes = {
    delivered: delivered.slice(-MOST_NOTED),
    notBefore: more.notBefore ?? before.notBefore,
    last: more.last ?? before.last,
  };
  makeFolder(disk, RAM_FOLDER, 0o755);
  if (disk.stat(`${NOTES}.new`)) disk.unlink(`${NOTES}.new`);
  disk.writeNew(`${NOTES}.new`, Buffer.from(`${JSON.stringify(next)}\n`), { mode: 0o600 });
  disk.rename(`${NOTES}.new`, NOTES);
}
