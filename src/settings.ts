/** Every option of /etc/config/uciprov, once: name, type, default, meaning. Help, docs and the shipped file are compared with this table. */
import { type Finding, ProvisionError } from "./errors.ts";
import { optionList, optionText, type UciPackage, type UciSection } from "./uci/model.ts";

interface OptionOf<T> {
  readonly type: "text" | "list" | "choice" | "number" | "flag";
  readonly initial: T;
  readonly meaning: string;
  readonly choices?: readonly string[];
  readonly least?: number;
  readonly most?: number;
  /** Of a list: how an item looks that has an effect, and what one is that looks otherwise. */
  readonly items?: { readonly like: RegExp; readonly else: string };
}

const text = (meaning: string): OptionOf<string | undefined> => ({ type: "text", initial: undefined, meaning });
const word = (initial: string, meaning: string): OptionOf<string> => ({ type: "text", initial, meaning });
const list = (
  meaning: string,
  initial: readonly string[] = [],
  items?: OptionOf<unknown>["items"],
): OptionOf<readonly string[]> => ({
  type: "list",
  initial,
  meaning,
  ...(items && { items }),
});
const flag = (initial: boolean, meaning: string): OptionOf<boolean> => ({ type: "flag", initial, meaning });
const number = (initial: number, least: number, most: number, meaning: string): OptionOf<number> => ({
  type: "number",
  initial,
  least,
  most,
  meaning,
});
const maybe = (least: number, most: number, meaning: string): OptionOf<number | undefined> => ({
  type: "number",
  initial: undefined,
  least,
  most,
  meaning,
});
const choice = <const C extends string>(
  choices: readonly C[],
  initial: NoInfer<C>,
  meaning: string,
): OptionOf<C> & { readonly choices: readonly C[] } => ({ type: "choice", choices, initial, meaning });

