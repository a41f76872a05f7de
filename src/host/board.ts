import type { Disk, StageName } from "../api.ts";
import type { Board } from "../context.ts";
import { errorFacts } from "../messages.ts";
import { makeFolder, RAM_FOLDER } from "../ram-folder.ts";

const STATUS = `${RAM_FOLDER}/status.json`;
const NEXT = `${STATUS}.new`;

/** The schema's number; it grows when a reader of an older one would be misled. */
const VERSION = 1;

/** Bytes; what `ubus call` hands on ends at 256 KiB (openwrt/rpcd: plugin.c), and RAM is the device's. */
const MOST = 180_000;

interface StageRecord {
  readonly stage: StageName;
  readonly milliseconds: number | null;
  readonly error?: Record<string, unknown>;
}

/** The status file in RAM: rewritten whole at every step, so that `ubus call uciprov status` needs no process of ours. */
export interface StatusFile extends Board {
  /** The run's end, with what it came to. */
  close(outcome: Record<string, unknown>): void;
}

export function openStatus(disk: Disk, now: () => number): StatusFile {
  const started = new Date(now()).toISOString();
  const stages: StageRecord[] = [];
  let isReady = false;
  const write = (more: Record<string, unknown>) => {
    const status = { version: VERSION, pid: process.pid, started, stages, ...more };
    if (isReady && hasReplaced(disk, status)) return;
    isReady = hasMadeReady(disk) && hasReplaced(disk, status);
  };
  return {
    stageBegins(stage) {
      write({ state: "running", stage });
    },
    stageEnds(stage, milliseconds, error) {
      stages.push({ stage, milliseconds: Math.round(milliseconds), ...(error ? { error: errorFacts(error) } : {}) });
    },
    close(outcome) {
      const end = { state: "ended", ended: new Date(now()).toISOString(), ...outcome };
      const isLong = "plan" in outcome && Buffer.byteLength(JSON.stringify(outcome)) > MOST;
      write(isLong ? { ...end, plan: undefined, isPlanLeftOut: true } : end);
    },
  };
}

/** The last status, as it was written; undefined before the first run since boot. */
export function readStatus(disk: Disk): unknown {
  const text = disk.read(STATUS);
  return text === undefined ? undefined : JSON.parse(text);
}

/** A folder, and nothing in it that another run or a failure left half written. */
function hasMadeReady(disk: Disk): boolean {
  return hasDone(() => {
    makeFolder(disk, RAM_FOLDER, 0o755);
    if (disk.stat(NEXT)) disk.unlink(NEXT);
  });
}

function hasReplaced(disk: Disk, status: unknown): boolean {
  return hasDone(() => {
    disk.writeNew(NEXT, Buffer.from(`${JSON.stringify(status)}\n`), { mode: 0o644 });
    disk.rename(NEXT, STATUS);
  });
}

/** A full RAM must not decide about a trial; whoever reads the file sees by its time that it is old. */
function hasDone(act: () => void): boolean {
  try {
    act();
    return true;
  } catch {
    return false;
  }
}
