import { Chain, type Linked } from "./chain.ts";
import { sameValue, type UciOption, type UciPackage, type UciSection } from "./model.ts";
import { generatedName } from "./names.ts";
import { OrderTree } from "./order-tree.ts";

/** Up to this many options, a section's and a layer's together, are matched without unfolding the section. */
const MANY = 24;

export interface DraftOption extends Linked<DraftOption> {
  /** A list may be empty here, as `del_list` leaves it; it is not printed then. */
  value: string | string[];
}

export class DraftSection implements Linked<DraftSection> {
  name: string;
  type: string;
  /** Its `name` was made up by libuci's rule and is not printed. */
  isAnonymous: boolean;
  previous: DraftSection | undefined;
  following: DraftSection | undefined;
  /** What it is as long as nobody has asked for its options one by one. */
  #from: UciSection;
  #chain: Chain<DraftOption> | undefined;

  constructor(name: string, from: UciSection) {
    this.name = name;
    this.type = from.type;
    this.isAnonymous = from.name === undefined;
    this.#from = from;
  }

  /** Made when they are first asked for: most sections of a package are never touched. */
  get options(): Chain<DraftOption> {
    if (this.#chain !== undefined) return this.#chain;
    this.#chain = new Chain();
    for (const { name, value } of this.#from.options) {
      const own = typeof value === "string" ? value : [...value];
      this.#chain.append({ name, value: own, previous: undefined, following: undefined });
    }
    return this.#chain;
  }

  /** Sets all of these options, known ones where they stand, others behind. Empty ones say nothing. */
  setAll(options: readonly UciOption[]): void {
    const isShort = this.#from.options.length + options.length < MANY;
    if (isShort && this.#chain === undefined) this.#from = withOptions(this.#from, options);
    else setInChain(this.options, options);
  }

  /** As it would be printed; the very one that it was made from if nothing was changed. */
  section(name = this.isAnonymous ? undefined : this.name): UciSection {
    const { type } = this;
    const [from, chain] = [this.#from, this.#chain];
    if (chain === undefined && from.type === type && from.name === name) return from;
    const options = chain === undefined ? from.options : Array.from(chain, ({ name, value }) => ({ name, value }));
    return { type, name, options };
  }
}

function setInChain(chain: Chain<DraftOption>, options: readonly UciOption[]): void {
  for (const { name, value } of options) {
    const known = chain.find(name);
    if (value.length === 0 || sameValue(known?.value, value)) continue;
    const own = typeof value === "string" ? value : [...value];
    if (known !== undefined) known.value = own;
    else chain.append({ name, value: own, previous: undefined, following: undefined });
  }
}

/** A section with options set; the same one if it says all that already. Looks through all for each: for short ones. */
function withOptions(section: UciSection, options: readonly UciOption[]): UciSection {
  const { type, name } = section;
  let made: UciOption[] | undefined;
  for (const option of options) {
    if (option.value.length === 0) continue;
    const now = made ?? section.options;
    const place = now.findIndex((other) => other.name === option.name);
    if (sameValue(now[place]?.value, option.value)) continue;
    made ??= section.options.slice();
    if (place < 0) made.push(option);
    else made[place] = option;
  }
  return made === undefined ? section : { type, name, options: made };
}

/** A package that is being edited, with the quirks that libuci's model shows while it is. */
export class Draft {
  readonly name: string;
  readonly sections = new Chain<DraftSection>();
  /** Sections ever made: the next generated name counts on from here. */
  #made = 0;
  /** In order; made for a type when it is first asked for. */
  readonly #byType = new Map<string, OrderTree<DraftSection>>();

  constructor(from: UciPackage) {
    this.name = from.name;
    for (const section of from.sections) this.addCopy(section);
  }

  package(): UciPackage {
    return { name: this.name, sections: this.sections.toArray().map((section) => section.section()) };
  }

  /** The package with the generated names as if they were given ones. */
  packageWithNames(): UciPackage {
    return { name: this.name, sections: this.sections.toArray().map((section) => section.section(section.name)) };
  }

  /** Appends a section; without a name it gets a generated one and stays anonymous. */
  addSection(type: string, name?: string): DraftSection {
    return this.addCopy({ type, name, options: [] });
  }

  /** Appends a section with all that is in it. */
  addCopy(from: UciSection): DraftSection {
    this.#made++;
    const section = new DraftSection(from.name ?? generatedName(this.#made, from.type), from);
    this.sections.append(section);
    const ofType = this.#byType.get(from.type);
    ofType?.insert(section, ofType.size);
    return section;
  }

  /** The name that an anonymous section of this type would get now. */
  nextGeneratedName(type: string): string {
    return generatedName(this.#made + 1, type);
  }

  /** The `index`-th section of a type, or of all; a negative index counts from the end. */
  sectionAt(type: string | undefined, index: number): DraftSection | undefined {
    const sections = type === undefined ? this.sections : this.#ofType(type);
    return sections.at(index < 0 ? sections.size + index : index);
  }

  has(section: DraftSection): boolean {
    return this.sections.first === section || section.previous?.following === section;
  }

  removeSection(section: DraftSection): void {
    this.sections.remove(section);
    this.#byType.get(section.type)?.remove(section);
  }

  /** Changes the type; as a side effect libuci makes a name of a generated one if the new type differs in length. */
  retypeSection(section: DraftSection, type: string): void {
    if (section.type.length !== type.length) section.isAnonymous = false;
    this.#byType.get(section.type)?.remove(section);
    section.type = type;
    this.#restore(section);
  }

  renameSection(section: DraftSection, name: string): void {
    this.sections.rename(section, name);
    section.isAnonymous = false;
  }

  /** Whether moving the section to `position` would leave it where it is. */
  isAt(section: DraftSection, position: number): boolean {
    return section.previous === this.#neighbourFor(section, position);
  }

  moveSection(section: DraftSection, position: number): void {
    this.sections.move(section, this.#neighbourFor(section, position));
    this.#restore(section);
  }

  arrangeSections(sections: readonly DraftSection[]): void {
    this.sections.arrange(sections);
    this.#byType.clear();
  }

  setOption(section: DraftSection, name: string, value: string | string[]): void {
    const known = section.options.find(name);
    if (known !== undefined) known.value = value;
    else section.options.append({ name, value, previous: undefined, following: undefined });
  }

  /** Behind which section the one that comes to `position` will stand. */
  #neighbourFor(section: DraftSection, position: number): DraftSection | undefined {
    const before = Math.min(position, this.sections.size - 1) - 1;
    if (before < 0) return undefined;
    return this.sections.at(before < this.sections.positionOf(section) ? before : before + 1);
  }

  #ofType(type: string): OrderTree<DraftSection> {
    const known = this.#byType.get(type);
    if (known !== undefined) return known;
    const made = new OrderTree(this.sections.toArray().filter((section) => section.type === type));
    this.#byType.set(type, made);
    return made;
  }

  /** Puts the section where it belongs among those of its type. */
  #restore(section: DraftSection): void {
    const ofType = this.#byType.get(section.type);
    if (ofType !== undefined) this.sections.resort(section, ofType);
  }
}
