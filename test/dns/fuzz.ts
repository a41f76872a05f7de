import { findRecords } from "../../src/dns/answer.ts";
import { absence, wildcardProof } from "../../src/dns/dnssec/denial.ts";
import {
  type Nsec,
  type Nsec3,
  readDnsKey,
  readDs,
  readNsec,
  readNsec3,
  readRrsig,
} from "../../src/dns/dnssec/records.ts";
import { encodeMessage, parseMessage, query } from "../../src/dns/message.ts";
import { formatName, nameToWire } from "../../src/dns/name.ts";
import { readTlsa } from "../../src/dns/rdata.ts";
import { readReply } from "../../src/dns/reply.ts";
import { TYPE } from "../../src/dns/types.ts";
import { ProvisionError } from "../../src/errors.ts";
import { usableRecords } from "../../src/host/http/dane.ts";
import { type FuzzResult, fuzz } from "../damage.ts";
import { aName, answerTo, bytes, cname, record, txt } from "./build.ts";
import { RECORDED } from "./dnssec/samples.ts";

const name = aName("_uciprov.fleet.example");
const asked = query({ name, type: TYPE.TXT }, { id: 0x4d4d, edns: { udpSize: 1232, version: 0, dnssecOk: false } });

/** Whole answers to begin with, one with compression as servers write it. */
const SEEDS = [
  encodeMessage(asked),
  encodeMessage(answerTo(asked, [txt("_uciprov.fleet.example", "provuri=https://a.example/{mac}", "serial=42")])),
  encodeMessage(
    answerTo(
      asked,
      [cname("_uciprov.fleet.example", "b.example"), cname("b.example", "c.example"), txt("c.example", "x=y")],
      {
        additional: [record("c.example", TYPE.AAAA, new Uint8Array(16))],
      },
    ),
  ),
  encodeMessage(
    answerTo(asked, [
      record("example", TYPE.DNAME, nameToWire(aName("b.example"))),
      txt("_uciprov.fleet.b.example", "x=y"),
      record("_443._tcp.b.example", TYPE.TLSA, bytes(3, 1, 1, ...new Array(32).fill(7))),
    ]),
  ),
  encodeMessage(
    answerTo(asked, [], { rcode: 3, authority: [record("example", TYPE.SOA, bytes(0, 0, ...new Array(20).fill(1)))] }),
  ),
  bytes(
    ...[0x4d, 0x4d, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0],
    ...nameToWire(name),
    ...[0, 16, 0, 1, 0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 4, 1, 0x62, 0xc0, 21],
    ...[0xc0, 52, 0, 16, 0, 1, 0, 0, 0, 60, 0, 4, 3, 0x61, 0x3d, 0x62],
  ),
];

/** Damaged messages through everything that reads bytes from a name server; what was read can be written and read again. */
export function fuzzMessages(runs: number, seed: number): FuzzResult {
  return fuzz(
    { seeds: SEEDS, runs, seed },
    (wire) => {
      const message = parseMessage(wire);
      for (const { name: owner } of message.answers) formatName(owner);
      parseMessage(encodeMessage(message));
      readReply(wire, asked);
      findRecords(message, name, TYPE.TXT);
      usableRecords(message.answers.flatMap(({ type, rdata }) => (type === TYPE.TLSA ? (readTlsa(rdata) ?? []) : [])));
    },
    (thrown) => thrown instanceof ProvisionError && thrown.code === "DNS_FAILED",
  );
}

/** Damaged answers of signed zones through everything that reads DNSSEC records and proofs of absence, without the arithmetic of signatures. */
export function fuzzDnssec(runs: number, seed: number): FuzzResult {
  return fuzz(
    { seeds: [...RECORDED.values()], runs, seed },
    (wire) => {
      const { answers, authority } = parseMessage(wire);
      const denial = { zone: aName("example"), nsec: [] as Nsec[], nsec3: [] as Nsec3[] };
      for (const { name: owner, type, rdata } of [...answers, ...authority]) {
        if (type === TYPE.DNSKEY) readDnsKey(rdata);
        else if (type === TYPE.DS) readDs(rdata);
        else if (type === TYPE.RRSIG) readRrsig(rdata);
        else if (type === TYPE.NSEC) denial.nsec.push(readNsec(owner, rdata));
        else if (type === TYPE.NSEC3) denial.nsec3.push(readNsec3(owner, rdata));
      }
      absence(denial, aName("nope.ecdsa.example"), TYPE.TXT);
      wildcardProof(denial, aName("x.wild.ecdsa.example"), aName("wild.ecdsa.example"));
    },
    (thrown) => thrown instanceof ProvisionError && thrown.code === "DNS_FAILED",
  );
}
