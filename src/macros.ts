/**
 * `{name}` in URIs and other texts. Values are expanded before they are placed; in a URI each is percent-encoded as it is
 * placed, so that nothing a host name, DHCP string or TXT record holds can change the URI's shape.
 */
import { ProvisionError } from "./errors.ts";
import { type MacroPart, type Part, placeIn, type Template } from "./macros/template.ts";
import { begin, type Expanded, type Expansion, expandMacro, expandParts, type MacroTable } from "./macros/value.ts";
import { parseUri, redactUri } from "./uri.ts";

export { type Template, template } from "./macros/template.ts";
export { type Expanded, isNetworkTaught, type MacroTable, type MacroValue } from "./macros/value.ts";

/** The text with raw values: for names, never for URIs. MACRO_UNKNOWN, MACRO_CYCLE, MACRO_INVALID. */
export function expandText(template: Template, table: MacroTable): Expanded {
  const run = begin(table, false);
  const { text, isTainted } = expandParts(template.parts, template.text, run);
  return { text, isTainted, used: run.used };
}

/**
 * The http or https URI that the template says. It begins with `http://`, `https://` or `{base_uri}`, which is a URI itself and
 * whose own taint is not counted here (trust judges where it came from). Values in the host are host name characters only, none
 * stands in a port, everywhere else they are percent-encoded. MACRO_* as above; URI_INVALID if the result is no plain URI.
 */
export function expandUri(template: Template, table: MacroTable): Expanded {
  try {
    return expanded(template, table);
  } catch (thrown) {
    // A byte says nothing to whoever has ten of these texts.
    if (!(thrown instanceof ProvisionError) || !thrown.code.startsWith("MACRO_")) throw thrown;
    const message = `${thrown.message}, in ${redactUri(template.text)}`;
    throw new ProvisionError(thrown.code, message, {
      cause: thrown.cause,
      ...(thrown.place === undefined ? {} : { place: thrown.place }),
    });
  }
}

function expanded(template: Template, table: MacroTable): Expanded {
  const run = begin(table, true);
  const [first, ...rest] = template.parts;
  const isBased = first?.kind === "macro" && first.name === "base_uri";
  const start = isBased ? expandBase(first, rest[0], template, run) : { text: "", isTainted: false };

  let { text, isTainted } = start;
  for (const part of isBased ? rest : template.parts) {
    if (part.kind === "literal") {
      text += checkLiteral(part.text, part.at, template);
    } else {
      const piece = expandMacro(part, template.text, run);
      text += placeValue(piece.text, text, part, template);
      isTainted ||= piece.isTainted;
    }
  }
  return { text: parseUri(text, `what ${redactUri(template.text)} expands to`).text, isTainted, used: run.used };
}

/** The URI of the tree, without the `/` at its end if one follows anyway. */
function expandBase(part: MacroPart, next: Part | undefined, template: Template, run: Expansion) {
  const place = placeIn(template.text, part.at);
  if (part.modifiers.length > 0) throw new ProvisionError("MACRO_INVALID", "{base_uri} takes no modifier", { place });
  if (next !== undefined && !(next.kind === "literal" && /^[/?]/.test(next.text))) {
    // `{base_uri}.example` would move the host, `{base_uri}@example` make it a user name.
    throw new ProvisionError("MACRO_INVALID", "only `/` or `?` can follow {base_uri}", { place });
  }

  run.used.add(part.name);
  const known = run.table.get(part.name);
  // A missing one is looked up as any text is: the default takes its place, or it is an error with its position.
  const piece =
    known === undefined
      ? expandMacro(part, template.text, { ...run, isInsideUri: false })
      : { text: known.value, isTainted: false };
  const base = parseUri(piece.text, "base_uri");
  if (next === undefined) return { text: base.text, isTainted: piece.isTainted };
  if (base.query !== undefined) {
    throw new ProvisionError("URI_INVALID", "base_uri has a query: nothing can stand below it", { place });
  }
  return { text: base.text.replace(/\/+$/, ""), isTainted: piece.isTainted };
}

/** A half escape (`%2` before a macro) would let a value finish it. */
function checkLiteral(text: string, at: number, template: Template): string {
  const odd = /%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9\-._~:/?@!$&'()*+,;=%[\]]/.exec(text);
  if (odd === null) return text;
  throw new ProvisionError("URI_INVALID", `\`${odd[0]}\` cannot stand in a URI like this`, {
    place: placeIn(template.text, at + odd.index),
  });
}

function placeValue(value: string, before: string, part: MacroPart, template: Template): string {
  const place = placeIn(template.text, part.at);
  const authority = /^https?:\/\/([^/?]*)(.*)$/i.exec(before);
  if (authority === null) {
    throw new ProvisionError("URI_INVALID", "a URI begins with `https://`, `http://` or {base_uri}", { place });
  }
  if (authority[2] !== "") return encode(value, part, template);

  if (/[:@[]/.test(authority[1] ?? "")) {
    throw new ProvisionError("MACRO_INVALID", "behind a host's name or in brackets no macro can stand", { place });
  }
  if (!/^[A-Za-z0-9._-]*$/.test(value)) {
    throw new ProvisionError("MACRO_INVALID", `value of {${part.name}} cannot be part of a host's name`, { place });
  }
  return value;
}

/** Everything but letters, digits and `-._~` (RFC 3986 §2.3) becomes `%XX` of its UTF-8. */
function encode(value: string, part: MacroPart, template: Template): string {
  const place = placeIn(template.text, part.at);
  if (/[\u0000-\u001f\u007f]/.test(value)) {
    throw new ProvisionError("MACRO_INVALID", `value of {${part.name}} holds a control character`, { place });
  }
  try {
    return encodeURIComponent(value).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
  } catch (cause) {
    throw new ProvisionError("MACRO_INVALID", `value of {${part.name}} is no proper Unicode`, { cause, place });
  }
}
