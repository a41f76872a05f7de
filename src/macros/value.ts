/** What a macro stands for: looked up, expanded inside, modified; bounded, and never in a circle. */
import { type Place, ProvisionError } from "../errors.ts";
import { nearest } from "./nearest.ts";
import { type MacroPart, type Modifier, type Part, placeIn, type Template, template } from "./template.ts";

export interface MacroValue {
  /** May itself hold macros, unless `isLiteral`. */
  readonly value: string;
  /** Taught by the network without proof; all that is derived from it is tainted, too. */
  readonly isTainted: boolean;
  /** Where it comes from, for people: `device`, `settings`, `dns`. */
  readonly origin: string;
  /** Braces in it are just characters: for the device's own facts. */
  readonly isLiteral?: boolean;
}

export type MacroTable = ReadonlyMap<string, MacroValue>;

export interface Expanded {
  readonly text: string;
  readonly isTainted: boolean;
  /** Every macro asked for, also inside values and defaults, also those that were not there. */
  readonly used: ReadonlySet<string>;
}

/** Characters that an expansion may grow to, and values inside values. */
export const EXPANSION_LIMITS = { length: 8192, depth: 16 } as const;

/** One expansion under way; a macro is expanded once in it, however often it is named. */
export interface Expansion {
  readonly table: MacroTable;
  readonly used: Set<string>;
  readonly done: Map<string, Piece>;
  /** Names being expanded, outermost first. */
  readonly trail: string[];
  /** `base_uri` is a URI and cannot be a piece of one: refuse it anywhere but at the start, which the caller handles. */
  readonly isInsideUri: boolean;
}

export interface Piece {
  readonly text: string;
  readonly isTainted: boolean;
}

/**
 * Whether a macro of this name is taught by the network (design: `txt_* dhcp_* lldp_* domain fqdn ip ip6`): tainted unless its source was
 * proven. Also its absence is then the network's word, so a default in its stead is no better.
 */
export function isNetworkTaught(name: string): boolean {
  return /^(?:txt|dhcp|lldp)_|^(?:domain|fqdn|ip|ip6)$/.test(name);
}

export function begin(table: MacroTable, isInsideUri: boolean): Expansion {
  return { table, used: new Set(), done: new Map(), trail: [], isInsideUri };
}

/** Literals and raw values put together; `source` is the text the parts were read from. */
export function expandParts(parts: readonly Part[], source: string, run: Expansion): Piece {
  let text = "";
  let isTainted = false;
  for (const part of parts) {
    const piece = part.kind === "literal" ? { text: part.text, isTainted: false } : expandMacro(part, source, run);
    text += piece.text;
    isTainted ||= piece.isTainted;
    // Checked at each step: doubling macros would otherwise fill the memory before anybody looks (“billion laughs”).
    if (text.length > EXPANSION_LIMITS.length) {
      throw new ProvisionError("MACRO_INVALID", `macros expand to more than ${EXPANSION_LIMITS.length} characters`, {
        place: place(part, source, run),
      });
    }
  }
  return { text, isTainted };
}

/** One macro's raw value. MACRO_UNKNOWN, MACRO_CYCLE, MACRO_INVALID with the place in `source`. */
export function expandMacro(part: MacroPart, source: string, run: Expansion): Piece {
  run.used.add(part.name);
  if (run.isInsideUri && part.name === "base_uri") {
    throw new ProvisionError("MACRO_INVALID", "{base_uri} can stand only at the very start of a URI", {
      place: place(part, source, run),
    });
  }
  const found = run.table.get(part.name);
  if (found === undefined) return expandMissing(part, source, run);

  const known = run.done.get(part.name);
  const piece = known ?? expandValue(part, found, source, run);
  run.done.set(part.name, piece);
  return { text: modify(piece.text, part, source, run), isTainted: piece.isTainted };
}

function expandMissing(part: MacroPart, source: string, run: Expansion): Piece {
  if (part.fallback === undefined) {
    const other = nearest(part.name, run.table.keys());
    const hint = other === undefined ? "" : `; the nearest known one is {${other}}`;
    throw new ProvisionError("MACRO_UNKNOWN", `no macro {${part.name}}${hint}`, { place: place(part, source, run) });
  }
  const piece = expandParts(part.fallback, source, run);
  return { text: piece.text, isTainted: piece.isTainted || isNetworkTaught(part.name) };
}

function expandValue(part: MacroPart, found: MacroValue, source: string, run: Expansion): Piece {
  if (found.isLiteral) return { text: found.value, isTainted: found.isTainted };
  if (run.trail.includes(part.name)) {
    const circle = [...run.trail.slice(run.trail.indexOf(part.name)), part.name];
    throw new ProvisionError("MACRO_CYCLE", `macros name one another: ${circle.join(" → ")}`, {
      place: place(part, source, run),
    });
  }
  if (run.trail.length >= EXPANSION_LIMITS.depth) {
    throw new ProvisionError("MACRO_INVALID", `macros are nested deeper than ${EXPANSION_LIMITS.depth}`, {
      place: place(part, source, run),
    });
  }
  run.trail.push(part.name);
  const inner = expandParts(parseValue(part.name, found).parts, found.value, run);
  run.trail.pop();
  return { text: inner.text, isTainted: inner.isTainted || found.isTainted };
}

function parseValue(name: string, found: MacroValue): Template {
  try {
    return template(found.value);
  } catch (cause) {
    const place = cause instanceof ProvisionError ? { ...cause.place, option: name } : { option: name };
    throw new ProvisionError("MACRO_INVALID", `value of macro {${name}} (from ${found.origin})`, { cause, place });
  }
}

function modify(text: string, part: MacroPart, source: string, run: Expansion): string {
  let modified = text;
  for (const modifier of part.modifiers) {
    const next = MODIFY[modifier](modified);
    if (next === undefined) {
      throw new ProvisionError("MACRO_INVALID", `{${part.name}:${modifier}} wants 12 hex digits`, {
        place: place(part, source, run),
      });
    }
    modified = next;
  }
  return modified;
}

const MODIFY: Readonly<Record<Modifier, (text: string) => string | undefined>> = {
  colon: (text) => joinPairs(text, ":"),
  dash: (text) => joinPairs(text, "-"),
  upper: (text) => text.toUpperCase(),
  lower: (text) => text.toLowerCase(),
  slug: (text) =>
    text
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, "-")
      .replace(/^-|-$/g, ""),
};

function joinPairs(text: string, sign: string): string | undefined {
  if (text === "") return "";
  if (!/^[0-9A-Fa-f]{12}$/.test(text)) return undefined;
  return text.match(/../g)?.join(sign);
}

/** In the template itself: its byte; inside a macro's value: that macro's name, too. */
function place(part: Part, source: string, run: Expansion): Place {
  const owner = run.trail.at(-1);
  return { ...placeIn(source, part.at), ...(owner === undefined ? {} : { option: owner }) };
}
