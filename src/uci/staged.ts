import { parseAddress } from "./address.ts";
import type { Draft, DraftOption, DraftSection } from "./draft.ts";
import { UciFault } from "./fault.ts";
import { LineReader } from "./line-reader.ts";
import { isName, isType } from "./names.ts";
import { quoted } from "./print.ts";

/** A change that is written down and not yet committed: one line of a file in /tmp/.uci. Byte strings. */
export interface StagedChange {
  readonly kind: StagedKind;
  readonly section: string;
  readonly option: string | undefined;
  readonly value: string | undefined;
}

/** What stands in front of the line (openwrt/uci delta.c). */
const MARKS = {
  add: "+",
  remove: "-",
  set: "",
  rename: "@",
  reorder: "^",
  "list-add": "|",
  "list-remove": "~",
} as const;

export type StagedKind = keyof typeof MARKS;

const KIND_OF_MARK = new Map<string, StagedKind>([
  ["+", "add"],
  ["-", "remove"],
  ["@", "rename"],
  ["^", "reorder"],
  ["|", "list-add"],
  ["~", "list-remove"],
]);

/** The line as libuci writes it, with its line feed. */
export function printStaged(pkg: string, change: StagedChange): string {
  const { kind, section, option, value } = change;
  const target = option === undefined ? `${pkg}.${section}` : `${pkg}.${section}.${option}`;
  return `${MARKS[kind]}${target}${value === undefined ? "" : `='${quoted(value)}'`}\n`;
}

/** A line of a file of staged changes that could be read, and the package it names. */
export interface StagedLine extends StagedChange {
  readonly package: string;
}

/** Reads a file of staged changes; a line that cannot be read is `undefined`. */
export function* readStaged(text: string): Generator<StagedLine | undefined, void, undefined> {
  const reader = new LineReader(text, { readsNul: true });
  for (;;) {
    try {
      if (!reader.start()) return;
      yield stagedLine(reader);
    } catch (thrown) {
      if (!(thrown instanceof UciFault)) throw thrown;
      yield undefined;
    }
  }
}

function stagedLine(reader: LineReader): StagedLine | undefined {
  const word = reader.word();
  if (word === "" || reader.current() !== 0) return undefined;
  const kind = KIND_OF_MARK.get(word.charAt(0)) ?? "set";
  const address = parseAddress(kind === "set" ? word : word.slice(1));
  const { section, option, value } = address;
  if (section === undefined || address.isExtended) return undefined;
  const line: StagedLine = { kind, package: address.package, section, option, value };
  return isReadable(line) ? line : undefined;
}

/** What libuci would read back from the line; a command can write more than that. */
function isReadable({ kind, option, value }: StagedChange): boolean {
  if (kind !== "remove" && value === undefined) return false;
  if (kind === "reorder") return option === undefined;
  if (kind === "rename") return value !== undefined && isName(value);
  if (kind === "list-add" || kind === "list-remove") return option !== undefined;
  return true;
}

/** Makes a staged change come true in the draft; `false` if it does not fit, and then nothing was done. */
export function replay(draft: Draft, change: StagedChange): boolean {
  if (!isName(change.section) || !isReadable(change)) return false;
  const section = draft.sections.find(change.section);
  const option = change.option === undefined ? undefined : section?.options.find(change.option);
  const isFound = section !== undefined && (change.option === undefined || option !== undefined);
  switch (change.kind) {
    case "set":
    case "add":
      return replaySet(draft, change, section, option);
    case "remove":
      return isFound && replayRemove(draft, change, section, option);
    case "rename":
      if (!isFound) return false;
      if (option === undefined) draft.renameSection(section, change.value ?? "");
      else section.options.rename(option, change.value ?? "");
      return true;
    case "reorder":
      if (section === undefined) return false;
      draft.moveSection(section, parsePosition(change.value ?? ""));
      return true;
    case "list-add":
      if (section === undefined || change.option === undefined) return false;
      addItem(draft, section, change.option, change.value ?? "");
      return true;
    case "list-remove":
      if (section === undefined) return false;
      if (typeof option?.value === "object") option.value = option.value.filter((item) => item !== change.value);
      return true;
  }
}

function replaySet(
  draft: Draft,
  change: StagedChange,
  section: DraftSection | undefined,
  option: DraftOption | undefined,
): boolean {
  const value = change.value ?? "";
  if (change.option !== undefined) {
    if (section === undefined) return false;
    if (value !== "") draft.setOption(section, change.option, value);
    else if (option !== undefined) section.options.remove(option);
    return true;
  }
  if (value === "") {
    if (section !== undefined) draft.removeSection(section);
    return true;
  }
  if (!isType(value)) return false;
  if (section !== undefined && section.type !== value) draft.retypeSection(section, value);
  const set = section ?? draft.addSection(value, change.section);
  if (change.kind === "add") set.isAnonymous = true;
  return true;
}

function replayRemove(
  draft: Draft,
  change: StagedChange,
  section: DraftSection,
  option: DraftOption | undefined,
): boolean {
  if (option === undefined) {
    draft.removeSection(section);
  } else if (typeof option.value === "object" && change.value !== undefined && change.value !== "") {
    const index = parseIndex(change.value);
    if (index !== undefined && index >= 0) option.value.splice(index, 1);
  } else {
    section.options.remove(option);
  }
  return true;
}

function addItem(draft: Draft, section: DraftSection, name: string, item: string): void {
  const known = section.options.find(name);
  if (typeof known?.value === "object") known.value.push(item);
  else draft.setOption(section, name, known === undefined ? [item] : [known.value, item]);
}

/** As `strtoul` and a cast to `int` read a position: what is no number is 0, what is below 0 is the front. */
export function parsePosition(value: string): number {
  const digits = /^[ \t\n\v\f\r]*([+-]?)(\d+)/.exec(value);
  if (digits === null) return 0;
  const [, sign, number = "0"] = digits;
  const limit = (1n << 64n) - 1n;
  const magnitude = BigInt(number);
  if (magnitude > limit) return -1;
  return Number(BigInt.asIntN(32, sign === "-" ? -magnitude : magnitude));
}

/** As `sscanf("%d")` reads an index; `undefined` if there is no number. */
export function parseIndex(value: string): number | undefined {
  const digits = /^[ \t\n\v\f\r]*([+-]?\d+)/.exec(value)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