/** Section name → option name → what it is. All these sections have the type `uciprov`. */
export const OPTIONS = {
  main: {
    enabled: flag(true, "Whether a run does anything at all."),
    trust: choice(
      ["authentic", "signed", "any"],
      "authentic",
      "What a tree must prove: authentic (signature, or own source over TLS), signed, or any (laboratory only).",
    ),
    threshold: number(1, 1, 16, "How many different keys must have signed a manifest."),
    resolver: list(
      "Who is asked for the URI, in order of precedence.",
      ["static", "https", "dnssec", "dns", "dhcp", "lldp"],
      { like: /^(?:static|https|dns(?:sec)?|dhcp|lldp)$/, else: "is no resolver, and is not asked" },
    ),
    module: list("Modules that are left out, by name, with a leading `-`."),
    allowed_host: list("Hosts whose trees count as ours over TLS, whoever named them.", [], {
      like: /^(?:[\w.-]+|\[?[\da-f.]*:[\da-f:.]+\]?)$/i,
      else: "allows nothing: it is no host alone, without scheme, port and path",
    }),
    ca: list("PEM files of CAs that servers may be signed by, besides the system's."),
    system_ca: flag(true, "Whether the system's CAs are believed, too."),
    pin: list("SHA-256 of a server's public key (SPKI), 64 hex digits: believed without any CA."),
    client_cert: text("PEM file of the certificate the device shows to servers."),
    client_key: text("PEM file of its key."),
    protect: list("Never changed: a package, `package.section`, `package.section.option`, or a path.", [], {
      like: /^(?:\/.|[\w-]+(?:\.[^.\s/]+){0,2}$)/,
      else: "protects nothing: it is no package, section, option, nor a path that begins with /",
    }),
    tries: number(3, 1, 20, "How often one run tries again from geturi when what failed may pass."),
    retry_seconds: number(
      5,
      0,
      3600,
      "Longest first pause between such tries; it doubles, and is drawn at random below that.",
    ),
    ready_seconds: number(120, 0, 3600, "How long a run waits for the network, the overlay and a plausible clock."),
    rollout: maybe(
      0,
      720,
      "Hours over which this device may wait for its turn to take a new serial; as the tree says if none, and 0 never waits.",
    ),
    led: text("LED that shows a run: a name in /sys/class/leds, or of a `led` section of /etc/config/system."),
    reload: flag(true, "Whether services are reloaded after a change; off, the next boot does it."),
    reboot: list("Packages and paths whose change takes effect only with a reboot; it is confirmed after it.", [], {
      like: /^(?:\/.|[\w-]+$)/,
      else: "is no package, nor a path that begins with /",
    }),
  },
  confirm: {
    window: number(120, 5, 3600, "Seconds in which the new configuration must prove itself."),
    settle: number(4, 0, 600, "Seconds that reloaded services get before the first probe."),
    need: number(1, 1, 16, "How many probes must succeed."),
    bisect: flag(true, "Whether, when a tree cut the device off, its harmless parts are tried without the rest."),
    bisect_tries: number(4, 1, 16, "How many such trials one run may make."),
    probe: list("What must work: `tree` (its server answers), `gateway`, `dns:NAME`, `https://…`.", ["tree"]),
  },
  limits: {
    small: number(1_048_576, 1024, 16_777_216, "Bytes of a text resource or manifest."),
    large: number(67_108_864, 1024, 1_073_741_824, "Bytes of an overlay or image as fetched."),
    unpacked: number(268_435_456, 1024, 2_147_483_648, "Bytes of an overlay unpacked."),
    entries: number(20_000, 1, 200_000, "Files in an overlay."),
    connect_seconds: number(10, 1, 300, "Longest wait for a connection, and for TLS on it."),
    header_seconds: number(15, 1, 300, "Longest wait for the answer's head."),
    idle_seconds: number(15, 1, 300, "Longest silence inside a body."),
    total_seconds: number(600, 5, 7200, "Longest time for one resource."),
    redirects: number(5, 0, 20, "Redirections followed for one resource."),
    generations: number(5, 1, 50, "Generations kept for rollback."),
  },
  report: {
    uri: text("Where reports are posted, as JSON; may hold macros. None: nobody is told."),
    progress: flag(false, "Whether each stage is reported, not only how it ended."),
    seconds: number(10, 1, 120, "Longest time for delivering what waits, at the end of a run."),
  },
  schedule: {
    by: choice(
      ["daemon", "crond"],
      "daemon",
      "Who starts runs: a daemon that stays, or crond, so that nothing stays in memory between runs.",
    ),
    cron: word("*/30 * * * *", "When `daemon` runs: minute, hour, day, month, weekday, in the device's local time."),
    jitter: number(300, 0, 86_400, "Seconds; a scheduled run begins at random within so long after its minute."),
    backoff: number(1800, 30, 86_400, "Longest pause in seconds of `daemon` while a failure goes on that may pass."),
  },
  packages: {
    timeout: number(900, 30, 7200, "Seconds for one call of opkg or apk."),
  },
  static: {
    base_uri: text("The tree's URI, set in the image or by hand; may hold macros."),
  },
  https: {
    uri: text("Look-up service that answers `provuri=URI` or JSON; may hold macros."),
    timeout: number(20, 1, 300, "Seconds for its answer."),
    identity: flag(false, "Whether the request carries the device's MAC, serial and board as headers."),
  },
  dnssec: {
    name: text("Full name of the TXT record, validated on the device; may hold macros."),
    anchor: list("Trust anchors as DS lines; the root's are built in."),
    server: list("Name servers asked, `address` or `address#port`; the device's own if none."),
    timeout: number(15, 1, 300, "Seconds for the whole chain."),
    tlsa: flag(
      false,
      "Whether the TLSA records of https servers are asked for, proven on the device, and must fit (DANE-EE).",
    ),
  },
  dns: {
    enabled: flag(true, "Whether TXT records are asked for without DNSSEC."),
    name: text("Full name of the TXT record; else _uciprov.{domain}, then uciprov.{domain}."),
    server: list("Name servers asked, `address` or `address#port`; the device's own if none."),
    port: number(53, 1, 65_535, "Port of servers given without one."),
    timeout: number(10, 1, 300, "Seconds for all its queries."),
  },
  dhcp: {
    enabled: flag(true, "Whether DHCP options are read."),
    interface: list("Logical interfaces whose leases count; all that are recorded if none."),
  },
  lldp: {
    enabled: flag(true, "Whether neighbours are read, if lldpd is there."),
    interface: list("Uplink devices whose neighbours count.", ["wan", "eth0"]),
    oui: text("Organisation of the TLV, three bytes in hex; 02754b if none."),
    subtype: number(1, 0, 255, "Subtype of the TLV."),
    timeout: number(35, 0, 300, "Seconds to wait for a first advertisement."),
  },
} as const;

type Sections = typeof OPTIONS;
type Values<S> = { readonly [O in keyof S]: S[O] extends OptionOf<infer T> ? T : never };

/** `config resource 'NAME'`: another URI for a module's resource, or off. */
export interface ResourceSetting {
  readonly name: string;
  readonly uri: string | undefined;
  readonly isEnabled: boolean;
  /** Gives the resource to this module, as one more of its own. */
  readonly module: string | undefined;
  /** How the `uci` module lays it over what is there. */
  readonly mode: "merge" | "replace" | "batch";
}

export type Settings = { readonly [S in keyof Sections]: Values<Sections[S]> } & {
  /** `config macro 'NAME'` with `option value`. */
  readonly macros: readonly { readonly name: string; readonly value: string }[];
  readonly resources: readonly ResourceSetting[];
};

/**
 * The settings in a parsed /etc/config/uciprov (absent: all defaults). SETTINGS_INVALID tells every wrong value at once;
 * an option nobody knows is a warning among the findings, so that an older uciprov lives with a newer file.
 */
