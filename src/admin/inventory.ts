import type { DeviceFacts, Finding } from "../api.ts";
import { ProvisionError } from "../errors.ts";
import { strictUtf8 } from "../utf8.ts";
import { csvRows } from "./inventory/csv-rows.ts";
import { jsonRows } from "./inventory/json-rows.ts";
import { type Cell, INVENTORY_LIMITS, placeAt, type Row } from "./inventory/rows.ts";
import { readBounded } from "./read-bounded.ts";

/** One device of the inventory: what is known of it beforehand. What its line leaves empty is not known. */
export interface InventoryDevice {
  readonly facts: Partial<Omit<DeviceFacts, "built">>;
  /** Every other column: macros as `config macro` of the device's settings would have them. */
  readonly macros: Readonly<Record<string, string>>;
  /** 1-based line on which it begins in the file. */
  readonly line: number;
}

export interface Inventory {
  readonly file: string;
  readonly devices: readonly InventoryDevice[];
}

/** The file's inventory; FILE_UNREADABLE, TOO_LARGE, or as `parseInventory` has it. */
export function readInventory(file: string): Inventory {
  return parseInventory(readBounded(file, INVENTORY_LIMITS.bytes), { file });
}

/**
 * Devices as an admin lists them: CSV with a header line (RFC 4180), or JSON, an array of flat objects. Columns are the device's facts
 * (mac, serial, hostname, board, model, target, arch, distro, release, revision); every other one is a macro of the admin's.
 * INVENTORY_INVALID tells all faults at once, each with file, line and byte.
 */
export function parseInventory(bytes: Uint8Array, { file }: { readonly file: string }): Inventory {
  if (bytes.length > INVENTORY_LIMITS.bytes) throw tooLarge(file);
  const text = decoded(bytes, file);
  const faults: { readonly at: number; readonly message: string }[] = [];
  const fault = (at: number, message: string): void => {
    if (faults.length < INVENTORY_LIMITS.faults) faults.push({ at, message });
  };
  const isJson = /^\s*[[{]/.test(text);
  const rows = isJson ? jsonRows(text, fault) : csvRows(text, fault);
  const columns = new Columns(fault);
  const seen = new Seen(fault);
  const devices = rows.map((row) => deviceOf(row, columns, seen, fault));
  if (rows.length === 0 && faults.length === 0) fault(0, "there is no device in it");
  if (faults.length > 0) throw invalid(text, file, faults);
  return { file, devices };
}

const FACTS = [
  "mac",
  "serial",
  "hostname",
  "board",
  "model",
  "target",
  "arch",
  "distro",
  "release",
  "revision",
] as const satisfies readonly (keyof DeviceFacts)[];
type FactName = (typeof FACTS)[number];

/** What a device knows by itself, or a run by its answer: nobody else can say it. */
const NOT_A_COLUMN: ReadonlySet<string> = new Set(["base_uri", "fd", "fqdn", "resolver", "subtarget", "built"]);

type Told = (at: number, message: string) => void;

function deviceOf(row: Row, columns: Columns, seen: Seen, fault: Told): InventoryDevice {
  const facts: { -readonly [F in FactName]?: string } = {};
  const macros: Record<string, string> = {};
  for (const cell of row.cells) {
    const kind = columns.kindOf(cell);
    const text = cell.text.trim();
    if (text === "" || kind === "wrong") continue;
    const wrong = valueFault(text);
    if (wrong !== undefined) fault(cell.at, `${cell.name} ${wrong}`);
    else if (kind === "macro") macros[cell.name] = text;
    else facts[kind] = factText(kind, text, cell, fault);
  }
  if (facts.mac === undefined && facts.serial === undefined && facts.hostname === undefined)
    fault(row.at, "a device needs a mac, a serial or a hostname");
  seen.add("mac", facts.mac, row);
  seen.add("serial", facts.serial, row);
  return { facts, macros, line: row.line };
}

function valueFault(text: string): string | undefined {
  if (text.length > INVENTORY_LIMITS.value) return `is longer than ${INVENTORY_LIMITS.value} characters`;
  return /[\u0000-\u001f\u007f]/.test(text) ? "holds a control character" : undefined;
}

function factText(name: FactName, text: string, { at }: Cell, fault: Told): string {
  const quoted = JSON.stringify(text.slice(0, 80));
  if (name === "mac") {
    const digits = text.toLowerCase().replaceAll(/[:.-]/g, "");
    if (
      !/^(?:[0-9a-f]{12}|[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4})$/i.test(text)
    )
      fault(at, `${quoted} is no MAC address`);
    else if (/^0{12}$|^f{12}$/.test(digits)) fault(at, `${quoted} is no device's address`);
    return digits;
  }
  if (name === "hostname" && !/^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9_])?$/.test(text))
    fault(at, `${quoted} is no hostname: 1 to 63 letters, digits, - and .`);
  if (name === "target" && !/^[A-Za-z0-9_-]+\/[A-Za-z0-9_-]+$/.test(text))
    fault(at, `${quoted} is no target: it is two words, as in ath79/generic`);
  return text;
}

