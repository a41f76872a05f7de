import { toText } from "./bytes.ts";
import { numbering, sectionKeys, sectionLabels } from "./identity.ts";
import { sameValue, type UciPackage, type UciSection, type UciValue } from "./model.ts";
import { longestRising } from "./rising.ts";

/** What differs between two states of a package, in the terms of UCI. Plain data for JSON, as UTF-8 text. */
export interface UciDiff {
  readonly package: string;
  readonly change: "none" | "created" | "removed" | "changed";
  readonly sections: readonly SectionDiff[];
}

export interface SectionDiff {
  /** Its name, or `@type[index]`; of a removed one, as it was before. */
  readonly section: string;
  readonly type: string;
  readonly change: "added" | "removed" | "changed" | "moved";
  /** If another one now. */
  readonly typeBefore?: string;
  /** Its position among all sections before and after, from 0, if it moved past others. */
  readonly moved?: { readonly from: number; readonly to: number };
  readonly options: readonly OptionDiff[];
}

export interface OptionDiff {
  readonly option: string;
  readonly before?: string | readonly string[];
  readonly after?: string | readonly string[];
  /** For a list that stays a list: what came and what went. Neither: only the order changed. */
  readonly items?: { readonly added: readonly string[]; readonly removed: readonly string[] };
}

/**
 * What has to change to make `after` of `before`; `undefined` stands for a file that is not there. Sections are paired
 * by identity (identity.ts). The order of options means nothing and is no difference. Linear.
 */
export function diffPackages(before: UciPackage | undefined, after: UciPackage | undefined): UciDiff {
  const was = before ?? { name: after?.name ?? "", sections: [] };
  const is = after ?? { name: was.name, sections: [] };
  const sections = new PackagePair(was, is).differences();
  return { package: is.name, change: changeOf(before, after, sections), sections };
}

function changeOf(
  before: UciPackage | undefined,
  after: UciPackage | undefined,
  sections: readonly SectionDiff[],
): UciDiff["change"] {
  if (before === undefined) return after === undefined ? "none" : "created";
  if (after === undefined) return "removed";
  return sections.length === 0 ? "none" : "changed";
}

class PackagePair {
  readonly #was: readonly UciSection[];
  readonly #is: readonly UciSection[];
  /** For each section after, the index of the one before. */
  readonly #origin: (number | undefined)[];

  constructor(was: UciPackage, is: UciPackage) {
    this.#was = was.sections;
    this.#is = is.sections;
    const indexOf = new Map(sectionKeys(was.name, was.sections).map((key, i) => [key, i]));
    this.#origin = sectionKeys(is.name, is.sections).map((key) => indexOf.get(key));
    this.#pairTheRest();
  }

  differences(): SectionDiff[] {
    const labels = sectionLabels(this.#is);
    const movers = this.#movers();
    const found: SectionDiff[] = [];
    this.#is.forEach((section, i) => {
      const from = this.#origin[i];
      const before = from === undefined ? undefined : this.#was[from];
      const label = labels[i] ?? "";
      if (from === undefined || before === undefined) {
        found.push({
          section: text(label),
          type: text(section.type),
          change: "added",
          options: diffOptions([], section.options),
        });
        return;
      }
      const options = diffOptions(before.options, section.options);
      const isMoved = movers.has(i);
      const isRetyped = before.type !== section.type;
      if (options.length === 0 && !isMoved && !isRetyped) return;
      found.push({
        section: text(label),
        type: text(section.type),
        change: options.length > 0 || isRetyped ? "changed" : "moved",
        ...(isRetyped ? { typeBefore: text(before.type) } : {}),
        ...(isMoved ? { moved: { from, to: i } } : {}),
        options,
      });
    });
    return [...this.#removed(), ...found];
  }

  /** Anonymous sections whose content changed have lost their identity: pairs those of a type in order, if alike. */
  #pairTheRest(): void {
    const paired = new Set(this.#origin);
    const waiting = new Map<string, number[]>();
    for (let i = this.#was.length - 1; i >= 0; i--) {
      const section = this.#was[i];
      if (section === undefined || section.name !== undefined || paired.has(i)) continue;
      const ofType = waiting.get(section.type);
      if (ofType === undefined) waiting.set(section.type, [i]);
      else ofType.push(i);
    }
    this.#is.forEach((section, i) => {
      if (section.name !== undefined || this.#origin[i] !== undefined) return;
      const ofType = waiting.get(section.type);
      const candidate = ofType?.at(-1);
      const before = candidate === undefined ? undefined : this.#was[candidate];
      if (candidate === undefined || before === undefined || !isAlike(before, section)) return;
      ofType?.pop();
      this.#origin[i] = candidate;
    });
  }

  #removed(): SectionDiff[] {
    const stays = new Set(this.#origin);
    const labels = sectionLabels(this.#was);
    return this.#was.flatMap((section, i): SectionDiff[] => {
      if (stays.has(i)) return [];
      const options = diffOptions(section.options, []);
      return [{ section: text(labels[i] ?? ""), type: text(section.type), change: "removed", options }];
    });
  }

  /** The fewest sections that must be moved to explain the new order: those outside the longest rising choice. */
  #movers(): Set<number> {
    const kept = this.#origin.flatMap((from, i) => (from === undefined ? [] : [{ from, i }]));
    const stay = new Set(longestRising(kept.map(({ from }) => from)));
    return new Set(kept.flatMap(({ i }, k) => (stay.has(k) ? [] : [i])));
  }
}

/** Half of the options or more are the same. */
function isAlike(a: UciSection, b: UciSection): boolean {
  const values = new Map(a.options.map(({ name, value }) => [name, value]));
  const same = b.options.filter(({ name, value }) => sameValue(values.get(name), value)).length;
  return same > 0 && same * 2 >= Math.max(a.options.length, b.options.length);
}

function diffOptions(before: UciSection["options"], after: UciSection["options"]): OptionDiff[] {
  const was = new Map(before.map(({ name, value }) => [name, value]));
  const is = new Map(after.map(({ name, value }) => [name, value]));
  const gone = before.flatMap(({ name, value }) =>
    is.has(name) ? [] : [{ option: text(name), before: asText(value) }],
  );
  const set = after.flatMap(({ name, value }): OptionDiff[] => {
    const old = was.get(name);
    if (sameValue(old, value)) return [];
    if (old === undefined) return [{ option: text(name), after: asText(value) }];
    return [{ option: text(name), before: asText(old), after: asText(value), ...itemsOf(old, value) }];
  });
  return [...gone, ...set];
}

function itemsOf(before: UciValue, after: UciValue): Pick<OptionDiff, "items"> {
  if (typeof before === "string" || typeof after === "string") return {};
  const count = numbering();
  const was = new Map(before.map((item) => [count(item), item]));
  const countAgain = numbering();
  const is = new Map(after.map((item) => [countAgain(item), item]));
  const only = (here: ReadonlyMap<string, string>, there: ReadonlyMap<string, string>) =>
    [...here].flatMap(([key, item]) => (there.has(key) ? [] : [text(item)]));
  return { items: { added: only(is, was), removed: only(was, is) } };
}

function asText(value: UciValue): string | string[] {
  return typeof value === "string" ? text(value) : value.map(text);
}

function text(bytes: string): string {
  return toText(bytes);
}

export { printDiff } from "./print-diff.ts";
export { isSecretOption, maskedValue, withoutUriSecrets } from "./secrets.ts";
