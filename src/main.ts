import { readFileSync, statSync } from "node:fs";
import { basename } from "node:path";
import { parseArgs, styleText } from "node:util";
import { COMMANDS, isCommand } from "./commands/all.ts";
import type { Flags, Invocation, Options } from "./commands/command.ts";
import { asProvisionError, EXIT, type ExitName, ProvisionError } from "./errors.ts";
import { lastWords } from "./last-words.ts";
import { errorFacts, type Paint, PLAIN, tellError } from "./messages.ts";
import { isTerminal, whyOutputLost, writeOut } from "./standard-output.ts";
import { VERSION } from "./version.ts";

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
  help: { type: "boolean", short: "h" },
  version: { type: "boolean" },
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
  phones: { type: "string" },
  add: { type: "boolean" },
  passphrase: { type: "boolean" },
  signer: { type: "string" },
  "signer-arg": { type: "string", multiple: true },
  public: { type: "string" },
  once: { type: "boolean" },
  status: { type: "boolean" },
} as const;

const FOR_ALL: ReadonlySet<string> = new Set(["root", "json", "quiet", "verbose", "help", "version"]);

/** argv in, exit status out; `keepCode` keeps what V8 compiled of a run that is like the next ones. */
export async function main(keepCode: () => void): Promise<number> {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => stop.abort(new ProvisionError("STOPPED", `asked to stop by ${signal}`)));
  }
  process.on("SIGUSR1", () => undefined); // Node itself would open a debugger's port
  const print = (text: string) => writeOut(1, Buffer.from(`${text}\n`));
  const tell = (text: string) => writeOut(2, Buffer.from(`${text}\n`));
  let isJson = process.argv.includes("--json");
  try {
    const uci = uciArguments(process.argv);
    if (uci) return await runUci(uci);
    const { name, words, given, root, flags, options } = readArguments(process.argv.slice(2));
    isJson = flags.isJson;
    // These count for seconds without a pause, and are safe to kill: they read, or replace files whole.
    if (name === "tree" && words[0] !== "serve")
      for (const signal of ["SIGINT", "SIGTERM"] as const) process.removeAllListeners(signal);
    const paint = isTerminal(1) ? COLOURED : PLAIN;
    // A scheduled run has nothing to be checked.
    if (name !== undefined && isCommand(name) && words.length + given.length > 0)
      (await import("./commands/help.ts")).checkTaken(name, words, given);
    checkRoot(root);
    const exit = await dispatch(name, {
      root,
      words,
      flags,
      options,
      signal: stop.signal,
      paint,
      print,
      tell,
      keepCode,
    });
    const lost = whyOutputLost();
    // Half of a plan or a zone file must not pass for all of it.
    if (exit === "provisioned" && lost !== undefined)
      throw new ProvisionError("FILE_UNWRITABLE", "the output could not be written to its end", { cause: lost });
    return EXIT[exit];
  } catch (thrown) {
    const error = asProvisionError(thrown);
    if (isJson) print(JSON.stringify({ exit: error.exit, error: errorFacts(error) }));
    else tell(tellError(error, isTerminal(2) ? COLOURED : PLAIN));
    return EXIT[error.exit];
  } finally {
    await lastWords();
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
    stdout: (bytes) => writeOut(1, bytes),
    stderr: (bytes) => writeOut(2, bytes),
  });
}

async function dispatch(name: string | undefined, invocation: Invocation): Promise<ExitName> {
  if (name === undefined || name === "help") {
    invocation.print((await import("./commands/help.ts")).help(invocation.words));
    return name === "help" ? "provisioned" : "usage";
  }
  if (name === "version") {
    invocation.print(`uciprov ${VERSION}`);
    return "provisioned";
  }
  if (!isCommand(name)) throw (await import("./commands/help.ts")).unknownCommand(name);
  const command = await COMMANDS[name]();
  return command(invocation);
}

/** A mistyped root would be a device that was never provisioned. */
function checkRoot(root: string): void {
  if (root !== "/" && statSync(root, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new ProvisionError("USAGE", `--root ${root} is no folder`);
}

interface Arguments {
  readonly name: string | undefined;
  readonly words: readonly string[];
  /** Names of the options that stand there, but for those that every command takes. */
  readonly given: readonly string[];
  readonly root: string;
  readonly flags: Flags;
  readonly options: Options;
}

function readArguments(argv: readonly string[]): Arguments {
  const { values, positionals } = parsed(argv);
  const [name, ...words] = positionals;
  return {
    name: values.help ? "help" : values.version ? "version" : name,
    words: values.help ? positionals : words,
    given: Object.keys(values).filter((option) => !FOR_ALL.has(option)),
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
      isOnce: values.once ?? false,
      isStatus: values.status ?? false,
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
      phones: values.phones,
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
    throw new ProvisionError("USAGE", cause instanceof Error ? inShort(cause.message) : "the arguments cannot be read");
  }
}

/** Of an option that is none Node goes on with how a word that begins with a dash would be typed. */
function inShort(message: string): string {
  return message.startsWith("Unknown option") ? message.replace(/\. To .*$/s, "") : message;
}

const COLOURED: Paint = {
  bad: (text) => styleText("red", text),
  good: (text) => styleText("green", text),
  warn: (text) => styleText("yellow", text),
  quiet: (text) => styleText("dim", text),
  strong: (text) => styleText("bold", text),
};
