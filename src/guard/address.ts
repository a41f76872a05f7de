/** Addresses and networks as logs and settings name them: one spelling each, IPv4 inside IPv6 taken out, and who is in which network. */

/** An address in its only form: IPv4 dotted, IPv6 as RFC 5952 §4 writes it; an IPv4-mapped one (RFC 4291 §2.5.5.2) is its IPv4. */
export interface Address {
  readonly family: 4 | 6;
  readonly text: string;
  /** In network order, 4 or 16. */
  readonly bytes: Uint8Array;
}

export interface Network {
  readonly address: Address;
  /** Leading bits that count. */
  readonly bits: number;
}

/** INET6_ADDRSTRLEN less its NUL. */
const LONGEST = 45;

/** An address without zone, port or brackets; undefined for any other text. Never throws. */
export function parseAddress(text: string): Address | undefined {
  if (text.length > LONGEST) return undefined;
  const bytes = text.includes(":") ? sixteenBytes(text) : fourBytes(text);
  return bytes && addressOf(bytes);
}

/** ADDRESS, or ADDRESS/BITS; undefined for any other text. Bits after the prefix are of no account. */
export function parseNetwork(text: string): Network | undefined {
  const [host = "", bits, ...more] = text.split("/");
  const bytes = host.includes(":") ? sixteenBytes(host) : fourBytes(host);
  if (host.length > LONGEST || more.length > 0 || bytes === undefined) return undefined;
  const most = bytes.length * 8;
  if (bits !== undefined && !/^(?:0|[1-9][0-9]{0,2})$/.test(bits)) return undefined;
  const length = bits === undefined ? most : Number(bits);
  if (length > most) return undefined;
  const address = addressOf(bytes);
  // A network of mapped addresses is one of IPv4, unless it is wider than all of these.
  if (address.family === 4 && bytes.length === 16) {
    return length >= 96 ? { address, bits: length - 96 } : { address: plainSixteen(bytes), bits: length };
  }
  return { address, bits: length };
}

export function isIn(address: Address, network: Network): boolean {
  if (address.family !== network.address.family) return false;
  const whole = network.bits >> 3;
  for (let at = 0; at < whole; at++) if (address.bytes[at] !== network.address.bytes[at]) return false;
  const rest = network.bits & 7;
  if (rest === 0) return true;
  return ((address.bytes[whole] ?? 0) ^ (network.address.bytes[whole] ?? 0)) >> (8 - rest) === 0;
}

function addressOf(bytes: Uint8Array): Address {
  if (bytes.length === 4) return { family: 4, text: bytes.join("."), bytes };
  return isMapped(bytes) ? addressOf(bytes.slice(12)) : plainSixteen(bytes);
}

function plainSixteen(bytes: Uint8Array): Address {
  return { family: 6, text: textOfSixteen(bytes), bytes };
}

function isMapped(bytes: Uint8Array): boolean {
  return bytes[10] === 0xff && bytes[11] === 0xff && bytes.subarray(0, 10).every((one) => one === 0);
}

/** Four decimal numbers without leading zeros, which some programs read as octal. */
function fourBytes(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  const isDotted = parts.length === 4 && parts.every((part) => /^(?:0|[1-9][0-9]{0,2})$/.test(part));
  return isDotted && parts.every((part) => Number(part) < 256) ? Uint8Array.from(parts, Number) : undefined;
}

function sixteenBytes(text: string): Uint8Array | undefined {
  const [head = "", tail, ...more] = text.split("::");
  if (more.length > 0) return undefined;
  const before = groups(head, tail === undefined);
  const after = tail === undefined ? [] : groups(tail, true);
  if (before === undefined || after === undefined) return undefined;
  const missing = 16 - before.length - after.length;
  if (tail === undefined ? missing !== 0 : missing < 2) return undefined;
  return Uint8Array.from([...before, ...new Array<number>(missing).fill(0), ...after]);
}

/** Bytes of groups of hex digits; the last may be a dotted IPv4 where an address may end. */
function groups(text: string, mayEndDotted: boolean): number[] | undefined {
  if (text === "") return [];
  const parts = text.split(":");
  const bytes: number[] = [];
  for (const [at, part] of parts.entries()) {
    if (/^[0-9A-Fa-f]{1,4}$/.test(part)) {
      const value = Number.parseInt(part, 16);
      bytes.push(value >> 8, value & 0xff);
      continue;
    }
    const dotted = mayEndDotted && at === parts.length - 1 ? fourBytes(part) : undefined;
    if (dotted === undefined) return undefined;
    bytes.push(...dotted);
  }
  return bytes;
}

/** The longest run of two or more zero groups is `::`, the first of equal ones. */
function textOfSixteen(bytes: Uint8Array): string {
  const words = Array.from({ length: 8 }, (_, at) => ((bytes[at * 2] ?? 0) << 8) | (bytes[at * 2 + 1] ?? 0));
  let start = 0;
  let length = 0;
  for (let at = 0; at < 8; ) {
    let end = at;
    while (words[end] === 0) end++;
    if (end - at > length) [start, length] = [at, end - at];
    at = end + 1;
  }
  const hex = (some: readonly number[]): string => some.map((word) => word.toString(16)).join(":");
  return length < 2 ? hex(words) : `${hex(words.slice(0, start))}::${hex(words.slice(start + length))}`;
}
