/** Our lines in a file that belongs to others, too: between two marks, everything else kept byte for byte. */

const BEGIN = "# uciprov begin: replaced at every change, write your own lines outside";
const END = "# uciprov end";

export interface MarkedFile {
  /** Our lines, without the marks. */
  readonly lines: readonly string[];
  /** Everybody else's, as they are. */
  readonly others: readonly string[];
  /** A mark without its other half: then nobody can tell whose the lines behind it are, and they are left alone. */
  readonly isBroken: boolean;
  /** The file with these lines in our block, in its old place or at the end; without a block if there are none. */
  withLines(lines: readonly string[]): Uint8Array;
}

/** Reads a file of lines; bytes of any kind pass unchanged. */
export function readMarked(bytes: Uint8Array): MarkedFile {
  // Latin-1 stands for bytes: one character for each, whatever the encoding of other people's lines.
  const text = Buffer.from(bytes).toString("latin1");
  const all = text === "" ? [] : text.split(/(?<=\n)/);
  const blocks = findBlocks(all);
  const isOurs = (at: number): boolean => blocks.some(({ begin, end }) => at >= begin && at <= end);
  const others = all.filter((_, at) => !isOurs(at));
  const before = all.slice(0, blocks[0]?.begin ?? all.length);
  return {
    lines: blocks.flatMap(({ begin, end }) => all.slice(begin + 1, end).map(asText)),
    others: others.map(asText),
    isBroken: others.some((line) => isMark(line, BEGIN) || isMark(line, END)),
    withLines(lines) {
      const block = lines.length === 0 ? [] : [BEGIN, ...lines.map(asBytes), END].map((line) => `${line}\n`);
      const needsNewline = block.length > 0 && before.length > 0 && !before.at(-1)?.endsWith("\n");
      const parts = [...before, ...(needsNewline ? ["\n"] : []), ...block, ...others.slice(before.length)];
      return Buffer.from(parts.join(""), "latin1");
    },
  };
}

function findBlocks(lines: readonly string[]): { begin: number; end: number }[] {
  const blocks: { begin: number; end: number }[] = [];
  let begin: number | undefined;
  for (const [at, line] of lines.entries()) {
    if (isMark(line, BEGIN)) begin = at;
    if (!isMark(line, END) || begin === undefined) continue;
    blocks.push({ begin, end: at });
    begin = undefined;
  }
  return blocks;
}

function isMark(line: string, mark: string): boolean {
  return line.replace(/\r?\n$/, "") === mark;
}

function asText(line: string): string {
  return Buffer.from(line, "latin1")
    .toString("utf8")
    .replace(/\r?\n$/, "");
}

function asBytes(line: string): string {
  return Buffer.from(line, "utf8").toString("latin1");
}
