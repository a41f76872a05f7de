import { byteString } from "./bytes.ts";
import { UciFault } from "./fault.ts";
import type { UciPackage } from "./model.ts";
import { isPackageArgument } from "./names.ts";
import { PackageBuilder } from "./package-builder.ts";
import { readStatements } from "./statements.ts";

/**
 * Reads one file of /etc/config, whose package name is the file's name; `package` lines in it are ignored, as libuci
 * does. Bytes or text (then as UTF-8). Throws `UCI_INVALID` with file, line and byte, both from 1.
 */
export function parsePackage(
  bytesOrText: Uint8Array | string,
  as: { readonly name: string; readonly file?: string; readonly onFault?: (fault: UciFault) => void },
): UciPackage {
  if (!isPackageArgument(as.name)) throw new UciFault({ status: "invalid", reason: `"${as.name}" is no package name` });
  const builder = new PackageBuilder(as.name);
  const rules = { file: as.file, hasPackage: true, isSingle: true, onFault: as.onFault };
  readStatements(byteString(bytesOrText), builder, rules);
  return builder.packages()[0] ?? { name: as.name, sections: [] };
}

/**
 * Reads what `uci export` prints: any number of packages, each after its `package` line. What comes before the first
 * such line belongs to `defaultName`, and is an error without one. A package named twice is an error.
 */
export function parseExport(
  bytesOrText: Uint8Array | string,
  as: { readonly file?: string; readonly defaultName?: string; readonly onFault?: (fault: UciFault) => void } = {},
): UciPackage[] {
  const builder = new PackageBuilder(as.defaultName);
  const rules = { file: as.file, hasPackage: as.defaultName !== undefined, isSingle: false, onFault: as.onFault };
  readStatements(byteString(bytesOrText), builder, rules);
  return builder.packages();
}
