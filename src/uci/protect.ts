import type { DraftSection } from "./draft.ts";
import { anonymousIdentity } from "./identity.ts";
import type { Layered } from "./layers.ts";
import { sameValue, type UciSection } from "./model.ts";
import type { Cell } from "./undo.ts";

interface Protected {
  /** A name, `@type` or `@type[index]`. */
  readonly section: string;
  readonly option: string | undefined;
}

/**
 * Puts protected sections and options back to what they are on the device now, whether that is there or not.
 * Whatever a layer wanted there becomes a note.
 */
export function protect(
  layered: Layered,
  cells: readonly Cell[],
  sectionOfCell: Map<Cell, DraftSection>,
  paths: readonly string[],
): void {
  for (const path of paths) {
    const target = parsePath(path, layered.draft.name);
    if (target === undefined) continue;
    const isTouched = new Protection(layered, cells, sectionOfCell).hold(target);
    if (!isTouched) continue;
    layered.findings.push({ code: "UCI_CONFLICT", message: `${path} is protected: left as it is`, severity: "note" });
  }
}

function parsePath(path: string, pkg: string): Protected | undefined {
  const [name, section, option] = path.split(".");
  return name === pkg && section !== undefined ? { section, option } : undefined;
}

class Protection {
  readonly #layered: Layered;
  readonly #cells: readonly Cell[];
  readonly #sectionOfCell: Map<Cell, DraftSection>;
  /** Sections of the draft that stand for one that the device has. */
  readonly #held = new Set<DraftSection>();

  constructor(layered: Layered, cells: readonly Cell[], sectionOfCell: Map<Cell, DraftSection>) {
    this.#layered = layered;
    this.#cells = cells;
    this.#sectionOfCell = sectionOfCell;
  }

  /** `true` if something had to be put back. */
  hold({ section, option }: Protected): boolean {
    let isTouched = false;
    for (const cell of this.#cells) {
      if (cell.present === undefined || !isMeant(cell, section)) continue;
      const isChanged =
        option === undefined ? this.#holdSection(cell, cell.present) : this.#holdOption(cell, cell.present, option);
      isTouched ||= isChanged;
    }
    const added = [...this.#layered.draft.sections].filter((own) => isAdded(own, section) && !this.#held.has(own));
    for (const own of added) isTouched = this.#keepOut(own, option) || isTouched;
    return isTouched;
  }

  /** The device has no such section: the layers do not make one. */
  #keepOut(section: DraftSection, option: string | undefined): boolean {
    if (option === undefined) {
      this.#layered.draft.removeSection(section);
      return true;
    }
    const added = section.options.find(option);
    if (added !== undefined) section.options.remove(added);
    return added !== undefined;
  }

  #holdSection(cell: Cell, present: UciSection): boolean {
    const section = this.#sectionFor(cell, present);
    if (section === undefined) {
      this.#bringBack(cell, present, present.options);
      return true;
    }
    const isSame =
      section.type === present.type &&
      section.options.size === present.options.length &&
      present.options.every(({ name, value }) => sameValue(section.options.find(name)?.value, value));
    if (isSame) return false;
    section.type = present.type;
    for (const option of [...section.options]) section.options.remove(option);
    for (const { name, value } of present.options) this.#layered.draft.setOption(section, name, own(value));
    this.#layered.disown(section);
    return true;
  }

  #holdOption(cell: Cell, present: UciSection, name: string): boolean {
    const value = present.options.find((option) => option.name === name)?.value;
    const found = this.#sectionFor(cell, present);
    if (found === undefined && value === undefined) return false;
    const section = found ?? this.#bringBack(cell, present, []);
    // More than one: a batch has renamed another option to this name.
    const same = [...section.options].filter((option) => option.name === name);
    if (same.length < 2 && sameValue(same[0]?.value, value)) return false;
    if (same.length > 1 || value === undefined) for (const option of same) section.options.remove(option);
    if (value !== undefined) this.#layered.draft.setOption(section, name, own(value));
    this.#layered.disown(section, name);
    return true;
  }

  /** Where the section is in the draft; one that is uciprov's own was made anew there, under its name. */
  #sectionFor(cell: Cell, present: UciSection): DraftSection | undefined {
    const section = this.#sectionOfCell.get(cell) ?? this.#namesake(present);
    const isThere = section !== undefined && this.#layered.draft.has(section) && hasNameOf(section, present);
    const own = isThere ? section : this.#namesake(present);
    if (own !== undefined) this.#held.add(own);
    return own;
  }

  #namesake(present: UciSection): DraftSection | undefined {
    if (present.name === undefined) return this.#alike(present);
    const found = this.#layered.draft.sections.find(present.name);
    return found === undefined || found.isAnonymous ? undefined : found;
  }

  #alike(present: UciSection): DraftSection | undefined {
    const staying = new Set(this.#sectionOfCell.values());
    const identity = anonymousIdentity(present);
    return [...this.#layered.draft.sections].find(
      (section) =>
        section.isAnonymous &&
        !staying.has(section) &&
        !this.#held.has(section) &&
        anonymousIdentity(section.section()) === identity,
    );
  }

  /** The section that the layers took away or gave another name, with these of its options, where it stood. */
  #bringBack(cell: Cell, present: UciSection, options: UciSection["options"]): DraftSection {
    const section = this.#layered.draft.addSection(present.type, present.name);
    for (const { name, value } of options) this.#layered.draft.setOption(section, name, own(value));
    this.#sectionOfCell.set(cell, section);
    this.#held.add(section);
    const before = this.#cells.slice(0, this.#cells.indexOf(cell)).findLast((other) => this.#isInDraft(other));
    this.#layered.draft.sections.move(section, before === undefined ? undefined : this.#sectionOfCell.get(before));
    return section;
  }

  #isInDraft(cell: Cell): boolean {
    const section = this.#sectionOfCell.get(cell);
    return section !== undefined && this.#layered.draft.has(section);
  }
}

function hasNameOf(section: DraftSection, present: UciSection): boolean {
  return present.name === undefined || (!section.isAnonymous && section.name === present.name);
}

/** Whether a section of the draft is of the protected kind: by name, or all anonymous ones of a type. */
function isAdded(section: DraftSection, protectedName: string): boolean {
  return section.isAnonymous ? protectedName === `@${section.type}` : section.name === protectedName;
}

function isMeant(cell: Cell, section: string): boolean {
  return (
    cell.label === section ||
    (section.startsWith("@") && cell.present?.type === section.slice(1) && cell.present.name === undefined)
  );
}

function own(value: string | readonly string[]): string | string[] {
  return typeof value === "string" ? value : [...value];
}
