/**
 * Writing Asterisk's configuration files: sections of `key = value`, and the dial plan. Only this file puts text together, and it escapes what
 * needs it or refuses, so that no value can end its line, begin a comment or open a section. (asterisk/asterisk: main/config.c, process_text_line)
 */
import { ProvisionError } from "../src/api.ts";

export interface ConfSection {
  readonly name: string;
  readonly pairs: readonly (readonly [key: string, value: string])[];
}

/** config.c reads lines of at most 8192 bytes. */
const LONGEST_LINE = 8000;

/** `[name]` and its pairs. PLAN_INVALID for what the format cannot hold. */
export function printSections(sections: readonly ConfSection[]): string {
  return sections
    .flatMap(({ name, pairs }) => [
      `[${plainWord(name)}]`,
      ...pairs.map(([key, value]) => `${plainWord(key)} = ${confValue(value)}`),
      "",
    ])
    .join("\n");
}

/** `rtp.conf`: the ports of what is heard. */
export function printRtp(start: number, end: number): string {
  const pairs = [
    ["rtpstart", String(start)],
    ["rtpend", String(end)],
    ["strictrtp", "yes"],
    ["icesupport", "no"],
  ] as const;
  return printSections([{ name: "general", pairs }]);
}

/** `logger.conf`: the system's log, which is a ring in RAM: a file would grow with every attack. */
export const LOGGER = `[general]

[logfiles]
syslog.daemon => notice,warning,error,security

#tryinclude "beesip-logger.conf"
`;

/** A value: `;` begins a comment anywhere in a line unless a backslash stands before it; the reader takes spaces off its ends. */
export function confValue(value: string): string {
  if (/[\u0000-\u001f\u007f]/.test(value)) throw unfit("a control character");
  if (value !== value.trim()) throw unfit("a space at its end");
  if (Buffer.byteLength(value) > LONGEST_LINE) throw unfit(`more than ${LONGEST_LINE} bytes`);
  return value.replaceAll(";", "\\;");
}

/** `"Name" <number>`, as ast_callerid_parse reads it: in quotes, a backslash stands before a quote or another. */
export function callerId(name: string, number: string): string {
  return `"${name.replace(/[\\"]/g, "\\$&")}" <${number}>`;
}

/** One step of an extension: an application with its arguments as one text, and maybe a label. */
export interface DialStep {
  readonly label?: string;
  readonly app: string;
  readonly args: string;
}

export interface DialExtension {
  /** A number, a name, or a pattern as `pattern` makes it. */
  readonly number: string;
  readonly steps: readonly DialStep[];
}

export interface DialContext {
  readonly name: string;
  /** Contexts that are looked into after its own extensions, in this order. */
  readonly includes?: readonly string[];
  readonly extensions: readonly DialExtension[];
}

export function step(app: string, args = "", label?: string): DialStep {
  return label === undefined ? { app, args } : { app, args, label };
}

/** A pattern of numbers that begin with these digits (and `+`): `count` more digits, or any number of characters, at least `least`. */
export function pattern(begins: string, more: { readonly count: number } | { readonly least: 0 | 1 }): string {
  if (!/^\+?[0-9]*$/.test(begins)) throw unfit("more than digits in a pattern");
  if ("count" in more) return `_${begins}${"X".repeat(more.count)}`;
  return more.least === 0 ? `_${begins}!` : `_${begins}X!`;
}

export function printDialPlan(contexts: readonly DialContext[]): string {
  return contexts.map(printContext).join("\n");
}

function printContext({ name, includes = [], extensions }: DialContext): string {
  return [
    `[${plainWord(name)}]`,
    ...includes.map((other) => `include => ${plainWord(other)}`),
    ...extensions.flatMap(printExtension),
    "",
  ].join("\n");
}

function printExtension({ number, steps }: DialExtension): string[] {
  if (!/^(?:_?\+?[0-9X]+!?|[a-z]+)$/.test(number)) throw unfit(`${JSON.stringify(number)} as an extension`);
  return steps.map(({ label, app, args }, at) => {
    const priority = at === 0 ? "1" : `n${label === undefined ? "" : `(${plainWord(label)})`}`;
    const head = at === 0 ? `exten => ${number}` : " same =>";
    return `${head}${at === 0 ? "," : " "}${priority},${plainWord(app)}(${confValue(args)})`;
  });
}

/** Names of sections, keys, contexts and applications are ours, or digits and checked ids. */
function plainWord(word: string): string {
  if (!/^[A-Za-z0-9+][A-Za-z0-9_.+-]*$/.test(word)) throw unfit(`the name ${JSON.stringify(word)}`);
  return word;
}

function unfit(what: string): ProvisionError {
  return new ProvisionError("PLAN_INVALID", `Asterisk's configuration cannot hold ${what}`);
}
