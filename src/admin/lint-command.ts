import type { Invocation } from "../commands/command.ts";
import { usageOf } from "../commands/help.ts";
import { type ExitName, ProvisionError } from "../errors.ts";
import { isModuleOn } from "../module-choice.ts";
import { plugins } from "../registry.ts";
import { readSettings, type Settings } from "../settings.ts";
import { parsePackage } from "../uci/parse.ts";
import { readInventory } from "./inventory.ts";
import { countFindings, printJson, printSarif, printText } from "./lint/print-findings.ts";
import { lintTree } from "./lint-tree.ts";
import { readBounded } from "./read-bounded.ts";

const SETTINGS_LIMIT = 1_048_576;

/** `tree lint DIR`: everything that is wrong with a tree, before a device meets it. 5 if there is an error; with --strict a warning is enough. */
export async function lint({ words, options, flags, print, paint }: Invocation): Promise<ExitName> {
  const [, folder] = words;
  const format = options.format ?? (flags.isJson ? "json" : "text");
  if (folder === undefined) throw usageOf("tree lint");
  if (format !== "text" && format !== "json" && format !== "sarif")
    throw new ProvisionError("USAGE", `--format ${format}: it is text, json or sarif`);
  const settings = deviceSettings(options.settings);
  const result = await lintTree({
    folder,
    inventory: options.inventory === undefined ? undefined : readInventory(options.inventory),
    settings,
    modules: plugins.modules.filter((module) => isModuleOn(settings, module)),
    keyFiles: options.key,
    now: Date.now(),
    isVerbose: flags.isVerbose,
  });
  const { errors, warnings } = countFindings(result.findings);
  print(format === "sarif" ? printSarif(result) : format === "json" ? printJson(result) : printText(result, paint));
  return errors > 0 || (flags.isStrict && warnings > 0) ? "invalid-content" : "provisioned";
}

/** The devices' /etc/config/uciprov as the image has it; all defaults if none is given. */
function deviceSettings(file: string | undefined): Settings {
  if (file === undefined) return readSettings(undefined).settings;
  const bytes = readBounded(file, SETTINGS_LIMIT);
  return readSettings(parsePackage(bytes, { name: "uciprov", file })).settings;
}
