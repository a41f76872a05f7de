import { createHash } from "node:crypto";
import { type DnsName, isWithin, lowerName, nameToWire, sameName } from "../name.ts";
import { TYPE } from "../types.ts";
import type { Nsec, Nsec3 } from "./records.ts";

/** Proofs of absence from one zone, their signatures checked already. */
export interface Denial {
  readonly zone: DnsName;
  readonly nsec: readonly Nsec[];
  readonly nsec3: readonly Nsec3[];
}

/**
 * What is proven about a name and type: the name is not there; it is and has no such type (and no alias); the type is DS and the name is an
 * unsigned delegation; or an unsigned delegation may be there (opt-out). `undefined`: nothing is proven.
 */
export type Absence = "no-name" | "no-data" | "unsigned" | "opt-out" | undefined;

/** Above it a zone only makes us work (RFC 9276 §3.2). */
const MAX_ITERATIONS = 100;
const STAR = Uint8Array.of(0x2a);

export function absence(denial: Denial, name: DnsName, type: number): Absence {
  return denial.nsec.length > 0 ? absenceByName(denial, name, type) : absenceByHash(denial, name, type);
}

/**
 * Whether it is proven that a wildcard below `encloser` may answer for `name`: nothing nearer exists (RFC 4035 §5.3.4, RFC 5155 §8.8), or nothing
 * but perhaps an unsigned delegation (opt-out). `undefined`: nothing is proven.
 */
export function wildcardProof(
  denial: Denial,
  name: DnsName,
  encloser: DnsName,
): "nothing-nearer" | "opt-out" | undefined {
  const cover = denial.nsec.find((one) => covers(one, name));
  if (cover) {
    const isNearest = !isAbove(cover, name) && closestEncloser(cover, name).length === encloser.length;
    return isNearest ? "nothing-nearer" : undefined;
  }
  const next = name.slice(name.length - encloser.length - 1);
  const hashed = hasher(denial);
  const covering = hashed && denial.nsec3.find((one) => coversHash(one, hashed(next)));
  if (!covering) return undefined;
  return covering.optOut ? "opt-out" : "nothing-nearer";
}

function absenceByName({ nsec }: Denial, name: DnsName, type: number): Absence {
  const own = nsec.find(({ owner }) => sameName(owner, name));
  if (own) return absenceAt(own.types, type);

  const cover = nsec.find((one) => covers(one, name));
  if (!cover || isAbove(cover, name)) return undefined;
  if (isWithin(cover.next, name)) return "no-data";

  const wildcard = [STAR, ...closestEncloser(cover, name)];
  const atWildcard = nsec.find(({ owner }) => sameName(owner, wildcard));
  if (atWildcard) return absenceAt(atWildcard.types, type);
  return nsec.some((one) => covers(one, wildcard)) ? "no-name" : undefined;
}

function absenceByHash(denial: Denial, name: DnsName, type: number): Absence {
  const hashed = hasher(denial);
  if (!hashed) return undefined;
  const at = (one: DnsName) => denial.nsec3.find(({ hash }) => sameBytes(hash, hashed(one)));
  const over = (one: DnsName) => denial.nsec3.find((candidate) => coversHash(candidate, hashed(one)));

  const own = at(name);
  if (own) return absenceAt(own.types, type);

  for (let next = name; next.length > denial.zone.length; next = next.slice(1)) {
    const encloser = next.slice(1);
    const matching = at(encloser);
    if (!matching) continue;
    if (isDelegation(matching.types) || matching.types.has(TYPE.DNAME)) return undefined;
    const covering = over(next);
    if (!covering) return undefined;
    if (covering.optOut) return "opt-out";
    const wildcard = [STAR, ...encloser];
    const atWildcard = at(wildcard);
    if (atWildcard) return absenceAt(atWildcard.types, type);
    return over(wildcard) ? "no-name" : undefined;
  }
  return undefined;
}

/** RFC 4035 §5.4, RFC 6840 §4.1 and §4.4: the parent's record of a delegation speaks of DS alone, the child's of all else. */
function absenceAt(types: ReadonlySet<number>, type: number): Absence {
  if (types.has(type) || types.has(TYPE.CNAME)) return undefined;
  if (type !== TYPE.DS) return isDelegation(types) ? undefined : "no-data";
  if (types.has(TYPE.SOA)) return undefined;
  return types.has(TYPE.NS) ? "unsigned" : "no-data";
}

/** Below a delegation or a DNAME the zone that has it says nothing about names (RFC 6840 §4.1). */
function isAbove({ owner, types }: Nsec, name: DnsName): boolean {
  return isWithin(name, owner) && (isDelegation(types) || types.has(TYPE.DNAME));
}

function isDelegation(types: ReadonlySet<number>): boolean {
  return types.has(TYPE.NS) && !types.has(TYPE.SOA);
}

/** Whether a name lies strictly between owner and next in canonical order; the last record leads back to the apex. */
function covers({ owner, next }: Nsec, name: DnsName): boolean {
  const afterOwner = compareNames(owner, name) < 0;
  const beforeNext = compareNames(name, next) < 0;
  return compareNames(owner, next) < 0 ? afterOwner && beforeNext : afterOwner || beforeNext;
}

/** The longest name that exists, by this record, above a name that does not. */
function closestEncloser({ owner, next }: Nsec, name: DnsName): DnsName {
  const common = Math.max(commonLabels(owner, name), commonLabels(next, name));
  return name.slice(name.length - common);
}

function commonLabels(a: DnsName, b: DnsName): number {
  let common = 0;
  while (common < Math.min(a.length, b.length) && sameName(a.slice(-common - 1), b.slice(-common - 1))) common++;
  return common;
}

/** RFC 4034 §6.1: from the right, label by label, as bytes in lower case. */
function compareNames(a: DnsName, b: DnsName): number {
  const [left, right] = [lowerName(a).toReversed(), lowerName(b).toReversed()];
  for (const [i, label] of left.entries()) {
    const other = right[i];
    if (other === undefined) return 1;
    const order = Buffer.compare(label, other);
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

function coversHash({ hash, next }: Nsec3, hashed: Uint8Array): boolean {
  const afterOwner = Buffer.compare(hash, hashed) < 0;
  const beforeNext = Buffer.compare(hashed, next) < 0;
  return Buffer.compare(hash, next) < 0 ? afterOwner && beforeNext : afterOwner || beforeNext;
}

/** The zone's way of hashing names (RFC 5155 §5), remembered; undefined if its records disagree or ask for too much work. */
function hasher({ nsec3 }: Denial): ((name: DnsName) => Uint8Array) | undefined {
  const [first] = nsec3;
  if (first?.algorithm !== 1 || first.iterations > MAX_ITERATIONS) return undefined;
  const agree = nsec3.every(({ algorithm, iterations, salt }) => {
    return algorithm === 1 && iterations === first.iterations && sameBytes(salt, first.salt);
  });
  if (!agree) return undefined;
  return (name) => {
    let hash: Uint8Array = nameToWire(lowerName(name));
    for (let i = 0; i <= first.iterations; i++) hash = createHash("sha1").update(hash).update(first.salt).digest();
    return hash;
  };
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