/** What each column is, told wrong once. */
class Columns {
  readonly #known = new Map<string, FactName | "macro" | "wrong">();
  readonly #fault: Told;

  constructor(fault: Told) {
    this.#fault = fault;
  }

  kindOf({ name, namedAt }: Cell): FactName | "macro" | "wrong" {
    const before = this.#known.get(name);
    if (before !== undefined) return before;
    const kind = this.#judge(name, namedAt);
    this.#known.set(name, kind);
    return kind;
  }

  #judge(name: string, at: number): FactName | "macro" | "wrong" {
    const fact = FACTS.find((one) => one === name);
    if (fact !== undefined) return fact;
    const lower = FACTS.find((one) => one === name.toLowerCase());
    const wrong = NOT_A_COLUMN.has(name)
      ? `${name} cannot be a column: the device or the run says it`
      : lower !== undefined
        ? `the column ${name} is written ${lower}`
        : /^[A-Za-z0-9_-]{1,64}$/.test(name)
          ? undefined
          : `${JSON.stringify(name.slice(0, 80))} cannot be a macro's name: 1 to 64 letters, digits, _ and -`;
    if (wrong === undefined) return "macro";
    this.#fault(at, wrong);
    return "wrong";
  }
}

/** Two devices with one address would get one device's files. */
class Seen {
  readonly #lines = new Map<string, number>();
  readonly #fault: Told;

  constructor(fault: Told) {
    this.#fault = fault;
  }

  add(kind: string, value: string | undefined, { line, at }: Row): void {
    if (value === undefined) return;
    const key = `${kind} ${value}`;
    const before = this.#lines.get(key);
    if (before === undefined) this.#lines.set(key, line);
    else this.#fault(at, `${key} is the device's of line ${before}, too`);
  }
}

function decoded(bytes: Uint8Array, file: string): string {
  const text = strictUtf8(bytes);
  if (text === undefined)
    throw new ProvisionError("INVENTORY_INVALID", `${file} is no UTF-8 text`, { place: { file } });
  return text.replace(/^\ufeff/, "");
}

function invalid(text: string, file: string, faults: readonly { readonly at: number; readonly message: string }[]) {
  const findings = faults.map(
    ({ at, message }): Finding => ({
      code: "INVENTORY_INVALID",
      severity: "error",
      message,
      place: placeAt(text, at, file),
    }),
  );
  const many = faults.length >= INVENTORY_LIMITS.faults ? `${faults.length} faults or more` : `${faults.length} faults`;
  const count = faults.length === 1 ? "a fault" : many;
  return new ProvisionError("INVENTORY_INVALID", `the inventory has ${count}`, { findings, place: { file } });
}

function tooLarge(file: string): ProvisionError {
  return new ProvisionError("TOO_LARGE", `${file} has more than ${INVENTORY_LIMITS.bytes} bytes`, { place: { file } });
}
