import type { Draft, DraftOption, DraftSection } from "./draft.ts";
import { quoted } from "./print.ts";
import type { StagedChange } from "./staged.ts";

/*
 * What `uci show`, `get`, `changes` and `export` print (openwrt/uci cli.c). Byte strings, with the line feeds.
 */

export interface ShowStyle {
  /** What stands between the items of a list: `-d`. */
  readonly delimiter: string;
  /** Anonymous sections as `@type[index]`; else by their generated names: `-X`. */
  readonly isExtended: boolean;
}

export function showPackage(draft: Draft, style: ShowStyle): string {
  const next = new Map<string, number>();
  let text = "";
  for (const section of draft.sections) {
    const index = next.get(section.type) ?? 0;
    next.set(section.type, index + 1);
    const isNumbered = style.isExtended && section.isAnonymous;
    text += showSection(draft.name, section, style, isNumbered ? `@${section.type}[${index}]` : section.name);
  }
  return text;
}

export function showSection(pkg: string, section: DraftSection, style: ShowStyle, label = section.name): string {
  let text = `${pkg}.${label}=${section.type}\n`;
  for (const option of section.options) text += showOption(pkg, label, option, style);
  return text;
}

export function showOption(pkg: string, label: string, option: DraftOption, style: ShowStyle): string {
  const { name, value } = option;
  const shown = typeof value === "string" ? inQuotes(value) : value.map(inQuotes).join(style.delimiter);
  return `${pkg}.${label}.${name}=${shown}\n`;
}

/** What `uci get` prints of an option: bare, but items of a list that hold blanks are quoted. */
export function showValue({ value }: DraftOption, { delimiter }: ShowStyle): string {
  if (typeof value === "string") return `${value}\n`;
  return `${value.map((item) => (/[ \t\r\n]/.test(item) ? inQuotes(item) : item)).join(delimiter)}\n`;
}

/** What `uci changes` prints of staged changes: not always what could be given to `uci` again. */
export function showChanges(pkg: string, changes: Iterable<StagedChange>): string {
  let text = "";
  for (const { kind, section, option, value } of changes) {
    const target = option === undefined ? `${pkg}.${section}` : `${pkg}.${section}.${option}`;
    const operator = kind === "list-add" ? "+=" : kind === "list-remove" ? "-=" : "=";
    text += kind === "remove" ? `-${target}\n` : `${target}${operator}${inQuotes(value ?? "")}\n`;
  }
  return text;
}

function inQuotes(value: string): string {
  return `'${quoted(value)}'`;
}
