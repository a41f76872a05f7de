import { ProvisionError, redactUri, type TxtRecord } from "../src/api.ts";
import { plainText, quoted } from "./_text.ts";

/** What the TXT records at one name say to uciprov. */
export interface TxtWords {
  /** The value of `provuri`, or undefined if there is none. */
  readonly uri: string | undefined;
  /** The value of `serial` without leading zeros, or undefined if there is none that is a number. */
  readonly serial: string | undefined;
  /** All other `key=value` strings, under `txt_KEY`. */
  readonly macros: Readonly<Record<string, string>>;
  /** What was passed over and why, for the log. */
  readonly remarks: readonly string[];
}

/** Longest provuri, in bytes. */
const MAX_URI = 2048;
/** Longest value of any other key, in bytes: what one string of a TXT record holds. */
const MAX_VALUE = 255;
const MAX_KEYS = 64;
/** A full string: the rest of what it begins stands in the next one. */
const FULL = 255;

/**
 * Reads `key=value` strings (RFC 1464, RFC 6763 §6). It makes no difference whether the strings stand in one record or in several,
 * nor in which order: name servers keep none. Keys count without letter case. URI_AMBIGUOUS: two different `provuri`.
 * URI_INVALID: an empty, too long or unreadable one. MACRO_INVALID: more than 64 keys.
 */
export function readTxtWords(records: readonly TxtRecord[]): TxtWords {
  const remarks: string[] = [];
  const values = new Map<string, Set<string>>();
  for (const pair of records.flatMap(joinFull).map(readPair)) {
    if (pair === undefined) continue;
    if ("remark" in pair) {
      remarks.push(pair.remark);
      continue;
    }
    values.set(pair.key, (values.get(pair.key) ?? new Set()).add(pair.value));
    if (values.size > MAX_KEYS) throw new ProvisionError("MACRO_INVALID", `more than ${MAX_KEYS} keys in TXT records`);
  }

  const uris = [...(values.get("provuri") ?? [])];
  if (uris.length > 1) {
    const said = uris.map((uri) => quoted(redactUri(uri))).join(" and ");
    throw new ProvisionError("URI_AMBIGUOUS", `TXT records say ${said}`);
  }
  const serial = onlyValue("serial", values, remarks);
  if (serial !== undefined && !/^\d{1,18}$/.test(serial)) remarks.push("serial is no number of up to 18 digits");

  const macros: [string, string][] = [];
  for (const key of values.keys()) {
    if (key === "provuri" || key === "serial") continue;
    const value = onlyValue(key, values, remarks);
    if (value !== undefined) macros.push([`txt_${key}`, value]);
  }
  return {
    uri: uris[0],
    serial: serial !== undefined && /^\d{1,18}$/.test(serial) ? String(BigInt(serial)) : undefined,
    macros: Object.fromEntries(macros),
    remarks,
  };
}

/**
 * A string holds 255 bytes. What is longer is cut by every tool that publishes it, so a string of exactly 255 bytes goes on
 * in the next of its record; all others are complete.
 */
function joinFull(record: TxtRecord): Uint8Array[] {
  const joined: Uint8Array[] = [];
  let goesOn = false;
  for (const one of record) {
    const before = goesOn ? joined.pop() : undefined;
    joined.push(before ? Buffer.concat([before, one]) : one);
    goesOn = one.length === FULL;
  }
  return joined;
}

type Pair = { readonly key: string; readonly value: string } | { readonly remark: string };

function readPair(bytes: Uint8Array): Pair | undefined {
  const equals = bytes.indexOf(0x3d);
  const key = Buffer.from(bytes.subarray(0, Math.max(equals, 0)))
    .toString("latin1")
    .toLowerCase();
  // Other people's strings (SPF, site verification) stand beside ours; they are none of our business.
  if (!/^[a-z0-9_]{1,32}$/.test(key)) return undefined;

  const value = plainText(bytes.subarray(equals + 1));
  if (key === "provuri") {
    if (value === undefined) throw new ProvisionError("URI_INVALID", "provuri holds control characters or is no UTF-8");
    if (value === "") throw new ProvisionError("URI_INVALID", "provuri is empty");
    if (bytes.length - equals - 1 > MAX_URI) {
      throw new ProvisionError("URI_INVALID", `provuri is longer than ${MAX_URI} bytes`);
    }
    return { key, value };
  }
  if (bytes.length - equals - 1 > MAX_VALUE) return { remark: `${key} is longer than ${MAX_VALUE} bytes` };
  return value === undefined ? { remark: `${key} holds control characters or is no UTF-8` } : { key, value };
}

/** A key with two values says nothing: which came first depends on the name server's mood. */
function onlyValue(key: string, values: ReadonlyMap<string, Set<string>>, remarks: string[]): string | undefined {
  const [value, ...others] = values.get(key) ?? [];
  if (others.length === 0) return value;
  remarks.push(`${key} has ${others.length + 1} different values`);
  return undefined;
}
