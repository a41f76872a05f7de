/** Where lines come from: files as they grow, and the system's log. */
import type { Clock, Log } from "../api.ts";
import type { Source } from "./guard-file.ts";
import { lineCutter } from "./line-cutter.ts";
import { LONGEST_LINE, MARK, readLine, type Sighting } from "./log-lines.ts";
import type { Mark } from "./saved.ts";
import type { SourceCounts } from "./status.ts";

/** A file that is read as it grows, through rotation and truncation. */
export interface Tail {
  /** What came since, a piece of it; undefined if nothing did. `isFresh`: it begins another file. */
  read(): { readonly bytes: Buffer; readonly isFresh: boolean } | undefined;
  /** Where it stands; undefined: there is no such file. */
  readonly mark: Mark | undefined;
  close(): void;
}

/** What following logs needs of the device. */
export interface Logs {
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** From the mark; without one from the file's end, or from its beginning if it appears later. */
  openTail(path: string, mark: Mark | undefined): Tail;
  /** `logread -f -e PATTERN`; resolves when it has ended. */
  followSyslog(pattern: string, onLine: (line: string) => void): Promise<void>;
  /** The parent of a process, if there is such a process. */
  parentOf(pid: number): number | undefined;
}

export interface Inputs {
  /** Reads what the files have; whether there is more. */
  look(): boolean;
  /** Follows the log until the signal fires. */
  listen(): Promise<void>;
  /** How far each file was heard, in whole lines. */
  marks(): Readonly<Record<string, Mark>>;
  close(): void;
  /** One for each source, in their order. */
  readonly counts: readonly SourceCounts[];
}

/** Pieces of one file in one look, so that a flood of lines keeps nothing else waiting. */
const MOST_PIECES = 64;
/** Seconds between two starts of logread; after a run that was `sound` the pause begins anew. */
const PAUSE = { first: 1, longest: 30, sound: 60 } as const;

/** No file has this inode. */
const NO_FILE: Mark = { dev: 0, inode: 0, offset: 0 };

export function openInputs(
  sources: readonly Source[],
  logs: Logs,
  marks: Readonly<Record<string, Mark>>,
  onSighting: (sighting: Sighting, source: Source) => void,
): Inputs {
  const inputs = sources.map((source) => openInput(source, logs, marks, onSighting));
  return {
    look: () => inputs.map(({ look }) => look()).includes(true),
    listen: async () => void (await Promise.all(inputs.map(({ listen }) => listen()))),
    marks: () => Object.fromEntries(inputs.flatMap(({ mark }) => mark() ?? [])),
    close: () => {
      for (const { tail } of inputs) tail?.close();
    },
    counts: inputs.map(({ count }) => count),
  };
}

function openInput(
  source: Source,
  { log, clock, signal, ...logs }: Logs,
  marks: Readonly<Record<string, Mark>>,
  onSighting: (sighting: Sighting, source: Source) => void,
) {
  const { kind, from } = source;
  const path = "path" in from ? from.path : undefined;
  const tail = path === undefined ? undefined : logs.openTail(path, marks[path]);
  const count: SourceCounts = {
    kind,
    ...(path === undefined ? {} : { path }),
    state: "absent",
    lines: 0,
    events: 0,
    odd: 0,
    unclear: 0,
  };

  const hear = (line: string): void => {
    count.lines++;
    const reading = readLine(kind, line, path === undefined);
    if (reading === undefined) return;
    if (reading === "odd" || reading === "unclear") {
      count[reading]++;
    } else if (reading.claim !== undefined && logs.parentOf(reading.claim.pid) !== reading.claim.parent) {
      count.odd++;
    } else {
      count.events++;
      onSighting(reading, source);
    }
  };
  const cutter = lineCutter({
    mark: MARK[kind],
    longest: LONGEST_LINE[kind],
    onLine: hear,
    onPassed: () => {
      count.lines++;
    },
    onLong: () => {
      count.lines++;
      count.odd++;
    },
  });
  const read = (one: Tail): boolean => {
    for (let pieces = 0; pieces < MOST_PIECES; pieces++) {
      const piece = one.read();
      if (piece === undefined) return false;
      if (piece.isFresh) cutter.reset();
      cutter.take(piece.bytes);
    }
    return true;
  };

  return {
    count,
    tail,
    look(): boolean {
      if (tail === undefined) return false;
      try {
        const hasMore = read(tail);
        count.state = tail.mark === undefined ? "absent" : "following";
        return hasMore;
      } catch (thrown) {
        if (count.state === "following") log("error", `${path}: ${thrown instanceof Error ? thrown.message : thrown}`);
        count.state = "absent";
        return false;
      }
    },
    async listen(): Promise<void> {
      if (path !== undefined) return;
      for (let pause = 0; !signal.aborted; ) {
        const begun = clock.sinceBoot();
        count.state = "following";
        try {
          await logs.followSyslog(MARK[kind], hear);
        } catch (thrown) {
          if (pause === 0) log("error", `no log is followed: ${thrown instanceof Error ? thrown.message : thrown}`);
        }
        count.state = "absent";
        const isSound = clock.sinceBoot() - begun >= PAUSE.sound;
        pause = isSound ? PAUSE.first : Math.min(PAUSE.longest, Math.max(PAUSE.first, pause * 2));
        await clock.sleep(pause * 1000, signal).catch(() => undefined);
      }
    },
    /** A line that is not whole yet is read again; of a file that is not there everything will be new. */
    mark(): readonly (readonly [string, Mark])[] | undefined {
      if (path === undefined) return undefined;
      const mark = tail?.mark ?? NO_FILE;
      return [[path, { ...mark, offset: Math.max(0, mark.offset - cutter.waiting) }]];
    },
  };
}
