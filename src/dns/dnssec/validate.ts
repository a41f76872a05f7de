import { ProvisionError } from "../../errors.ts";
import type { Message, Question, ResourceRecord } from "../message.ts";
import { type DnsName, formatName, isBelow, isWithin, lowerName, nameKey, sameName } from "../name.ts";
import { readTarget, redirectedName } from "../rdata.ts";
import { CLASS_IN, TYPE } from "../types.ts";
import { type Anchor, nearestAnchors } from "./anchors.ts";
import { absence, type Denial, wildcardProof } from "./denial.ts";
import { type DnsKey, type Ds, type Rrsig, readDnsKey, readDs, readNsec, readNsec3, readRrsig } from "./records.ts";
import { isDigestOf, isSignedBy, isUsable, labelCount } from "./signature.ts";

/** Bounds on what a hostile zone can make us do (CVE-2023-50387, "KeyTrap"). */
const MAX_QUERIES = 48;
const MAX_VERIFICATIONS = 64;
const MAX_KEYS = 16;
const MAX_SIGNATURES = 8;
const MAX_ALIASES = 8;

/** What a chain is made of never comes from a wildcard; a DNAME there would mean another thing to each server (RFC 6672 §3.3). */
const NEVER_WILD: ReadonlySet<number> = new Set([TYPE.DS, TYPE.DNSKEY, TYPE.NSEC, TYPE.NSEC3, TYPE.DNAME]);

/** What was proven; `insecure` is proven, too: a zone above the name is signed and says that the one below is not. */
export type Proven =
  | {
      readonly kind: "records";
      readonly name: DnsName;
      readonly records: readonly ResourceRecord[];
      readonly ttl: number;
    }
  | { readonly kind: "no-name" | "no-data"; readonly name: DnsName }
  /** `name`: where the aliases that are proven led to. */
  | { readonly kind: "insecure"; readonly name: DnsName; readonly why: string };

export interface ValidateHow {
  /** Asks any recursive server, untrusted, with DO and CD. */
  readonly ask: (question: Question) => Promise<Message>;
  readonly anchors: readonly Anchor[];
  /** Seconds since 1970. */
  readonly now: number;
}

/**
 * Records of one type, proven from the nearest trust anchor down (RFC 4035 §5), over aliases, with absence proven by NSEC or NSEC3.
 * DNSSEC_BOGUS: something that should prove itself does not. CLOCK_WRONG: the signatures begin in the future. Errors of `ask` pass through.
 */
export function validate(question: Question, how: ValidateHow): Promise<Proven> {
  return validator(how)(question);
}

/** The same for several questions, which share what was asked and proven, and the bounds on both. */
export function validator(how: ValidateHow): (question: Question) => Promise<Proven> {
  const validation = new Validation(how);
  return async (question) => {
    try {
      return await validation.prove(question);
    } catch (thrown) {
      // What cannot be read proves nothing; the cause says where it broke.
      if (thrown instanceof ProvisionError && thrown.message.startsWith("malformed")) {
        throw bogus("an answer is malformed", thrown);
      }
      throw thrown;
    }
  };
}

/** Thrown where a signed zone proves that the one below is not signed. */
class Unsigned extends Error {}

function bogus(message: string, cause?: unknown): ProvisionError {
  return new ProvisionError("DNSSEC_BOGUS", message, cause === undefined ? {} : { cause });
}

interface Rrset {
  readonly owner: DnsName;
  readonly type: number;
  readonly records: readonly ResourceRecord[];
  readonly signatures: readonly Rrsig[];
}

class Validation {
  readonly #how: ValidateHow;
  readonly #answers = new Map<string, Promise<Message>>();
  readonly #keys = new Map<string, Promise<readonly DnsKey[]>>();
  #verifications = 0;

  constructor(how: ValidateHow) {
    this.#how = how;
  }

