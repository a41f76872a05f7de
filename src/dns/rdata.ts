import { type DnsName, isBelow, MAX_NAME, malformed, nameToWire, readName, wireLength } from "./name.ts";
import { TYPE } from "./types.ts";

/**
 * A record's body, from `start` up to `end` of a message, as bytes that stand on their own: names in the types that
 * may compress them (RFC 3597 §4) are written out. Types that are read later are checked here, so that a
 * malformed answer is known as such before it counts as one. DNS_FAILED if it is malformed.
 */
export function checkRdata(type: number, bytes: Uint8Array, start: number, end: number): Uint8Array {
  const size = end - start;
  switch (type) {
    case TYPE.A:
      return fixed(size, 4, bytes.slice(start, end));
    case TYPE.AAAA:
      return fixed(size, 16, bytes.slice(start, end));
    case TYPE.NS:
    case TYPE.CNAME:
    case TYPE.PTR:
    case TYPE.DNAME:
      return uncompressed(bytes, start, end, { before: 0, names: 1, after: 0 });
    case TYPE.MX:
      return uncompressed(bytes, start, end, { before: 2, names: 1, after: 0 });
    case TYPE.SOA:
      return uncompressed(bytes, start, end, { before: 0, names: 2, after: 20 });
    case TYPE.TXT: {
      const rdata = bytes.slice(start, end);
      readTxt(rdata);
      return rdata;
    }
    default:
      return bytes.slice(start, end);
  }
}

function fixed(size: number, wanted: number, rdata: Uint8Array): Uint8Array {
  if (size !== wanted) throw malformed("an address of odd length");
  return rdata;
}

function uncompressed(
  bytes: Uint8Array,
  start: number,
  end: number,
  shape: { before: number; names: number; after: number },
): Uint8Array {
  if (start + shape.before > end) throw malformed("a record's body is cut");
  const parts: Uint8Array[] = [bytes.slice(start, start + shape.before)];
  let at = start + shape.before;
  for (let i = 0; i < shape.names; i++) {
    const read = readName(bytes, at);
    parts.push(nameToWire(read.name));
    at = read.end;
  }
  if (at + shape.after !== end) throw malformed("a record's body has another length than it says");
  parts.push(bytes.slice(at, end));
  return Uint8Array.from(parts.flatMap((part) => Array.from(part)));
}

/** The character strings of a TXT record's body (RFC 1035 §3.3.14). DNS_FAILED if they do not fill it exactly. */
export function readTxt(rdata: Uint8Array): Uint8Array[] {
  const strings: Uint8Array[] = [];
  let at = 0;
  while (at < rdata.length) {
    const end = at + 1 + (rdata[at] ?? 0);
    if (end > rdata.length) throw malformed("a TXT string runs out of its record");
    strings.push(rdata.slice(at + 1, end));
    at = end;
  }
  return strings;
}

/** The name that a CNAME, NS, PTR or DNAME record's body is. */
export function readTarget(rdata: Uint8Array): DnsName {
  return readName(rdata, 0).name;
}

/**
 * Where a DNAME at `owner` sends a name below it (RFC 6672 §2.2): its labels below the owner, then the target. `undefined` if it does not lie below.
 * DNS_FAILED if that is no name any more, being too long.
 */
export function redirectedName(name: DnsName, owner: DnsName, rdata: Uint8Array): DnsName | undefined {
  if (!isBelow(name, owner)) return undefined;
  const target = [...name.slice(0, name.length - owner.length), ...readTarget(rdata)];
  if (wireLength(target) > MAX_NAME) throw malformed("a DNAME makes a name longer than 255 bytes");
  return target;
}

/** A server's key as a zone publishes it (RFC 6698 §2.1). */
export interface Tlsa {
  /** 3: this certificate or key itself, whoever signed it (DANE-EE); 0 to 2 are of CAs. */
  readonly usage: number;
  /** 0: the whole certificate; 1: its public key. */
  readonly selector: number;
  /** 0: the bytes themselves; 1: their SHA-256; 2: their SHA-512. */
  readonly matching: number;
  readonly content: Uint8Array;
}

/** Undefined if it is shorter than its three numbers. */
export function readTlsa(rdata: Uint8Array): Tlsa | undefined {
  const [usage, selector, matching] = rdata;
  if (usage === undefined || selector === undefined || matching === undefined) return undefined;
  return { usage, selector, matching, content: rdata.slice(3) };
}
