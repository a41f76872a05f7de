/** ASN.1 values in DER (ITU-T X.690), as far as a certificate needs them. */

export const sequence = (...parts: readonly Uint8Array[]): Uint8Array => value(0x30, ...parts);
export const set = (...parts: readonly Uint8Array[]): Uint8Array => value(0x31, ...parts);
export const octetString = (bytes: Uint8Array): Uint8Array => value(0x04, bytes);
export const utf8 = (text: string): Uint8Array => value(0x0c, Buffer.from(text, "utf8"));
export const boolean = (isTrue: boolean): Uint8Array => value(0x01, Uint8Array.of(isTrue ? 0xff : 0));

/** A BIT STRING; `unused` bits at its end do not count (X.690 §8.6.2). */
export const bitString = (bytes: Uint8Array, unused = 0): Uint8Array => value(0x03, Uint8Array.of(unused), bytes);

/** An INTEGER from big-endian bytes that are taken as unsigned; a zero byte goes before a set top bit (§8.3). */
export function unsigned(bytes: Uint8Array): Uint8Array {
  const from = bytes.findIndex((byte) => byte !== 0);
  const digits = from < 0 ? Uint8Array.of(0) : bytes.subarray(from);
  return (digits[0] ?? 0) > 0x7f ? value(0x02, Uint8Array.of(0), digits) : value(0x02, digits);
}

/** A context-specific tag around constructed content, or in place of a primitive value's own. */
export function tagged(
  number: number,
  content: Uint8Array,
  kind: "constructed" | "primitive" = "constructed",
): Uint8Array {
  return value((kind === "constructed" ? 0xa0 : 0x80) | number, content);
}

/** An OBJECT IDENTIFIER from its dotted form: base 128, high bits on all but the last digit (§8.19). */
export function oid(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  return value(0x06, Uint8Array.from([first * 40 + second, ...rest].flatMap(base128)));
}

/** A moment to the second: UTCTime until 2049, GeneralizedTime from 2050 on (RFC 5280 §4.1.2.5). */
export function time(moment: Date): Uint8Array {
  const digits = moment.toISOString().replace(/[-:T]|\.\d+Z$/g, "");
  const year = moment.getUTCFullYear();
  const isShort = year >= 1950 && year < 2050;
  return value(isShort ? 0x17 : 0x18, Buffer.from(`${isShort ? digits.slice(2) : digits}Z`, "latin1"));
}

function base128(number: number): number[] {
  const digits = [number % 128];
  for (let rest = Math.floor(number / 128); rest > 0; rest = Math.floor(rest / 128))
    digits.unshift((rest % 128) | 0x80);
  return digits;
}

function value(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(parts);
  return Buffer.concat([Uint8Array.from([tag, ...lengthOf(content.length)]), content]);
}

/** The short form below 128, else the number of the bytes that follow and these (§8.1.3). */
function lengthOf(count: number): number[] {
  if (count < 0x80) return [count];
  const digits: number[] = [];
  for (let rest = count; rest > 0; rest = Math.floor(rest / 256)) digits.unshift(rest % 256);
  return [0x80 | digits.length, ...digits];
}
