import { contentIdentity, sectionKeys, sectionLabels } from "./identity.ts";
import { sameValue, type UciOption, type UciPackage, type UciSection, type UciValue } from "./model.ts";
import { type Missing, putBackBehind, type Slot } from "./placement.ts";
import type { AddedSection, ChangedSection, PackageRecord, RemovedSection } from "./record.ts";

/** A section of the present package, on its way back to what it was before uciprov. */
export interface Cell {
  /** As it is now; `undefined` for one that uciprov had removed. */
  readonly present: UciSection | undefined;
  /** How people write it now. */
  readonly label: string;
  /** As it is without uciprov; `undefined`: it is there only because of uciprov. */
  before: UciSection | undefined;
  /** Its identity now, so that the same one added again finds its place. */
  readonly key: string;
  /** Its options in their present order, with free places where uciprov's are taken out; none of uciprov's if absent. */
  optionSlots: readonly Slot<string>[] | undefined;
}

/** Something of uciprov's that somebody changed since. Values are byte strings. */
export interface LaterEdit {
  /** The section, if it is still there. */
  readonly cell: Cell | undefined;
  readonly label: string;
  readonly option: string | undefined;
  readonly kind: "value" | "section" | "type" | "order";
  readonly set: UciValue | undefined;
  readonly found: UciValue | undefined;
}

export interface Undone {
  readonly cells: readonly Cell[];
  readonly edits: readonly LaterEdit[];
}

/**
 * Takes uciprov's own contributions out of a package: what still is as it set it goes back to what was there before,
 * what somebody changed since stays theirs and is reported. Linear.
 */
export function undo(current: UciPackage, record: PackageRecord | undefined): Undone {
  const undoing = new Undoing(current);
  if (record === undefined) return undoing;
  undoing.indexContent();
  undoing.takeOutAll(record.added);
  for (const changed of record.changed) undoing.takeBack(changed);
  if (record.order !== undefined) undoing.reorder(record.order.before, record.order.set);
  undoing.putBack(record.removed);
  return undoing;
}

class Undoing implements Undone {
  cells: Cell[];
  readonly edits: LaterEdit[] = [];
  readonly #byKey = new Map<string, Cell>();
  readonly #byContent = new Map<string, Cell[]>();
  readonly #done = new Set<Cell>();
  readonly #takenOut = new Map<string, Cell>();
  /** Cells in which a removed section is back, by its number: others stand behind it under that. */
  readonly #standsFor = new Map<Cell, string>();

  constructor(current: UciPackage) {
    const keys = sectionKeys(current.name, current.sections);
    const labels = sectionLabels(current.sections);
    this.cells = current.sections.map((section, i) => ({
      present: section,
      label: labels[i] ?? "",
      before: section,
      key: keys[i] ?? "",
      optionSlots: undefined,
    }));
  }

