import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Invocation } from "../commands/command.ts";
import { type ExitName, ProvisionError } from "../errors.ts";
import { statOf } from "./folders.ts";
import { STARTER } from "./starter-tree.ts";

/** `tree init DIR`: a folder to begin with, with a tree that works at once. USAGE if DIR holds anything already. */
export async function init({ words, flags, print, paint }: Invocation): Promise<ExitName> {
  const [, folder, ...more] = words;
  if (folder === undefined || more.length > 0) throw new ProvisionError("USAGE", "tree init DIR");
  const there = statOf(folder);
  if (there?.isDirectory() === false) throw new ProvisionError("USAGE", `${folder} is no folder`);
  if (there !== undefined && readdirSync(folder).length > 0)
    throw new ProvisionError("USAGE", `${folder} is not empty: nothing was written`);
  const files = Object.keys(STARTER);
  if (there === undefined) makeFolder(folder);
  for (const place of new Set(files.map(dirname))) if (place !== ".") makeFolder(join(folder, place));
  for (const [name, text] of Object.entries(STARTER)) writeFileSync(join(folder, name), text, { flag: "wx" });
  if (flags.isJson) print(JSON.stringify({ exit: "provisioned", into: folder, tree: join(folder, "tree"), files }));
  else
    print(
      [
        ...files.map((name) => join(folder, name)),
        "",
        `Read ${paint.strong(join(folder, "README.md"))}. What is published is ${join(folder, "tree")} alone. Next:`,
        `  uciprov keys generate ${join(folder, "..", "keys")}`,
        `  uciprov tree lint ${join(folder, "tree")} --inventory ${join(folder, "inventory.csv")} --strict`,
        `  uciprov tree sign ${join(folder, "tree")} --key ${join(folder, "..", "keys", "FINGERPRINT.sec")} --name fleet`,
      ].join("\n"),
    );
  return "provisioned";
}

/** Not with all that leads there: a mistyped place is more likely than a wanted one. */
function makeFolder(path: string): void {
  try {
    mkdirSync(path);
  } catch (cause) {
    throw new ProvisionError("USAGE", `${path} cannot be made: is the folder that it is to lie in there?`, { cause });
  }
}
