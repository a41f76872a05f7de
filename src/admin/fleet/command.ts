import { writeFileSync } from "node:fs";
import type { Invocation } from "../../commands/command.ts";
import { type ExitName, ProvisionError } from "../../errors.ts";
import { readInventory } from "../inventory.ts";
import { groundOf } from "../plan/command.ts";
import { openPaperRun } from "../plan/paper-run.ts";
import { openTree } from "../plan/tree-folder.ts";
import { fleetFacts } from "./fleet-facts.ts";
import { planFleet } from "./plan-fleet.ts";
import { tellFleet } from "./tell-fleet.ts";

const FORMATS = ["text", "json", "html"] as const;

/** `tree plan DIR --inventory FILE [--against DIR]`: DIR is the new version, and what it is held against the old one. */
export async function planFleetCommand(invocation: Invocation, folder: string): Promise<ExitName> {
  const { options, flags, paint, print } = invocation;
  const format = FORMATS.find((one) => one === (options.format ?? (flags.isJson ? "json" : "text")));
  if (format === undefined) throw new ProvisionError("USAGE", `--format is one of ${FORMATS.join(", ")}`);
  const ground = await groundOf(invocation);
  const { devices } = readInventory(options.inventory ?? "");
  const trees = {
    before: options.against === undefined ? undefined : openTree(options.against),
    after: openTree(folder),
  };
  const fleet = await planFleet(() => openPaperRun(ground), devices, trees, {
    base: options.base,
    showsSecrets: flags.showsSecrets,
  });
  const exit = exitOf(fleet);
  if (format === "html") {
    const { fleetPage } = await import("./page.ts");
    put(fleetPage(fleetFacts(fleet, exit), tellFleet(fleet, undefined)));
  } else if (format === "json") {
    put(`${JSON.stringify(fleetFacts(fleet, exit))}\n`);
  } else {
    put(`${tellFleet(fleet, options.out === undefined ? paint : undefined)}\n`);
  }
  return exit;

  function put(text: string): void {
    if (options.out === undefined) print(text.trimEnd());
    else writeOut(options.out, text);
  }
}

/** Something that devices would fail by is not to be published. */
function exitOf({ after, rows }: Awaited<ReturnType<typeof planFleet>>): ExitName {
  const isUnknown = after.refusal !== undefined && after.isUnjudged;
  if (after.refusal !== undefined && !isUnknown) return after.refusal.exit;
  return rows.find(({ failedAfter }) => failedAfter !== undefined)?.failedAfter?.exit ?? "provisioned";
}

function writeOut(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (cause) {
    throw new ProvisionError("USAGE", `${file} cannot be written`, { cause });
  }
}
