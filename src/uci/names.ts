/*
 * What may be a name. The rules are libuci's (openwrt/uci util.c), in the C locale.
 */

const NAME = /^[A-Za-z0-9_]+$/;
const PACKAGE_LINE_NAME = /^[A-Za-z0-9_-]+$/;
const PRINTABLE = /^[\x21-\x7e]+$/;
const CONTROL = /[\x00-\x08\x0b\x0c\x0e-\x1f]/;

/** A name of a section or an option: letters, digits and `_`. */
export function isName(word: string): boolean {
  return NAME.test(word);
}

/** A section's type: printable ASCII without blanks. */
export function isType(word: string): boolean {
  return PRINTABLE.test(word);
}

/** Whether a type is read again as it is printed: libuci prints types without quotes, so these characters break it. */
export function isPrintableType(type: string): boolean {
  return !/['"\\#;]/.test(type);
}

/** A name as a `package` line may give it, and as uciprov allows for a file below /etc/config. */
export function isPackageName(word: string): boolean {
  return PACKAGE_LINE_NAME.test(word);
}

/** What libuci takes for a package's name on the command line: as lax as a type. */
export function isPackageArgument(word: string): boolean {
  return PRINTABLE.test(word);
}

/** A value as `uci set` takes it: no control characters but tab, line feed and carriage return. */
export function isTypedValue(value: string): boolean {
  return !CONTROL.test(value);
}

/**
 * The name libuci makes up for an unnamed section: `cfg`, its number among all sections ever made in this package
 * (1 for the first, two hex digits or more), and a hash of its type (openwrt/uci list.c).
 */
export function generatedName(number: number, type: string): string {
  let hash = 5381;
  for (let i = 0; i < type.length; i++) hash = (Math.imul(hash, 33) + type.charCodeAt(i)) | 0;
  const tail = (hash & 0xffff).toString(16).padStart(4, "0");
  return `cfg${number.toString(16).padStart(2, "0")}${tail}`;
}

/** The number in a generated name, or `undefined` for a name that no unnamed section can have. */
export function generatedNumber(name: string): number | undefined {
  if (!/^cfg[0-9a-f]{6,12}$/.test(name)) return undefined;
  return Number.parseInt(name.slice(3, -4), 16);
}
