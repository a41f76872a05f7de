import { createHash, createPublicKey, type JsonWebKeyInput, verify } from "node:crypto";
import type { ResourceRecord } from "../message.ts";
import { type DnsName, lowerName, nameToWire, readName } from "../name.ts";
import { CLASS_IN, TYPE } from "../types.ts";
import type { DnsKey, Ds, Rrsig } from "./records.ts";

const ZONE_KEY = 0x0100;
const REVOKED = 0x0080;
const STAR = Uint8Array.of(0x2a);
const LEAST_RSA_BITS = 1024;
const MOST_RSA_BITS = 4096;

interface Algorithm {
  readonly hash: "sha256" | "sha384" | "sha512" | null;
  publicKey(key: Uint8Array): JsonWebKeyInput["key"] | undefined;
}

/** What is believed (RFC 8624 §3.1): RSA with SHA-2, ECDSA, EdDSA; SHA-1 is not. */
const ALGORITHMS: ReadonlyMap<number, Algorithm> = new Map<number, Algorithm>([
  [8, { hash: "sha256", publicKey: rsaKey }],
  [10, { hash: "sha512", publicKey: rsaKey }],
  [13, { hash: "sha256", publicKey: (key) => curveKey("P-256", 32, key) }],
  [14, { hash: "sha384", publicKey: (key) => curveKey("P-384", 48, key) }],
  [15, { hash: null, publicKey: (key) => edwardsKey("Ed25519", 32, key) }],
  [16, { hash: null, publicKey: (key) => edwardsKey("Ed448", 57, key) }],
]);

const DIGESTS: ReadonlyMap<number, string> = new Map([
  [2, "sha256"],
  [4, "sha384"],
]);

/** Whether a DS speaks of an algorithm and digest we know; a zone whose DS records all do not counts as unsigned (RFC 4035 §5.2). */
export function isUsable(ds: Ds): boolean {
  return ALGORITHMS.has(ds.algorithm) && DIGESTS.has(ds.digestType);
}

/** Whether a key may sign a zone's records at all (RFC 4034 §2.1, RFC 5011 §2.1). */
export function maySign(key: DnsKey): boolean {
  return (key.flags & ZONE_KEY) !== 0 && (key.flags & REVOKED) === 0 && key.protocol === 3;
}

/** Whether the parent's DS, or an anchor, is of this key. */
export function isDigestOf(ds: Ds, zone: DnsName, key: DnsKey): boolean {
  const digest = DIGESTS.get(ds.digestType);
  if (digest === undefined || ds.tag !== key.tag || ds.algorithm !== key.algorithm) return false;
  const own = createHash(digest)
    .update(nameToWire(lowerName(zone)))
    .update(key.rdata)
    .digest();
  return own.equals(ds.digest);
}

/** Whether the signature over an RRset was made by this key. Dates, names and who may sign what are the caller's to check. */
export function isSignedBy(rrset: readonly ResourceRecord[], rrsig: Rrsig, key: DnsKey): boolean {
  const algorithm = ALGORITHMS.get(rrsig.algorithm);
  if (!algorithm || key.algorithm !== rrsig.algorithm || key.tag !== rrsig.tag || !maySign(key)) return false;
  const jwk = algorithm.publicKey(key.key);
  if (!jwk) return false;
  try {
    const publicKey = createPublicKey({ key: jwk, format: "jwk" });
    return verify(
      algorithm.hash,
      signedBytes(rrset, rrsig),
      { key: publicKey, dsaEncoding: "ieee-p1363" },
      rrsig.signature,
    );
  } catch {
    // OpenSSL refuses keys that are no point of the curve and the like: then nothing was signed by them.
    return false;
  }
}

/** RFC 4034 §3.1.8.1: the signature's own head, then the records in canonical form and order, each once. */
function signedBytes(rrset: readonly ResourceRecord[], rrsig: Rrsig): Uint8Array {
  const [first] = rrset;
  const owner = nameToWire(signedOwner(first?.name ?? [], rrsig.labels));
  const bodies = rrset.map((record) => Buffer.from(canonicalBody(record))).sort(Buffer.compare);
  const distinct = bodies.filter((body, i) => i === 0 || !body.equals(bodies[i - 1] ?? Buffer.of()));
  const head = Buffer.alloc(8);
  head.writeUInt16BE(rrsig.covered, 0);
  head.writeUInt16BE(CLASS_IN, 2);
  head.writeUInt32BE(rrsig.originalTtl, 4);
  return Buffer.concat([
    rrsig.signedHead,
    ...distinct.flatMap((body) => [owner, head, Buffer.of(body.length >> 8, body.length & 0xff), body]),
  ]);
}

/** An answer made from a wildcard was signed under the wildcard's name. */
function signedOwner(owner: DnsName, labels: number): DnsName {
  const lower = lowerName(owner);
  return labelCount(owner) > labels ? [STAR, ...lower.slice(lower.length - labels)] : lower;
}

/** Labels as RRSIG counts them: without the root, and without a wildcard's star. */
export function labelCount(name: DnsName): number {
  const [first] = name;
  return name.length - (first?.length === 1 && first[0] === 0x2a ? 1 : 0);
}

/** RFC 4034 §6.2 with RFC 6840 §5.1: names in the bodies of old types in lower case. */
function canonicalBody({ type, rdata }: ResourceRecord): Uint8Array {
  const names = type === TYPE.SOA ? 2 : type === TYPE.CNAME || type === TYPE.NS || type === TYPE.DNAME ? 1 : 0;
  const parts: Uint8Array[] = [];
  let at = 0;
  for (let i = 0; i < names; i++) {
    const { name, end } = readName(rdata, at);
    parts.push(nameToWire(lowerName(name)));
    at = end;
  }
  return Buffer.concat([...parts, rdata.subarray(at)]);
}

/** RFC 3110 §2: exponent after its length, then the modulus. */
function rsaKey(key: Uint8Array): JsonWebKeyInput["key"] | undefined {
  const isLong = key[0] === 0;
  const size = isLong ? ((key[1] ?? 0) << 8) | (key[2] ?? 0) : (key[0] ?? 0);
  const start = isLong ? 3 : 1;
  const exponent = key.subarray(start, start + size);
  const modulus = key.subarray(start + size);
  const bits = modulus.length * 8;
  // An exponent of kilobytes makes each check as dear as a signature.
  if (size === 0 || size > 8 || bits < LEAST_RSA_BITS || bits > MOST_RSA_BITS) return undefined;
  return { kty: "RSA", n: base64url(modulus), e: base64url(exponent) };
}

/** RFC 6605 §4: both coordinates. */
function curveKey(crv: string, size: number, key: Uint8Array): JsonWebKeyInput["key"] | undefined {
  if (key.length !== 2 * size) return undefined;
  return { kty: "EC", crv, x: base64url(key.subarray(0, size)), y: base64url(key.subarray(size)) };
}

/** RFC 8080 §3. */
function edwardsKey(crv: string, size: number, key: Uint8Array): JsonWebKeyInput["key"] | undefined {
  return key.length === size ? { kty: "OKP", crv, x: base64url(key) } : undefined;
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}
