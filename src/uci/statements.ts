import { UciFault } from "./fault.ts";
import { LineReader } from "./line-reader.ts";
import { isName, isPackageName, isType } from "./names.ts";

/** Who takes what a configuration file says, statement by statement. */
export interface StatementTaker {
  /** A `package` line; `false` if there was one of that name before. */
  package(name: string): boolean;
  /** A `config` line; `false` if a section of that name has another type and `isStrict` forbids it. */
  section(type: string, name: string | undefined, isStrict: boolean): boolean;
  /** An `option` line of the section begun last; the value may be empty, which means nothing. */
  option(name: string, value: string): void;
  /** A `list` line of the section begun last. */
  list(name: string, item: string): void;
}

export interface StatementRules {
  /** For places in errors. */
  readonly file?: string | undefined;
  /** Sections may come before a `package` line. */
  readonly hasPackage: boolean;
  /** `package` lines are checked and otherwise ignored. */
  readonly isSingle: boolean;
  /** Every fault is told here first. */
  readonly onFault?: ((fault: UciFault) => void) | undefined;
  /** The line of a fault is skipped; else the first one is thrown. */
  readonly isLenient?: boolean | undefined;
  /** NUL bytes cut lines as in libuci; else they are faults. */
  readonly readsNul?: boolean | undefined;
}

/**
 * Reads `text` (a byte string) as libuci reads a file of /etc/config or the input of `uci import` (openwrt/uci file.c).
 * Throws `UciFault` with the place of the fault.
 */
export function readStatements(text: string, taker: StatementTaker, rules: StatementRules): void {
  const reader = new StatementReader(text, taker, rules);
  for (;;) {
    try {
      while (reader.statementLine());
      return;
    } catch (thrown) {
      if (!(thrown instanceof UciFault)) throw thrown;
      rules.onFault?.(thrown);
      if (thrown.status !== "parse" || rules.isLenient !== true) throw thrown;
    }
  }
}

class StatementReader {
  private readonly line: LineReader;
  private readonly taker: StatementTaker;
  private readonly rules: StatementRules;
  private readonly isStrict: boolean;
  private hasPackage: boolean;
  private hasSection = false;
  private readonly types = new FamiliarWords();
  private readonly optionNames = new FamiliarWords();

  constructor(text: string, taker: StatementTaker, rules: StatementRules) {
    this.line = new LineReader(text, rules);
    this.taker = taker;
    this.rules = rules;
    this.isStrict = rules.isLenient !== true;
    this.hasPackage = rules.hasPackage;
  }

  statementLine(): boolean {
    if (!this.line.start()) return false;
    if (!this.printedLine()) this.anyLine();
    return true;
  }

  /** A line exactly as `uci export` prints it: the bulk of all input, so it has a short cut. */
  private printedLine(): boolean {
    const { text, at, end } = this.line;
    const first = text.charCodeAt(at);
    if (first === LETTER.LF) return true;
    if (first === LETTER.TAB && this.hasSection) {
      const kind = text.charCodeAt(at + 1);
      if (kind === LETTER.o && text.startsWith("ption ", at + 2)) return this.printedOption(at + 8, end, false);
      if (kind === LETTER.l && text.startsWith("ist ", at + 2)) return this.printedOption(at + 6, end, true);
    }
    if (first === LETTER.c && this.hasPackage && text.startsWith("onfig ", at + 1))
      return this.printedSection(at + 7, end);
    return false;
  }

  private printedOption(from: number, end: number, isList: boolean): boolean {
    const { text } = this.line;
    const space = skipNameLetters(text, from);
    const closing = end - 2;
    if (space === from || text.charCodeAt(space) !== LETTER.SPACE) return false;
    if (text.charCodeAt(space + 1) !== LETTER.QUOTE || text.charCodeAt(end - 1) !== LETTER.LF) return false;
    if (text.indexOf("'", space + 2) !== closing) return false;
    const name = this.optionNames.word(text, from, space);
    const value = text.slice(space + 2, closing);
    if (isList) this.taker.list(name, value);
    else this.taker.option(name, value);
    return true;
  }

  private printedSection(from: number, end: number): boolean {
    const { text } = this.line;
    const typeEnd = skipNameLetters(text, from);
    if (typeEnd === from || text.charCodeAt(end - 1) !== LETTER.LF) return false;
    let name: string | undefined;
    if (typeEnd !== end - 1) {
      if (text.charCodeAt(typeEnd) !== LETTER.SPACE || text.charCodeAt(typeEnd + 1) !== LETTER.QUOTE) return false;
      const nameEnd = skipNameLetters(text, typeEnd + 2);
      if (nameEnd === typeEnd + 2 || nameEnd !== end - 2 || text.charCodeAt(nameEnd) !== LETTER.QUOTE) return false;
      name = text.slice(typeEnd + 2, nameEnd);
    }
    // A clash of types is told by the long way, which knows the position.
    if (!this.taker.section(this.types.word(text, from, typeEnd), name, this.isStrict)) return false;
    this.optionNames.rewind();
    this.hasSection = true;
    return true;
  }

