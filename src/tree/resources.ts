/** What a tree holds for a device, and under which name. */
import { type Expanded, expandUri, type MacroTable, type Template } from "../macros.ts";
import { isBelow, type PlainUri, parseUri } from "../uri.ts";

/**
 * The URIs to try for a resource, best first: on first boot the one with `-fd`, then the plain one; later the plain one alone. Works the same where `{fd}`
 * stands inside another macro. Errors as `expandUri` has them.
 */
export function candidates(template: Template, macros: MacroTable): readonly Expanded[] {
  const first = expandUri(template, macros);
  const fd = macros.get("fd");
  if (fd === undefined || fd.value === "") return [first];
  const plain = expandUri(template, new Map(macros).set("fd", { ...fd, value: "" }));
  return plain.text === first.text ? [first] : [first, plain];
}

/**
 * The name under which the manifest of the tree at `base` lists this URI; undefined if it is not below it, has a query, or its name could not stand in a manifest.
 */
export function entryName(uri: PlainUri, base: PlainUri): string | undefined {
  if (uri.query !== undefined || !isBelow(uri, base)) return undefined;
  const folder = base.path.replace(/\/+$/, "").length + 1;
  try {
    return decodeURIComponent(uri.path.slice(folder)) || undefined;
  } catch {
    return undefined; // escapes that are no UTF-8: no manifest has such a name
  }
}

/** Where the file that a manifest lists under this name is. */
export function entryUri(name: string, base: PlainUri): PlainUri {
  const path = name.split("/").map(encodeURIComponent).join("/");
  const folder = (base.query === undefined ? base.text : base.text.slice(0, base.text.indexOf("?"))).replace(
    /\/+$/,
    "",
  );
  return parseUri(`${folder}/${path}`, name);
}
