import { type DnsName, malformed, nameToWire, readName } from "./name.ts";
import { checkRdata } from "./rdata.ts";
import { CLASS_IN, TYPE } from "./types.ts";

/** More records than any answer to one of our questions has; beyond it a message counts as malformed. */
const MAX_RECORDS = 1024;
const HEADER = 12;
const MAX_MESSAGE = 65_535;

const QR = 0x8000;
const AA = 0x0400;
const TC = 0x0200;
const RD = 0x0100;
const RA = 0x0080;
const AD = 0x0020;
const CD = 0x0010;
const DO = 0x8000;

export interface Question {
  readonly name: DnsName;
  readonly type: number;
}

/** A record; names inside the body of NS, CNAME, SOA, PTR, MX and DNAME are uncompressed, so that it stands on its own. */
export interface ResourceRecord {
  readonly name: DnsName;
  readonly type: number;
  readonly class: number;
  /** Seconds; a negative one counts as 0 (RFC 2181 §8). */
  readonly ttl: number;
  readonly rdata: Uint8Array;
}

/** What the OPT record says (RFC 6891). */
export interface Edns {
  /** The largest datagram its sender takes, in bytes. */
  readonly udpSize: number;
  readonly version: number;
  /** Wants, or carries, DNSSEC records. */
  readonly dnssecOk: boolean;
}

export interface MessageHead {
  readonly id: number;
  readonly isResponse: boolean;
  readonly opcode: number;
  readonly authoritative: boolean;
  readonly truncated: boolean;
  readonly recursionDesired: boolean;
  readonly recursionAvailable: boolean;
  readonly authenticData: boolean;
  readonly checkingDisabled: boolean;
  /** With the upper bits of the OPT record, if there is one. */
  readonly rcode: number;
  readonly questions: readonly (Question & { readonly class: number })[];
}

/** A whole message; the OPT record stands in `edns`, not among the additional records. */
export interface Message extends MessageHead {
  readonly answers: readonly ResourceRecord[];
  readonly authority: readonly ResourceRecord[];
  readonly additional: readonly ResourceRecord[];
  readonly edns: Edns | undefined;
}

/** Header and question alone: all that is needed of an answer that was cut, which may end anywhere. DNS_FAILED if malformed. */
export function parseHead(bytes: Uint8Array): MessageHead {
  return readHead(bytes).head;
}

/** A message from the wire (RFC 1035 §4). Bytes after its last record are ignored. DNS_FAILED if it is malformed. */
export function parseMessage(wire: Uint8Array): Message {
  const { head, end, view, bytes } = readHead(wire);
  const counts = [view.getUint16(6), view.getUint16(8), view.getUint16(10)];
  if (counts.reduce((sum, count) => sum + count, 0) > MAX_RECORDS) throw malformed("too many records");

  let at = end;
  const [answers = [], authority = [], additional = []] = counts.map((count) => {
    const section = readRecords(bytes, view, at, count);
    at = section.end;
    return section.records;
  });

  const opts = additional.filter(({ type }) => type === TYPE.OPT);
  if (opts.length > 1) throw malformed("more than one OPT record");
  const opt = opts[0];
  return {
    ...head,
    rcode: head.rcode | (opt ? (opt.rawTtl >>> 24) << 4 : 0),
    answers: answers.map(plain),
    authority: authority.map(plain),
    additional: additional.filter(({ type }) => type !== TYPE.OPT).map(plain),
    edns: opt && {
      udpSize: opt.class,
      version: (opt.rawTtl >>> 16) & 0xff,
      dnssecOk: (opt.rawTtl & DO) !== 0,
    },
  };
}

