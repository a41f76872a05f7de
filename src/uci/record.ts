import { ProvisionError } from "../errors.ts";
import type { UciOption, UciSection, UciValue } from "./model.ts";
import { isName, isType } from "./names.ts";

/**
 * What uciprov changed in one package and what was there before: enough to take exactly its own part out again.
 * Plain data for JSON. Keys are identities (identity.ts) as they are in the package that uciprov made.
 */
export interface PackageRecord {
  readonly version: 1;
  /** The package did not exist before. */
  readonly created: boolean;
  readonly added: readonly AddedSection[];
  readonly changed: readonly ChangedSection[];
  readonly removed: readonly RemovedSection[];
  /** Sections that are in another order than before: the same keys twice. */
  readonly order?: { readonly before: readonly string[]; readonly set: readonly string[] };
}

export interface AddedSection extends UciSection {
  readonly key: string;
}

export interface ChangedSection {
  readonly key: string;
  readonly type?: { readonly before: string; readonly set: string };
  readonly options: readonly ChangedOption[];
  /** All option names in their order before, if the ones that stayed are in another one now. */
  readonly order?: readonly string[];
}

export interface ChangedOption {
  readonly name: string;
  /** Absent: there was none. */
  readonly before?: UciValue;
  /** Absent: uciprov took it away. */
  readonly set?: UciValue;
  /** For one taken away: the option it stood behind; absent if it was the first. */
  readonly after?: string;
}

export interface RemovedSection extends UciSection {
  /** The section it stood behind: a key, or `-N` for the N-th removed one (from 0); absent if it was the first. */
  readonly after?: string;
  /** The key of the added section that it became, if it was changed so that it is not known by its identity any more. */
  readonly became?: string;
}

/** How much of a record is believed: 200,000 values are far more than any device's configuration holds. */
const MAX_VALUES = 200_000;

/**
 * A record as it comes back from flash, where anything may have happened to it. Throws `JOURNAL_INVALID` unless every
 * part is what `settle` could have written.
 */
export function parsePackageRecord(from: unknown): PackageRecord {
  const reader = new RecordReader();
  const record = reader.object(from, "record");
  if (record["version"] !== 1) throw damaged("version", "1");
  const order = record["order"];
  return {
    version: 1,
    created: reader.boolean(record["created"], "created"),
    added: reader.list(record["added"], "added", (item, at) => reader.added(item, at)),
    changed: reader.list(record["changed"], "changed", (item, at) => reader.changed(item, at)),
    removed: reader.list(record["removed"], "removed", (item, at) => reader.removed(item, at)),
    ...(order === undefined ? {} : { order: reader.order(order) }),
  };
}

class RecordReader {
  #values = 0;

  object(from: unknown, at: string): Readonly<Record<string, unknown>> {
    if (typeof from !== "object" || from === null || Array.isArray(from)) throw damaged(at, "an object");
    return from as Readonly<Record<string, unknown>>;
  }

  list<T>(from: unknown, at: string, read: (item: unknown, at: string) => T): T[] {
    if (!Array.isArray(from)) throw damaged(at, "a list");
    this.#values += from.length;
    if (this.#values > MAX_VALUES) throw damaged(at, `at most ${MAX_VALUES} values`);
    return from.map((item: unknown, i) => read(item, `${at}[${i}]`));
  }

  boolean(from: unknown, at: string): boolean {
    if (typeof from !== "boolean") throw damaged(at, "true or false");
    return from;
  }

  added(from: unknown, at: string): AddedSection {
    const { key } = this.object(from, at);
    return { key: this.#key(key, `${at}.key`), ...this.#section(from, at) };
  }

  changed(from: unknown, at: string): ChangedSection {
    const { key, type, options, order } = this.object(from, at);
    return {
      key: this.#key(key, `${at}.key`),
      ...(type === undefined ? {} : { type: this.#types(type, `${at}.type`) }),
      options: this.list(options, `${at}.options`, (item, where) => this.#changedOption(item, where)),
      ...(order === undefined
        ? {}
        : { order: this.list(order, `${at}.order`, (item, where) => this.#name(item, where)) }),
    };
  }

  removed(from: unknown, at: string): RemovedSection {
    const { after, became } = this.object(from, at);
    return {
      ...this.#section(from, at),
      ...(after === undefined ? {} : { after: this.#bytes(after, `${at}.after`) }),
      ...(became === undefined ? {} : { became: this.#key(became, `${at}.became`) }),
    };
  }

  order(from: unknown): { before: string[]; set: string[] } {
    const { before, set } = this.object(from, "order");
    return {
      before: this.list(before, "order.before", (item, at) => this.#key(item, at)),
      set: this.list(set, "order.set", (item, at) => this.#key(item, at)),
    };
  }

  #section(from: unknown, at: string): UciSection {
    const { type, name, options } = this.object(from, at);
    return {
      type: this.#type(type, `${at}.type`),
      // JSON has no `undefined`: an anonymous section simply has no name there.
      name: name === undefined ? undefined : this.#name(name, `${at}.name`),
      options: this.list(options, `${at}.options`, (item, where) => this.#option(item, where)),
    };
  }

  #option(from: unknown, at: string): UciOption {
    const { name, value } = this.object(from, at);
    return { name: this.#name(name, `${at}.name`), value: this.#value(value, `${at}.value`) };
  }

  #changedOption(from: unknown, at: string): ChangedOption {
    const { name, before, set, after } = this.object(from, at);
    return {
      name: this.#name(name, `${at}.name`),
      ...(before === undefined ? {} : { before: this.#value(before, `${at}.before`) }),
      ...(set === undefined ? {} : { set: this.#value(set, `${at}.set`) }),
      ...(after === undefined ? {} : { after: this.#name(after, `${at}.after`) }),
    };
  }

  #types(from: unknown, at: string): { before: string; set: string } {
    const { before, set } = this.object(from, at);
    return { before: this.#type(before, `${at}.before`), set: this.#type(set, `${at}.set`) };
  }

  #value(from: unknown, at: string): UciValue {
    return typeof from === "string"
      ? this.#bytes(from, at)
      : this.list(from, at, (item, where) => this.#bytes(item, where));
  }

  #key(from: unknown, at: string): string {
    const key = this.#bytes(from, at);
    if (!/^[=@]/.test(key)) throw damaged(at, "a section's identity");
    return key;
  }

  #name(from: unknown, at: string): string {
    const name = this.#bytes(from, at);
    if (!isName(name)) throw damaged(at, "a name");
    return name;
  }

  #type(from: unknown, at: string): string {
    const type = this.#bytes(from, at);
    if (!isType(type)) throw damaged(at, "a type");
    return type;
  }

  #bytes(from: unknown, at: string): string {
    if (typeof from !== "string" || /[^\x01-\xff]/.test(from)) throw damaged(at, "a byte string");
    return from;
  }
}

function damaged(at: string, expected: string): ProvisionError {
  return new ProvisionError("JOURNAL_INVALID", `ownership record: ${at} is not ${expected}`, { place: { option: at } });
}
