import { byteString } from "./bytes.ts";
import { UciFault } from "./fault.ts";
import type { UciPackage } from "./model.ts";
import { isPackageArgument } from "./names.ts";
import { PackageBuilder } from "./package-builder.ts";
import { readStatements, type StatementRules } from "./statements.ts";

/** How to read: strictly, unless told otherwise. */
export type ParseRules = Pick<StatementRules, "file" | "onFault" | "isLenient" | "readsNul">;

/**
 * Reads one file of /etc/config, whose package name is the file's name; `package` lines in it are ignored, as libuci
 * does. Bytes or text (then as UTF-8). Throws `UCI_INVALID` with file, line and byte, both from 1.
 */
export function parsePackage(bytesOrText: Uint8Array | string, as: { readonly name: string } & ParseRules): UciPackage {
  if (!isPackageArgument(as.name)) throw new UciFault({ status: "invalid", reason: `"${as.name}" is no package name` });
  const builder = new PackageBuilder(as.name);
  readStatements(byteString(bytesOrText), builder, { ...as, hasPackage: true, isSingle: true });
  return builder.packages()[0] ?? { name: as.name, sections: [] };
}

/**
 * Reads what `uci export` prints: any number of packages, each after its `package` line. What comes before the first
 * such line belongs to `defaultName`, and is an error without one. A package named twice is an error.
 */
export function parseExport(
  bytesOrText: Uint8Array | string,
  as: { readonly defaultName?: string } & ParseRules = {},
): UciPackage[] {
  const builder = new PackageBuilder(as.defaultName);
  readStatements(byteString(bytesOrText), builder, {
    ...as,
    hasPackage: as.defaultName !== undefined,
    isSingle: false,
  });
  return builder.packages();
}
