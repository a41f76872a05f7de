import { mkdirSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Invocation } from "../commands/command.ts";
import { usageOf } from "../commands/help.ts";
import { type ExitName, ProvisionError } from "../errors.ts";
import { writeNew } from "./disk-faults.ts";
import { statOf } from "./folders.ts";
import { quoted } from "./shell-word.ts";
import { STARTER } from "./starter-tree.ts";

/** `tree init DIR`: a folder to begin with, with a tree that works at once. USAGE if DIR holds anything already. */
export async function init({ words, flags, print, paint }: Invocation): Promise<ExitName> {
  const [, folder] = words;
  if (folder === undefined) throw usageOf("tree init");
  const there = statOf(folder);
  if (there?.isDirectory() === false) throw new ProvisionError("USAGE", `${folder} is no folder`);
  if (there !== undefined && readdirSync(folder).length > 0)
    throw new ProvisionError("USAGE", `${folder} is not empty: nothing was written`);
  const files = Object.keys(STARTER);
  if (there === undefined) makeFolder(folder);
  layOut(folder);
  const typed = (...names: string[]) => quoted(join(folder, ...names));
  if (flags.isJson) print(JSON.stringify({ exit: "provisioned", into: folder, tree: join(folder, "tree"), files }));
  else
    print(
      [
        ...files.map((name) => join(folder, name)),
        "",
        `Read ${paint.strong(join(folder, "README.md"))}. What is published is ${join(folder, "tree")} alone. Next:`,
        `  uciprov keys generate ${typed("..", "keys")}`,
        `  uciprov tree lint ${typed("tree")} --inventory ${typed("inventory.csv")} --strict`,
        `  uciprov tree sign ${typed("tree")} --key ${typed("..", "keys", "FINGERPRINT.sec")} --name fleet`,
      ].join("\n"),
    );
  return "provisioned";
}

/** All of it or nothing: half of it would be in the way of the next try. */
function layOut(folder: string): void {
  const made: string[] = [];
  try {
    for (const place of new Set(Object.keys(STARTER).map(dirname))) if (place !== ".") makeFolder(join(folder, place));
    for (const [name, text] of Object.entries(STARTER)) {
      writeNew(join(folder, name), text);
      made.push(join(folder, name));
    }
  } catch (thrown) {
    for (const file of made) rmSync(file, { force: true });
    for (const place of new Set(Object.keys(STARTER).map(dirname))) if (place !== ".") removeEmpty(join(folder, place));
    throw thrown;
  }
}

function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Somebody else put something there.
  }
}

/** Not with all that leads there: a mistyped place is more likely than a wanted one. */
function makeFolder(path: string): void {
  try {
    mkdirSync(path);
  } catch (cause) {
    throw new ProvisionError("USAGE", `${path} cannot be made: is the folder that it is to lie in there?`, { cause });
  }
}