export function readSettings(config: UciPackage | undefined): { settings: Settings; findings: readonly Finding[] } {
  const findings: Finding[] = [];
  const sections = config?.sections ?? [];
  const values = Object.fromEntries(
    Object.entries(OPTIONS).map(([name, options]) => {
      const section = sections.find((one) => one.name === name);
      return [name, section ? readSection(name, options, section, findings) : defaults(options)];
    }),
  );
  for (const section of sections) noteUnknown(section, findings);
  const macros = named(sections, "macro").map(({ name, section }) => ({
    name,
    value: optionText(section, "value") ?? "",
  }));
  const resources = named(sections, "resource").map(({ name, section }) => ({
    name,
    uri: optionText(section, "uri"),
    isEnabled: readEnabled(name, section, findings),
    module: optionText(section, "module"),
    mode: readMode(name, section, findings),
  }));
  const wrong = findings.filter((finding) => finding.severity === "error");
  if (wrong.length > 0) {
    throw new ProvisionError("SETTINGS_INVALID", `${wrong.length} wrong in /etc/config/uciprov`, { findings });
  }
  // The table above is what gives these values their types; the cast states that once.
  return { settings: { ...values, macros, resources } as unknown as Settings, findings };
}

function named(sections: readonly UciSection[], type: string): { name: string; section: UciSection }[] {
  return sections.flatMap((section) =>
    section.type === type && section.name !== undefined ? [{ name: section.name, section }] : [],
  );
}

function defaults(options: Record<string, OptionOf<unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).map(([name, option]) => [name, option.initial]));
}

function readSection(
  name: string,
  options: Record<string, OptionOf<unknown>>,
  section: UciSection,
  findings: Finding[],
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).map(([option, what]) => {
      const read = readOption(section, option, what);
      if (read.wrong) findings.push(fault(`${name}.${option}`, read.wrong));
      // A newer uciprov may know more, so it is no error.
      for (const item of what.items ? optionList(section, option) : [])
        if (item !== "" && !what.items?.like.test(item))
          findings.push(warning(`${name}.${option}`, `${item} ${what.items?.else}`));
      return [option, read.value ?? what.initial];
    }),
  );
}

function readOption(section: UciSection, name: string, what: OptionOf<unknown>): { value?: unknown; wrong?: string } {
  if (what.type === "list") {
    const items = optionList(section, name);
    return items.length > 0 ? { value: items } : {};
  }
  const value = optionText(section, name);
  if (value === undefined) return {};
  if (what.type === "text") return { value };
  if (what.type === "flag") return readFlag(value);
  if (what.type === "choice") {
    return what.choices?.includes(value) ? { value } : { wrong: `${value} is none of ${what.choices?.join(", ")}` };
  }
  const parsed = /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN;
  const [least = 0, most = 0] = [what.least, what.most];
  return parsed >= least && parsed <= most
    ? { value: parsed }
    : { wrong: `${value} is no whole number from ${least} to ${most}` };
}

/** The words `config_get_bool` takes (OpenWrt package/base-files/files/lib/functions.sh). */
function readFlag(value: string): { value?: boolean; wrong?: string } {
  if (["1", "on", "true", "yes", "enabled"].includes(value)) return { value: true };
  if (["0", "off", "false", "no", "disabled"].includes(value)) return { value: false };
  return { wrong: `${value} is neither 1 nor 0` };
}

function readMode(name: string, section: UciSection, findings: Finding[]): ResourceSetting["mode"] {
  const mode = optionText(section, "mode") ?? "merge";
  if (mode === "merge" || mode === "replace" || mode === "batch") return mode;
  findings.push(fault(`${name}.mode`, `${mode} is none of merge, replace, batch`));
  return "merge";
}

/** A resource that somebody wanted off must not stay on for another word. */
function readEnabled(name: string, section: UciSection, findings: Finding[]): boolean {
  const { value, wrong } = readFlag(optionText(section, "enabled") ?? "1");
  if (wrong !== undefined) findings.push(fault(`${name}.enabled`, wrong));
  return value ?? true;
}

/** Options of the sections that have names of the admin's own. */
const NAMED: Readonly<Record<string, readonly string[]>> = {
  macro: ["value"],
  resource: ["uri", "enabled", "module", "mode"],
};

function noteUnknown(section: UciSection, findings: Finding[]): void {
  const warn = (path: string, wrong: string) => findings.push(warning(path, wrong));
  const { type, name = "anonymous" } = section;
  const known = type === "uciprov" ? optionsOf(section.name) : NAMED[type];
  if (known === undefined && type !== "uciprov") warn(name, `nobody reads a section \`config ${type}\``);
  else if (type !== "uciprov" && section.name === undefined)
    warn(name, `a section \`config ${type}\` without a name is not read`);
  else
    for (const option of section.options)
      if (!known?.includes(option.name)) warn(`${name}.${option.name}`, "is no option uciprov knows");
}

function optionsOf(name: string | undefined): readonly string[] | undefined {
  const [, options] = Object.entries(OPTIONS).find(([one]) => one === name) ?? [];
  return options && Object.keys(options);
}

function warning(option: string, wrong: string): Finding {
  return { ...fault(option, wrong), severity: "warning" };
}

function fault(option: string, wrong: string): Finding {
  return {
    code: "SETTINGS_INVALID",
    severity: "error",
    message: `uciprov.${option}: ${wrong}`,
    place: { file: "/etc/config/uciprov", option },
  };
}
