import { nearest } from "../../macros/nearest.ts";
import schema from "./schema.json" with { type: "json" };

/** What is known of a section: its options with their types, and whether others may stand beside them. */
interface SectionSchema {
  readonly types: ReadonlyMap<string, string>;
  readonly isOpen: boolean;
}

/** Type → names of options, blanks in between. */
type OptionTable = Readonly<Record<string, string>>;

interface RawSection {
  readonly isOpen?: boolean;
  readonly options: OptionTable;
  readonly variants?: { readonly option: string; readonly of: Readonly<Record<string, OptionTable>> };
}

const PACKAGES: Readonly<Record<string, Readonly<Record<string, RawSection>> | undefined>> = schema.packages;

/** Types of sections that a package's reader knows; undefined: nobody here knows the package. */
export function knownSections(pkg: string): readonly string[] | undefined {
  const sections = PACKAGES[pkg];
  return sections && Object.keys(sections);
}

const made = new Map<string, SectionSchema>();

/**
 * What may stand in a section whose selecting option (`proto` of an interface) has the value that `selected` tells. Without it, as in a layer that
 * only changes one option, all variants count; with one nobody here knows, other options may stand there.
 */
export function sectionSchema(
  pkg: string,
  type: string,
  selected: (option: string) => string | undefined,
): SectionSchema | undefined {
  const sections = PACKAGES[pkg];
  const raw = sections?.[type] ?? sections?.[Object.keys(sections).find((name) => isPrefixOf(name, type)) ?? ""];
  if (raw === undefined) return undefined;
  const variant = raw.variants && selected(raw.variants.option);
  const key = `${pkg}.${type}.${variant ?? ""}`;
  const known = made.get(key);
  if (known !== undefined) return known;
  const fresh = build(raw, variant);
  if (made.size < 1000) made.set(key, fresh);
  return fresh;
}

/** `wireguard_*` stands for `wireguard_wg0` and the like. */
function isPrefixOf(name: string, type: string): boolean {
  return name.endsWith("*") && type.startsWith(name.slice(0, -1));
}

function build(raw: RawSection, variant: string | undefined): SectionSchema {
  const variants = raw.variants?.of ?? {};
  const chosen =
    variant === undefined ? Object.values(variants) : Object.hasOwn(variants, variant) ? [variants[variant]] : [];
  const types = new Map<string, string>();
  for (const table of [...chosen, raw.options]) {
    for (const [type, names] of Object.entries(table ?? {})) {
      for (const name of names.split(" ")) {
        const before = types.get(name);
        // Two variants that differ about an option: nothing can be said before it is known which one it is.
        types.set(name, before === undefined || before === type || table === raw.options ? type : "list text");
      }
    }
  }
  const isUnknown = variant !== undefined && chosen.length === 0 && raw.variants !== undefined;
  return { types, isOpen: raw.isOpen === true || isUnknown };
}

/** `; did you mean NAME?`, or nothing. */
export function suggestion(name: string, known: Iterable<string>): string {
  const near = nearest(name, known);
  return near === undefined ? "" : `; did you mean ${near}?`;
}
