/** Signs small zones in memory as a name server would serve them, so that a test can say what is in them. */
import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import type { Anchor } from "../../../src/dns/dnssec/anchors.ts";
import { readDnsKey } from "../../../src/dns/dnssec/records.ts";
import { type Message, type Question, query, type ResourceRecord } from "../../../src/dns/message.ts";
import { type DnsName, formatName, isBelow, isWithin, lowerName, nameToWire, sameName } from "../../../src/dns/name.ts";
import { readTarget, redirectedName } from "../../../src/dns/rdata.ts";
import { TYPE } from "../../../src/dns/types.ts";
import { aName, cname, record } from "../build.ts";
import { NOW } from "./samples.ts";

const ED25519 = 15;
const TTL = 300;

interface Zone {
  readonly apex: DnsName;
  readonly records: readonly ResourceRecord[];
  readonly key: KeyObject;
  readonly dnskey: ResourceRecord;
}

/**
 * Zones by name, the first above all others; `unsigned` ones are delegated without a DS. `change` may do to an answer what somebody on the path would.
 * What is not there is denied as some signers do it live: an NSEC at the very name, that it has no such type (RFC 9824).
 */
export function signedZones(
  zones: Readonly<Record<string, readonly ResourceRecord[]>>,
  how: { readonly unsigned?: readonly string[]; readonly change?: (message: Message, key: string) => Message } = {},
) {
  const all = Object.entries(zones).map(([apex, records]) => makeZone(apex, records));
  const asked: string[] = [];
  const zoneOf = (name: DnsName, type: number) =>
    all
      .filter(({ apex }) => (type === TYPE.DS ? isBelow(name, apex) : isWithin(name, apex)))
      .toSorted((a, b) => b.apex.length - a.apex.length)[0];
  const isSigned = ({ apex }: Zone) => !how.unsigned?.includes(formatName(apex));

  function answer(name: DnsName, type: number, depth = 0): { answers: ResourceRecord[]; authority: ResourceRecord[] } {
    const zone = zoneOf(name, type);
    if (!zone || depth > 8) return { answers: [], authority: [] };
    const child = all.find(({ apex }) => sameName(apex, name) && apex.length > zone.apex.length);
    const content = [
      ...zone.records,
      ...(type === TYPE.DNSKEY && isSigned(zone) ? [zone.dnskey] : []),
      ...(type === TYPE.DS && child && isSigned(child) ? [dsOf(child)] : []),
    ];
    const signed = (records: ResourceRecord[]) => (isSigned(zone) ? [...records, signature(zone, records)] : records);
    const at = (wanted: number) => content.filter((one) => one.type === wanted && sameName(one.name, name));

    const own = at(type);
    if (own.length > 0) return { answers: signed(own), authority: [] };
    const dnames = content.filter((one) => one.type === TYPE.DNAME && isBelow(name, one.name));
    const [dname] = dnames;
    const alias = at(TYPE.CNAME);
    const target = dname ? redirectedName(name, dname.name, dname.rdata) : undefined;
    const first =
      dname && target
        ? [...signed(dnames), cname(formatName(name), formatName(target), 0)]
        : alias.length > 0
          ? signed(alias)
          : [];
    if (first.length > 0) {
      const next = answer(target ?? readTarget(alias[0]?.rdata ?? new Uint8Array()), type, depth + 1);
      return { answers: [...first, ...next.answers], authority: next.authority };
    }
    if (!isSigned(zone)) return { answers: [], authority: [] };
    const types = new Set([...content.filter((one) => sameName(one.name, name)).map((one) => one.type)]);
    if (child) types.add(TYPE.NS);
    return { answers: [], authority: signed([nsec(name, types)]) };
  }

  return {
    asked,
    anchors: all.slice(0, 1).map((zone): Anchor => ({ zone: zone.apex, ds: readDsOf(zone) })),
    anchorOf(apex: string): Anchor[] {
      return all
        .filter((zone) => formatName(zone.apex) === apex)
        .map((zone) => ({ zone: zone.apex, ds: readDsOf(zone) }));
    },
    async ask({ name, type }: Question): Promise<Message> {
      const key = `${type} ${formatName(name)}`;
      asked.push(key);
      const message = { ...query({ name, type }, { id: 0 }), isResponse: true, ...answer(name, type) };
      return how.change ? how.change(message, key) : message;
    },
  };
}

export function dname(owner: string, target: string): ResourceRecord {
  return record(owner, TYPE.DNAME, nameToWire(aName(target)), TTL);
}

function makeZone(text: string, records: readonly ResourceRecord[]): Zone {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = Buffer.from(publicKey.export({ format: "jwk" }).x ?? "", "base64url");
  const rdata = Buffer.concat([Buffer.of(1, 1, 3, ED25519), raw]);
  return { apex: aName(text), records, key: privateKey, dnskey: record(text, TYPE.DNSKEY, rdata, TTL) };
}

function readDsOf({ apex, dnskey }: Zone) {
  const digest = createHash("sha256")
    .update(nameToWire(lowerName(apex)))
    .update(dnskey.rdata)
    .digest();
  return { tag: readDnsKey(dnskey.rdata).tag, algorithm: ED25519, digestType: 2, digest };
}

function dsOf(zone: Zone): ResourceRecord {
  const { tag, algorithm, digestType, digest } = readDsOf(zone);
  const rdata = Buffer.concat([Buffer.of(tag >> 8, tag & 0xff, algorithm, digestType), digest]);
  return record(formatName(zone.apex), TYPE.DS, rdata, TTL);
}

function nsec(name: DnsName, types: ReadonlySet<number>): ResourceRecord {
  const bitmap = Buffer.alloc(7);
  for (const type of [...types, TYPE.NSEC, TYPE.RRSIG])
    bitmap[type >> 3] = (bitmap[type >> 3] ?? 0) | (0x80 >> (type & 7));
  const next = nameToWire([Uint8Array.of(0), ...name]);
  return record(formatName(name), TYPE.NSEC, Buffer.concat([next, Buffer.of(0, bitmap.length), bitmap]), TTL);
}

/** RFC 4034 §3.1.8.1, with Node's own Ed25519. */
function signature(zone: Zone, records: readonly ResourceRecord[]): ResourceRecord {
  const [first] = records;
  if (!first) throw new Error("nothing to sign");
  const head = Buffer.alloc(18);
  head.writeUInt16BE(first.type, 0);
  head[2] = ED25519;
  head[3] = first.name.length;
  head.writeUInt32BE(TTL, 4);
  head.writeUInt32BE(NOW + 86_400, 8);
  head.writeUInt32BE(NOW - 86_400, 12);
  head.writeUInt16BE(readDnsKey(zone.dnskey.rdata).tag, 16);
  const signed = Buffer.concat([head, nameToWire(lowerName(zone.apex))]);
  const bodies = records.map(({ rdata }) => Buffer.from(rdata)).sort(Buffer.compare);
  const owner = nameToWire(lowerName(first.name));
  const fields = Buffer.alloc(8);
  fields.writeUInt16BE(first.type, 0);
  fields.writeUInt16BE(1, 2);
  fields.writeUInt32BE(TTL, 4);
  const content = bodies.flatMap((body) => [owner, fields, Buffer.of(body.length >> 8, body.length & 0xff), body]);
  const made = sign(null, Buffer.concat([signed, ...content]), zone.key);
  return record(formatName(first.name), TYPE.RRSIG, Buffer.concat([signed, made]), TTL);
}
