import { type Address, parseExtended } from "./address.ts";
import type { Draft, DraftOption, DraftSection } from "./draft.ts";
import { UciFault } from "./fault.ts";
import { isType } from "./names.ts";
import { parseIndex, parsePosition, type StagedChange } from "./staged.ts";

/*
 * What an edit command would stage. The draft is only asked, never changed: `replay` makes a change come true, for a
 * command just given and for a line of a file alike. So both always agree.
 */

/** What an address leads to in a draft. */
export interface Found {
  /** The section's own name if it was found, else the name as given. */
  readonly name: string | undefined;
  readonly section: DraftSection | undefined;
  readonly option: DraftOption | undefined;
  /** Everything that the address names is there. */
  readonly isComplete: boolean;
}

/** Looks an address up. Throws a fault of status `invalid` for an ill-formed `@type[index]`. */
export function find(draft: Draft, address: Address): Found {
  if (address.section === undefined)
    return { name: undefined, section: undefined, option: undefined, isComplete: true };
  const section = address.isExtended ? findExtended(draft, address.section) : draft.sections.find(address.section);
  const option = address.option === undefined ? undefined : section?.options.find(address.option);
  const isComplete = section !== undefined && (address.option === undefined || option !== undefined);
  return { name: section?.name ?? address.section, section, option, isComplete };
}

function findExtended(draft: Draft, name: string): DraftSection | undefined {
  const { type, index } = parseExtended(name);
  return draft.sectionAt(type, index);
}

/** `uci set`: an empty value deletes. `undefined`: nothing to do. */
export function editSet(draft: Draft, address: Address): StagedChange | undefined {
  const { name, section, option, isComplete } = find(draft, address);
  const value = required(address.value);
  if (section === undefined && (address.option !== undefined || name === undefined)) throw invalid();
  const target = { section: required(name), option: address.option };
  if (address.option === undefined && value !== "" && !isType(value)) throw invalid();
  if (value === "") return isComplete ? { kind: "remove", ...target, value: undefined } : undefined;
  const old = address.option === undefined ? section?.type : option?.value;
  return old === value ? undefined : { kind: "set", ...target, value };
}

/** `uci add_list`. */
export function editAddList(draft: Draft, address: Address): StagedChange {
  const { section } = find(draft, address);
  return { kind: "list-add", section: required(section).name, option: address.option, value: required(address.value) };
}

/** `uci del_list`: takes all items away that equal the value; nothing to do if there is no such list. */
export function editDelList(draft: Draft, address: Address): StagedChange | undefined {
  const { section, option } = find(draft, address);
  const name = required(section).name;
  const value = required(address.value);
  if (typeof option?.value !== "object") return undefined;
  return { kind: "list-remove", section: name, option: option.name, value };
}

/** `uci delete`; with a value, the item of a list at that index, and nothing to do if it is not there. */
export function editDelete(draft: Draft, address: Address): StagedChange | undefined {
  const { section, option, isComplete } = find(draft, address);
  if (!isComplete) throw new UciFault({ status: "not-found" });
  const target = { section: required(section).name, option: address.option };
  const isItem = typeof option?.value === "object" && address.value !== undefined && address.value !== "";
  if (!isItem) return { kind: "remove", ...target, value: undefined };
  const index = parseIndex(address.value) ?? -1;
  const isThere = index >= 0 && index < option.value.length;
  return isThere ? { kind: "remove", ...target, value: address.value } : undefined;
}

/** `uci rename`. */
export function editRename(draft: Draft, address: Address): StagedChange {
  const { section, isComplete } = find(draft, address);
  if (!isComplete) throw new UciFault({ status: "not-found" });
  return { kind: "rename", section: required(section).name, option: address.option, value: required(address.value) };
}

/** `uci reorder`; nothing to do if the section stands there already. */
export function editReorder(draft: Draft, address: Address): StagedChange | undefined {
  const { section } = find(draft, address);
  if (section === undefined || address.value === undefined) throw new UciFault({ status: "not-found" });
  const position = parsePosition(address.value);
  if (draft.isAt(section, position)) return undefined;
  return { kind: "reorder", section: section.name, option: undefined, value: String(position) };
}

function required<T>(what: T | undefined): T {
  if (what === undefined) throw invalid();
  return what;
}

function invalid(): UciFault {
  return new UciFault({ status: "invalid" });
}
