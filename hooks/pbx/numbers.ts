/** How what people dial becomes a number of the world (ITU-T E.164), and which route takes it. Asterisk's dial plan and Kamailio's routes say the same. */
import type { Exchange, Trunk } from "./exchange.ts";
import type { PbxSection } from "./schema.ts";

/** What all numbers of this exchange begin with, up to the extension; undefined if it has none of its own. */
export function ownPrefix({ country_code, area_code }: PbxSection): string | undefined {
  return country_code === undefined || area_code === undefined ? undefined : `+${country_code}${area_code}`;
}

/** One way of dialling: what it begins with, how many digits follow (all that do, if not said), and what stands for the beginning in the end. */
export interface DialForm {
  readonly begins: string;
  readonly digits: number | undefined;
  readonly becomes: string;
}

/** `+420596321101`, `00420596321101`, and `596321101` or `0596321101`, the first that fits. */
export function dialForms(pbx: PbxSection): readonly DialForm[] {
  const forms: DialForm[] = [
    { begins: "+", digits: undefined, becomes: "+" },
    { begins: pbx.international_prefix, digits: undefined, becomes: "+" },
  ];
  if (pbx.country_code === undefined) return forms;
  const becomes = `+${pbx.country_code}`;
  return [
    ...forms,
    pbx.national_prefix === undefined
      ? { begins: "", digits: pbx.national_digits, becomes }
      : { begins: pbx.national_prefix, digits: undefined, becomes },
  ];
}

/** Every way to dial one of our own extensions but the short one: each is one number. */
export function ownForms(pbx: PbxSection, extension: string): readonly string[] {
  const own = ownPrefix(pbx);
  if (own === undefined) return [];
  const whole = `${own}${extension}`;
  const national = `${pbx.national_prefix ?? ""}${pbx.area_code ?? ""}${extension}`;
  const forms = [whole, `${pbx.international_prefix}${whole.slice(1)}`, national];
  return [...new Set(forms)].filter((form) => form !== extension);
}

/** A route's digits, as bounds of the length of the number with its `+`. */
export function lengthsOf({ route }: Trunk): { readonly least: number; readonly most: number } {
  return { least: Math.max(route.min_digits ?? 0, route.prefix.length - 1) + 1, most: route.max_digits + 1 };
}

/** Routes to prefixes, the longest first: that one decides. */
export function prefixTrunks({ trunks }: Exchange): readonly Trunk[] {
  return trunks
    .filter(({ route }) => route.prefix.startsWith("+"))
    .toSorted((a, b) => b.route.prefix.length - a.route.prefix.length || (a.route.prefix < b.route.prefix ? -1 : 1));
}

/** Routes to whole numbers as they are dialled (`112`). */
export function numberTrunks({ trunks }: Exchange): readonly Trunk[] {
  return trunks.filter(({ route }) => !route.prefix.startsWith("+"));
}