  async prove({ name: asked, type }: Question): Promise<Proven> {
    let name = asked;
    let ttl = Number.POSITIVE_INFINITY;
    try {
      let message = await this.#ask(name, type);
      for (let aliases = 0; aliases <= MAX_ALIASES; aliases++) {
        const found = rrsetAt(message.answers, name, type);
        if (found) {
          ttl = Math.min(ttl, await this.#verifyAnswer(found, message));
          return { kind: "records", name, records: found.records, ttl };
        }
        const alias = await this.#aliasOf(name, message);
        if (!alias) return { kind: await this.#proveAbsence(message, name, type), name };
        ttl = Math.min(ttl, alias.ttl);
        name = alias.target;
        const isThere = message.answers.some((record) => sameName(record.name, name));
        if (!isThere) message = await this.#ask(name, type);
      }
    } catch (thrown) {
      if (thrown instanceof Unsigned) return { kind: "insecure", name, why: thrown.message };
      throw thrown;
    }
    throw bogus(`more than ${MAX_ALIASES} aliases from ${formatName(asked)}`);
  }

  /**
   * Where a name leads by its CNAME, or by a DNAME above it (RFC 6672 §5.3): then the CNAME beside it is the server's own making and unsigned, the
   * DNAME is what must prove itself, and the two must say the same.
   */
  async #aliasOf(name: DnsName, message: Message): Promise<{ target: DnsName; ttl: number } | undefined> {
    const cname = rrsetAt(message.answers, name, TYPE.CNAME);
    const dname = cname?.signatures.length ? undefined : dnameAbove(message.answers, name);
    const alias = dname ?? cname;
    if (!alias) return undefined;
    const ttl = await this.#verifyAnswer(alias, message);
    const [first, ...others] = alias.records;
    if (!first || others.length > 0) throw bogus(`${formatName(alias.owner)} has several aliases`);
    const target = dname ? redirectedName(name, dname.owner, first.rdata) : readTarget(first.rdata);
    if (!target || !(cname?.records ?? []).every((record) => sameName(readTarget(record.rdata), target)))
      throw bogus(`the CNAME of ${formatName(name)} is not what the DNAME above it says`);
    return { target, ttl };
  }

  /** Verifies an RRset of the answer section, and what a wildcard needs besides; its time to live in seconds. */
  async #verifyAnswer(rrset: Rrset, message: Message): Promise<number> {
    if (rrset.signatures.length === 0) return this.#explainUnsigned(rrset.owner);
    const signature = await this.#verify(rrset);
    const nearer = labelCount(rrset.owner) - signature.labels;
    if (nearer > 0) {
      const denial = await this.#denial(message, rrset.owner);
      const encloser = rrset.owner.slice(rrset.owner.length - signature.labels);
      const isOwnWord = denial && sameName(denial.zone, signature.signer);
      const proof = isOwnWord ? wildcardProof(denial, rrset.owner, encloser) : undefined;
      const owner = formatName(rrset.owner);
      if (proof === "opt-out")
        throw new Unsigned(`${formatName(signature.signer)} does not speak for what may lie at ${owner}`);
      if (!proof) throw bogus(`${owner} comes from a wildcard, and nothing proves that it may`);
    }
    return Math.min(signature.originalTtl, ...rrset.records.map((record) => record.ttl));
  }