  private anyLine(): void {
    this.line.skipBlanks();
    for (;;) {
      const keyword = this.line.peekKeyword();
      if (keyword === undefined || keyword.word.startsWith("#")) return;
      const statement = STATEMENTS.get(keyword.word);
      if (statement === undefined) throw this.line.fault("invalid command");
      this[statement](keyword.after);
    }
  }

  private package(after: number): void {
    this.pass(after, "package without name");
    const name = this.name(isPackageName, true);
    this.nothingElse();
    if (this.rules.isSingle) return;
    if (!this.taker.package(name)) throw new UciFault({ status: "duplicate", counted: this.line.counted() });
    this.hasPackage = true;
    this.hasSection = false;
  }

  private config(after: number): void {
    if (!this.hasPackage) throw this.line.fault("attempting to import a file without a package name");
    this.pass(after, "config without name");
    const type = this.line.word();
    if (type === "") throw this.line.fault("insufficient arguments");
    if (!isType(type)) throw this.line.fault("invalid character in type field");
    const name = this.name(isName, false);
    this.nothingElse();
    if (!this.taker.section(type, name === "" ? undefined : name, this.isStrict))
      throw this.line.fault("section of different type overwrites prior section with same name");
    this.hasSection = true;
  }

  private option(after: number): void {
    const [name, value] = this.nameAndValue(after);
    this.taker.option(name, value);
  }

  private list(after: number): void {
    const [name, item] = this.nameAndValue(after);
    this.taker.list(name, item);
  }

  private nameAndValue(after: number): [name: string, value: string] {
    if (!this.hasSection) throw this.line.fault("option/list command found before the first section");
    this.pass(after, "option without name");
    const name = this.name(isName, true);
    const value = this.line.word();
    this.nothingElse();
    return [name, value];
  }

  /** Goes past the keyword and the blank behind it; at the very end of the text there is none. */
  private pass(after: number, otherwise: string): void {
    if (after >= this.line.end) throw this.line.fault(otherwise);
    this.line.at = after + 1;
  }

  private name(isAllowed: (word: string) => boolean, isRequired: boolean): string {
    const word = this.line.word();
    if (word === "" && isRequired) throw this.line.fault("insufficient arguments");
    if (word !== "" && !isAllowed(word)) throw this.line.fault("invalid character in name field");
    return word;
  }

  private nothingElse(): void {
    this.line.skipBlanks();
    if (this.line.word() !== "" && this.isStrict) throw this.line.fault("too many arguments");
  }
}

const STATEMENTS = new Map<string, "package" | "config" | "option" | "list">([
  ["package", "package"],
  ["p", "package"],
  ["config", "config"],
  ["c", "config"],
  ["option", "option"],
  ["o", "option"],
  ["list", "list"],
  ["l", "list"],
]);

const LETTER = { TAB: 9, LF: 10, SPACE: 32, QUOTE: 39, c: 99, l: 108, o: 111 } as const;

/** How many words are kept; a file has more only if somebody made it so. */
const FAMILIAR = 64;

/**
 * Types and option names repeat, mostly in the same order: the one that followed last time is tried first, and then no
 * new string is made. That saves a quarter of the memory of a large package.
 */
class FamiliarWords {
  private readonly words: string[] = [];
  private next = 0;

  rewind(): void {
    this.next = 0;
  }

  word(text: string, from: number, to: number): string {
    const expected = this.words[this.next];
    if (expected !== undefined && expected.length === to - from && text.startsWith(expected, from)) {
      this.next++;
      return expected;
    }
    const word = text.slice(from, to);
    const known = this.words.indexOf(word);
    if (known < 0 && this.words.length < FAMILIAR) this.words.push(word);
    this.next = (known < 0 ? this.words.length - 1 : known) + 1;
    return known < 0 ? word : (this.words[known] ?? word);
  }
}

/** Where the letters of a name (`[A-Za-z0-9_]`) that begin at `from` end. */
function skipNameLetters(text: string, from: number): number {
  let at = from;
  while (IS_NAME_LETTER[text.charCodeAt(at)] === 1) at++;
  return at;
}

const IS_NAME_LETTER = Uint8Array.from({ length: 256 }, (_, code) => (/\w/.test(String.fromCharCode(code)) ? 1 : 0));
