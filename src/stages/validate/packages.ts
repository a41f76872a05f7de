import { hash } from "node:crypto";
import type { Files, Finding, Origin } from "../../api.ts";
import type { UciChange } from "../../changes.ts";
import type { Device, RunContext } from "../../context.ts";
import { ProvisionError } from "../../errors.ts";
import type { OwnedNames } from "../../origins.ts";
import { isProtectedPath, resolveLinks } from "../../paths.ts";
import type { DriftPlan, PackagePlan } from "../../plan.ts";
import type { Action, Seen } from "../../transaction/order.ts";
import { writeBytes } from "../../transaction/write-bytes.ts";
import { diffPackages } from "../../uci/diff.ts";
import type { UciPackage } from "../../uci/model.ts";
import { parsePackage } from "../../uci/parse.ts";
import { printConfig } from "../../uci/print.ts";
import type { PackageRecord } from "../../uci/record.ts";
import { type Layer, type Settled, settle } from "../../uci/settle.ts";
import type { Held } from "../bisect/hold.ts";
import { namesOf } from "./set-names.ts";

/** What libuci gives a file it makes (openwrt/uci uci.h, UCI_FILEMODE). */
const NEW_MODE = 0o600;
const LIMIT = 16_777_216;

/**
 * Never changed by a tree, whoever signed it: what decides whom the device believes (design §5). Said here, in one place, for every way in.
 */
export const OURS = [
  "uciprov.main.trust",
  "uciprov.main.threshold",
  "uciprov.main.allowed_host",
  "uciprov.main.ca",
  "uciprov.main.system_ca",
  "uciprov.main.pin",
  "uciprov.main.client_cert",
  "uciprov.main.client_key",
  "uciprov.main.protect",
  "uciprov.dnssec.anchor",
  "uciprov.dnssec.tlsa",
];

export interface PackagesPlanned {
  readonly packages: readonly PackagePlan[];
  readonly actions: readonly Action[];
  readonly records: Readonly<Record<string, PackageRecord>>;
  /** By package, for the record of who set what. */
  readonly names: Readonly<Record<string, OwnedNames>>;
  readonly drift: readonly DriftPlan[];
  readonly findings: readonly Finding[];
}

/** Gathers the UCI changes of all modules, shows how a package would be with them, and settles them at the end. */
export interface PackagePlanner {
  add(change: UciChange): void;
  readonly planned: (name: string) => UciPackage | undefined;
  /** Every package that something is said of, as it would be; undefined: it would not be there. */
  desired(): ReadonlyMap<string, UciPackage | undefined>;
  /** What is wrong with the layers, whatever the device has. */
  findings(): readonly Finding[];
  settle(): PackagesPlanned;
}

/** A package as it would be, held against what the device has. */
interface Compared {
  readonly name: string;
  readonly made: Settled;
  readonly names: OwnedNames;
  /** Undefined: it stays as it is. */
  readonly plan: PackagePlan | undefined;
  readonly action: Action | undefined;
}

/** How packages are read and settled; whoever plans for many devices shares what comes out the same. */
export interface PackageCraft {
  readonly settle: typeof settle;
  /** Notes in `seen`, if it is given, what it was read from. */
  readonly readPackage: (
    ctx: Pick<RunContext, "disk">,
    name: string,
    seen?: Map<string, Seen>,
  ) => UciPackage | undefined;
}

export const PLAINLY: PackageCraft = { settle, readPackage };

export function packagePlanner(
  ctx: RunContext,
  device: Device,
  held: Held,
  craft: PackageCraft = PLAINLY,
): PackagePlanner {
  const changes = new Map<string, UciChange[]>();
  const current = new Map<string, UciPackage | undefined>();
  const settled = new Map<string, Settled>();
  const seen = new Map<string, Seen>();
  const compared = new Map<string, Compared>();
  const records = device.state.owned.uci;
  const protect = [...device.settings.main.protect.filter((path) => !path.startsWith("/")), ...OURS];
  /** Whoever names the file, or a folder above it, means the package. */
  const isProtected = (name: string) => isProtectedPath(device.settings.main.protect, `/etc/config/${name}`);

  const read = (name: string): UciPackage | undefined => {
    if (!current.has(name)) current.set(name, craft.readPackage(ctx, name, seen));
    return current.get(name);
  };
  const settleOne = (name: string): Settled => {
    const known = settled.get(name);
    if (known) return known;
    const layers = (changes.get(name) ?? []).map(asLayer);
    const made = craft.settle(
      read(name),
      records[name],
      layers,
      held.hasPackage(name) || isProtected(name) ? [name] : protect,
    );
    settled.set(name, made);
    return made;
  };
  const compareOne = (name: string): Compared => {
    const known = compared.get(name);
    if (known) return known;
    const made = settleOne(name);
    const diff = diffPackages(read(name), made.isAbsent ? undefined : made.desired);
    const isChanged = diff.change !== "none";
    const one: Compared = {
      name,
      made,
      names: namesOf(made, diff, originsIn(changes.get(name) ?? [])),
      plan: isChanged ? { name, diff, origins: originsOf(made) } : undefined,
      action: isChanged ? { ...actionFor(ctx, name, made), was: seen.get(name) } : undefined,
    };
    compared.set(name, one);
    return one;
  };
  const names = () => [...new Set([...Object.keys(records), ...changes.keys()])].sort();
  return {
    add(change) {
      changes.set(change.package, [...(changes.get(change.package) ?? []), change]);
      settled.delete(change.package);
      compared.delete(change.package);
    },
    planned(name) {
      if (!changes.has(name) && records[name] === undefined) return read(name);
      const made = settleOne(name);
      return made.isAbsent ? undefined : made.desired;
    },
    desired() {
      const all = names().map((name) => [name, settleOne(name)] as const);
      return new Map(all.map(([name, made]) => [name, made.isAbsent ? undefined : made.desired]));
    },
    findings: () => [...names().flatMap((name) => settleOne(name).findings), ...conflicts(changes)],
    settle() {
      const all = names().map(compareOne);
      return {
        packages: all.flatMap(({ plan }) => plan ?? []),
        actions: all.flatMap(({ action }) => action ?? []),
        records: Object.fromEntries(all.flatMap(({ name, made }) => (made.record ? [[name, made.record]] : []))),
        names: Object.fromEntries(all.map((one) => [one.name, one.names])),
        drift: all.flatMap(({ made }) => made.drift.map(({ path, isKept }) => ({ path, isKept }))),
        findings: [
          ...all.flatMap(({ name, made }) => (held.hasPackage(name) ? [] : made.findings)),
          ...conflicts(changes),
        ],
      };
    },
  };
}

