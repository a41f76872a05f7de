import { parseArgs, styleText } from "node:util";
import { COMMANDS } from "./commands/all.ts";
import type { Flags, Invocation } from "./commands/command.ts";
import { asProvisionError, EXIT, type ExitName, ProvisionError } from "./errors.ts";
import { errorFacts, type Paint, PLAIN, tellError } from "./messages.ts";

const OPTIONS = {
  root: { type: "string" },
  json: { type: "boolean" },
  quiet: { type: "boolean" },
  verbose: { type: "boolean" },
  force: { type: "boolean" },
  "dry-run": { type: "boolean" },
  "first-only": { type: "boolean" },
  transaction: { type: "boolean" },
  "show-secrets": { type: "boolean" },
  help: { type: "boolean" },
} as const;

/** argv in, exit status out; the only place that exits. */
async function main(): Promise<void> {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => stop.abort(signal));
  process.stdout.on("error", () => undefined); // the reader of a pipe may leave early
  const paint = process.stderr.isTTY ? COLOURED : PLAIN;
  let isJson = process.argv.includes("--json");
  try {
    const { name, words, root, flags } = readArguments(process.argv.slice(2));
    isJson = flags.isJson;
    const exit = await dispatch(name, {
      root,
      words,
      flags,
      signal: stop.signal,
      paint: process.stdout.isTTY ? COLOURED : PLAIN,
      print: (text) => void process.stdout.write(`${text}\n`),
      tell: (text) => void process.stderr.write(`${text}\n`),
    });
    process.exitCode = EXIT[exit];
  } catch (thrown) {
    const error = asProvisionError(thrown);
    if (isJson) process.stdout.write(`${JSON.stringify({ exit: error.exit, error: errorFacts(error) })}\n`);
    else process.stderr.write(`${tellError(error, paint)}\n`);
    process.exitCode = EXIT[error.exit];
  }
}

async function dispatch(name: string | undefined, invocation: Invocation): Promise<ExitName> {
  if (name === undefined || name === "help") {
    invocation.print(help());
    return name === "help" ? "provisioned" : "usage";
  }
  const command = COMMANDS.find((one) => one.name === name);
  if (command === undefined) throw new ProvisionError("USAGE", `uciprov has no command ${name}`);
  return command.run(invocation);
}

interface Arguments {
  readonly name: string | undefined;
  readonly words: readonly string[];
  readonly root: string;
  readonly flags: Flags;
}

function readArguments(argv: readonly string[]): Arguments {
  const { values, positionals } = parsed(argv);
  const [name, ...words] = positionals;
  return {
    name: values.help ? "help" : name,
    words,
    root: values.root ?? "/",
    flags: {
      isJson: values.json ?? false,
      isQuiet: values.quiet ?? false,
      isVerbose: values.verbose ?? false,
      isForced: values.force ?? false,
      isDry: values["dry-run"] ?? false,
      isFirstOnly: values["first-only"] ?? false,
      isTransaction: values.transaction ?? false,
      showsSecrets: values["show-secrets"] ?? false,
    },
  };
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true, strict: true });
  } catch (cause) {
    throw new ProvisionError("USAGE", cause instanceof Error ? cause.message : "the arguments cannot be read");
  }
}

function help(): string {
  const commands = COMMANDS.map(({ form, meaning }) => `  ${form.padEnd(44)} ${meaning}`);
  const exits = Object.entries(EXIT).map(([name, status]) => `${status} ${name}`);
  return [
    "uciprov COMMAND [--root DIR] [--json] [--quiet | --verbose]",
    "",
    ...commands,
    "",
    "  --root DIR   the device whose files lie below DIR; nothing outside it is touched, no command of it is run",
    "  --json       the answer as one JSON object",
    "",
    `Exit status: ${exits.join(", ")}.`,
  ].join("\n");
}

const COLOURED: Paint = {
  bad: (text) => styleText("red", text),
  good: (text) => styleText("green", text),
  warn: (text) => styleText("yellow", text),
  quiet: (text) => styleText("dim", text),
  strong: (text) => styleText("bold", text),
};

void main();
