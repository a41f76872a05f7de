import { type DnsName, lowerName, malformed, nameToWire, readName } from "../name.ts";

/** A zone's public key (RFC 4034 §2). */
export interface DnsKey {
  readonly flags: number;
  readonly protocol: number;
  readonly algorithm: number;
  readonly key: Uint8Array;
  readonly tag: number;
  readonly rdata: Uint8Array;
}

/** The parent's word on a zone's key (RFC 4034 §5), or a trust anchor in the same form. */
export interface Ds {
  readonly tag: number;
  readonly algorithm: number;
  readonly digestType: number;
  readonly digest: Uint8Array;
}

/** A signature over one RRset (RFC 4034 §3); times are seconds since 1970 modulo 2^32. */
export interface Rrsig {
  readonly covered: number;
  readonly algorithm: number;
  readonly labels: number;
  readonly originalTtl: number;
  readonly expiration: number;
  readonly inception: number;
  readonly tag: number;
  readonly signer: DnsName;
  readonly signature: Uint8Array;
  /** Its own part of what is signed: all but the signature, signer in lower case. */
  readonly signedHead: Uint8Array;
}

/** No name exists between an owner and `next`, and the owner has these types (RFC 4034 §4). */
export interface Nsec {
  readonly owner: DnsName;
  readonly next: DnsName;
  readonly types: ReadonlySet<number>;
}

/** The same with hashes of names (RFC 5155 §3). */
export interface Nsec3 {
  readonly hash: Uint8Array;
  readonly next: Uint8Array;
  readonly algorithm: number;
  readonly optOut: boolean;
  readonly iterations: number;
  readonly salt: Uint8Array;
  readonly types: ReadonlySet<number>;
}

export function readDnsKey(rdata: Uint8Array): DnsKey {
  const view = viewOf(rdata, 5);
  return {
    flags: view.getUint16(0),
    protocol: view.getUint8(2),
    algorithm: view.getUint8(3),
    key: rdata.slice(4),
    tag: keyTag(rdata),
    rdata,
  };
}

/** RFC 4034 appendix B. */
function keyTag(rdata: Uint8Array): number {
  let sum = 0;
  rdata.forEach((byte, i) => {
    sum += i & 1 ? byte : byte << 8;
  });
  return (sum + (sum >>> 16)) & 0xffff;
}

export function readDs(rdata: Uint8Array): Ds {
  const view = viewOf(rdata, 5);
  return {
    tag: view.getUint16(0),
    algorithm: view.getUint8(2),
    digestType: view.getUint8(3),
    digest: rdata.slice(4),
  };
}

export function readRrsig(rdata: Uint8Array): Rrsig {
  const view = viewOf(rdata, 19);
  const { name: signer, end } = readName(rdata, 18);
  const signedHead = new Uint8Array(end);
  signedHead.set(rdata.subarray(0, 18));
  signedHead.set(nameToWire(lowerName(signer)).subarray(0, end - 18), 18);
  return {
    covered: view.getUint16(0),
    algorithm: view.getUint8(2),
    labels: view.getUint8(3),
    originalTtl: view.getUint32(4),
    expiration: view.getUint32(8),
    inception: view.getUint32(12),
    tag: view.getUint16(16),
    signer,
    signature: rdata.slice(end),
    signedHead,
  };
}

export function readNsec(owner: DnsName, rdata: Uint8Array): Nsec {
  const { name: next, end } = readName(rdata, 0);
  return { owner, next, types: readTypes(rdata.subarray(end)) };
}

export function readNsec3(owner: DnsName, rdata: Uint8Array): Nsec3 {
  const view = viewOf(rdata, 6);
  const saltEnd = 5 + view.getUint8(4);
  const nextEnd = saltEnd + 1 + (rdata[saltEnd] ?? 0);
  if (nextEnd > rdata.length) throw malformed("an NSEC3 record is cut");
  return {
    hash: fromBase32Hex(owner[0] ?? new Uint8Array()),
    next: rdata.slice(saltEnd + 1, nextEnd),
    algorithm: view.getUint8(0),
    optOut: (view.getUint8(1) & 1) === 1,
    iterations: view.getUint16(2),
    salt: rdata.slice(5, saltEnd),
    types: readTypes(rdata.subarray(nextEnd)),
  };
}

/** A bitmap of types in windows (RFC 4034 §4.1.2). */
function readTypes(bytes: Uint8Array): ReadonlySet<number> {
  const types = new Set<number>();
  let at = 0;
  while (at < bytes.length) {
    const window = bytes[at] ?? 0;
    const size = bytes[at + 1] ?? 0;
    if (size < 1 || size > 32 || at + 2 + size > bytes.length) throw malformed("a type bitmap is cut");
    bytes.subarray(at + 2, at + 2 + size).forEach((byte, i) => {
      for (let bit = 0; bit < 8; bit++) if (byte & (0x80 >> bit)) types.add((window << 8) | (i * 8 + bit));
    });
    at += 2 + size;
  }
  return types;
}

/** RFC 4648 §7, without padding and letter case, as NSEC3 owners are written. */
function fromBase32Hex(text: Uint8Array): Uint8Array {
  const bytes: number[] = [];
  let bits = 0;
  let held = 0;
  for (const code of text) {
    const digit = Number.parseInt(String.fromCharCode(code), 32);
    if (Number.isNaN(digit)) throw malformed("an NSEC3 owner is no hash");
    held = ((held << 5) | digit) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((held >> bits) & 0xff);
  }
  return Uint8Array.from(bytes);
}

function viewOf(rdata: Uint8Array, least: number): DataView {
  if (rdata.length < least) throw malformed("a DNSSEC record is cut");
  return new DataView(rdata.buffer, rdata.byteOffset, rdata.byteLength);
}