  /** For finding what a record names. */
  indexContent(): void {
    for (const cell of this.cells) this.#byKey.set(cell.key, cell);
    for (const cell of this.cells) {
      if (cell.present === undefined || cell.present.name !== undefined) continue;
      const identity = contentIdentity(cell.present);
      const alike = this.#byContent.get(identity);
      if (alike === undefined) this.#byContent.set(identity, [cell]);
      else alike.push(cell);
    }
    // Taken from the end, so the first comes out first.
    for (const alike of this.#byContent.values()) alike.reverse();
  }

  /** First the ones that are as they were made, where they were made, so that none takes another's place. */
  takeOutAll(added: readonly AddedSection[]): void {
    const found = added.map((section) => this.#untouched(section));
    added.forEach((section, i) => {
      this.#takeOut(section, found[i] ?? this.#findAdded(section));
    });
  }

  #takeOut(added: AddedSection, cell: Cell | undefined): void {
    const present = cell?.present;
    if (cell === undefined || present === undefined || present.type !== added.type) {
      const [label, found] = [labelOf(added), present?.type];
      this.edits.push({ cell, label, option: undefined, kind: "section", set: added.type, found });
      return;
    }
    this.#done.add(cell);
    this.#takenOut.set(added.key, cell);
    const ours = new Map(added.options.map(({ name, value }) => [name, value]));
    const theirs = present.options.filter(({ name, value }) => !ours.has(name) || !sameValue(ours.get(name), value));
    const there = new Map(present.options.map(({ name, value }) => [name, value]));
    for (const { name, value } of added.options)
      if (!sameValue(there.get(name), value)) this.#edited(cell, name, value, there.get(name));
    cell.before = theirs.length === 0 ? undefined : { ...present, options: theirs };
    const staying = new Set(theirs.map(({ name }) => name));
    cell.optionSlots = present.options.map(({ name }) => (staying.has(name) ? { stays: name } : { free: name }));
  }

  takeBack(changed: ChangedSection): void {
    const cell = this.#byKey.get(changed.key);
    const present = cell?.present;
    if (cell === undefined || present === undefined || this.#done.has(cell)) {
      const label = changed.key.replace(/^=/, "");
      this.edits.push({ cell: undefined, label, option: undefined, kind: "section", set: undefined, found: undefined });
      return;
    }
    this.#done.add(cell);
    const values = new Map(present.options.map(({ name, value }) => [name, value]));
    const slots = new Map<string, Slot<string>>(present.options.map(({ name }) => [name, { stays: name }]));
    const missing: Missing<Slot<string>>[] = [];
    for (const { name, before, set, after } of changed.options) {
      const found = values.get(name);
      if (!sameValue(found, set)) {
        this.#edited(cell, name, set, found);
      } else if (before === undefined) {
        values.delete(name);
        slots.set(name, { free: name });
      } else {
        if (set === undefined) missing.push({ thing: { stays: name }, after });
        values.set(name, before);
      }
    }
    const whole = putBackBehind([...slots.values()], missing, slotName);
    const ordered = changed.order === undefined ? whole : inOrder(whole, changed.order);
    cell.optionSlots = ordered;
    cell.before = {
      ...present,
      type: this.#typeBefore(cell, present, changed),
      options: optionsIn(ordered, values),
    };
  }

  reorder(before: readonly string[], set: readonly string[]): void {
    const rank = new Map(set.map((key, i) => [key, i]));
    const moved = this.cells.filter((cell) => rank.has(cell.key) && cell.before !== undefined);
    const isAsSet = moved.every(
      (cell, i) => i === 0 || (rank.get(moved[i - 1]?.key ?? "") ?? 0) < (rank.get(cell.key) ?? 0),
    );
    if (!isAsSet) {
      this.edits.push({
        cell: undefined,
        label: "",
        option: undefined,
        kind: "order",
        set: undefined,
        found: undefined,
      });
      return;
    }
    const rankBefore = new Map(before.map((key, i) => [key, i]));
    const sorted = [...moved].sort((a, b) => (rankBefore.get(a.key) ?? 0) - (rankBefore.get(b.key) ?? 0));
    const places = new Set(moved);
    let next = 0;
    this.cells = this.cells.map((cell) => (places.has(cell) ? (sorted[next++] ?? cell) : cell));
  }

  putBack(removed: readonly RemovedSection[]): void {
    const missing: Missing<Cell>[] = [];
    removed.forEach((section, i) => {
      const { after, became, ...before } = section;
      const again = section.name === undefined ? undefined : this.#byKey.get(`=${section.name}`);
      if (again !== undefined && again.before !== undefined) {
        this.edits.push({
          cell: again,
          label: again.label,
          option: undefined,
          kind: "section",
          set: undefined,
          found: again.before.type,
        });
        return;
      }
      const changeling = became === undefined ? undefined : this.#takenOut.get(became);
      if (changeling !== undefined && changeling.before === undefined) {
        changeling.before = before;
        changeling.optionSlots = undefined;
        this.#standsFor.set(changeling, `-${i}`);
        return;
      }
      const cell = { present: undefined, label: labelOf(section), before, key: `-${i}`, optionSlots: undefined };
      missing.push({ thing: cell, after });
    });
    this.cells = putBackBehind(this.cells, missing, (cell) => this.#standsFor.get(cell) ?? cell.key);
  }

  #typeBefore(cell: Cell, present: UciSection, { type }: ChangedSection): string {
    if (type === undefined) return present.type;
    if (present.type === type.set) return type.before;
    this.edits.push({ cell, label: cell.label, option: undefined, kind: "type", set: type.set, found: present.type });
    return present.type;
  }

  #untouched(added: AddedSection): Cell | undefined {
    const cell = this.#byKey.get(added.key);
    if (cell?.present === undefined || contentIdentity(cell.present) !== contentIdentity(added)) return undefined;
    this.#done.add(cell);
    return cell;
  }

  /** An anonymous section is best known by what it holds; only if that was edited, by its identity. */
  #findAdded(added: AddedSection): Cell | undefined {
    if (added.name === undefined) {
      const alike = this.#byContent.get(contentIdentity(added)) ?? [];
      for (let cell = alike.pop(); cell !== undefined; cell = alike.pop()) if (!this.#done.has(cell)) return cell;
    }
    const cell = this.#byKey.get(added.key);
    return cell !== undefined && !this.#done.has(cell) ? cell : undefined;
  }

  #edited(cell: Cell, option: string, set: UciValue | undefined, found: UciValue | undefined): void {
    this.edits.push({ cell, label: cell.label, option, kind: "value", set, found });
  }
}

/** Lets the named ones follow `order` among the places that they take. */
function inOrder(slots: readonly Slot<string>[], order: readonly string[]): Slot<string>[] {
  const rank = new Map(order.map((name, i) => [name, i]));
  const isRanked = (slot: Slot<string>) => "stays" in slot && rank.has(slot.stays);
  const sorted = slots.filter(isRanked).sort((a, b) => (rank.get(slotName(a)) ?? 0) - (rank.get(slotName(b)) ?? 0));
  let next = 0;
  return slots.map((slot) => (isRanked(slot) ? (sorted[next++] ?? slot) : slot));
}

function optionsIn(slots: readonly Slot<string>[], values: ReadonlyMap<string, UciValue>): UciOption[] {
  return slots.flatMap((slot) => {
    const value = "stays" in slot ? values.get(slot.stays) : undefined;
    return value === undefined ? [] : [{ name: slotName(slot), value }];
  });
}

function slotName(slot: Slot<string>): string {
  return "stays" in slot ? slot.stays : slot.free;
}

function labelOf(section: UciSection): string {
  return section.name ?? `@${section.type}`;
}
