/** The two-line form of usign and signify: a comment that nobody signs, and base64. Keys and signatures stand in it. */
import { type ErrorCode, ProvisionError } from "../errors.ts";

export interface Block {
  /** Behind `untrusted comment: `; anybody can have written it. */
  readonly comment: string;
  readonly bytes: Uint8Array;
  /** Of the comment, 1-based. */
  readonly line: number;
}

interface BlockShape {
  /** What it is, for errors. */
  readonly what: string;
  readonly code: ErrorCode;
  /** Decoded bytes in each; all of these formats have one fixed size. */
  readonly size: number;
  readonly most: number;
}

const PREFIX = "untrusted comment: ";
/** signify's COMMENTMAXLEN; a longer one it refuses to read. */
const LONGEST_COMMENT = 1024;

/** Reads 1 to `most` blocks, one after the other. Anything else in the text is an error with its line, of the shape's code. */
export function readBlocks(text: string, shape: BlockShape): readonly Block[] {
  const refuse = (reason: string, line: number) =>
    new ProvisionError(shape.code, `${shape.what}: ${reason}`, { place: { line } });

  const longest = shape.most * (LONGEST_COMMENT + 2 * shape.size + 8);
  if (text.length > longest) throw refuse(`longer than ${longest} characters`, 1);
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  if (lines.length === 0) throw refuse("empty", 1);
  if (lines.length > 2 * shape.most) throw refuse(`more than ${shape.most} of them`, 2 * shape.most + 1);

  const blocks: Block[] = [];
  for (let index = 0; index < lines.length; index += 2) {
    const comment = lines[index] ?? "";
    if (!comment.startsWith(PREFIX)) throw refuse(`\`${PREFIX}\` expected`, index + 1);
    if (comment.length > LONGEST_COMMENT) throw refuse("comment too long", index + 1);
    const bytes = decode(lines[index + 1] ?? "");
    if (bytes?.length !== shape.size) throw refuse(`base64 of ${shape.size} bytes expected`, index + 2);
    blocks.push({ comment: comment.slice(PREFIX.length), bytes, line: index + 1 });
  }
  return blocks;
}

/** Prints one block; a comment that would not stay one line is KEY_INVALID. */
export function printBlock(comment: string, bytes: Uint8Array): string {
  if (/[\u0000-\u001f\u007f]/.test(comment) || comment.length > 512) {
    throw new ProvisionError("KEY_INVALID", "a comment is one line of 512 characters at most");
  }
  return `${PREFIX}${comment}\n${Buffer.from(bytes).toString("base64")}\n`;
}

/** Node skips what is no base64; only text that it would print itself counts. */
function decode(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? new Uint8Array(bytes) : undefined;
}
