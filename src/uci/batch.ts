import { type Finding, ProvisionError } from "../errors.ts";
import { parseAddress } from "./address.ts";
import { byteString } from "./bytes.ts";
import { UciFault } from "./fault.ts";
import { LineReader } from "./line-reader.ts";

/** A line of a `.batch` resource. Arguments are byte strings. */
export interface BatchLine {
  readonly command: BatchCommand;
  readonly args: readonly string[];
  /** The package it is about: layers of other packages pass over it. */
  readonly package: string;
  readonly file: string | undefined;
  /** From 1. */
  readonly line: number;
}

const COMMANDS = {
  set: "set",
  add: "add",
  add_list: "add_list",
  del_list: "del_list",
  delete: "delete",
  del: "delete",
  rename: "rename",
  ren: "rename",
  reorder: "reorder",
} as const;

export type BatchCommand = (typeof COMMANDS)[keyof typeof COMMANDS];

/** `commit` is what scripts end with; here everything is committed at the end anyway. */
const IGNORED = new Set(["commit"]);

/** `uci batch` takes at most this many words a line, the command included. */
const MAX_WORDS = 3;

/**
 * Reads lines as `uci batch` takes them, with its quoting. Only commands that edit are allowed; `commit` is passed over.
 * Throws `UCI_INVALID` with all faults as findings.
 */
export function parseBatch(bytesOrText: Uint8Array | string, as: { readonly file?: string } = {}): BatchLine[] {
  const reader = new LineReader(byteString(bytesOrText), as);
  const lines: BatchLine[] = [];
  const findings: Finding[] = [];
  while (isMore()) {
    try {
      const words = readWords(reader);
      if (words.length === 0 || IGNORED.has(words[0]?.toLowerCase() ?? "")) continue;
      lines.push(batchLine(words, reader, as.file));
    } catch (thrown) {
      if (!(thrown instanceof UciFault)) throw thrown;
      findings.push(asFinding(thrown));
    }
  }
  const [first] = findings;
  if (first === undefined) return lines;
  throw new ProvisionError("UCI_INVALID", first.message, {
    ...(first.place === undefined ? {} : { place: first.place }),
    findings,
  });

  function isMore(): boolean {
    for (;;) {
      try {
        return reader.start();
      } catch (thrown) {
        if (!(thrown instanceof UciFault)) throw thrown;
        findings.push(asFinding(thrown));
      }
    }
  }
}

/** The packages that lines are about, in order of first mention. */
export function batchPackages(lines: readonly BatchLine[]): string[] {
  return [...new Set(lines.map((line) => line.package))];
}

function readWords(reader: LineReader): string[] {
  const words: string[] = [];
  for (;;) {
    const word = reader.word();
    if (word === "") return words;
    words.push(word);
    if (words.length > MAX_WORDS) throw reader.fault("too many arguments");
  }
}

function batchLine(words: readonly string[], reader: LineReader, file: string | undefined): BatchLine {
  const [name = "", first, ...rest] = words;
  const key = name.toLowerCase();
  const command = Object.entries(COMMANDS).find(([known]) => known === key)?.[1];
  if (command === undefined) throw reader.fault(`"${name}" is no command that edits configuration`);
  if (first === undefined || rest.length !== (command === "add" ? 1 : 0))
    throw reader.fault(`"${command}" takes ${command === "add" ? "two arguments" : "one argument"}`);
  const pkg = addressOrFault(first, reader).package;
  return { command, args: [first, ...rest], package: pkg, file, line: reader.lineNumber() };
}

function addressOrFault(argument: string, reader: LineReader): { readonly package: string } {
  try {
    return parseAddress(argument);
  } catch {
    throw reader.fault("not of the form package.section.option=value");
  }
}

function asFinding(fault: UciFault): Finding {
  return {
    code: "UCI_INVALID",
    message: fault.message,
    severity: "error",
    ...(fault.place === undefined ? {} : { place: fault.place }),
  };
}
