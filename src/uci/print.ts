import { bytesOf } from "./bytes.ts";
import type { UciPackage, UciSection } from "./model.ts";

/** What a commit writes to /etc/config: `uci export` without the `package` line. */
export function printConfig(pkg: UciPackage): Uint8Array {
  return print([pkg], false);
}

/** What `uci export` prints for the package, byte for byte. */
export function printExport(pkg: UciPackage): Uint8Array {
  return print([pkg], true);
}

/** A section as `uci export` prints it, with its empty line in front. A byte string. */
export function printSection(section: UciSection): string {
  const { name, options } = section;
  let text =
    name === undefined ? `\nconfig ${quoted(section.type)}\n` : `\nconfig ${quoted(section.type)} '${quoted(name)}'\n`;
  for (const option of options) {
    if (typeof option.value === "string") text += `\toption ${option.name} '${quoted(option.value)}'\n`;
    else for (const item of option.value) text += `\tlist ${option.name} '${quoted(item)}'\n`;
  }
  return text;
}

/** The inside of a single-quoted word. */
export function quoted(word: string): string {
  return word.includes("'") ? word.replaceAll("'", "'\\''") : word;
}

/** Text becomes bytes in pieces of about this many, which keeps both the pieces and their number small. */
const PIECE = 1 << 16;

function print(packages: readonly UciPackage[], hasHeader: boolean): Uint8Array {
  const pieces: Uint8Array[] = [];
  let text = "";
  for (const pkg of packages) {
    if (hasHeader) text += `package ${quoted(pkg.name)}\n`;
    for (const section of pkg.sections) {
      text += printSection(section);
      if (text.length < PIECE) continue;
      pieces.push(bytesOf(text));
      text = "";
    }
    text += "\n";
  }
  const last = bytesOf(text);
  return pieces.length === 0 ? last : Buffer.concat([...pieces, last]);
}
