import { findRecords } from "../../src/dns/answer.ts";
import { encodeMessage, parseMessage, query } from "../../src/dns/message.ts";
import { formatName, nameToWire } from "../../src/dns/name.ts";
import { readReply } from "../../src/dns/reply.ts";
import { TYPE } from "../../src/dns/types.ts";
import { ProvisionError } from "../../src/errors.ts";
import { aName, answerTo, bytes, cname, record, txt } from "./build.ts";

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
    answerTo(asked, [], { rcode: 3, authority: [record("example", TYPE.SOA, bytes(0, 0, ...new Array(20).fill(1)))] }),
  ),
  bytes(
    ...[0x4d, 0x4d, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0],
    ...nameToWire(name),
    ...[0, 16, 0, 1, 0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 4, 1, 0x62, 0xc0, 21],
    ...[0xc0, 52, 0, 16, 0, 1, 0, 0, 0, 60, 0, 4, 3, 0x61, 0x3d, 0x62],
  ),
];

export interface FuzzResult {
  readonly runs: number;
  readonly read: number;
  readonly refused: number;
  /** Milliseconds of the slowest one. */
  readonly slowest: number;
}

/**
 * Feeds `runs` damaged messages to everything that reads bytes from a name server. Throws if one of them raises anything but
 * DNS_FAILED, or if what was read cannot be written and read again.
 */
export function fuzzMessages(runs: number, seed: number): FuzzResult {
  const random = xorshift(seed);
  let read = 0;
  let slowest = 0;
  for (let run = 0; run < runs; run++) {
    const wire = damage(SEEDS[random(SEEDS.length)] ?? bytes(), random);
    const start = performance.now();
    try {
      const message = parseMessage(wire);
      for (const { name: owner } of message.answers) formatName(owner);
      parseMessage(encodeMessage(message));
      readReply(wire, asked);
      findRecords(message, name, TYPE.TXT);
      read++;
    } catch (thrown) {
      if (!(thrown instanceof ProvisionError) || thrown.code !== "DNS_FAILED") {
        throw new Error(`run ${run} of seed ${seed}: ${Buffer.from(wire).toString("hex")}`, { cause: thrown });
      }
    }
    slowest = Math.max(slowest, performance.now() - start);
  }
  return { runs, read, refused: runs - read, slowest };
}

function damage(seed: Uint8Array, random: (below: number) => number): Uint8Array {
  let wire = Uint8Array.from(seed);
  for (let times = 1 + random(4); times > 0; times--) {
    const at = random(wire.length || 1);
    switch (random(7)) {
      case 0:
        wire[at] = random(256);
        break;
      case 1:
        wire[at] = (wire[at] ?? 0) ^ (1 << random(8));
        break;
      case 2:
        wire = wire.slice(0, at);
        break;
      case 3:
        wire = bytes(...wire.slice(0, at), random(256), ...wire.slice(at));
        break;
      case 4:
        wire = bytes(...wire.slice(0, at), ...wire.slice(at + 1 + random(8)));
        break;
      case 5:
        wire[at] = 0xc0;
        wire[at + 1] = random(wire.length || 1);
        break;
      default:
        wire = bytes(...wire, ...wire.slice(at));
    }
  }
  return wire;
}

/** Marsaglia's xorshift32: the same numbers for the same seed, everywhere. */
function xorshift(seed: number): (below: number) => number {
  let state = seed | 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
