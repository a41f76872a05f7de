import type { LogLevel } from "../../api.ts";
import type { Command, Invocation } from "../../commands/command.ts";
import { usageOf } from "../../commands/help.ts";
import { logOf } from "../../commands/open-run.ts";
import { type ExitName, ProvisionError } from "../../errors.ts";
import { type InventoryDevice, readInventory } from "../inventory.ts";
import { openRoot } from "./backup.ts";
import { deviceWithMac, type KnownDevice, readDeviceFacts } from "./device-facts.ts";
import { openPaperRun, type PaperGround } from "./paper-run.ts";
import { type PaperPlan, planOne } from "./plan-one.ts";
import { paperFacts, tellPaperPlan } from "./tell-one.ts";
import { openTree } from "./tree-folder.ts";

/** `tree plan`: what a device would become, or what changes for a fleet between two versions of a tree; nothing is sent, nothing is written. */
export const planTree: Command = async (invocation) => {
  const { words, options } = invocation;
  const [, folder] = words;
  if (folder === undefined) throw usageOf("tree plan");
  const isOne = options.device !== undefined || options.mac !== undefined;
  if (isOne && options.against !== undefined)
    throw new ProvisionError("USAGE", "--against is for a fleet, which --inventory alone names");
  if (isOne) return planDevice(invocation, folder);
  if (options.inventory === undefined) throw usageOf("tree plan");
  const { planFleetCommand } = await import("../fleet/command.ts");
  return planFleetCommand(invocation, folder);
};

async function planDevice(invocation: Invocation, folder: string): Promise<ExitName> {
  const { options, flags, paint, print } = invocation;
  if (options.format !== undefined || options.out !== undefined)
    throw new ProvisionError("USAGE", "--format and --out are for a fleet");
  const known = deviceOf(invocation);
  const run = openPaperRun(await groundOf(invocation));
  const paper = await planOne(run, known, openTree(folder), options.base);
  const exit = exitOf(paper);
  if (flags.isJson) print(JSON.stringify({ exit, ...paperFacts(paper, { showsSecrets: flags.showsSecrets }) }));
  else print(tellPaperPlan(paper, paint, { showsSecrets: flags.showsSecrets }));
  return exit;
}

/** What the device is planned against, and what it holds. */
export async function groundOf(invocation: Invocation): Promise<PaperGround> {
  const { options, signal } = invocation;
  return {
    root: options.from === undefined ? undefined : await openRoot(options.from),
    keyFiles: options.key,
    log: quietly(logOf(invocation)),
    signal,
  };
}

/** On paper the small steps of a run are of no interest; what it warns of is. */
function quietly(log: ReturnType<typeof logOf>): ReturnType<typeof logOf> {
  return (level: LogLevel, message) => {
    if (level !== "info" && level !== "debug") log(level, message);
  };
}

function exitOf({ trust, failure }: PaperPlan): ExitName {
  if (trust.verdict === "refused") return trust.error.exit;
  return failure?.exit ?? "provisioned";
}

/** One device: by its facts, by its MAC, and by its line of the inventory, what is said nearer counting more. */
function deviceOf({ options }: Invocation): KnownDevice {
  const told = options.device === undefined ? undefined : readDeviceFacts(options.device);
  const named = options.mac === undefined ? undefined : deviceWithMac(options.mac);
  const facts = { ...told?.facts, ...named?.facts };
  const listed = options.inventory === undefined ? undefined : inInventory(options.inventory, facts);
  return { facts: { ...listed?.facts, ...facts }, macros: { ...listed?.macros, ...told?.macros } };
}

function inInventory(file: string, facts: KnownDevice["facts"]): InventoryDevice {
  const { devices } = readInventory(file);
  const isIt = (one: InventoryDevice) =>
    facts.mac !== undefined
      ? one.facts.mac === facts.mac
      : facts.serial !== undefined
        ? one.facts.serial === facts.serial
        : facts.hostname !== undefined && one.facts.hostname === facts.hostname;
  const found = devices.find(isIt);
  if (found) return found;
  const who = facts.mac ?? facts.serial ?? facts.hostname ?? "the device";
  throw new ProvisionError("USAGE", `${who} is not in ${file}`);
}
