import { EXIT, ProvisionError } from "../errors.ts";
import { nearest } from "../macros/nearest.ts";
import { COMMANDS, type CommandName } from "./all.ts";

interface Usage {
  /** How it is typed. */
  readonly form: CommandName | `${CommandName} ${string}`;
  readonly meaning: string;
}

/** What can be typed, in the order `help` and docs/operator.md show it. */
export const USAGES: readonly Usage[] = [
  {
    form: "run [--first-only] [--force] [--dry-run] [--show-secrets]",
    meaning: "find, fetch, prove, plan, apply and confirm once",
  },
  {
    form: "daemon",
    meaning: "stay, and run on schedule, on SIGHUP, and again after what may pass",
  },
  {
    form: "probe [--once [--dry-run] | --status]",
    meaning: "stay, and call partner probes in rounds to hear how good the network is; or once; or tell how it stands",
  },
  {
    form: "plan [--show-secrets]",
    meaning: "show what a run would change, and who says so; change nothing",
  },
  {
    form: "explain",
    meaning: "ask every resolver and show why each answer wins or loses",
  },
  {
    form: "resolve [NAME]",
    meaning: "print the URI a run would take, or what one resolver says",
  },
  {
    form: "macros",
    meaning: "list the macros this device has, with values and where they come from",
  },
  {
    form: "status",
    meaning: "show the last run, the confirmed tree and its owner",
  },
  {
    form: "history",
    meaning: "list the confirmed generations that are kept, newest first",
  },
  {
    form: "diff N [M] [--show-secrets]",
    meaning: "show what changed from generation N (0: before the first) to M, or to the newest",
  },
  {
    form: "blame OPTION | PATH [--show-secrets]",
    meaning: "tell who set an option, a section, a package or a file: layer, signer, generation, when",
  },
  {
    form: "rollback [N]",
    meaning: "go back to generation N (0: before the first), or to the one before the last",
  },
  {
    form: "reset [--transaction]",
    meaning: "forget the owner and what trees were seen; with --transaction, drop an open transaction instead",
  },
  {
    form: "hooks [list | test FILE [NAME=FILE…] [STAGE…]]",
    meaning: "list this device's modules, or try whether a file would be one",
  },
  {
    form: "guard [--dry-run | --status]",
    meaning: "follow what telephony and intrusion detection log, and let the kernel shut out whom they accuse",
  },
  {
    form: "graph",
    meaning: "draw the stages of a run, their hooks and where each failure leads",
  },
  {
    form: "keys generate [DIR]",
    meaning: "make a key pair that signs trees",
  },
  {
    form: "tree init DIR",
    meaning: "begin: a folder with a tree that works at once, a page for colleagues and an inventory",
  },
  {
    form: "tree sign DIR --key FILE… [--name NAME] [--serial N] [--expires DATE] [--rollout HOURS|hold] [--add] [--signer PROGRAM [--signer-arg=ARG…] --public FILE]",
    meaning:
      "write MANIFEST and MANIFEST.sig of a tree; --add: one more signature for the MANIFEST that is there; --signer: a program signs",
  },
  {
    form: "tree import BACKUP… --into DIR [--mac MAC | --device FACTS] [--inventory FILE]",
    meaning: "make a tree of golden routers' backups",
  },
  {
    form: "tree lint DIR [--inventory FILE] [--settings FILE] [--key FILE…] [--format text|json|sarif] [--strict]",
    meaning: "tell what is wrong with a tree before devices meet it",
  },
  {
    form: "tree plan DIR --mac MAC | --device FACTS [--inventory FILE] [--from ROOT|BACKUP] [--key FILE…] [--base URI] [--show-secrets]",
    meaning: "show what a device would become",
  },
  {
    form: "tree plan DIR --inventory FILE [--against DIR] [--from ROOT|BACKUP] [--key FILE…] [--base URI] [--format text|json|html] [--out FILE] [--show-secrets]",
    meaning: "show what a fleet would become, or whom a new version of a tree changes",
  },
  {
    form: "tree records DIR --base URI --domain DOMAIN [--certificate FILE] [--phones URI]",
    meaning: "say where a tree is, in the words of DNS, DHCP and LLDP servers",
  },
  {
    form: "tree serve DIR [--listen ADDRESS] [--domain DOMAIN] [--https-port N] [--dns-port N] [--out CA.pem]",
    meaning: "serve a tree to routers on a bench, HTTPS and DNS, until it is stopped",
  },
  {
    form: "image FILE [--out DIR]",
    meaning: "lay out what a target file puts into a device's image, and print the ImageBuilder's recipe",
  },
];

