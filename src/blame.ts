/** Who set an option or a file: what the ownership record knows, against what is on the device. */
import type { Files } from "./api.ts";
import { ProvisionError } from "./errors.ts";
import { fileOrigin, type OriginSource, uciOrigin } from "./origins.ts";
import type { FileState } from "./ownership.ts";
import { devicePath } from "./paths.ts";
import { sha256 } from "./sha256.ts";
import { type Owned, readState } from "./state.ts";
import { toText } from "./uci/bytes.ts";
import { sectionKeys, sectionLabels } from "./uci/identity.ts";
import { sameValue, type UciPackage, type UciValue } from "./uci/model.ts";
import { isPackageName } from "./uci/names.ts";
import { parsePackage } from "./uci/parse.ts";

export interface Blame {
  /** `network.wan.proto`, `firewall.@rule[2]`, or a path. */
  readonly path: string;
  /**
   * `tree`: as uciprov set it; `drifted`: uciprov set it, and somebody changed it since; `device`: the device's own, or a person's;
   * `nobody`: it is not there, and uciprov did not take it away.
   */
  readonly by: "tree" | "drifted" | "device" | "nobody";
  /** What is there now, as UTF-8 text; of a file `file`, `link` or nothing. Absent: nothing. */
  readonly value?: string | readonly string[];
  /** What uciprov set instead, if it drifted. Absent: it had taken it away. */
  readonly set?: string | readonly string[];
  /** Who said it, where uciprov set it; absent: an older version of uciprov did not note that. */
  readonly origin?: OriginSource;
}

const LIMIT = 16_777_216;

/** One entry for an option or a file, all that are there or uciprov's for a section or package. USAGE for a word that names none. */
export function blame(files: Files, word: string): readonly Blame[] {
  const { owned } = readState(files);
  if (word.startsWith("/")) return [blameFile(files, owned, pathIn(word))];
  const [, name = "", section, option] = /^([^.]+)(?:\.(@[^.[\]]+\[-?\d+\]|[^.]+)(?:\.([^.]+))?)?$/.exec(word) ?? [];
  if (!isPackageName(name)) throw new ProvisionError("USAGE", `${word} is neither an option nor a path`);
  const lines = blamePackage(files, owned, name);
  const wanted = section === undefined ? undefined : labelOf(section, lines);
  const all = lines.filter(({ label, option: of }) => {
    return (wanted === undefined || label === wanted) && (option === undefined || of === option);
  });
  if (all.length > 0) return all.map(({ label: _, option: __, ...one }) => one);
  return [{ path: word, by: "nobody" }];
}

function pathIn(word: string): string {
  try {
    return devicePath(word);
  } catch (cause) {
    throw new ProvisionError("USAGE", `${word} is no path`, { cause });
  }
}

/** `@rule[-1]` is the last of its type, as for `uci`. */
function labelOf(section: string, lines: readonly Line[]): string {
  const [, type, back] = /^@(.+)\[-(\d+)\]$/.exec(section) ?? [];
  if (type === undefined) return section;
  const ofType = new Set(lines.map(({ label }) => label).filter((label) => label.startsWith(`@${type}[`)));
  return [...ofType].at(-Number(back)) ?? section;
}

interface Line extends Blame {
  readonly label: string;
  readonly option: string | undefined;
}

/** Everything in the package, and everything that uciprov set in it or took away. */
function blamePackage(files: Files, { uci, origins }: Owned, name: string): readonly Line[] {
  const pkg = readPackage(files, name);
  const set = valuesSet(uci[name]);
  const labels = sectionLabels(pkg.sections);
  const lines = sectionKeys(name, pkg.sections).flatMap((key, index): Line[] => {
    const section = pkg.sections[index];
    const label = toText(labels[index] ?? "");
    if (section === undefined) return [];
    const line = (option: string | undefined, value: UciValue): Line => {
      const id = option === undefined ? key : `${key}.${option}`;
      const known = set.get(id);
      set.delete(id);
      const path = [name, label, option].filter(Boolean).join(".");
      return { label, option, path, ...judged(known, value, uciOrigin(origins, name, id)) };
    };
    return [line(undefined, section.type), ...section.options.map(({ name: option, value }) => line(option, value))];
  });
  return [...lines, ...goneSince(name, set, (id) => uciOrigin(origins, name, id))];
}

