import { UciFault } from "./fault.ts";
import { isName, isPackageArgument, isTypedValue } from "./names.ts";

/** What `package.section.option=value` names. Byte strings. */
export interface Address {
  readonly package: string;
  readonly section: string | undefined;
  /** The section is no plain name: `@type[index]`, if it can be found at all. */
  readonly isExtended: boolean;
  readonly option: string | undefined;
  readonly value: string | undefined;
}

/**
 * Reads an argument as `uci` does (`uci_parse_ptr` of openwrt/uci util.c): the value begins at the first `=`, and the
 * names before it may have two dots. Throws a fault of status `parse` if a part is not allowed.
 */
export function parseAddress(argument: string): Address {
  const equals = argument.indexOf("=");
  const names = (equals < 0 ? argument : argument.slice(0, equals)).split(".", 4);
  const value = equals < 0 ? undefined : argument.slice(equals + 1);
  const [pkg = "", section, option] = names;
  const isAllowed =
    names.length <= 3 &&
    isPackageArgument(pkg) &&
    (option === undefined || isName(option)) &&
    (value === undefined || isTypedValue(value));
  if (!isAllowed) throw new UciFault({ status: "parse" });
  return { package: pkg, section, isExtended: section !== undefined && !isName(section), option, value };
}

/**
 * `@type[index]` taken apart: no type means all of them, a negative index counts from the end. Throws a fault of status
 * `invalid` for anything else.
 */
export function parseExtended(section: string): { readonly type: string | undefined; readonly index: number } {
  const parts = /^@([^[]*)\[([^\]]*)\]$/.exec(section);
  const [, type = "", digits = ""] = parts ?? [];
  // As strtol reads it: blanks in front, a sign, and nothing at all is zero.
  const number = /^[ \t\n\v\f\r]*([+-]?\d+)$/.exec(digits)?.[1] ?? (digits === "" ? "0" : undefined);
  if (parts === null || number === undefined || (type !== "" && !isPackageArgument(type)))
    throw new UciFault({ status: "invalid" });
  return { type: type === "" ? undefined : type, index: asInt(number) };
}

/** As C keeps a `long` in an `int`. */
function asInt(digits: string): number {
  const long = BigInt(digits);
  const limit = 1n << 63n;
  const clamped = long >= limit ? limit - 1n : long < -limit ? -limit : long;
  return Number(BigInt.asIntN(32, clamped));
}