/**
 * USAGE for an option or a word that the command would pass over: `rollback --dry-run` and `reset transaction` must not do what they seem to prevent.
 */
export function checkTaken(name: CommandName, words: readonly string[], given: readonly string[]): void {
  const whole = name === "tree" ? `tree ${words[0]}` : name;
  const forms = USAGES.filter(isAbout(whole)).map(({ form }) => form);
  if (forms.length === 0) return;
  // That one is taken to be refused in words.
  const taken = [...forms.join(" ").matchAll(/--([a-z-]+)/g), ...(name === "keys" ? [["", "passphrase"]] : [])];
  const foreign = given.find((option) => !taken.some(([, one]) => one === option));
  if (foreign !== undefined) throw new ProvisionError("USAGE", `${whole} takes no --${foreign}`);
  const most = mostWords(whole);
  if (words.length <= most) return;
  // What the shell made of `site 2/tree` or of `--key keys/*.sec`.
  const hint = most > 0 ? ": quote names with blanks, and give an option once for each of its files" : "";
  throw new ProvisionError("USAGE", `${whole} takes no ${JSON.stringify(words[most])}${hint}`);
}

/** Of `tree` and `keys` the first word is what they are to do. */
function mostWords(whole: string): number {
  if (/^(?:diff|blame|hooks|tree import)$/.test(whole)) return Number.POSITIVE_INFINITY; // they look themselves
  if (/^(?:resolve|rollback|image)$/.test(whole)) return 1;
  return /^(?:tree|keys)/.test(whole) ? 2 : 0;
}

export function unknownCommand(name: string): ProvisionError {
  const near = nearest(name, Object.keys(COMMANDS));
  return new ProvisionError("USAGE", `uciprov has no command ${name}${near === undefined ? "" : `: ${near} perhaps`}`);
}

/** USAGE with how the command is typed. */
export function usageOf(command: string): ProvisionError {
  const forms = USAGES.filter(isAbout(command)).map(({ form }) => form);
  return new ProvisionError("USAGE", forms.join(", or "));
}

function isAbout(command: string): (usage: Usage) => boolean {
  return ({ form }) => `${form} `.startsWith(`${command} `);
}

const WIDTH = 44;

/** What `uciprov help` prints; of one command alone if `words` begin with its name. */
export function help(words: readonly string[] = []): string {
  const own = [words.slice(0, 2), words.slice(0, 1)]
    .map((name) => USAGES.filter(isAbout(name.join(" "))))
    .find((usages) => usages.length > 0);
  // What does not fit beside its meaning stands above it.
  const commands = (own ?? USAGES).map(({ form, meaning }) =>
    form.length > WIDTH ? `  ${form}\n${" ".repeat(WIDTH + 3)}${meaning}` : `  ${form.padEnd(WIDTH)} ${meaning}`,
  );
  const exits = Object.entries(EXIT).map(([name, status]) => `${status} ${name}`);
  return [
    "uciprov COMMAND [--root DIR] [--json] [--quiet | --verbose]",
    "",
    ...commands,
    ...(own ? [] : [`  ${"uci …".padEnd(WIDTH)} OpenWrt's own \`uci\`, for machines that have none`]),
    "",
    "  --root DIR   the device whose files lie below DIR; nothing outside it is touched, no command of it is run",
    "  --json       the answer as one JSON object",
    "  --quiet      the outcome, warnings and errors alone; what a run changes is not shown",
    "  --verbose    more of what is going on",
    "  --help       this, or of one command what stands after its name; --version tells the program's",
    "",
    `Exit status: ${exits.join(", ")}.`,
  ].join("\n");
}
