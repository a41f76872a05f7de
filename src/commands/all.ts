import type { Command } from "./command.ts";
import { plan, run } from "./run.ts";

/** Every command, and how to load it: a scheduled run does not pay for the others. What they are for is told in help.ts. */
export const COMMANDS = {
  run: async () => run,
  daemon: async () => (await import("./daemon.ts")).daemon,
  probe: async () => (await import("./probe.ts")).probe,
  plan: async () => plan,
  explain: async () => (await import("./explain.ts")).explain,
  resolve: async () => (await import("./explain.ts")).resolve,
  macros: async () => (await import("./explain.ts")).macros,
  status: async () => (await import("./state-commands.ts")).status,
  history: async () => (await import("./state-commands.ts")).history,
  diff: async () => (await import("./look-back.ts")).diff,
  blame: async () => (await import("./look-back.ts")).blame,
  rollback: async () => (await import("./state-commands.ts")).rollback,
  reset: async () => (await import("./state-commands.ts")).reset,
  hooks: async () => (await import("./hooks.ts")).hooks,
  guard: async () => (await import("./guard.ts")).guard,
  graph: async () => (await import("./graph.ts")).graph,
  keys: async () => (await import("../admin/tree-commands.ts")).keys,
  tree: async () => (await import("../admin/tree-commands.ts")).tree,
  image: async () => (await import("../admin/image/command.ts")).image,
} as const satisfies Readonly<Record<string, () => Promise<Command>>>;

export type CommandName = keyof typeof COMMANDS;

export function isCommand(name: string): name is CommandName {
  return Object.hasOwn(COMMANDS, name);
}
