import { readFileSync, writeSync } from "node:fs";
import { basename } from "node:path";
import { parseArgs, styleText } from "node:util";
import { COMMANDS } from "./commands/all.ts";
import type { Flags, Invocation, Options } from "./commands/command.ts";
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
  key: { type: "string", multiple: true },
  name: { type: "string" },
  serial: { type: "string" },
  expires: { type: "string" },
  rollout: { type: "string" },
  device: { type: "string" },
  mac: { type: "string" },
  from: { type: "string" },
  base: { type: "string" },
  inventory: { type: "string" },
  against: { type: "string" },
  format: { type: "string" },
  out: { type: "string" },
  into: { type: "string" },
  settings: { type: "string" },
  strict: { type: "boolean" },
  domain: { type: "string" },
  listen: { type: "string" },
  "https-port": { type: "string" },
  "dns-port": { type: "string" },
  certificate: { type: "string" },
  add: { type: "boolean" },
  passphrase: { type: "boolean" },
  signer: { type: "string" },
  "signer-arg": { type: "string", multiple: true },
  public: { type: "string" },
} as const;

/** argv in, exit status out; the only place that exits. */
async function main(): Promise<void> {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => stop.abort(new ProvisionError("STOPPED", `asked to stop by ${signal}`)));
  }
  process.on("SIGUSR1", () => undefined); // Node itself would open a debugger's port
  process.stdout.on("error", () => undefined); // the reader of a pipe may leave early
  process.stderr.on("error", () => undefined); // a terminal may, too
  const paint = process.stderr.isTTY ? COLOURED : PLAIN;
  let isJson = process.argv.includes("--json");
  try {
    const uci = uciArguments(process.argv);
    if (uci) {
      process.exitCode = await runUci(uci);
      return;
    }
    const { name, words, root, flags, options } = readArguments(process.argv.slice(2));
    isJson = flags.isJson;
    const exit = await dispatch(name, {
      root,
      words,
      flags,
      options,
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

/** `uciprov uci …`, or a link named `uci`: the words that follow are OpenWrt's, and not ours to read. */
function uciArguments([, program = "", ...argv]: readonly string[]): { root: string; words: string[] } | undefined {
  if (basename(program) === "uci") return { root: "/", words: argv };
  if (argv[0] === "uci") return { root: "/", words: argv.slice(1) };
  const [option, root, command] = argv;
  return option === "--root" && root !== undefined && command === "uci" ? { root, words: argv.slice(3) } : undefined;
}

async function runUci({ root, words }: { root: string; words: readonly string[] }): Promise<number> {
  const { uciCommand } = await import("./admin/uci/command.ts");
  return uciCommand(words, {
    root,
    programName: "uci",
    stdin: () => readFileSync(0),
    stdout: (bytes) => writeAll(1, bytes),
    stderr: (bytes) => writeAll(2, bytes),
  });
}

/** Whole and in order, also into a pipe, before the process ends. */
function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (thrown) {
      if (!(thrown instanceof Error && "code" in thrown && thrown.code === "EAGAIN")) return;
    }
  }
}

async function dispatch(name: string | undefined, invocation: Invocation): Promise<ExitName> {
  if (name === undefined || name === "help") {
    invocation.print(help());
    return name === "help" ? "provisioned" : "usage";
  }
  const command = COMMANDS.find((one) => one.name === name);
  if (command === undefined) throw new ProvisionError("USAGE", `uciprov has no command ${name}`);
  return (await command.load())(invocation);
}

interface Arguments {
  readonly name: string | undefined;
  readonly words: readonly string[];
  readonly root: string;
  readonly flags: Flags;
  readonly options: Options;
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
      isStrict: values.strict ?? false,
      isAdded: values.add ?? false,
      hasPassphrase: values.passphrase ?? false,
    },
    options: {
      key: values.key ?? [],
      name: values.name,
      serial: values.serial,
      expires: values.expires,
      rollout: values.rollout,
      device: values.device,
      mac: values.mac,
      from: values.from,
      base: values.base,
      inventory: values.inventory,
      against: values.against,
      format: values.format,
      into: values.into,
      settings: values.settings,
      out: values.out,
      domain: values.domain,
      listen: values.listen,
      httpsPort: values["https-port"],
      dnsPort: values["dns-port"],
      certificate: values.certificate,
      signer: values.signer,
      signerArg: values["signer-arg"] ?? [],
      public: values.public,
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
