/** The names under which OpenSSL looks for an authority in a folder of certificates. */
import { createHash } from "node:crypto";

/**
 * Eight hex digits, as `openssl x509 -subject_hash` prints them: the first four bytes, the lowest first, of the SHA-1 of the subject in a canonical
 * form (OpenSSL crypto/x509/x_name.c, x509_name_canon). Undefined for a certificate that is built otherwise than RFC 5280 says.
 */
export function subjectHash(certificate: Uint8Array): string | undefined {
  const subject = subjectOf(certificate);
  const canonical = subject && canonicalName(subject);
  if (canonical === undefined) return undefined;
  const digest = createHash("sha1").update(canonical).digest();
  return digest.readUInt32LE(0).toString(16).padStart(8, "0");
}

interface Element {
  readonly tag: number;
  readonly value: Uint8Array;
  /** With its tag and length. */
  readonly whole: Uint8Array;
}

const SEQUENCE = 0x30;
const SET = 0x31;
const UTF8 = 0x0c;
const VERSION = 0xa0;

/** What stands sixth in a certificate's first part, the optional version left out of count. */
function subjectOf(certificate: Uint8Array): Uint8Array | undefined {
  const [outer] = elementsIn(certificate) ?? [];
  const [inner] = (outer && elementsIn(outer.value)) ?? [];
  const fields = inner && elementsIn(inner.value);
  const subject = fields?.filter(({ tag }) => tag !== VERSION)[4];
  return subject?.tag === SEQUENCE ? subject.value : undefined;
}

function canonicalName(name: Uint8Array): Uint8Array | undefined {
  const sets = elementsIn(name)?.map(({ tag, value }) => (tag === SET ? canonicalSet(value) : undefined));
  return sets === undefined || sets.includes(undefined)
    ? undefined
    : Buffer.concat(sets.filter((one) => one !== undefined));
}

function canonicalSet(set: Uint8Array): Uint8Array | undefined {
  const parts: Uint8Array[] = [];
  for (const { value } of elementsIn(set) ?? []) {
    const [type, text] = elementsIn(value) ?? [];
    if (type === undefined || text === undefined) return undefined;
    const told = textOf(text);
    const canonical = told === undefined ? text.whole : encode(UTF8, Buffer.from(canonicalText(told), "utf8"));
    parts.push(encode(SEQUENCE, Buffer.concat([type.whole, canonical])));
  }
  return encode(SET, Buffer.concat(parts.sort(Buffer.compare)));
}

/** No blanks at the ends, one between words, ASCII in small letters. */
function canonicalText(text: string): string {
  return text
    .replace(/^[\t-\r ]+|[\t-\r ]+$/g, "")
    .replace(/[\t-\r ]+/g, " ")
    .replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** The text of the kinds that are made canonical: UTF8, Printable, T61, IA5, Visible, Universal and BMP strings. */
function textOf({ tag, value }: Element): string | undefined {
  const bytes = Buffer.from(value);
  if (tag === UTF8) return bytes.toString("utf8");
  if (tag === 0x13 || tag === 0x14 || tag === 0x16 || tag === 0x1a) return bytes.toString("latin1");
  if (tag === 0x1e && bytes.length % 2 === 0) return Buffer.from(bytes).swap16().toString("utf16le");
  if (tag === 0x1c && bytes.length % 4 === 0) {
    return Array.from({ length: bytes.length / 4 }, (_, at) => bytes.readUInt32BE(at * 4))
      .map((code) => (code <= 0x10ffff ? String.fromCodePoint(code) : "\ufffd"))
      .join("");
  }
  return undefined;
}

/** DER elements one after the other; undefined if a length leads out. */
function elementsIn(bytes: Uint8Array): Element[] | undefined {
  const found: Element[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at] ?? 0;
    const first = bytes[at + 1];
    if (first === undefined) return undefined;
    const more = first < 0x80 ? 0 : first & 0x7f;
    if (more > 3) return undefined;
    let length = more === 0 ? first : 0;
    for (let index = 0; index < more; index++) length = length * 256 + (bytes[at + 2 + index] ?? 0);
    const start = at + 2 + more;
    if (start + length > bytes.length) return undefined;
    found.push({ tag, value: bytes.subarray(start, start + length), whole: bytes.subarray(at, start + length) });
    at = start + length;
  }
  return found;
}

function encode(tag: number, value: Uint8Array): Buffer {
  const { length } = value;
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), value]);
}
