import { fromText, toText } from "./bytes.ts";

/** One option; an array is a UCI list. Names and values are byte strings (bytes.ts). */
export interface UciOption {
  readonly name: string;
  readonly value: UciValue;
}

/** A string, or the items of a list. Never an empty string and never an empty array in what a file can hold. */
export type UciValue = string | readonly string[];

/** One `config` block; `name` is `undefined` for an anonymous one. */
export interface UciSection {
  readonly type: string;
  readonly name: string | undefined;
  readonly options: readonly UciOption[];
}

/** One file of /etc/config: its name, and its sections in order. */
export interface UciPackage {
  readonly name: string;
  readonly sections: readonly UciSection[];
}

/** The section of that name; anonymous ones have none and are not found. */
export function getSection(pkg: UciPackage, name: string): UciSection | undefined {
  return pkg.sections.find((section) => section.name === name);
}

/** All sections of a type, in order. */
export function sectionsOfType(pkg: UciPackage, type: string): UciSection[] {
  return pkg.sections.filter((section) => section.type === type);
}

/** The option's value as byte strings, or `undefined` if there is none. */
export function getOption(section: UciSection | undefined, name: string): UciValue | undefined {
  return section?.options.find((option) => option.name === name)?.value;
}

/** The option as UTF-8 text; of a list, its items with a space in between, as `uci get` prints it. */
export function optionText(section: UciSection | undefined, name: string): string | undefined {
  const value = getOption(section, name);
  if (value === undefined) return undefined;
  return toText(typeof value === "string" ? value : value.join(" "));
}

/** The option's items as UTF-8 text; a plain option is a list of one; none is an empty list. */
export function optionList(section: UciSection | undefined, name: string): string[] {
  const value = getOption(section, name);
  if (value === undefined) return [];
  return (typeof value === "string" ? [value] : value).map(toText);
}

/** The option as OpenWrt's shell reads a switch (`get_bool` of /lib/functions.sh); other words count as `otherwise`. */
export function optionFlag(section: UciSection | undefined, name: string, otherwise: boolean): boolean {
  const word = optionText(section, name);
  if (word === undefined) return otherwise;
  if (/^(?:1|on|true|yes|enabled)$/.test(word)) return true;
  if (/^(?:0|off|false|no|disabled)$/.test(word)) return false;
  return otherwise;
}

/** A section made of UTF-8 text, for code that writes configuration; empty strings and empty lists are left out, as UCI does. */
export function makeSection(
  type: string,
  name: string | undefined,
  options: Readonly<Record<string, string | readonly string[] | undefined>>,
): UciSection {
  const made: UciOption[] = [];
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined || value.length === 0) continue;
    made.push({ name: key, value: typeof value === "string" ? fromText(value) : value.map(fromText) });
  }
  return { type, name, options: made };
}

/** Whether two values are the same: a list of one is not a string. */
export function sameValue(a: UciValue | undefined, b: UciValue | undefined): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object") return false;
  return a.length === b.length && a.every((item, i) => item === b[i]);
}
