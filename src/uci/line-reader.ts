import type { Place } from "../errors.ts";
import { UciFault } from "./fault.ts";
import { LineBuffer } from "./line-buffer.ts";

/*
 * How libuci cuts its input into lines and words (openwrt/uci file.c), in configuration files, staged changes and
 * `uci batch` alike. A line grows while a quote is open or a backslash stands at its end; the positions that libuci
 * reports count in that grown line, so they are tracked beside the real ones. The text itself is never copied.
 */

const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;
const DOUBLE_QUOTE = 34;
const HASH = 35;
const SINGLE_QUOTE = 39;
const SEMICOLON = 59;
const BACKSLASH = 92;
/** What stands after the last character of a line. */
const NOTHING = 0;

/** `isspace` of the C locale. */
export function isBlank(code: number): boolean {
  return code === SPACE || (code >= TAB && code <= CR);
}

export class LineReader {
  text: string;
  /** Where the next character is read. */
  at = 0;
  /** The first position that the current line does not show. */
  end = 0;
  /** Line feeds read so far: libuci's line number. */
  lines = 0;
  /** Where the next line of the text begins. */
  private next = 0;
  /** What libuci's byte position counts from; moves when a joined line swallows a line feed. */
  private base = 0;
  private startOfLine = 0;
  private nextNul: number;
  private readonly file: string | undefined;
  /** Reads NUL bytes as libuci does; without it they are faults. */
  private readonly buffer: LineBuffer | undefined;

  constructor(text: string, how: { readonly file?: string | undefined; readonly readsNul?: boolean | undefined } = {}) {
    this.text = text;
    this.file = how.file;
    this.nextNul = indexOrEnd(text, "\0", 0);
    // Only where there is a NUL does it matter how libuci's buffer grows.
    this.buffer = how.readsNul === true && this.nextNul < text.length ? new LineBuffer() : undefined;
  }

  /** libuci has thrown its line buffer away and starts with a small one. */
  resetBuffer(): void {
    this.buffer?.reset();
  }

  /** Goes to the next line of the text; `false` at its end. */
  start(): boolean {
    if (this.next >= this.text.length) return false;
    this.at = this.base = this.next;
    this.grow();
    return true;
  }

  /** The current character's code; `NOTHING` (0) at the end of the line. */
  current(): number {
    return this.at < this.end ? this.text.charCodeAt(this.at) : NOTHING;
  }

  /** Nothing more is to be read in this line. */
  finishLine(): void {
    this.at = this.end;
  }

  skipBlanks(): void {
    while (isBlank(this.current())) this.at++;
  }

  /** The first word of a statement: up to a space or tab only, so that it may hold a line feed. Stays where it is. */
  peekKeyword(): { readonly word: string; readonly after: number } | undefined {
    let from = this.at;
    while (from < this.end && isSpaceOrTab(this.text.charCodeAt(from))) from++;
    if (from >= this.end) return undefined;
    let to = from;
    while (to < this.end && !isSpaceOrTab(this.text.charCodeAt(to))) to++;
    return { word: this.text.slice(from, to), after: to };
  }

  /** The next word without its quotes; empty if there is none, or at a `;`, which it passes. */
  word(): string {
    this.skipBlanks();
    if (this.current() !== SEMICOLON) return this.quotedOrBare();
    this.at++;
    return "";
  }

  /** All lines behind the current one, for somebody else to read. */
  rest(): string {
    return this.text.slice(this.next);
  }

  /** Goes past `count` lines, which somebody else has read; past all that is left if there are fewer. */
  skipLines(count: number): void {
    for (let i = 0; i < count && this.next < this.text.length; i++) {
      const feed = this.text.indexOf("\n", this.next);
      this.next = feed < 0 ? this.text.length : feed + 1;
      if (feed >= 0) this.lines++;
    }
    this.at = this.end = this.next;
  }

  /** The error for `reason` at the current position. */
  fault(reason: string): UciFault {
    const place: Place = {
      ...(this.file === undefined ? {} : { file: this.file }),
      line: this.lineNumber(),
      byte: Math.max(0, this.at - this.startOfLine) + 1,
    };
    return new UciFault({ status: "parse", reason, place, counted: this.counted() });
  }

  /** The position as libuci reports it. */
  counted(): { readonly line: number; readonly byte: number } {
    return { line: this.lines, byte: this.at - this.base };
  }

