import type { StageName } from "../api.ts";

/** Where a stage's failure leads. */
export type OnFailure = "stop" | "later" | "fail" | "retry" | "refuse" | "roll-back";

export interface Stage {
  readonly name: StageName;
  /** What the core itself does here, for `graph` and the docs. */
  readonly work: string;
  /** When this stage's hooks run; undefined: it has none. */
  readonly hooks: "before" | "after" | undefined;
  readonly onFailure: OnFailure;
  /** Seconds the stage may take as a whole, hooks included; `apply` and after it have their own clock, the confirm window. */
  readonly deadline: number;
}

/** The machine: the run walks it from top to bottom; `uciprov graph` and docs/run.md show it, tests compare. */
export const STAGES: readonly Stage[] = [
  {
    name: "recover",
    work: "rolls back what a cut left unfinished, or finishes what was already decided",
    hooks: undefined,
    onFailure: "stop",
    deadline: 120,
  },
  {
    name: "ready",
    work: "waits for a usable overlay, an interface that is up, and a plausible clock",
    hooks: undefined,
    onFailure: "later",
    deadline: 3700,
  },
  {
    name: "preinit",
    work: "reads the settings, the device's own facts and the macros",
    hooks: "after",
    onFailure: "fail",
    deadline: 60,
  },
  {
    name: "geturi",
    work: "asks every enabled resolver at once and takes the first, in the order of the settings, that knows",
    hooks: "before",
    onFailure: "retry",
    deadline: 400,
  },
  {
    name: "fetch",
    work: "expands and checks every URI, gets manifest, signatures and files, proves them",
    hooks: "after",
    onFailure: "retry",
    deadline: 7200,
  },
  {
    name: "validate",
    work: "parses everything; the modules turn it into changes, the changes become the plan",
    hooks: "after",
    onFailure: "refuse",
    deadline: 600,
  },
  {
    name: "preapply",
    work: "makes sure that the plan fits, space above all; installs the packages it names, and then plans again",
    hooks: "after",
    onFailure: "fail",
    deadline: 3000,
  },
  {
    name: "apply",
    work: "the transaction: stages, saves the originals, starts the watcher, puts every file in place",
    hooks: "after",
    onFailure: "roll-back",
    deadline: 1200,
  },
  {
    name: "postapply",
    work: "reloads the services whose configuration changed, and no other; starts, stops and restarts what the plan names",
    hooks: "after",
    onFailure: "roll-back",
    deadline: 300,
  },
  {
    name: "reboot",
    work: "only where the plan asks for it: firmware is written and ends the run; other plans are confirmed after the reboot",
    hooks: "before",
    onFailure: "roll-back",
    deadline: 3700,
  },
  {
    name: "confirm",
    work: "the probes must succeed within the window; then this generation is the device's own; packages are removed after it",
    hooks: undefined,
    onFailure: "roll-back",
    deadline: 3700,
  },
];

/** What each way out means, for `graph` and the docs. */
export const FAILURES: Readonly<Record<OnFailure, string>> = {
  stop: "the run stops and says so loudly; nothing was changed",
  later: "the run ends; the next trigger starts another",
  fail: "the run fails; nothing was changed",
  retry: "back-off, then again from geturi, a few times; then the run ends and the next one tries",
  refuse: "the content is refused, and not tried again before something changed upstream",
  "roll-back": "every file goes back to what it was; the run ends as rolled back",
};
