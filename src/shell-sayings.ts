/** What a shell module says to uciprov through the functions of /lib/uciprov/functions.sh: a line a word, its fields split by tabs. */
import type { HookPoint } from "./api.ts";
import type { ServiceChange } from "./changes.ts";
import { ProvisionError } from "./errors.ts";

/** A hook point, or `plan`: the module's part in the plan, before it is complete. */
export type ShellStage = HookPoint | "plan";

export type Saying =
  | { readonly word: "hook"; readonly stage: ShellStage }
  | { readonly word: "uri"; readonly name: string; readonly uri: string; readonly size: "small" | "large" }
  | { readonly word: "deadline"; readonly seconds: number }
  | { readonly word: "set"; readonly name: string; readonly value: string; readonly isTainted: boolean }
  | { readonly word: "log"; readonly level: "debug" | "info" | "warning" | "error"; readonly message: string }
  | {
      readonly word: "file";
      readonly path: string;
      readonly kept: string;
      readonly mode: number;
      readonly user?: string;
      readonly group?: string;
    }
  | { readonly word: "service"; readonly name: string; readonly what: Pick<ServiceChange, "boot" | "run" | "onChange"> }
  | { readonly word: "package"; readonly install: readonly string[]; readonly remove: readonly string[] }
  | { readonly word: "link"; readonly path: string; readonly target: string }
  | { readonly word: "remove"; readonly path: string }
  | { readonly word: "merge"; readonly kept: string }
  | { readonly word: "fault" | "warn" | "reboot"; readonly message: string };

export interface Sayings {
  /** While the file was loaded. */
  readonly preamble: readonly Saying[];
  /** While its functions ran. */
  readonly hooks: readonly Saying[];
  /** Whether loading came to its end. */
  readonly isLoaded: boolean;
}

const STAGES: readonly string[] = [
  ...["preinit", "geturi", "fetch", "plan", "validate", "preapply"],
  ...["apply", "postapply", "reboot", "done", "failed"],
];
const LEVELS: readonly string[] = ["debug", "info", "warning", "error"];

/** Reads what was said. HOOK_FAILED for what the library would not say, and for what it found wrong with the module. */
export function readSayings(text: string, module: string): Sayings {
  const preamble: Saying[] = [];
  const hooks: Saying[] = [];
  let isLoaded = false;
  for (const line of text.split("\n")) {
    const [word, ...fields] = line.split("\t");
    if (line === "") continue;
    if (word === "broken") throw new ProvisionError("HOOK_FAILED", `module ${module}: ${fields.join(" ")}`);
    if (line === "loaded") {
      isLoaded = true;
      continue;
    }
    const saying = readSaying(word ?? "", fields);
    if (saying === undefined) throw new ProvisionError("HOOK_FAILED", `module ${module} says ${JSON.stringify(line)}`);
    (isLoaded ? hooks : preamble).push(saying);
  }
  return { preamble, hooks, isLoaded };
}

function readSaying(word: string, fields: readonly string[]): Saying | undefined {
  const [one = "", two = "", three = ""] = fields;
  switch (word) {
    case "hook":
      return isStage(one) ? { word, stage: one } : undefined;
    case "uri":
      return isName(one) ? { word, name: one, uri: two, size: three === "large" ? "large" : "small" } : undefined;
    case "deadline":
      return /^[1-9][0-9]{0,2}$/.test(one) ? { word, seconds: Math.min(Number(one), 600) } : undefined;
    case "set":
      return isName(one) ? { word, name: one, value: two, isTainted: three !== "authentic" } : undefined;
    case "log":
      return isLevel(one) ? { word, level: one, message: two } : undefined;
    case "file":
      return isKept(two) && /^0?[0-7]{3}$/.test(three)
        ? { word, path: one, kept: two, mode: Number.parseInt(three, 8), ...ownerIn(fields[3] ?? "") }
        : undefined;
    case "service": {
      const what = serviceIn(two, fields.slice(2));
      return what === undefined ? undefined : { word, name: one, what };
    }
    case "package": {
      const [remove, install] = [true, false].map((isMinus) =>
        fields.filter((name) => name.startsWith("-") === isMinus),
      );
      return { word, install: install ?? [], remove: (remove ?? []).map((name) => name.slice(1)) };
    }
    case "link":
      return { word, path: one, target: two };
    case "remove":
      return { word, path: one };
    case "merge":
      return isKept(one) ? { word, kept: one } : undefined;
    case "fault":
    case "warn":
    case "reboot":
      return { word, message: one };
    default:
      return undefined;
  }
}

/** `USER:GROUP`, either may be empty. */
function ownerIn(text: string): { user?: string; group?: string } {
  const [user = "", group = ""] = text.split(":");
  return { ...(user === "" ? {} : { user }), ...(group === "" ? {} : { group }) };
}

function serviceIn(
  act: string,
  paths: readonly string[],
): Pick<ServiceChange, "boot" | "run" | "onChange"> | undefined {
  if (act === "enabled" || act === "disabled") return { boot: act };
  if (act === "started" || act === "stopped") return { run: act };
  return act === "reload" || act === "restart" ? { onChange: { paths, act } } : undefined;
}

function isStage(text: string): text is ShellStage {
  return STAGES.includes(text);
}

function isLevel(text: string): text is "debug" | "info" | "warning" | "error" {
  return LEVELS.includes(text);
}

function isName(text: string): boolean {
  return /^[a-z][a-z0-9_]{0,31}$/.test(text);
}

/** As `mktemp` in the library names what is kept; never a path. */
function isKept(text: string): boolean {
  return /^kept-[A-Za-z0-9]{6}$/.test(text);
}
