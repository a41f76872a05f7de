import { type Cell, type Fault, INVENTORY_LIMITS, type Row } from "./rows.ts";

/**
 * A JSON inventory as rows of named cells: an array of flat objects, or an object with such an array as `devices`. Values are strings,
 * numbers and booleans; `null` is no value. Our own reader, because JSON.parse does not tell where a value stood, or that a name came twice.
 */
export function jsonRows(text: string, fault: Fault): Row[] {
  const reader = new Reader(text);
  try {
    return reader.inventory();
  } catch (thrown) {
    if (!(thrown instanceof JsonFault)) throw thrown;
    fault(thrown.at, thrown.message);
    return [];
  }
}

class JsonFault extends Error {
  readonly at: number;

  constructor(at: number, message: string) {
    super(message);
    this.at = at;
  }
}

const STRING = /"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})[^"\\\x00-\x1f]*)*"/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const WORD = /true|false|null/y;
const BLANK = /[ \t\r\n]*/y;

class Reader {
  #at = 0;
  /** Up to where lines are counted, and how many there were. */
  #counted = 0;
  #lines = 1;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  inventory(): Row[] {
    let rows: Row[];
    if (this.#sees("{")) {
      this.#expect("{");
      const name = this.#string("`devices` expected");
      if (name !== "devices") throw new JsonFault(this.#at, "`devices` expected, an array of objects");
      this.#expect(":");
      rows = this.#devices();
      this.#expect("}");
    } else {
      rows = this.#devices();
    }
    this.#blank();
    if (this.#at < this.#text.length) throw new JsonFault(this.#at, "something stands behind the inventory's end");
    return rows;
  }

  #devices(): Row[] {
    const rows: Row[] = [];
    this.#expect("[");
    if (this.#take("]")) return rows;
    do {
      this.#blank();
      if (rows.length === INVENTORY_LIMITS.devices)
        throw new JsonFault(this.#at, `more than ${INVENTORY_LIMITS.devices} devices`);
      rows.push(this.#device());
    } while (this.#take(","));
    this.#expect("]");
    return rows;
  }

  #device(): Row {
    const at = this.#at;
    const line = this.#lineNow();
    const cells: Cell[] = [];
    this.#expect("{");
    if (this.#take("}")) return { line, at, cells };
    do {
      this.#blank();
      const nameAt = this.#at;
      const name = this.#string("a column's name in quotes expected");
      if (cells.some((cell) => cell.name === name))
        throw new JsonFault(nameAt, `${JSON.stringify(name)} stands here twice`);
      if (cells.length === INVENTORY_LIMITS.columns)
        throw new JsonFault(nameAt, `more than ${INVENTORY_LIMITS.columns} columns`);
      this.#expect(":");
      this.#blank();
      const valueAt = this.#at;
      cells.push({ name, text: this.#value(), at: valueAt, namedAt: valueAt });
    } while (this.#take(","));
    this.#expect("}");
    return { line, at, cells };
  }

  #value(): string {
    if (this.#text[this.#at] === '"') return this.#string("");
    const word = this.#match(WORD) ?? this.#match(NUMBER);
    if (word === undefined) throw new JsonFault(this.#at, "a string, a number, true, false or null expected");
    return word === "null" ? "" : word;
  }

  #string(otherwise: string): string {
    this.#blank();
    const quoted = this.#match(STRING);
    if (quoted === undefined)
      throw new JsonFault(
        this.#at,
        this.#text[this.#at] === '"' ? "this string is not closed, or holds what JSON forbids" : otherwise,
      );
    const parsed: unknown = JSON.parse(quoted);
    return String(parsed);
  }

  #expect(sign: string): void {
    if (!this.#take(sign)) throw new JsonFault(this.#at, `\`${sign}\` expected`);
  }

  #take(sign: string): boolean {
    if (!this.#sees(sign)) return false;
    this.#at += 1;
    return true;
  }

  #sees(sign: string): boolean {
    this.#blank();
    return this.#text[this.#at] === sign;
  }

  #blank(): void {
    this.#match(BLANK);
  }

  #match(shape: RegExp): string | undefined {
    shape.lastIndex = this.#at;
    const found = shape.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #lineNow(): number {
    for (let next = this.#text.indexOf("\n", this.#counted); next >= 0 && next < this.#at; ) {
      this.#lines += 1;
      this.#counted = next + 1;
      next = this.#text.indexOf("\n", this.#counted);
    }
    return this.#lines;
  }
}
