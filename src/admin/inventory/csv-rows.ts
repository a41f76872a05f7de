import { type Cell, type Fault, INVENTORY_LIMITS, type Row } from "./rows.ts";

/**
 * A CSV file with a header line as rows of named cells (RFC 4180: fields in double quotes may hold commas, line ends and doubled quotes;
 * lines end with CRLF or LF). Blank lines are passed over; what is wrong is told to `fault`, and reading goes on with the next line where it can.
 */
export function csvRows(text: string, fault: Fault): Row[] {
  const records = new Records(text, fault);
  const header = records.next();
  if (header === undefined) {
    fault(0, "there is no header line: the first one names the columns");
    return [];
  }
  const names = columnNames(header.fields, fault);
  if (names === undefined) return [];
  const rows: Row[] = [];
  for (let record = records.next(); record !== undefined; record = records.next()) {
    const { fields, line, at } = record;
    if (fields.length !== names.length) {
      fault(at, `${fields.length} fields, and the header has ${names.length}`);
      continue;
    }
    if (rows.length === INVENTORY_LIMITS.devices) {
      fault(at, `more than ${INVENTORY_LIMITS.devices} devices`);
      break;
    }
    rows.push({
      line,
      at,
      cells: fields.map((field, i): Cell => ({ name: names[i]?.name ?? "", namedAt: names[i]?.at ?? 0, ...field })),
    });
  }
  return rows;
}

interface Column {
  readonly name: string;
  readonly at: number;
}

function columnNames(fields: readonly Field[], fault: Fault): readonly Column[] | undefined {
  const names = fields.map(({ text, at }) => ({ name: text.trim(), at }));
  const sign = names.length === 1 ? /[;\t]/.exec(names[0]?.name ?? "")?.[0] : undefined;
  if (sign !== undefined) {
    fault(0, `the columns are divided by ${JSON.stringify(sign)}: a comma is what divides them`);
    return undefined;
  }
  for (const [i, { name, at }] of names.entries())
    if (names.findIndex((one) => one.name === name) < i) fault(at, `the column ${name} stands there twice`);
  const tooMany = fields[INVENTORY_LIMITS.columns];
  if (tooMany !== undefined) {
    fault(tooMany.at, `more than ${INVENTORY_LIMITS.columns} columns`);
    return undefined;
  }
  return names;
}

interface Field {
  readonly text: string;
  readonly at: number;
}

interface CsvRecord {
  readonly fields: readonly Field[];
  readonly line: number;
  readonly at: number;
}

class Records {
  #at = 0;
  #line = 1;
  readonly #text: string;
  readonly #fault: Fault;

  constructor(text: string, fault: Fault) {
    this.#text = text;
    this.#fault = fault;
  }

  /** The next line with something in it. */
  next(): CsvRecord | undefined {
    while (this.#at < this.#text.length) {
      const [at, line] = [this.#at, this.#line];
      const fields = this.#record();
      if (fields === undefined) return undefined;
      if (fields.length > 1 || fields[0]?.text.trim() !== "") return { fields, line, at };
    }
    return undefined;
  }

  /** `undefined`: a quote that nothing closes; what follows cannot be told apart any more. */
  #record(): readonly Field[] | undefined {
    const fields: Field[] = [];
    for (;;) {
      const field = this.#text[this.#at] === '"' ? this.#quotedField() : this.#plainField();
      if (field === undefined) return undefined;
      if (fields.length <= INVENTORY_LIMITS.columns) fields.push(field);
      const sign = this.#text[this.#at];
      this.#at += 1;
      if (sign === ",") continue;
      this.#line += 1;
      return fields;
    }
  }

  #plainField(): Field {
    const from = this.#at;
    const text = this.#text;
    let end = from;
    for (
      let code = text.charCodeAt(end);
      end < text.length && code !== 44 && code !== 10;
      code = text.charCodeAt(end)
    ) {
      if (code === 34) this.#fault(end, "a quote inside a field: put the whole field in quotes and double this one");
      end += 1;
    }
    this.#at = end;
    const isCrlf = text[end] !== "," && text[end - 1] === "\r" && end > from;
    return { text: text.slice(from, isCrlf ? end - 1 : end), at: from };
  }

  #quotedField(): Field | undefined {
    const from = this.#at;
    const text = this.#text;
    let value = "";
    for (let at = from + 1; ; ) {
      const quote = text.indexOf('"', at);
      if (quote < 0) {
        this.#fault(from, "nothing closes this quote");
        return undefined;
      }
      value += text.slice(at, quote);
      at = quote + 1;
      if (text[at] === '"') {
        value += '"';
        at += 1;
        continue;
      }
      if (text[at] === "\r" && (text[at + 1] === "\n" || at + 1 === text.length)) at += 1;
      if (at < text.length && text[at] !== "," && text[at] !== "\n") {
        this.#fault(at, "behind a closing quote comes a comma or the line's end");
        const rest = text.slice(at).search(/[,\n]/);
        at = rest < 0 ? text.length : at + rest;
      }
      this.#line += value.length - value.replaceAll("\n", "").length;
      this.#at = at;
      return { text: value, at: from };
    }
  }
}
