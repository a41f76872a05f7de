import type { UciPackage } from "./model.ts";
import { generatedName, generatedNumber } from "./names.ts";
import type { StatementTaker } from "./statements.ts";

interface OptionInProgress {
  readonly name: string;
  value: string | string[];
}

interface SectionInProgress {
  type: string;
  name: string | undefined;
  options: OptionInProgress[];
}

const NONE: OptionInProgress[] = [];

/** From this many options on a section is searched through a map; below, looking through them is faster. */
const MANY = 12;

/** Collects statements into packages, with libuci's rules for what is said twice. */
export class PackageBuilder implements StatementTaker {
  private readonly done = new Map<string, UciPackage>();
  private name: string | undefined;
  private sections: SectionInProgress[] = [];
  private named = new Map<string, SectionInProgress>();
  /** Where options of a new section are collected, to be copied at its end: an array that grows would keep room for 17. */
  private readonly collected: OptionInProgress[] = [];
  private current: SectionInProgress | undefined;
  /** The options of the current section are the first `count` of these. */
  private options: OptionInProgress[] = this.collected;
  private count = 0;
  private optionsByName: Map<string, OptionInProgress> | undefined;
  /** Of sections with many options that were gone on with, so that doing so again and again stays cheap. */
  private readonly indexes = new Map<SectionInProgress, Map<string, OptionInProgress>>();

  /** With a name, sections may come before the first `package` line and belong to a package of that name. */
  constructor(name: string | undefined) {
    this.name = name;
  }

  /** What was collected, in the order of first mention. A package that had a name from the start exists if only it is there. */
  packages(): UciPackage[] {
    if (this.done.size === 0 || this.sections.length > 0) this.finishPackage();
    return [...this.done.values()];
  }

  package(name: string): boolean {
    if (this.name !== undefined && (this.sections.length > 0 || this.done.size > 0)) this.finishPackage();
    if (this.done.has(name)) return false;
    this.done.set(name, { name, sections: [] });
    this.name = name;
    this.sections = [];
    this.named = new Map();
    return true;
  }

  section(type: string, name: string | undefined, isStrict: boolean): boolean {
    const known = name === undefined ? undefined : (this.named.get(name) ?? this.generated(name));
    if (known !== undefined && known.type !== type) {
      if (isStrict) return false;
      // As a side effect libuci makes a name of a generated one if the new type differs in length.
      if (known.type.length !== type.length) known.name = name;
      known.type = type;
    }
    this.finishSection();
    if (known === undefined) {
      this.current = { type, name, options: NONE };
      this.sections.push(this.current);
      if (name !== undefined) this.named.set(name, this.current);
    } else {
      this.goOnWith(known);
    }
    return true;
  }

  option(name: string, value: string): void {
    // An empty option does not exist, and does not take an older one away either.
    if (value === "") return;
    const known = this.find(name);
    if (known === undefined) this.add(name, value);
    else known.value = value;
  }

  list(name: string, item: string): void {
    const known = this.find(name);
    if (known === undefined) this.add(name, [item]);
    else if (typeof known.value === "string") known.value = [known.value, item];
    else known.value.push(item);
  }

  private goOnWith(section: SectionInProgress): void {
    if (section.options === NONE) section.options = [];
    this.options = section.options;
    this.count = section.options.length;
    if (this.count < MANY) return;
    const index = this.indexes.get(section) ?? byName(section.options);
    this.indexes.set(section, index);
    this.optionsByName = index;
  }

  private finishSection(): void {
    if (this.current !== undefined && this.count > 0) this.current.options = this.collected.slice(0, this.count);
    this.current = undefined;
    this.options = this.collected;
    this.count = 0;
    this.optionsByName = undefined;
  }

  private finishPackage(): void {
    this.finishSection();
    if (this.name === undefined) return;
    this.done.set(this.name, { name: this.name, sections: this.sections });
  }

  /** libuci finds anonymous sections by the name it made up for them, so a file can go on with one. */
  private generated(name: string): SectionInProgress | undefined {
    const number = generatedNumber(name);
    const section = number === undefined ? undefined : this.sections[number - 1];
    if (number === undefined || section === undefined || section.name !== undefined) return undefined;
    return generatedName(number, section.type) === name ? section : undefined;
  }

  private find(name: string): OptionInProgress | undefined {
    const { options, count } = this;
    if (count < MANY) {
      for (let i = 0; i < count; i++) if (options[i]?.name === name) return options[i];
      return undefined;
    }
    this.optionsByName ??= byName(options.slice(0, count));
    return this.optionsByName.get(name);
  }

  private add(name: string, value: string | string[]): void {
    const option = { name, value };
    this.options[this.count++] = option;
    this.optionsByName?.set(name, option);
  }
}

function byName(options: readonly OptionInProgress[]): Map<string, OptionInProgress> {
  return new Map(options.map((option) => [option.name, option]));
}
