import { readdirSync, readFileSync } from "node:fs";

/** Field 22 of `/proc/PID/stat` counts from the process's name, which may hold blanks and brackets itself (proc(5)). */
const START_TIME_AFTER_NAME = 19;
const PARENT_AFTER_NAME = 1;

/** This process and who else is alive, by `/proc`; see `Processes` of the transaction's claims. `recover.sh` makes the same names. */
export function openProcesses(): { self: string; bootId: string; isRoot: boolean; isAlive(token: string): boolean } {
  const bootId = readBootId();
  const token = (pid: number): string | undefined => {
    const started = startTime(pid);
    return started === undefined ? undefined : `${pid}-${started}-${bootId}`;
  };
  return {
    self: token(process.pid) ?? `${process.pid}-0-${bootId}`,
    bootId,
    isRoot: process.geteuid?.() === 0,
    isAlive(other) {
      const pid = Number(other.split("-", 1)[0]);
      return Number.isSafeInteger(pid) && pid > 0 && token(pid) === other;
    },
  };
}

function readBootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return "unknown";
  }
}

/** The process that started this one, or has taken it over; undefined for no process. */
export function parentOf(pid: number): number | undefined {
  const parent = Number(statFields(pid)?.[PARENT_AFTER_NAME]);
  return Number.isSafeInteger(parent) ? parent : undefined;
}

/**
 * Ends what a process of ours left behind when it was killed: programs with exactly these words that nobody but process 1 is the parent of. `logread -f` ends
 * neither with its reader nor by a broken pipe (openwrt/ubox: log/logread.c ignores SIGPIPE).
 */
export function endOrphans(words: readonly string[]): void {
  const wanted = `${words.join("\0")}\0`;
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!Number.isSafeInteger(pid) || parentOf(pid) !== 1) continue;
    try {
      if (readFileSync(`/proc/${name}/cmdline`, "utf8") === wanted) process.kill(pid, "SIGTERM");
    } catch {
      // gone already
    }
  }
}

/** Clock ticks after boot; undefined for no process, or one that has ended and only waits for its parent. */
function startTime(pid: number): string | undefined {
  const fields = statFields(pid);
  return fields?.[0] === "Z" || fields?.[0] === "X" ? undefined : fields?.[START_TIME_AFTER_NAME];
}

/** The fields after the process's name; the first is its state. */
function statFields(pid: number): readonly string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}
