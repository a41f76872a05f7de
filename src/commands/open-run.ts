import type { Log, LogLevel } from "../api.ts";
import type { Board, RunContext } from "../context.ts";
import { openHost } from "../host/host.ts";
import type { Invocation } from "./command.ts";

const LEVELS: readonly LogLevel[] = ["debug", "info", "warning", "error"];

/** The device of this invocation, with a log on standard error. */
export function openRun(invocation: Invocation, more: { isDry?: boolean; board?: Board } = {}): RunContext {
  return openHost(invocation.root, {
    choices: { isForced: invocation.flags.isForced, isDry: more.isDry ?? invocation.flags.isDry },
    board: more.board ?? SILENT,
    log: logOf(invocation),
    signal: invocation.signal,
  });
}

/** One line a message; `--quiet` leaves warnings and errors, `--verbose` adds the smallest steps. */
export function logOf({ flags, paint, tell }: Invocation): Log {
  const least = flags.isVerbose ? 0 : flags.isQuiet ? 2 : 1;
  const colours: Record<LogLevel, (text: string) => string> = {
    debug: paint.quiet,
    info: paint.quiet,
    warning: paint.warn,
    error: paint.bad,
  };
  return (level, message) => {
    if (LEVELS.indexOf(level) >= least)
      tell(`  ${colours[level](`${level === "info" ? "" : `${level}: `}${message}`)}`);
  };
}

const SILENT: Board = { stageBegins: () => undefined, stageEnds: () => undefined };