/** The device's own file. UCI_INVALID if it cannot be read: replacing what nobody understands would lose it. */
function readPackage({ disk }: Pick<RunContext, "disk">, name: string, seen?: Map<string, Seen>) {
  const path = `/etc/config/${name}`;
  const bytes = disk.readBytes(path, LIMIT);
  seen?.set(name, seenAt(disk, path, bytes));
  if (bytes === undefined) return undefined;
  try {
    return parsePackage(bytes, { name, file: path });
  } catch (cause) {
    throw new ProvisionError("UCI_INVALID", `the device's own ${path} cannot be read`, { cause });
  }
}

function seenAt(disk: Files, path: string, bytes: Uint8Array | undefined): Seen {
  const { kind = "absent", mode, uid, gid } = disk.stat(path) ?? {};
  return { kind, mode, uid, gid, target: disk.readLink(path), sha256: bytes && hash("sha256", bytes, "hex") };
}

function asLayer({ layer, origin }: UciChange): Layer {
  return { ...layer, origin: told(origin) };
}

/** The origin that stands behind a layer's words; the last layer's for none. */
function originsIn(changes: readonly UciChange[]): (words: string | undefined) => Origin | undefined {
  const byWords = new Map(changes.map(({ origin }) => [told(origin), origin]));
  return (words) => (words === undefined ? changes.at(-1)?.origin : byWords.get(words));
}

function told({ module, uri, signer, detail }: Origin): string {
  return [uri ?? module, detail, signer && `signed by ${signer}`].filter(Boolean).join(", ");
}

function actionFor(ctx: RunContext, name: string, made: Settled): Action {
  const path = `/etc/config/${name}`;
  if (made.isAbsent) return { kind: "remove", path };
  return writeBytes(path, printConfig(made.desired), { mode: modeOf(ctx, path) });
}

/** A link, in whose place a file comes, says nothing of who may read: what it leads to does. */
function modeOf({ disk }: RunContext, path: string): number {
  const leadsTo = resolveLinks(path, (at) => disk.readLink(at))?.path ?? path;
  const found = disk.stat(leadsTo);
  return found?.kind === "file" ? found.mode & 0o777 : NEW_MODE;
}

function originsOf({ desired, origin }: Settled): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [index, section] of desired.sections.entries()) {
    const name = section.name ?? `@${section.type}[${countBefore(desired, index)}]`;
    for (const option of section.options) {
      const by = origin(section, option.name);
      if (by !== undefined) found[`${name}.${option.name}`] = by;
    }
  }
  return found;
}

function countBefore({ sections }: UciPackage, index: number): number {
  const type = sections[index]?.type;
  return sections.slice(0, index).filter((section) => section.type === type).length;
}

/** Two modules that want one package as a whole, or one option of it differently: neither silently wins. */
function conflicts(changes: ReadonlyMap<string, readonly UciChange[]>): Finding[] {
  return [...changes].flatMap(([name, all]) => {
    const modules = new Set(all.map((change) => change.origin.module));
    if (modules.size < 2) return [];
    const replacing = all.find((change) => change.layer.mode === "replace");
    if (replacing) return [conflict(name, replacing.origin.module, [...modules])];
    return optionConflicts(name, all);
  });
}

function optionConflicts(name: string, changes: readonly UciChange[]): Finding[] {
  const setBy = new Map<string, { module: string; value: string }>();
  const findings: Finding[] = [];
  for (const { layer, origin } of changes) {
    if (layer.mode === "batch") continue;
    for (const section of layer.content.sections) {
      if (section.name === undefined) continue;
      for (const option of section.options) {
        const path = `${name}.${section.name}.${option.name}`;
        const value = JSON.stringify(option.value);
        const other = setBy.get(path);
        if (other && other.module !== origin.module && other.value !== value) {
          findings.push(conflict(path, origin.module, [other.module, origin.module]));
        }
        setBy.set(path, { module: origin.module, value });
      }
    }
  }
  return findings;
}

function conflict(path: string, by: string, modules: readonly string[]): Finding {
  return {
    code: "UCI_CONFLICT",
    severity: "error",
    message: `${path} is set by ${modules.join(" and ")}; ${by} came last`,
    place: { option: path },
  };
}
