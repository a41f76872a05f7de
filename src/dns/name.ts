import { ProvisionError } from "../errors.ts";

/** A domain name: its labels from the left, bytes as they are; the root is an empty list. */
export type DnsName = readonly Uint8Array[];

/** Bytes of a name on the wire, its final zero included (RFC 1035 §2.3.4). */
export const MAX_NAME = 255;
const MAX_LABEL = 63;
const DOT = 0x2e;
const BACKSLASH = 0x5c;

/**
 * A name from text as people and zone files write it: a dot at the end may stand or not, `\.` and `\DDD` escape
 * (RFC 1035 §5.1). Only printable ASCII: international names come in their `xn--` form. Anything else is `undefined`.
 */
export function parseName(text: string): DnsName | undefined {
  if (text === ".") return [];
  if (text === "" || text.length > 4 * MAX_NAME || !/^[\x21-\x7e]+$/.test(text)) return undefined;

  const tokens = text.match(/\\\d{3}|\\\D|[^\\]/g) ?? [];
  if (tokens.join("") !== text) return undefined;
  const labels: number[][] = [[]];
  for (const token of tokens) {
    if (token === ".") labels.push([]);
    else labels.at(-1)?.push(tokenByte(token));
  }
  if (labels.at(-1)?.length === 0) labels.pop();
  const name = labels.every(fits) ? labels.map((label) => Uint8Array.from(label)) : undefined;
  return name && wireLength(name) <= MAX_NAME ? name : undefined;
}

function tokenByte(token: string): number {
  return /^\\\d/.test(token) ? Number(token.slice(1)) : token.charCodeAt(token.length - 1);
}

function fits(label: readonly number[]): boolean {
  return label.length > 0 && label.length <= MAX_LABEL && label.every((byte) => byte <= 255);
}

/** Bytes of the name on the wire, uncompressed. */
export function wireLength(name: DnsName): number {
  return name.reduce((sum, label) => sum + label.length + 1, 1);
}

/** The name as text, without the dot at the end (the root is `.`); what is not plain is escaped, so that it can stand in a log. */
export function formatName(name: DnsName): string {
  return name.length === 0 ? "." : name.map(formatLabel).join(".");
}

function formatLabel(label: Uint8Array): string {
  return Array.from(label, (byte) => {
    if (byte === DOT || byte === BACKSLASH) return `\\${String.fromCharCode(byte)}`;
    if (byte > 0x20 && byte < 0x7f) return String.fromCharCode(byte);
    return `\\${String(byte).padStart(3, "0")}`;
  }).join("");
}

/** The name's bytes on the wire, uncompressed and in the case it has. */
export function nameToWire(name: DnsName): Uint8Array {
  const wire = new Uint8Array(wireLength(name));
  let at = 0;
  for (const label of name) {
    wire[at] = label.length;
    wire.set(label, at + 1);
    at += label.length + 1;
  }
  return wire;
}

/**
 * Reads a name at `start` of a message, following compression pointers (RFC 1035 §4.1.4). A pointer must lead to
 * before the piece it stands in, so that no chain of pointers can loop or grow. `end` is where reading goes on.
 * DNS_FAILED if it is malformed.
 */
export function readName(bytes: Uint8Array, start: number): { readonly name: DnsName; readonly end: number } {
  const labels: Uint8Array[] = [];
  let length = 1;
  let at = start;
  let piece = start;
  let end: number | undefined;
  for (;;) {
    const size = bytes[at];
    if (size === undefined) throw malformed("a name runs out of the message");
    if (size === 0) return { name: labels, end: end ?? at + 1 };
    if (size >= 0xc0) {
      const low = bytes[at + 1];
      if (low === undefined) throw malformed("a name runs out of the message");
      const target = ((size & 0x3f) << 8) | low;
      if (target >= piece) throw malformed("a compression pointer does not lead back");
      end ??= at + 2;
      piece = target;
      at = target;
      continue;
    }
    if (size > MAX_LABEL) throw malformed("a label of unknown kind");
    length += size + 1;
    if (length > MAX_NAME) throw malformed("a name longer than 255 bytes");
    if (at + 1 + size > bytes.length) throw malformed("a name runs out of the message");
    labels.push(bytes.slice(at + 1, at + 1 + size));
    at += size + 1;
  }
}

/** The error for bytes that are no DNS message. */
export function malformed(what: string): ProvisionError {
  return new ProvisionError("DNS_FAILED", `malformed DNS message: ${what}`);
}

/** The name with ASCII letters in lower case, as DNSSEC signs it (RFC 4034 §6.2) and as names compare. */
export function lowerName(name: DnsName): DnsName {
  return name.map((label) => label.map(lowerByte));
}

function lowerByte(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
}

/** Whether both are the same name; case does not count (RFC 4343). */
export function sameName(a: DnsName, b: DnsName): boolean {
  return a.length === b.length && a.every((label, i) => sameBytes(label.map(lowerByte), b[i]?.map(lowerByte)));
}

/** Whether both are the same name, letter case included. */
export function identicalName(a: DnsName, b: DnsName): boolean {
  return a.length === b.length && a.every((label, i) => sameBytes(label, b[i]));
}

function sameBytes(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Text that is equal for names that are equal, for sets and maps; not for people. */
export function nameKey(name: DnsName): string {
  return Array.from(nameToWire(lowerName(name)), (byte) => String.fromCharCode(byte)).join("");
}

/** Whether `name` is `ancestor` or lies below it. */
export function isWithin(name: DnsName, ancestor: DnsName): boolean {
  return name.length >= ancestor.length && sameName(name.slice(name.length - ancestor.length), ancestor);
}

/** Whether `name` lies below `ancestor`, and is not itself it. */
export function isBelow(name: DnsName, ancestor: DnsName): boolean {
  return name.length > ancestor.length && isWithin(name, ancestor);
}

/**
 * The same name with each letter's case chosen by a bit of `random` (32 bytes serve every name). A server repeats the
 * question exactly, so that whoever forges an answer must guess these bits too ("0x20": draft-vixie-dnsext-dns0x20).
 */
export function mixCase(name: DnsName, random: Uint8Array): DnsName {
  let bit = 0;
  return name.map((label) =>
    label.map((byte) => {
      const lower = lowerByte(byte);
      if (lower < 0x61 || lower > 0x7a) return byte;
      const upper = ((random[bit >> 3] ?? 0) >> (bit & 7)) & 1;
      bit++;
      return upper ? lower - 0x20 : lower;
    }),
  );
}
