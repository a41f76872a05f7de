import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeMessage, type Message, parseHead, parseMessage, query } from "../../src/dns/message.ts";
import { readTarget, readTxt } from "../../src/dns/rdata.ts";
import { CLASS_IN, TYPE } from "../../src/dns/types.ts";
import { ProvisionError } from "../../src/errors.ts";
import { aName, answerTo, bytes, cname, record, txt } from "./build.ts";
import { fuzzDnssec, fuzzMessages } from "./fuzz.ts";

const question = { name: aName("_uciprov.Fleet.example"), type: TYPE.TXT };
const asked = query(question, { id: 0x1234, edns: { udpSize: 1232, version: 0, dnssecOk: true } });

test("a query's bytes are those of RFC 1035 and RFC 6891", () => {
  expect(Buffer.from(encodeMessage(asked)).toString("hex")).toBe(
    "1234 0100 0001 0000 0000 0001 085f75636970726f7605466c656574076578616d706c6500 0010 0001 00 0029 04d0 00008000 0000".replaceAll(
      " ",
      "",
    ),
  );
});

test("a message survives the wire", () => {
  const message = answerTo(
    asked,
    [txt("_uciprov.Fleet.example", "provuri=https://a.example/", Uint8Array.of(0, 255))],
    {
      authority: [record("example", TYPE.SOA, bytes(0, 0, ...new Array(20).fill(7)))],
      additional: [record("ns.example", TYPE.A, bytes(192, 0, 2, 1))],
      rcode: 0,
    },
  );
  expect(parseMessage(encodeMessage(message))).toEqual(message);
});

test("every header and record survives the wire", () => {
  const number = (most: number) => fc.integer({ min: 0, max: most });
  const owner = fc.array(fc.uint8Array({ minLength: 1, maxLength: 20 }), { maxLength: 5 });
  const records = fc.array(
    fc.record({
      name: owner,
      type: number(0xffff).filter((type) => !Object.values<number>(TYPE).includes(type)),
      class: number(0xffff),
      ttl: number(0x7fffffff),
      rdata: fc.uint8Array({ maxLength: 300 }),
    }),
    { maxLength: 5 },
  );
  const message = fc.record({
    id: number(0xffff),
    isResponse: fc.boolean(),
    opcode: number(15),
    authoritative: fc.boolean(),
    truncated: fc.boolean(),
    recursionDesired: fc.boolean(),
    recursionAvailable: fc.boolean(),
    authenticData: fc.boolean(),
    checkingDisabled: fc.boolean(),
    rcode: number(0xfff),
    questions: fc.array(fc.record({ name: owner, type: number(0xffff), class: number(0xffff) }), { maxLength: 1 }),
    answers: records,
    authority: records,
    additional: records,
    edns: fc.record({ udpSize: number(0xffff), version: number(255), dnssecOk: fc.boolean() }),
  });
  fc.assert(
    fc.property(message, (one: Message) => {
      expect(parseMessage(encodeMessage(one))).toEqual(one);
    }),
  );
});

describe("names inside a record's body", () => {
  const head = bytes(0, 1, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0);

  test("are written out, so that the body stands on its own", () => {
    const wire = bytes(...head, 1, "a", 7, "example", 0, 0, 5, 0, 1, 0, 0, 0, 9, 0, 4, 1, "b", 0xc0, 14);
    const [alias] = parseMessage(wire).answers;
    expect(alias && readTarget(alias.rdata)).toEqual(aName("b.example"));
  });

  test("must end where the body says", () => {
    const wire = bytes(...head, 1, "a", 0, 0, 5, 0, 1, 0, 0, 0, 9, 0, 9, 1, "b", 0, ...new Array(6).fill(0));
    expect(() => parseMessage(wire)).toThrow("another length");
  });
});

test("a TXT body is strings that fill it exactly, of any bytes", () => {
  expect(readTxt(bytes(3, "a=b", 0, 2, 0, 0xff))).toEqual(
    [bytes("a=b"), bytes(), bytes(0, 0xff)].map((b) => new Uint8Array(b)),
  );
  expect(readTxt(bytes())).toEqual([]);
  expect(() => readTxt(bytes(4, "a=b"))).toThrow("runs out");
  expect(() => parseMessage(encodeMessage(answerTo(asked, [record("x", TYPE.TXT, bytes(9, "a"))])))).toThrow(
    "runs out",
  );
});

test("a negative time to live counts as none", () => {
  const [one] = parseMessage(
    encodeMessage(
      answerTo(
        asked,
        [txt("x", "y")].map((r) => ({ ...r, ttl: 0x80000000 })),
      ),
    ),
  ).answers;
  expect(one?.ttl).toBe(0);
});

const malformed: [string, Uint8Array][] = [
  ["nothing", bytes()],
  ["eleven bytes", encodeMessage(asked).slice(0, 11)],
  ["more than 65,535 bytes", new Uint8Array(65_536)],
  ["two questions", bytes(0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0, 1)],
  ["a question without type", bytes(0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0)],
  ["records that are announced and absent", bytes(0, 1, 0x80, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0)],
  ["an answer that is announced and absent", bytes(0, 1, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0)],
  [
    "a body longer than the message",
    bytes(0, 1, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 16, 0, 1, 0, 0, 0, 0, 0xff, 0xff),
  ],
  ["two OPT records", encodeMessage(answerTo(asked, [], { additional: [record(".", TYPE.OPT, bytes())] }))],
  ["an IPv4 address of five bytes", encodeMessage(answerTo(asked, [record("x", TYPE.A, bytes(1, 2, 3, 4, 5))]))],
];

test.each(malformed)("%s is malformed", (_, wire) => {
  expect(() => parseMessage(wire)).toThrowError(expect.objectContaining({ code: "DNS_FAILED" }));
});

test("of 1,025 records none is read", () => {
  const many = Array.from({ length: 1025 }, () => ({ name: [], type: 1000, class: CLASS_IN, ttl: 1, rdata: bytes() }));
  expect(() => parseMessage(encodeMessage(answerTo(asked, many, { edns: undefined })))).toThrow("too many records");
  expect(parseMessage(encodeMessage(answerTo(asked, many.slice(1), { edns: undefined }))).answers).toHaveLength(1024);
});

test("the head of a cut answer is read although the rest is not there", () => {
  const whole = encodeMessage(answerTo(asked, [cname("x", "y"), txt("y", "z".repeat(200))], { truncated: true }));
  const cut = whole.slice(0, whole.length - 150);
  expect(() => parseMessage(cut)).toThrow(ProvisionError);
  expect(parseHead(cut)).toMatchObject({ id: 0x1234, truncated: true, questions: [question] });
});

test.each([
  ["messages", fuzzMessages],
  ["signed answers", fuzzDnssec],
])("10,000 damaged %s are read or refused, never anything else", (_, run) => {
  const { runs, read, refused } = run(10_000, 7);
  expect(runs).toBe(10_000);
  expect(read).toBeGreaterThan(500);
  expect(refused).toBeGreaterThan(500);
});
