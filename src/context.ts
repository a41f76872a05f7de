import type {
  Clock,
  Commands,
  DeviceFacts,
  Disk,
  Dns,
  Http,
  LedState,
  Log,
  MacroTable,
  Module,
  Resolver,
  StageName,
} from "./api.ts";
import type { ProvisionError } from "./errors.ts";
import type { Plan } from "./plan.ts";
import type { Settings } from "./settings.ts";
import type { State } from "./state.ts";
import type { Processes } from "./transaction/claim.ts";

/** What the person or the schedule that started the run wants of it. */
export interface Choices {
  /** Fetch and plan everything, whatever was confirmed before. */
  readonly isForced: boolean;
  /** Stop once the plan stands. */
  readonly isDry: boolean;
}

/** Told of every step, for the status file and for people who watch. */
export interface Board {
  stageBegins(stage: StageName): void;
  stageEnds(stage: StageName, milliseconds: number, error?: ProvisionError): void;
  /** This plan will be told if it holds: there is time now to see how. */
  planned?(plan: Plan): Promise<unknown>;
}

/**
 * Runs a program of the device that tells of events, a line each, in its own process group; at the deadline (milliseconds) or the signal the
 * whole group is killed. Resolves when it has ended, however. Not finding it is COMMAND_FAILED.
 */
export type Follow = (
  name: string,
  args: readonly string[],
  how: { readonly deadline: number; readonly signal: AbortSignal; readonly onLine: (line: string) => void },
) => Promise<void>;

/** The only door to the device. It holds no stage's result: those move forward as arguments. */
export interface RunContext {
  readonly disk: Disk;
  /** A file below the root in pieces, for what never is to be in memory as a whole. */
  readonly stream: (path: string) => AsyncIterable<Uint8Array>;
  readonly commands: Commands;
  readonly follow: Follow;
  readonly processes: Processes;
  readonly dns: Dns;
  readonly openHttp: (settings: Settings) => Http;
  /**
   * Starts a program of the device in a session of its own, which outlives this process; what it prints goes to the file `output` in RAM. Resolves with
   * its exit status (null: a signal) should it end while we are there. Not finding it is COMMAND_FAILED.
   */
  readonly detach: (name: string, args: readonly string[], output: string) => Promise<number | null>;
  /** Starts `recover.sh watch SECONDS` on its own, so that a trial ends even if this process does. */
  readonly startWatcher: (seconds: number) => void;
  /** Lets the LED of that name show a state; what goes wrong is thrown. */
  readonly setLed: (name: string, state: LedState) => Promise<void>;
  readonly readFacts: () => DeviceFacts;
  /** Seconds since 1970 at which the firmware was built: the one fact that is asked for before all others. */
  readonly readBuildDate: () => number | undefined;
  readonly readAddresses: () => { readonly ip: string | undefined; readonly ip6: string | undefined };
  /** Whether something better than the flash (NTP) has set the clock since boot. */
  readonly isClockProven: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
  readonly board: Board;
  readonly choices: Choices;
  readonly signal: AbortSignal;
}

export interface Plugins {
  readonly resolvers: readonly Resolver[];
  readonly modules: readonly Module[];
}

/** What `preinit` makes: the device as this run sees it. */
export interface Device {
  readonly settings: Settings;
  readonly facts: DeviceFacts;
  readonly macros: MacroTable;
  readonly state: State;
  readonly http: Http;
}
