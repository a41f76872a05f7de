/**
 * Software packages: what a tree wants installed or removed, against what the package manager's own data base says is there and what
 * uciprov once brought. Pure: it decides, `stages/software.ts` does.
 */
import type { Origin, PackagesChange } from "./changes.ts";
import type { Finding } from "./errors.ts";
import { SOFTWARE_NAME, type SoftwareRecord } from "./software-record.ts";

/** opkg until OpenWrt 24.10, apk from 25.12. */
export type PackageTool = "opkg" | "apk";

export interface Installed {
  readonly name: string;
  /** Names it needs, without versions; of alternatives, all. */
  readonly depends: readonly string[];
  /** Further names it stands for. */
  readonly provides: readonly string[];
}

/** What is installed, by name. */
export type InstalledSet = ReadonlyMap<string, Installed>;

export interface SoftwareStep {
  readonly name: string;
  /** As the rest of a sentence: `the tree names it`. */
  readonly because: string;
  readonly origin?: Origin;
}

export interface SoftwarePlan {
  /** Undefined: there is none on this device. */
  readonly tool: PackageTool | undefined;
  /** Before anything else changes. */
  readonly install: readonly SoftwareStep[];
  /** After the confirmation. */
  readonly remove: readonly SoftwareStep[];
  /** What is remembered once all that is done. */
  readonly record: SoftwareRecord;
}

const SELF = "uciprov";

/** What uciprov, the way back and the tools themselves need; with all that these depend on it is never removed, upgraded or exchanged. */
const ROOTS = [
  ...[
    SELF,
    "node",
    "base-files",
    "busybox",
    "libc",
    "kernel",
    "procd",
    "procd-ujail",
    "ubus",
    "ubusd",
    "uci",
    "netifd",
  ],
  ...[
    "opkg",
    "apk",
    "apk-mbedtls",
    "apk-openssl",
    "apk-wolfssl",
    "uclient-fetch",
    "ca-bundle",
    "firewall4",
    "mtd",
    "fstools",
  ],
];

/** The paragraphs of /usr/lib/opkg/status; only what is wholly installed counts (openwrt/opkg-lede libopkg/pkg_parse.c). */
export function parseOpkgStatus(text: string): InstalledSet {
  const all = new Map<string, Installed>();
  for (const paragraph of text.split(/\n\n+/)) {
    const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*)$`, "m").exec(paragraph)?.[1]?.trim() ?? "";
    const name = field("Package");
    if (name === "" || field("Status").split(/\s+/)[2] !== "installed") continue;
    all.set(name, { name, depends: names(field("Depends"), /[,|]/), provides: names(field("Provides"), /,/) });
  }
  return all;
}

/** /lib/apk/db/installed: lines of a letter, a colon and a value, a blank line between packages (alpinelinux/apk-tools src/database.c). */
export function parseApkInstalled(text: string): InstalledSet {
  const all = new Map<string, Installed>();
  let [name, depends, provides]: [string, string[], string[]] = ["", [], []];
  const finish = (): void => {
    if (name !== "") all.set(name, { name, depends, provides });
    [name, depends, provides] = ["", [], []];
  };
  for (const line of text.split("\n")) {
    if (line === "") finish();
    else if (line.startsWith("P:")) name = line.slice(2).trim();
    else if (line.startsWith("D:")) depends = names(line.slice(2), /\s+/).filter((one) => !one.startsWith("!"));
    else if (line.startsWith("p:")) provides = names(line.slice(2), /\s+/);
  }
  finish();
  return all;
}

/** The names in a list, without what compares versions. */
function names(text: string, separator: RegExp): string[] {
  return text
    .split(separator)
    .map((one) =>
      one
        .replace(/\(.*$/, "")
        .trim()
        .replace(/(?<=.)[<>=~@].*$/, "")
        .trim(),
    )
    .filter((one) => one !== "");
}

export function isInstalled(set: InstalledSet, name: string): boolean {
  return set.has(name) || providersOf(set, name).length > 0;
}

function providersOf(set: InstalledSet, name: string): string[] {
  return [...set.values()].flatMap((one) => (one.name === name || one.provides.includes(name) ? [one.name] : []));
}

/** What may never be removed or exchanged by a tree. */
export function protectedIn(set: InstalledSet): ReadonlySet<string> {
  const found = new Set<string>();
  const queue = [...ROOTS];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    for (const provider of providersOf(set, name)) {
      if (found.has(provider)) continue;
      found.add(provider);
      queue.push(...(set.get(provider)?.depends ?? []));
    }
  }
  return found;
}

/** Installed packages, besides those in `without`, that something of `name` alone satisfies. */
function dependentsOf(set: InstalledSet, name: string, without: ReadonlySet<string>): string[] {
  return [...set.values()].flatMap((one) => {
    if (one.name === name || without.has(one.name)) return [];
    const needs = one.depends.some((dependency) => {
      const providers = providersOf(set, dependency).filter((provider) => !without.has(provider));
      return providers.length === 1 && providers[0] === name;
    });
    return needs ? [one.name] : [];
  });
}

/**
 * What is to be done so that the tree is right. `inImage`: what the firmware itself brought, which a tree that falls silent does not take away.
 * With an error among the findings there is nothing to carry out.
 */
export function decideSoftware(
  changes: readonly PackagesChange[],
  record: SoftwareRecord,
  set: InstalledSet,
  inImage: InstalledSet,
): { readonly plan: Omit<SoftwarePlan, "tool">; readonly findings: readonly Finding[] } {
  const findings: Finding[] = [];
  const tell = (severity: Finding["severity"], message: string, origin?: Origin): void => {
    findings.push({ code: "PLAN_INVALID", severity, message, ...placeOf(origin) });
  };
  const wanted = gather(changes, tell);
  const safe = protectedIn(set);
  /** By its own name or by one that it stands for. */
  const isWanted = (name: string) =>
    [name, ...(set.get(name)?.provides ?? [])].some((one) => wanted.get(one)?.want === "installed");
  const install = [...wanted].flatMap(([name, { want, origin }]): SoftwareStep[] => {
    if (want !== "installed" || isInstalled(set, name)) return [];
    if (name !== SELF) return [{ name, because: "the tree names it", origin }];
    tell("warning", `${SELF} runs here without its package: it does not install itself`, origin);
    return [];
  });
  const asked = new Map<string, SoftwareStep>();
  for (const [name, { want, origin }] of wanted) {
    if (want !== "removed" || !set.has(name)) continue;
    if (safe.has(name)) tell("error", `${name} is what uciprov or the way back runs on: it is not removed`, origin);
    else asked.set(name, { name, because: "the tree says so", origin });
  }
  const named = Object.keys(record.ours).filter(
    (name) => !wanted.has(name) && !isWanted(name) && set.has(name) && !inImage.has(name) && !safe.has(name),
  );
  for (const name of named.filter((one) => record.ours[one] === "named")) {
    asked.set(name, { name, because: "the tree no longer names it, and uciprov brought it" });
  }
  const remove = removable(set, asked, named, (name, dependents) => {
    const step = asked.get(name);
    tell("warning", `${name} stays, since ${dependents.slice(0, 5).join(", ")} needs it`, step?.origin);
  });
  const gone = new Set(remove.map(({ name }) => name));
  const kept = Object.keys(record.ours).filter(
    (name) => set.has(name) && !gone.has(name) && !(inImage.has(name) && !isWanted(name)),
  );
  const ours = Object.fromEntries([
    // What still is needed by something else is what that needs, no longer what the tree names.
    ...kept.map((name) => [name, isWanted(name) ? "named" : "dependency"] as const),
    ...install.map(({ name }) => [name, "named"] as const),
  ]);
  return { plan: { install, remove, record: { ours: sorted(ours), pending: [] } }, findings };
}

type Ours = SoftwareRecord["ours"];

export function sorted(ours: Ours): Ours {
  return Object.fromEntries(Object.entries(ours).sort(([a], [b]) => (a < b ? -1 : 1)));
}

interface Want {
  readonly want: "installed" | "removed";
  readonly origin: Origin;
}

function gather(
  changes: readonly PackagesChange[],
  tell: (severity: Finding["severity"], message: string, origin: Origin) => void,
): Map<string, Want> {
  const wanted = new Map<string, Want>();
  for (const { install = [], remove = [], origin } of changes) {
    const both = [
      ...install.map((name) => [name, "installed"] as const),
      ...remove.map((name) => [name, "removed"] as const),
    ];
    for (const [name, want] of both) {
      if (!SOFTWARE_NAME.test(name)) tell("error", `${JSON.stringify(name.slice(0, 80))} is no package's name`, origin);
      else if ((wanted.get(name)?.want ?? want) !== want)
        tell("error", `${name} is to be both installed and removed`, origin);
      else if (!wanted.has(name)) wanted.set(name, { want, origin });
    }
  }
  return wanted;
}

