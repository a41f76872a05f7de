import type { Message, ResourceRecord } from "./message.ts";
import { type DnsName, malformed, nameKey, sameName } from "./name.ts";
import { readTarget } from "./rdata.ts";
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
 * Records of one type for a name in an answer, over the CNAMEs in it. Records of other owners, classes and
 * types are ignored, as are repeated ones. DNS_FAILED if the CNAMEs loop or contradict one another.
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
    const alias = aliases[0];
    if (!alias) {
      return { kind: message.rcode === RCODE.NXDOMAIN ? "no-name" : "no-data", name: owner };
    }
    if (aliases.length > 1) throw malformed("a name with two different CNAMEs");
    ttl = Math.min(ttl, alias.ttl);
    owner = readTarget(alias.rdata);
    if (seen.has(nameKey(owner))) throw malformed("its CNAMEs lead in a circle");
    seen.add(nameKey(owner));
    if (seen.size > MAX_ALIASES + 1) throw malformed(`more than ${MAX_ALIASES} CNAMEs in a row`);
  }
}

function withoutRepeats(records: readonly ResourceRecord[]): ResourceRecord[] {
  const byBody = new Map(records.map((record) => [Buffer.from(record.rdata).toString("latin1"), record]));
  return [...byBody.values()];
}
