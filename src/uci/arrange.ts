import type { Draft, DraftSection } from "./draft.ts";
import { sectionKeys } from "./identity.ts";
import { place, type Slot } from "./placement.ts";
import type { Cell } from "./undo.ts";

/**
 * Moves what the layers added, sections and options, to where the same stood before, so that a settled package stays as
 * it is whatever somebody added behind. Where layers demand an order of their own (`replace`, `reorder`) it is left.
 */
export function arrange(draft: Draft, cells: readonly Cell[], sectionOfCell: ReadonlyMap<Cell, DraftSection>): void {
  arrangeSections(draft, cells, sectionOfCell);
  for (const cell of cells) {
    const section = sectionOfCell.get(cell);
    const isLoose = cell.optionSlots?.some((slot) => "free" in slot) === true;
    if (section !== undefined && isLoose) arrangeOptions(section, cell.optionSlots ?? []);
  }
}

function arrangeSections(draft: Draft, cells: readonly Cell[], sectionOfCell: ReadonlyMap<Cell, DraftSection>): void {
  if (cells.every(({ before }) => before !== undefined)) return;
  const order = [...draft.sections];
  const there = new Set(order);
  const slots = cells.flatMap((cell): Slot<DraftSection>[] => {
    if (cell.before === undefined) return [{ free: cell.key }];
    const section = sectionOfCell.get(cell);
    return section !== undefined && there.has(section) ? [{ stays: section }] : [];
  });
  const fresh = onlyAppended(slots, order);
  if (fresh === undefined) return;
  const keys = sectionKeys(draft.name, draft.package().sections);
  const keyOf = new Map(order.map((section, i) => [section, keys[i] ?? ""]));
  draft.arrangeSections(place(slots, fresh, (section) => keyOf.get(section) ?? ""));
}

function arrangeOptions(section: DraftSection, all: readonly Slot<string>[]): void {
  const order = [...section.options];
  const byName = new Map(order.map((option) => [option.name, option]));
  const slots = all.filter((slot) => "free" in slot || byName.has(slot.stays));
  const names = order.map(({ name }) => name);
  const fresh = onlyAppended(slots, names);
  if (fresh === undefined || byName.size !== order.length) return;
  const placed = place(slots, fresh, (name) => name);
  section.options.arrange(placed.flatMap((name) => byName.get(name) ?? []));
}

/** What stands in `order` behind all that stays; `undefined` if what stays is not in its order and at the front. */
function onlyAppended<T>(slots: readonly Slot<T>[], order: readonly T[]): T[] | undefined {
  const staying = slots.flatMap((slot) => ("stays" in slot ? [slot.stays] : []));
  const isInFront = staying.every((thing, i) => thing === order[i]);
  return isInFront ? order.slice(staying.length) : undefined;
}
