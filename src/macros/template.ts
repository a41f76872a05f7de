/** The grammar of `{name:modifier|default=text}`; `<name>` says the same. Text becomes parts once, and is then only walked. */
import { type Place, ProvisionError } from "../errors.ts";

/** Characters in a template, macros in it, and defaults inside defaults: far above what people write. */
export const TEMPLATE_LIMITS = { length: 2048, macros: 64, depth: 4, modifiers: 4 } as const;

export const MODIFIERS = ["colon", "dash", "upper", "lower", "slug"] as const;
export type Modifier = (typeof MODIFIERS)[number];

export interface LiteralPart {
  readonly kind: "literal";
  readonly text: string;
  /** Index of its first character in the template. */
  readonly at: number;
}

export interface MacroPart {
  readonly kind: "macro";
  readonly name: string;
  readonly modifiers: readonly Modifier[];
  /** What stands there if the macro is not known at all; an empty value is known. */
  readonly fallback: readonly Part[] | undefined;
  readonly at: number;
}

export type Part = LiteralPart | MacroPart;

/** Text with macros, parsed once; `template()` alone makes them. */
export interface Template {
  readonly text: string;
  readonly parts: readonly Part[];
}

/**
 * Parses text with macros (2048 characters at most).
 * MACRO_INVALID with the byte where it goes wrong; whether the macros exist is asked when it is expanded.
 */
export function template(text: string): Template {
  if (text.length > TEMPLATE_LIMITS.length) {
    throw invalid(text, TEMPLATE_LIMITS.length, `text with macros is longer than ${TEMPLATE_LIMITS.length} characters`);
  }
  const reader: Reader = { text, at: 0, macros: 0 };
  return { text, parts: readParts(reader, undefined, 0) };
}

/** Where the character with this index is, as errors tell it: bytes of UTF-8, 1-based. */
export function placeIn(text: string, at: number): Place {
  return { byte: Buffer.byteLength(text.slice(0, at)) + 1 };
}

interface Reader {
  readonly text: string;
  at: number;
  macros: number;
}

/** Reads up to `close` (which stays unread), or to the end if there is none. */
function readParts(reader: Reader, close: string | undefined, depth: number): Part[] {
  const parts: Part[] = [];
  let from = reader.at;
  const endLiteral = () => {
    if (reader.at > from) parts.push({ kind: "literal", text: reader.text.slice(from, reader.at), at: from });
  };

  while (reader.at < reader.text.length) {
    const sign = reader.text[reader.at];
    if (sign === close) break;
    if (sign === "}" || sign === ">") throw invalid(reader.text, reader.at, `\`${sign}\` closes no macro`);
    if (sign === "{" || sign === "<") {
      endLiteral();
      parts.push(readMacro(reader, sign === "{" ? "}" : ">", depth));
      from = reader.at;
    } else {
      reader.at += 1;
    }
  }
  endLiteral();
  return parts;
}

function readMacro(reader: Reader, close: string, depth: number): MacroPart {
  const at = reader.at;
  reader.macros += 1;
  if (reader.macros > TEMPLATE_LIMITS.macros) {
    throw invalid(reader.text, at, `more than ${TEMPLATE_LIMITS.macros} macros`);
  }
  reader.at += 1;

  const name = readWord(reader, /[A-Za-z0-9_-]{1,64}/y);
  if (name === undefined) {
    throw invalid(reader.text, at, "a macro's name is 1 to 64 letters, digits, `_` and `-`");
  }
  const modifiers = readModifiers(reader);
  const fallback = readFallback(reader, close, depth);
  if (reader.text[reader.at] !== close) {
    throw invalid(reader.text, reader.at, `\`${close}\` expected to end macro ${name}`);
  }
  reader.at += 1;
  return { kind: "macro", name, modifiers, fallback, at };
}

function readModifiers(reader: Reader): Modifier[] {
  const modifiers: Modifier[] = [];
  while (reader.text[reader.at] === ":") {
    const at = reader.at;
    reader.at += 1;
    const word = readWord(reader, /[A-Za-z0-9_-]*/y);
    const modifier = MODIFIERS.find((known) => known === word);
    if (modifier === undefined) throw invalid(reader.text, at, `a modifier is one of ${MODIFIERS.join(", ")}`);
    modifiers.push(modifier);
    if (modifiers.length > TEMPLATE_LIMITS.modifiers) throw invalid(reader.text, at, "too many modifiers");
  }
  return modifiers;
}

function readFallback(reader: Reader, close: string, depth: number): Part[] | undefined {
  if (reader.text[reader.at] !== "|") return undefined;
  if (readWord(reader, /\|default=/y) === undefined) {
    throw invalid(reader.text, reader.at, "only `default=` can stand behind `|`");
  }
  if (depth >= TEMPLATE_LIMITS.depth) throw invalid(reader.text, reader.at, "defaults are nested too deeply");
  return readParts(reader, close, depth + 1);
}

function readWord(reader: Reader, shape: RegExp): string | undefined {
  shape.lastIndex = reader.at;
  const word = shape.exec(reader.text)?.[0];
  if (word !== undefined) reader.at += word.length;
  return word;
}

function invalid(text: string, at: number, message: string): ProvisionError {
  return new ProvisionError("MACRO_INVALID", message, { place: placeIn(text, at) });
}