  async #proveAbsence(message: Message, name: DnsName, type: number): Promise<"no-name" | "no-data"> {
    const denial = await this.#denial(message, name);
    if (!denial) return this.#explainUnsigned(name);
    const proven = absence(denial, name, type);
    if (proven === "opt-out")
      throw new Unsigned(`${formatName(denial.zone)} does not speak for what may lie at ${formatName(name)}`);
    if (proven !== "no-name" && proven !== "no-data")
      throw bogus(`nothing proves that ${formatName(name)} has no such record`);
    return proven;
  }

  /**
   * Something came without signature: that is fine only below a delegation that a signed zone proves to be unsigned. Looks for it from the anchor
   * down; otherwise somebody took the signatures away.
   */
  async #explainUnsigned(name: DnsName): Promise<never> {
    const top = this.#anchorsOf(name)[0]?.zone ?? [];
    for (let labels = top.length + 1; labels <= name.length; labels++) {
      await this.#dsOf(name.slice(name.length - labels));
    }
    throw bogus(`${formatName(name)} lies in a signed zone, and the answer is not signed`);
  }

  /** The zone's keys, proven by its anchor or by its parent's DS. */
  #keysOf(zone: DnsName): Promise<readonly DnsKey[]> {
    const key = nameKey(zone);
    const known = this.#keys.get(key) ?? this.#proveKeys(zone);
    this.#keys.set(key, known);
    return known;
  }

  async #proveKeys(zone: DnsName): Promise<readonly DnsKey[]> {
    const anchors = this.#anchorsOf(zone);
    const isAnchor = anchors.some((anchor) => sameName(anchor.zone, zone));
    const trusted = isAnchor ? anchors.map(({ ds }) => ds) : await this.#dsOf(zone);
    if (!trusted) throw bogus(`${formatName(zone)} signs, and is no zone by its parent's word`);
    if (!trusted.some(isUsable))
      throw new Unsigned(`${formatName(zone)} is signed by algorithms that are not known here`);

    const message = await this.#ask(zone, TYPE.DNSKEY);
    const rrset = rrsetAt(message.answers, zone, TYPE.DNSKEY);
    if (!rrset) throw bogus(`${formatName(zone)} should have keys, and none came`);
    const keys = rrset.records.map(({ rdata }) => readDnsKey(rdata));
    if (keys.length > MAX_KEYS) throw bogus(`${formatName(zone)} has more than ${MAX_KEYS} keys`);
    const entries = keys.filter((key) => trusted.some((ds) => isUsable(ds) && isDigestOf(ds, zone, key)));
    if (entries.length === 0) throw bogus(`no key of ${formatName(zone)} is the one its parent or the anchor names`);
    this.#verifyWith(rrset, zone, entries);
    return keys;
  }

  /** The parent's DS records of a zone; undefined if it is proven to be no zone of its own; throws Unsigned if it is proven to have none. */
  async #dsOf(zone: DnsName): Promise<readonly Ds[] | undefined> {
    const message = await this.#ask(zone, TYPE.DS);
    const rrset = rrsetAt(message.answers, zone, TYPE.DS);
    if (rrset) {
      if (rrset.signatures.length === 0) return this.#explainUnsigned(zone.slice(1));
      await this.#verify(rrset);
      const all = rrset.records.map(({ rdata }) => readDs(rdata));
      if (!all.some(isUsable))
        throw new Unsigned(`${formatName(zone)} is signed by algorithms that are not known here`);
      return all;
    }
    const alias = dnameAbove(message.answers, zone) ?? rrsetAt(message.answers, zone, TYPE.CNAME);
    if (alias) {
      if (alias.signatures.length === 0) return this.#explainUnsigned(zone.slice(1));
      await this.#verify(alias);
      return undefined;
    }
    const denial = await this.#denial(message, zone, zone.length - 1);
    const proven = denial && absence(denial, zone, TYPE.DS);
    if (proven === "unsigned" || proven === "opt-out")
      throw new Unsigned(`${formatName(zone)} is delegated without a DS: unsigned`);
    if (proven === undefined) throw bogus(`nothing proves that ${formatName(zone)} has no DS`);
    return undefined;
  }

  /** NSEC and NSEC3 of the authority section, verified; all of one zone at or above the name, `most` labels long at most. */
  async #denial(message: Message, name: DnsName, most = name.length): Promise<Denial | undefined> {
    const proofs = rrsets(message.authority).filter(({ type }) => type === TYPE.NSEC || type === TYPE.NSEC3);
    const zone = proofs[0]?.signatures[0]?.signer;
    if (!zone) return undefined;
    if (!isWithin(name, zone) || zone.length > most)
      throw bogus(`${formatName(zone)} cannot say what is not at ${formatName(name)}`);
    for (const proof of proofs) {
      const signature = await this.#verify(proof);
      if (!sameName(signature.signer, zone)) throw bogus("proofs of absence come from two zones");
    }
    const bodies = (wanted: number) => proofs.filter(({ type }) => type === wanted).flatMap(({ records }) => records);
    return {
      zone,
      nsec: bodies(TYPE.NSEC).map(({ name: owner, rdata }) => readNsec(owner, rdata)),
      nsec3: bodies(TYPE.NSEC3).map(({ name: owner, rdata }) => readNsec3(owner, rdata)),
    };
  }

  /** Verifies an RRset with the keys of whoever signed it; the signature that holds. */
  async #verify(rrset: Rrset): Promise<Rrsig> {
    const zone = rrset.signatures[0]?.signer;
    if (!zone) throw bogus(`${formatName(rrset.owner)} (type ${rrset.type}) is not signed`);
    // A DS is its parent's word; signed by the zone itself it would prove whatever the zone likes.
    const most = rrset.type === TYPE.DS ? rrset.owner.length - 1 : rrset.owner.length;
    const top = this.#anchorsOf(rrset.owner)[0]?.zone ?? [];
    if (!isWithin(rrset.owner, zone) || !isWithin(zone, top) || zone.length > most)
      throw bogus(`${formatName(zone)} cannot sign for ${formatName(rrset.owner)}`);
    return this.#verifyWith(rrset, zone, await this.#keysOf(zone));
  }

  #verifyWith(rrset: Rrset, zone: DnsName, keys: readonly DnsKey[]): Rrsig {
    let early: Rrsig | undefined;
    let late: Rrsig | undefined;
    for (const signature of rrset.signatures.slice(0, MAX_SIGNATURES)) {
      const nearer = labelCount(rrset.owner) - signature.labels;
      if (!sameName(signature.signer, zone) || nearer < 0 || (nearer > 0 && NEVER_WILD.has(rrset.type))) continue;
      if (isBefore(this.#how.now, signature.inception)) early ??= signature;
      else if (isBefore(signature.expiration, this.#how.now)) late ??= signature;
      else if (keys.some((key) => this.#isSigned(rrset, signature, key))) return signature;
    }
    const what = `${formatName(rrset.owner)} (type ${rrset.type})`;
    if (early) throw new ProvisionError("CLOCK_WRONG", `the signature of ${what} begins ${when(early.inception)}`);
    if (late) throw bogus(`the signature of ${what} ended ${when(late.expiration)}`);
    throw bogus(`no signature of ${what} holds`);
  }

  #isSigned(rrset: Rrset, signature: Rrsig, key: DnsKey): boolean {
    if (key.tag !== signature.tag || key.algorithm !== signature.algorithm) return false;
    if (++this.#verifications > MAX_VERIFICATIONS)
      throw bogus("the zones ask for more signature checks than anybody needs");
    return isSignedBy(rrset.records, signature, key);
  }

  #anchorsOf(name: DnsName): readonly Anchor[] {
    const anchors = nearestAnchors(this.#how.anchors, name);
    if (anchors.length === 0) throw new Unsigned(`no trust anchor is above ${formatName(name)}`);
    return anchors;
  }

  #ask(name: DnsName, type: number): Promise<Message> {
    const key = `${type} ${nameKey(name)}`;
    const known = this.#answers.get(key);
    if (known) return known;
    if (this.#answers.size >= MAX_QUERIES) throw bogus(`more than ${MAX_QUERIES} questions are needed`);
    const answer = this.#how.ask({ name: lowerName(name), type });
    this.#answers.set(key, answer);
    return answer;
  }
}

function rrsetAt(records: readonly ResourceRecord[], owner: DnsName, type: number): Rrset | undefined {
  return rrsets(records.filter((record) => sameName(record.name, owner))).find((rrset) => rrset.type === type);
}

/** The uppermost DNAME above a name: nothing exists below it, no other DNAME either. */
function dnameAbove(records: readonly ResourceRecord[], name: DnsName): Rrset | undefined {
  return rrsets(records.filter((record) => isBelow(name, record.name)))
    .filter(({ type }) => type === TYPE.DNAME)
    .toSorted((a, b) => a.owner.length - b.owner.length)[0];
}

/** Records by owner and type, each with the signatures that cover it. */
function rrsets(records: readonly ResourceRecord[]): Rrset[] {
  const sets = new Map<string, { owner: DnsName; type: number; records: ResourceRecord[]; signatures: Rrsig[] }>();
  const at = (owner: DnsName, type: number) => {
    const key = `${type} ${nameKey(owner)}`;
    const set = sets.get(key) ?? { owner, type, records: [], signatures: [] };
    sets.set(key, set);
    return set;
  };
  for (const record of records) {
    if (record.class !== CLASS_IN) continue;
    if (record.type === TYPE.RRSIG) {
      const signature = readRrsig(record.rdata);
      at(record.name, signature.covered).signatures.push(signature);
    } else {
      at(record.name, record.type).records.push(record);
    }
  }
  return [...sets.values()].filter((set) => set.records.length > 0);
}

/** Serial number arithmetic (RFC 1982, RFC 4034 §3.1.5): times wrap in 2106. */
function isBefore(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}

function when(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}
