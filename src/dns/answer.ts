import type { Message, ResourceRecord } from "./message.ts";
import { type DnsName, isBelow, malformed, nameKey, sameName } from "./name.ts";
import { readTarget, redirectedName } from "./rdata.ts";
import { CLASS_IN, RCODE, TYPE } from "./types.ts";

/** Aliases that are followed before a chain counts as a loop. */
const MAX_ALIASES = 8;

/** `name` is where the aliases ended; `ttl` the least of the records and of the aliases that led to them, in seconds. */
export type Found =
  | {
      readonly kind: "records";
      readonly name: DnsName;
      readonly records: readonly ResourceRecord[];
      readonly ttl: number;
    }
  | { readonly kind: "no-name" | "no-data"; readonly name: DnsName };

/**
 * Records of one type for a name in an answer, over the CNAMEs in it, and over a DNAME whose CNAME did not come along (RFC 6672 §3.4). Records of other
 * owners, classes and types are ignored, as are repeated ones. DNS_FAILED if the aliases loop or contradict one another.
 */
export function findRecords(message: Message, name: DnsName, type: number): Found {
  const inClass = message.answers.filter((record) => record.class === CLASS_IN);
  const seen = new Set([nameKey(name)]);
  let owner = name;
  let ttl = Number.POSITIVE_INFINITY;
  for (;;) {
    const own = inClass.filter((record) => sameName(record.name, owner));
    const records = own.filter((record) => record.type === type);
    ttl = Math.min(ttl, ...records.map((record) => record.ttl));
    if (records.length > 0) return { kind: "records", name: owner, records: withoutRepeats(records), ttl };

    const aliases = withoutRepeats(own.filter((record) => record.type === TYPE.CNAME));
    if (aliases.length > 1) throw malformed("a name with two different CNAMEs");
    const alias = aliases[0] ? { target: readTarget(aliases[0].rdata), ttl: aliases[0].ttl } : moved(inClass, owner);
    if (!alias) {
      return { kind: message.rcode === RCODE.NXDOMAIN ? "no-name" : "no-data", name: owner };
    }
    ttl = Math.min(ttl, alias.ttl);
    owner = alias.target;
    if (seen.has(nameKey(owner))) throw malformed("its CNAMEs lead in a circle");
    seen.add(nameKey(owner));
    if (seen.size > MAX_ALIASES + 1) throw malformed(`more than ${MAX_ALIASES} CNAMEs in a row`);
  }
}

/** Where the uppermost DNAME above a name sends it. */
function moved(records: readonly ResourceRecord[], name: DnsName): { target: DnsName; ttl: number } | undefined {
  const above = records
    .filter((record) => record.type === TYPE.DNAME && isBelow(name, record.name))
    .toSorted((a, b) => a.name.length - b.name.length);
  const [first, ...others] = withoutRepeats(above.filter((record) => record.name.length === above[0]?.name.length));
  if (!first) return undefined;
  if (others.length > 0) throw malformed("a name with two different DNAMEs");
  const target = redirectedName(name, first.name, first.rdata);
  return target && { target, ttl: first.ttl };
}

function withoutRepeats(records: readonly ResourceRecord[]): ResourceRecord[] {
  const byBody = new Map(records.map((record) => [Buffer.from(record.rdata).toString("latin1"), record]));
  return [...byBody.values()];
}