function readHead(wire: Uint8Array) {
  if (wire.length < HEADER) throw malformed("shorter than its header");
  if (wire.length > MAX_MESSAGE) throw malformed("longer than 65,535 bytes");
  // A copy: the slices of a Buffer would go on sharing the socket's memory.
  const bytes = Uint8Array.from(wire);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = view.getUint16(2);
  const count = view.getUint16(4);
  if (count > 1) throw malformed("more than one question");

  const questions: { name: DnsName; type: number; class: number }[] = [];
  let end = HEADER;
  if (count === 1) {
    const { name, end: at } = readName(bytes, HEADER);
    if (at + 4 > bytes.length) throw malformed("the question is cut");
    questions.push({ name, type: view.getUint16(at), class: view.getUint16(at + 2) });
    end = at + 4;
  }
  const head: MessageHead = {
    id: view.getUint16(0),
    isResponse: (flags & QR) !== 0,
    opcode: (flags >> 11) & 0xf,
    authoritative: (flags & AA) !== 0,
    truncated: (flags & TC) !== 0,
    recursionDesired: (flags & RD) !== 0,
    recursionAvailable: (flags & RA) !== 0,
    authenticData: (flags & AD) !== 0,
    checkingDisabled: (flags & CD) !== 0,
    rcode: flags & 0xf,
    questions,
  };
  return { head, end, view, bytes };
}

type RawRecord = ResourceRecord & { readonly rawTtl: number };

function readRecords(bytes: Uint8Array, view: DataView, start: number, count: number) {
  const records: RawRecord[] = [];
  let at = start;
  for (let i = 0; i < count; i++) {
    const { name, end } = readName(bytes, at);
    const body = end + 10;
    if (body > bytes.length) throw malformed("a record is cut");
    const type = view.getUint16(end);
    const rawTtl = view.getUint32(end + 4);
    at = body + view.getUint16(end + 8);
    if (at > bytes.length) throw malformed("a record is cut");
    const rdata = checkRdata(type, bytes, body, at);
    records.push({ name, type, class: view.getUint16(end + 2), ttl: rawTtl > 0x7fffffff ? 0 : rawTtl, rawTtl, rdata });
  }
  return { records, end: at };
}

function plain({ name, type, class: kind, ttl, rdata }: RawRecord): ResourceRecord {
  return { name, type, class: kind, ttl, rdata };
}

/** A message's bytes, names uncompressed. */
export function encodeMessage(message: Message): Uint8Array {
  const flags =
    (message.isResponse ? QR : 0) |
    (message.opcode << 11) |
    (message.authoritative ? AA : 0) |
    (message.truncated ? TC : 0) |
    (message.recursionDesired ? RD : 0) |
    (message.recursionAvailable ? RA : 0) |
    (message.authenticData ? AD : 0) |
    (message.checkingDisabled ? CD : 0) |
    (message.rcode & 0xf);
  const additional = message.edns
    ? [...message.additional, optRecord(message.edns, message.rcode)]
    : message.additional;
  const counts = [message.questions, message.answers, message.authority, additional].map(({ length }) => length);
  return joinBytes([
    numbers(2, message.id, flags, ...counts),
    ...message.questions.flatMap((question) => [nameToWire(question.name), numbers(2, question.type, question.class)]),
    ...[...message.answers, ...message.authority, ...additional].flatMap(recordBytes),
  ]);
}

function optRecord(edns: Edns, rcode: number): ResourceRecord {
  const ttl = (((rcode >> 4) << 24) | (edns.version << 16) | (edns.dnssecOk ? DO : 0)) >>> 0;
  return { name: [], type: TYPE.OPT, class: edns.udpSize, ttl, rdata: new Uint8Array() };
}

function recordBytes(record: ResourceRecord): Uint8Array[] {
  return [
    nameToWire(record.name),
    numbers(2, record.type, record.class),
    numbers(4, record.ttl),
    numbers(2, record.rdata.length),
    record.rdata,
  ];
}

function numbers(width: 2 | 4, ...values: number[]): Uint8Array {
  const bytes = new Uint8Array(width * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    if (width === 2) view.setUint16(2 * i, value);
    else view.setUint32(4 * i, value);
  });
  return bytes;
}

function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A question for a recursive server; with `edns` it may answer in larger datagrams and, with `dnssecOk`, with signatures. */
export function query(
  question: Question,
  how: { readonly id: number; readonly edns?: Edns | undefined; readonly checkingDisabled?: boolean },
): Message {
  return {
    id: how.id,
    isResponse: false,
    opcode: 0,
    authoritative: false,
    truncated: false,
    recursionDesired: true,
    recursionAvailable: false,
    authenticData: false,
    checkingDisabled: how.checkingDisabled ?? false,
    rcode: 0,
    questions: [{ ...question, class: CLASS_IN }],
    answers: [],
    authority: [],
    additional: [],
    edns: how.edns,
  };
}
