import type { Message, ResourceRecord } from "../../src/dns/message.ts";
import { type DnsName, nameToWire, parseName } from "../../src/dns/name.ts";
import { CLASS_IN, TYPE } from "../../src/dns/types.ts";

/** A name that the test knows to be one. */
export function aName(text: string): DnsName {
  const name = parseName(text);
  if (!name) throw new Error(`${text} is no domain name`);
  return name;
}

export function record(owner: string, type: number, rdata: Uint8Array, ttl = 300): ResourceRecord {
  return { name: aName(owner), type, class: CLASS_IN, ttl, rdata };
}

/** A TXT record of these strings; text becomes UTF-8. */
export function txt(owner: string, ...strings: (string | Uint8Array)[]): ResourceRecord {
  const parts = strings.map((one) => (typeof one === "string" ? Buffer.from(one) : Buffer.from(one)));
  return record(owner, TYPE.TXT, Uint8Array.from(parts.flatMap((part) => [part.length, ...part])));
}

export function cname(owner: string, target: string, ttl = 300): ResourceRecord {
  return record(owner, TYPE.CNAME, nameToWire(aName(target)), ttl);
}

/** The answer an honest server gives to `query`, with what the test wants otherwise. */
export function answerTo(
  query: Message,
  answers: readonly ResourceRecord[],
  otherwise: Partial<Message> = {},
): Message {
  return {
    ...query,
    isResponse: true,
    recursionAvailable: true,
    answers,
    edns: query.edns && { udpSize: 1232, version: 0, dnssecOk: query.edns.dnssecOk },
    ...otherwise,
  };
}

export function bytes(...values: (number | string)[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(values.flatMap((value) => (typeof value === "string" ? [...Buffer.from(value)] : [value])));
}