/** The most of `asked`, and of uciprov's own that nothing names any more, that can go without anything else missing it. */
function removable(
  set: InstalledSet,
  asked: ReadonlyMap<string, SoftwareStep>,
  ours: readonly string[],
  onKept: (name: string, dependents: readonly string[]) => void,
): readonly SoftwareStep[] {
  const because = "uciprov brought it for another package, and nothing needs it any more";
  const going = new Map<string, SoftwareStep>([...ours.map((name) => [name, { name, because }] as const), ...asked]);
  const kept = new Map<string, readonly string[]>();
  for (let changed = true; changed; ) {
    changed = false;
    for (const name of going.keys()) {
      const dependents = dependentsOf(set, name, new Set([...going.keys()].filter((one) => one !== name)));
      if (dependents.length === 0) continue;
      going.delete(name);
      kept.set(name, dependents);
      changed = true;
    }
  }
  for (const [name, dependents] of kept) if (asked.has(name)) onKept(name, dependents);
  return inOrder(set, going);
}

/** What needs others goes before them: opkg takes the names one after the other. */
function inOrder(set: InstalledSet, going: ReadonlyMap<string, SoftwareStep>): readonly SoftwareStep[] {
  const left = new Map(going);
  const ordered: SoftwareStep[] = [];
  while (left.size > 0) {
    const free = [...left.keys()].filter(
      (name) => !dependentsOf(set, name, goneBefore(going, left)).some((one) => left.has(one)),
    );
    // A circle of packages that need one another goes at once.
    for (const name of free.length > 0 ? free : [...left.keys()]) {
      const step = left.get(name);
      if (step !== undefined) ordered.push(step);
      left.delete(name);
    }
  }
  return ordered;
}

function goneBefore(going: ReadonlyMap<string, unknown>, left: ReadonlyMap<string, unknown>): ReadonlySet<string> {
  return new Set([...going.keys()].filter((name) => !left.has(name)));
}

function placeOf(origin: Origin | undefined): Pick<Finding, "place"> {
  const line = /^line ([0-9]{1,9})$/.exec(origin?.detail ?? "")?.[1];
  if (origin?.uri === undefined) return {};
  return { place: { file: origin.uri, ...(line === undefined ? {} : { line: Number(line) }) } };
}
