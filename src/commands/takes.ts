import { ProvisionError } from "../errors.ts";
import { nearest } from "../macros/nearest.ts";
import { COMMANDS, type CommandName } from "./all.ts";

interface Takes {
  readonly options: readonly string[];
  /** How many words follow at most; absent: the command looks itself. */
  readonly words?: number;
}

/** What each command takes besides what all do; those of `tree` each for itself. */
export const TAKES: Readonly<Record<Exclude<CommandName, "tree"> | `tree ${string}`, Takes>> = {
  run: { options: ["first-only", "force", "dry-run", "show-secrets"], words: 0 },
  daemon: { options: [], words: 0 },
  probe: { options: ["once", "dry-run", "status"], words: 0 },
  plan: { options: ["show-secrets"], words: 0 },
  explain: { options: [], words: 0 },
  resolve: { options: [], words: 1 },
  macros: { options: [], words: 0 },
  status: { options: [], words: 0 },
  history: { options: [], words: 0 },
  diff: { options: ["show-secrets"] },
  blame: { options: ["show-secrets"] },
  rollback: { options: [], words: 1 },
  reset: { options: ["transaction"], words: 0 },
  hooks: { options: [] },
  guard: { options: ["dry-run", "status"], words: 0 },
  graph: { options: [], words: 0 },
  keys: { options: ["passphrase"], words: 2 },
  "tree init": { options: [], words: 2 },
  "tree sign": {
    options: ["key", "name", "serial", "expires", "rollout", "add", "signer", "signer-arg", "public"],
    words: 2,
  },
  "tree import": { options: ["into", "mac", "device", "inventory"] },
  "tree lint": { options: ["inventory", "settings", "key", "format", "strict"], words: 2 },
  "tree plan": {
    options: [...["mac", "inventory", "device", "from", "key", "base", "against", "format", "out"], "show-secrets"],
    words: 2,
  },
  "tree records": { options: ["base", "domain", "certificate", "phones"], words: 2 },
  "tree serve": { options: ["listen", "domain", "https-port", "dns-port", "out"], words: 2 },
  image: { options: ["out"], words: 1 },
};

/**
 * USAGE for an option or a word that the command would pass over: `rollback --dry-run` and `reset transaction` must not do what they seem to prevent.
 */
export function checkTaken(name: CommandName, words: readonly string[], given: readonly string[]): void {
  const whole: string = name === "tree" ? `tree ${words[0]}` : name;
  const takes = isTold(whole) ? TAKES[whole] : undefined;
  if (takes === undefined) return;
  const { options, words: most = words.length } = takes;
  const foreign = given.find((option) => !options.includes(option));
  if (foreign !== undefined) throw new ProvisionError("USAGE", `${whole} takes no --${foreign}`);
  if (words.length <= most) return;
  // What the shell made of `site 2/tree` or of `--key keys/*.sec`.
  const hint = most > 0 ? ": quote names with blanks, and give an option once for each of its files" : "";
  throw new ProvisionError("USAGE", `${whole} takes no ${JSON.stringify(words[most])}${hint}`);
}

export function unknownCommand(name: string): ProvisionError {
  const near = nearest(name, Object.keys(COMMANDS));
  return new ProvisionError("USAGE", `uciprov has no command ${name}${near === undefined ? "" : `: ${near} perhaps`}`);
}

function isTold(whole: string): whole is keyof typeof TAKES {
  return Object.hasOwn(TAKES, whole);
}
