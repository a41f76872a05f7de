import { createHash } from "node:crypto";
import type { Change } from "../../api.ts";
import type { Layout } from "../../stages/validate.ts";
import {
  diffPackages,
  isSecretOption,
  maskedValue,
  type OptionDiff,
  type SectionDiff,
  type UciDiff,
} from "../../uci/diff.ts";
import type { UciPackage } from "../../uci/model.ts";

/** One thing that is another after than before: `wireless.radio0.channel`, `/etc/banner`, `service dropbear`. */
export interface Difference {
  /** What page it belongs to: a UCI package, or `files`, `services`, and the like. */
  readonly group: string;
  readonly subject: string;
  /** Undefined: it was not there. */
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/** Tells what differs between two layouts; the same pieces, compared once, give the same list object. */
export class Differences {
  readonly #showsSecrets: boolean;
  readonly #packages = new WeakMap<object, WeakMap<object, readonly Difference[]>>();
  readonly #lists = new WeakMap<object, WeakMap<object, readonly Difference[]>>();

  constructor(options: { readonly showsSecrets: boolean }) {
    this.#showsSecrets = options.showsSecrets;
  }

  between(before: Layout, after: Layout): readonly (readonly Difference[])[] {
    const [was, is] = [before.packages.desired(), after.packages.desired()];
    const names = new Set([...was.keys(), ...is.keys()]);
    const found: (readonly Difference[])[] = [];
    for (const name of names) {
      // What a tree says nothing of is as the device has it.
      const [a, b] = [packageIn(before, was, name), packageIn(after, is, name)];
      if (a === b) continue;
      found.push(remembered(this.#packages, a ?? ABSENT, b ?? ABSENT, () => this.#packageDiff(a, b)));
    }
    for (const module of new Set([...before.byModule.keys(), ...after.byModule.keys()])) {
      const [a, b] = [before.byModule.get(module) ?? NONE, after.byModule.get(module) ?? NONE];
      if (a !== b) found.push(remembered(this.#lists, a, b, () => changesDiff(a, b)));
    }
    return found.filter((list) => list.length > 0);
  }

  #packageDiff(a: UciPackage | undefined, b: UciPackage | undefined): readonly Difference[] {
    const diff = diffPackages(a, b);
    return diff.sections.flatMap((section) => this.#sectionDiff(diff, section));
  }

  #sectionDiff(diff: UciDiff, section: SectionDiff): readonly Difference[] {
    const group = diff.package;
    const path = `${group}.${section.section}`;
    const options = section.options.map((one) => this.#optionDiff(group, path, one));
    const about = (before: string | undefined, after: string | undefined) => ({ group, subject: path, before, after });
    if (section.change === "added") return [about(undefined, section.type), ...options];
    if (section.change === "removed") return [about(section.type, undefined), ...options];
    const retyped = section.typeBefore === undefined ? [] : [about(section.typeBefore, section.type)];
    const moved = section.moved ? [about(`position ${section.moved.from}`, `position ${section.moved.to}`)] : [];
    return [...retyped, ...moved, ...options];
  }

  #optionDiff(group: string, path: string, { option, before, after }: OptionDiff): Difference {
    const isSecret = !this.#showsSecrets && isSecretOption(option);
    const shown = (value: string | readonly string[] | undefined) => {
      if (value === undefined) return undefined;
      if (isSecret) return "(secret)";
      const told = this.#showsSecrets ? value : maskedValue(value);
      return typeof told === "string" ? told : `[${told.join(", ")}]`;
    };
    return { group, subject: `${path}.${option}`, before: shown(before), after: shown(after) };
  }
}

const ABSENT = {};
const NONE: readonly Change[] = [];

function packageIn(layout: Layout, desired: ReadonlyMap<string, UciPackage | undefined>, name: string) {
  return desired.has(name) ? desired.get(name) : layout.packages.planned(name);
}

function remembered(
  memory: WeakMap<object, WeakMap<object, readonly Difference[]>>,
  a: object,
  b: object,
  make: () => readonly Difference[],
): readonly Difference[] {
  const inner = memory.get(a) ?? new WeakMap<object, readonly Difference[]>();
  memory.set(a, inner);
  const known = inner.get(b) ?? make();
  inner.set(b, known);
  return known;
}

/** What a module wants besides UCI, by what it is about; kinds that this file has never heard of are told as they are. */
function changesDiff(a: readonly Change[], b: readonly Change[]): readonly Difference[] {
  const [was, is] = [subjects(a), subjects(b)];
  return [...new Set([...was.keys(), ...is.keys()])].flatMap((key) => {
    const [before, after] = [was.get(key), is.get(key)];
    if (before?.text === after?.text) return [];
    const { group = "", subject = "" } = after ?? before ?? {};
    return [{ group, subject, before: before?.text, after: after?.text }];
  });
}

interface Subject {
  readonly group: string;
  readonly subject: string;
  readonly text: string;
}

function subjects(changes: readonly Change[]): Map<string, Subject> {
  const found = new Map<string, Subject>();
  for (const change of changes) {
    if (change.kind === "uci") continue;
    for (const one of subjectsOf(change)) found.set(`${one.group} ${one.subject}`, one);
  }
  return found;
}

function subjectsOf(change: Exclude<Change, { kind: "uci" }>): readonly Subject[] {
  switch (change.kind) {
    case "file": {
      const { path: subject, mode, size, sha256 } = change;
      const text = `${mode.toString(8).padStart(4, "0")}, ${size} bytes, sha256 ${sha256.slice(0, 12)}`;
      return [{ group: "files", subject, text }];
    }
    case "symlink":
      return [{ group: "files", subject: change.path, text: `→ ${change.target}` }];
    case "remove":
      return [{ group: "files", subject: change.path, text: "deleted" }];
    case "packages": {
      const about = (text: string) => (name: string) => ({ group: "packages", subject: `package ${name}`, text });
      return [...(change.install ?? []).map(about("installed")), ...(change.remove ?? []).map(about("removed"))];
    }
    case "firmware": {
      const { target, revision, sha256 } = change;
      const text = `${revision} for ${target}, sha256 ${sha256.slice(0, 12)}`;
      return [{ group: "firmware", subject: "firmware", text }];
    }
    case "reboot":
      return [{ group: "reboot", subject: `reboot for ${change.reason}`, text: "yes" }];
    case "service": {
      const { kind: _, name, origin: __, ...rest } = change;
      const words = Object.entries(rest).map(([key, value]) => `${key}: ${wordOf(value)}`);
      return [{ group: "services", subject: `service ${name}`, text: words.join(", ") }];
    }
  }
}

function wordOf(value: unknown): string {
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return String(value);
  const text = JSON.stringify(value) ?? "";
  return text.length <= 200 ? text : `sha256 ${createHash("sha256").update(text).digest("hex").slice(0, 12)}`;
}
