import type { Command } from "./command.ts";
import { plan, run } from "./run.ts";

/** A command and how to load it: a scheduled run does not pay for the others. */
export interface CommandEntry {
  readonly name: string;
  /** What stands after the name in `help`. */
  readonly form: string;
  readonly meaning: string;
  readonly load: () => Promise<Command>;
}

/** Every command, in the order `help` shows them. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: "run",
    form: "run [--first-only] [--force] [--dry-run]",
    meaning: "find, fetch, prove, plan, apply and confirm once",
    load: async () => run,
  },
  {
    name: "daemon",
    form: "daemon",
    meaning: "stay, and run on schedule, on SIGHUP, and again after what may pass",
    load: async () => (await import("./daemon.ts")).daemon,
  },
  {
    name: "probe",
    form: "probe [--once [--dry-run] | --status]",
    meaning: "stay, and call partner probes in rounds to hear how good the network is; or once; or tell how it stands",
    load: async () => (await import("./probe.ts")).probe,
  },
  {
    name: "plan",
    form: "plan [--show-secrets]",
    meaning: "show what a run would change, and who says so; change nothing",
    load: async () => plan,
  },
  {
    name: "explain",
    form: "explain",
    meaning: "ask every resolver and show why each answer wins or loses",
    load: async () => (await import("./explain.ts")).explain,
  },
  {
    name: "resolve",
    form: "resolve [NAME]",
    meaning: "print the URI a run would take, or what one resolver says",
    load: async () => (await import("./explain.ts")).resolve,
  },
  {
    name: "macros",
    form: "macros",
    meaning: "list the macros this device has, with values and where they come from",
    load: async () => (await import("./explain.ts")).macros,
  },
  {
    name: "status",
    form: "status",
    meaning: "show the last run, the confirmed tree and its owner",
    load: async () => (await import("./state-commands.ts")).status,
  },
  {
    name: "history",
    form: "history",
    meaning: "list the confirmed generations that are kept, newest first",
    load: async () => (await import("./state-commands.ts")).history,
  },
  {
    name: "diff",
    form: "diff N [M] [--show-secrets]",
    meaning: "show what changed from generation N (0: before the first) to M, or to the newest",
    load: async () => (await import("./look-back.ts")).diff,
  },
  {
    name: "blame",
    form: "blame OPTION | PATH",
    meaning: "tell who set an option, a section, a package or a file: layer, signer, generation, when",
    load: async () => (await import("./look-back.ts")).blame,
  },
  {
    name: "rollback",
    form: "rollback [N]",
    meaning: "go back to generation N (0: before the first), or to the one before the last",
    load: async () => (await import("./state-commands.ts")).rollback,
  },
  {
    name: "reset",
    form: "reset [--transaction]",
    meaning: "forget the owner and what trees were seen; with --transaction, drop an open transaction instead",
    load: async () => (await import("./state-commands.ts")).reset,
  },
  {
    name: "hooks",
    form: "hooks [list | test FILE [NAME=FILE…] [STAGE…]]",
    meaning: "list this device's modules, or try whether a file would be one",
    load: async () => (await import("./hooks.ts")).hooks,
  },
  {
    name: "guard",
    form: "guard [--dry-run | --status]",
    meaning: "follow what telephony and intrusion detection log, and let the kernel shut out whom they accuse",
    load: async () => (await import("./guard.ts")).guard,
  },
  {
    name: "graph",
    form: "graph",
    meaning: "draw the stages of a run, their hooks and where each failure leads",
    load: async () => (await import("./graph.ts")).graph,
  },
  {
    name: "keys",
    form: "keys generate [DIR]",
    meaning: "make a key pair that signs trees",
    load: async () => (await import("../admin/tree-commands.ts")).keys,
  },
  {
    name: "tree",
    form: "tree init DIR",
    meaning: "begin: a folder with a tree that works at once, a page for colleagues and an inventory",
    load: async () => (await import("../admin/tree-commands.ts")).tree,
  },
  {
    name: "tree",
    form: "tree sign DIR --key FILE",
    meaning:
      "write MANIFEST and MANIFEST.sig of a tree (--name, --serial, --expires, --rollout, --add, --signer, --signer-arg, --public)",
    load: async () => (await import("../admin/tree-commands.ts")).tree,
  },
  {
    name: "tree",
    form: "tree import BACKUP… --into DIR",
    meaning: "make a tree of golden routers' backups (--mac, --device, --inventory)",
    load: async () => (await import("../admin/tree-commands.ts")).tree,
  },
  {
    name: "tree",
    form: "tree lint DIR [--inventory FILE]",
    meaning: "tell what is wrong with a tree before devices meet it (--settings, --key, --format, --strict)",
    load: async () => (await import("../admin/tree-commands.ts")).tree,
  },
  {
    name: "tree",
    form: "tree plan DIR --mac MAC | --inventory FILE",
    meaning:
      "show what a device would become, or whom a new version of a tree changes (--device, --from, --key, --base, --against, --format, --out)",
    load: async () => (await import("../admin/tree-commands.ts")).tree,
  },
  {
    name: "tree",
    form: "tree records DIR --base URI --domain DOMAIN",
    meaning: "say where a tree is, in the words of DNS, DHCP and LLDP servers (--certificate, --phones)",
    load: async () => (await import("../admin/tree-commands.ts")).tree,
  },
  {
    name: "tree",
    form: "tree serve DIR [--listen ADDRESS]",
    meaning:
      "serve a tree to routers on a bench, HTTPS and DNS, until it is stopped (--domain, --https-port, --dns-port, --out)",
    load: async () => (await import("../admin/tree-commands.ts")).tree,
  },
  {
    name: "image",
    form: "image FILE [--out DIR]",
    meaning: "lay out what a target file puts into a device's image, and print the ImageBuilder's recipe",
    load: async () => (await import("../admin/image/command.ts")).image,
  },
];