  /** The number of the physical line read last, from 1. */
  lineNumber(): number {
    const isTerminated = this.next > 0 && this.text.charCodeAt(this.next - 1) === LF;
    return isTerminated || this.next === 0 ? Math.max(1, this.lines) : this.lines + 1;
  }

  private quotedOrBare(): string {
    let word = "";
    let from = this.at;
    let isVerbatim = true;
    for (;;) {
      const code = this.current();
      if (code === SINGLE_QUOTE || code === DOUBLE_QUOTE) {
        word += this.text.slice(from, this.at);
        word += code === SINGLE_QUOTE ? this.singleQuoted() : this.doubleQuoted();
        isVerbatim = false;
        from = this.at;
      } else if (code === BACKSLASH) {
        word += this.text.slice(from, this.at);
        isVerbatim = false;
        if (this.escape()) from = this.at++;
        else from = this.at;
      } else if (code === NOTHING || code === HASH || code === SEMICOLON) {
        word += this.text.slice(from, this.at);
        // A comment ends the line. So does a `;` right after an unquoted word: libuci overwrites it with the word's end.
        if (code === HASH || (code === SEMICOLON && isVerbatim)) this.end = this.at;
        return word;
      } else {
        this.at++;
      }
      if (isBlank(this.current())) {
        word += this.text.slice(from, this.at);
        this.at++;
        return word;
      }
    }
  }

  private singleQuoted(): string {
    const from = ++this.at;
    let closing = this.closingQuote(from);
    while (closing < 0 || closing >= this.end) {
      this.at = this.end;
      if (!this.grow()) throw this.fault("EOF with unterminated '");
      // Lines with NUL bytes change under our hands.
      if (this.buffer !== undefined) closing = this.closingQuote(this.at);
    }
    this.at = closing + 1;
    return this.text.slice(from, closing);
  }

  private closingQuote(from: number): number {
    if (this.buffer === undefined) return this.text.indexOf("'", from);
    const inLine = this.text.slice(from, this.end).indexOf("'");
    return inLine < 0 ? -1 : from + inLine;
  }

  private doubleQuoted(): string {
    let word = "";
    let from = ++this.at;
    for (;;) {
      const code = this.current();
      if (code === DOUBLE_QUOTE) {
        word += this.text.slice(from, this.at++);
        return word;
      }
      if (code === BACKSLASH) {
        word += this.text.slice(from, this.at);
        if (this.escape()) from = this.at++;
        else from = this.at;
      } else if (code !== NOTHING) {
        this.at++;
      } else if (!this.grow()) {
        throw this.fault('EOF with unterminated "');
      }
    }
  }

  /** Passes a backslash. `true`: the next character is meant literally; `false`: the line was joined with the next one. */
  private escape(): boolean {
    this.at++;
    const code = this.current();
    const isBeforeCrLf = code === CR && this.at + 2 === this.end && this.text.charCodeAt(this.at + 1) === LF;
    if (code !== NOTHING && code !== LF && !isBeforeCrLf) return true;
    this.base += this.next - this.at;
    this.at = this.end = this.next;
    this.grow();
    return false;
  }

  /** Shows one more line of the text; `false` if there is none. */
  private grow(): boolean {
    if (this.next >= this.text.length) return false;
    this.startOfLine = this.next;
    if (this.buffer !== undefined) return this.growAsLibuci(this.buffer);
    const feed = this.text.indexOf("\n", this.next);
    this.end = this.next = feed < 0 ? this.text.length : feed + 1;
    if (feed >= 0) this.lines++;
    if (this.nextNul >= this.end) return true;
    this.at = this.nextNul;
    // The next look starts behind this line, so that a lenient reader goes on there.
    this.nextNul = indexOrEnd(this.text, "\0", this.end);
    throw this.fault("NUL byte");
  }

  private growAsLibuci(buffer: LineBuffer): boolean {
    const from = this.next;
    const line = buffer.line(this.text, from, this.at - this.base);
    if (line === undefined) throw this.fault("NUL byte");
    if (line.shown.length !== line.taken) {
      this.text = this.text.slice(0, from) + line.shown + this.text.slice(from + line.taken);
    }
    this.end = this.next = from + line.shown.length;
    if (line.shown.endsWith("\n")) this.lines++;
    return line.shown !== "";
  }
}

function isSpaceOrTab(code: number): boolean {
  return code === SPACE || code === TAB;
}

function indexOrEnd(text: string, what: string, from: number): number {
  const at = text.indexOf(what, from);
  return at < 0 ? Number.POSITIVE_INFINITY : at;
}
