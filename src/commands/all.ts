import type { Command } from "./command.ts";
import { explain, macros, resolve } from "./explain.ts";
import { graph } from "./graph.ts";
import { plan, run } from "./run.ts";
import { history, reset, rollback, status } from "./state-commands.ts";

/** Every command, in the order `help` shows them. */
export const COMMANDS: readonly Command[] = [
  run,
  plan,
  explain,
  resolve,
  macros,
  status,
  history,
  rollback,
  reset,
  graph,
];