/** What uciprov had set or taken away and is not there: taken away by it, or by somebody since. */
function goneSince(
  name: string,
  set: ReadonlyMap<string, Known>,
  originOf: (id: string) => OriginSource | undefined,
): Line[] {
  return [...set].flatMap(([id, known]): Line[] => {
    const [, label = "", option] = /^=([^.]+)(?:\.([^.]+))?$/.exec(id) ?? [];
    if (label === "") return [];
    const path = [name, label, option].filter(Boolean).join(".");
    return [{ label, option, path, ...judged(known, undefined, originOf(id)) }];
  });
}

/** What uciprov made of a thing; `undefined` as a value: it took it away. */
interface Known {
  readonly value: UciValue | undefined;
}

function valuesSet(record: Owned["uci"][string] | undefined): Map<string, Known> {
  const set = new Map<string, Known>();
  for (const { key, type, options } of record?.added ?? []) {
    set.set(key, { value: type });
    for (const { name, value } of options) set.set(`${key}.${name}`, { value });
  }
  for (const { key, type, options } of record?.changed ?? []) {
    if (type !== undefined) set.set(key, { value: type.set });
    for (const one of options) set.set(`${key}.${one.name}`, { value: one.set });
  }
  return set;
}

function judged(
  known: Known | undefined,
  value: UciValue | undefined,
  origin: OriginSource | undefined,
): Omit<Blame, "path"> {
  const now = value === undefined ? {} : { value: asText(value) };
  if (known === undefined) return { by: value === undefined ? "nobody" : "device", ...now };
  const from = origin === undefined ? {} : { origin };
  if (sameValue(known.value, value)) return { by: "tree", ...now, ...from };
  return { by: "drifted", ...now, ...(known.value === undefined ? {} : { set: asText(known.value) }), ...from };
}

function readPackage(files: Files, name: string): UciPackage {
  const path = `/etc/config/${name}`;
  const bytes = files.readBytes(path, LIMIT);
  return bytes === undefined ? { name, sections: [] } : parsePackage(bytes, { name, file: path });
}

function asText(value: UciValue): string | string[] {
  return typeof value === "string" ? toText(value) : value.map(toText);
}

function blameFile(files: Files, { files: record, origins }: Owned, path: string): Blame {
  const now = stateOf(files, path);
  const known = record?.[path];
  const there = now.kind === "absent" ? {} : { value: now.kind === "symlink" ? `link to ${now.target}` : now.kind };
  if (known === undefined) return { path, by: now.kind === "absent" ? "nobody" : "device", ...there };
  const origin = fileOrigin(origins, path) ?? undefined;
  const from = origin === undefined ? {} : { origin };
  if (isSame(known.set, now)) return { path, by: "tree", ...there, ...from };
  const set =
    known.set.kind === "absent" ? {} : { set: known.set.kind === "symlink" ? `link to ${known.set.target}` : "file" };
  return { path, by: "drifted", ...there, ...set, ...from };
}

function isSame(a: FileState, b: FileState): boolean {
  if (a.kind === "file" && b.kind === "file") return a.sha256 === b.sha256 && a.mode === b.mode;
  if (a.kind === "symlink" && b.kind === "symlink") return a.target === b.target;
  return a.kind === b.kind;
}

function stateOf(files: Files, path: string): FileState {
  const stat = files.stat(path);
  if (stat === undefined) return { kind: "absent" };
  if (stat.kind === "symlink") return { kind: "symlink", target: files.readLink(path) ?? "" };
  if (stat.kind !== "file") return { kind: "other" };
  const bytes = files.readBytes(path, Math.max(stat.size, 1)) ?? new Uint8Array();
  return { kind: "file", sha256: sha256(bytes), mode: stat.mode, size: stat.size };
}
