import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ROOT_ANCHORS, readAnchors } from "../../../src/dns/dnssec/anchors.ts";
import { type Proven, validate } from "../../../src/dns/dnssec/validate.ts";
import { type Message, parseMessage, type ResourceRecord } from "../../../src/dns/message.ts";
import { formatName, sameName } from "../../../src/dns/name.ts";
import { readTxt } from "../../../src/dns/rdata.ts";
import { TYPE } from "../../../src/dns/types.ts";
import { ProvisionError } from "../../../src/errors.ts";
import { aName } from "../build.ts";
import { ANCHOR, NOW, RECORDED, recorded } from "./samples.ts";

interface How {
  readonly change?: Parameters<typeof recorded>[0];
  readonly now?: number;
  readonly anchors?: readonly string[];
}

const prove = (name: string, { change, now = NOW, anchors = [ANCHOR] }: How = {}): Promise<Proven> =>
  validate({ name: aName(name), type: TYPE.TXT }, { ask: recorded(change).ask, anchors: readAnchors(anchors), now });

/** The verdict in a word: a kind, or the code of the error. */
async function verdict(name: string, how: How = {}): Promise<string> {
  try {
    return (await prove(name, how)).kind;
  } catch (thrown) {
    if (thrown instanceof ProvisionError) return thrown.code;
    throw thrown;
  }
}

const without =
  (...types: number[]) =>
  (record: ResourceRecord) =>
    !types.includes(record.type);
const strip = (keep: (record: ResourceRecord) => boolean, only?: string) => (message: Message, key: string) =>
  only !== undefined && key !== only
    ? message
    : { ...message, answers: message.answers.filter(keep), authority: message.authority.filter(keep) };

describe("zones that bind signed", () => {
  test.each(["rsa", "ecdsa", "ed"])("%s: records, aliases, wildcards and absence are proven", async (zone) => {
    const found = await prove(`provdomain.${zone}.example`);
    expect(found).toMatchObject({ kind: "records", ttl: 300 });
    expect(await verdict(`multi.${zone}.example`)).toBe("records");
    expect(await verdict(`long.${zone}.example`)).toBe("records");
    expect(await verdict(`x.wild.${zone}.example`)).toBe("records");
    expect(await verdict(`nope.${zone}.example`)).toBe("no-name");
    expect(await verdict(`provision.${zone}.example`)).toBe("no-data");
    const aliased = await prove(`alias.${zone}.example`);
    expect(formatName(aliased.name)).toBe(`provdomain.${zone}.example`);
  });

  test.each([
    ["unsigned", "insecure"],
    ["expired", "DNSSEC_BOGUS"],
    ["future", "CLOCK_WRONG"],
    ["bogus", "DNSSEC_BOGUS"],
    ["baddss", "DNSSEC_BOGUS"],
  ])("%s: %s", async (zone, kind) => {
    expect(await verdict(`provdomain.${zone}.example`)).toBe(kind);
  });

  test("names are the same in any letter case", async () => {
    expect(await verdict("ProvDomain.ED.Example")).toBe("records");
  });

  test("an anchor at the zone itself needs its keys alone", async () => {
    const own = await anchorOf("ed.example");
    const server = recorded();
    const how = { ask: server.ask, anchors: readAnchors([own]), now: NOW };
    expect((await validate({ name: aName("provdomain.ed.example"), type: TYPE.TXT }, how)).kind).toBe("records");
    expect(server.asked).toEqual(["16 provdomain.ed.example", "48 ed.example"]);
  });

  test("from the anchor above, a name of three labels takes four questions", async () => {
    const server = recorded();
    const how = { ask: server.ask, anchors: readAnchors([ANCHOR]), now: NOW };
    await validate({ name: aName("provdomain.ed.example"), type: TYPE.TXT }, how);
    expect(server.asked).toHaveLength(4);
  });
});

describe("clocks", () => {
  test("in 1970, and before the signatures begin, the clock is blamed; after they ended, the zone", async () => {
    expect(await verdict("provdomain.ed.example", { now: 0 })).toBe("CLOCK_WRONG");
    expect(await verdict("provdomain.ed.example", { now: Date.UTC(2024, 0, 1) / 1000 })).toBe("CLOCK_WRONG");
    expect(await verdict("provdomain.ed.example", { now: Date.UTC(2036, 0, 1) / 1000 })).toBe("DNSSEC_BOGUS");
  });
});

describe("anchors", () => {
  test("one that is not the zone's key is bogus; none above the name is insecure", async () => {
    const wrong = ANCHOR.replace(/.$/, (digit) => (digit === "0" ? "1" : "0"));
    expect(await verdict("provdomain.ed.example", { anchors: [wrong] })).toBe("DNSSEC_BOGUS");
    expect(
      await verdict("provdomain.ed.example", { anchors: ["other. IN DS 1 13 2 ".padEnd(20) + "00".repeat(32)] }),
    ).toBe("insecure");
    expect(await verdict("provdomain.ed.example", { anchors: [wrong, ANCHOR] })).toBe("records");
  });

  test("are read as dnssec-signzone and people write them", () => {
    const digest = "ab".repeat(32);
    expect(
      readAnchors([
        `example. 3600 IN DS 1 13 2 ${digest} ; key`,
        `example DS 1 13 2 ${digest.slice(0, 56)} ${digest.slice(56)}`,
      ]),
    ).toHaveLength(2);
    expect(readAnchors(ROOT_ANCHORS).map(({ zone, ds }) => [zone.length, ds.tag])).toEqual([
      [0, 20326],
      [0, 38696],
    ]);
  });

  test.each([
    "",
    "example. IN DS 1 13 2",
    "example. IN DS 1 13 2 abcd",
    `example. IN DS 1 13 1 ${"ab".repeat(20)}`,
    `a..b. IN DS 1 13 2 ${"ab".repeat(32)}`,
    `example. IN DNSKEY 257 3 13 ${"ab".repeat(32)}`,
  ])("%j is none", (line) => {
    expect(() => readAnchors([line])).toThrowError(expect.objectContaining({ code: "SETTINGS_INVALID" }));
  });
});

describe("somebody on the path", () => {
  const TXT = "16 provdomain.ed.example";

  test.each<[string, How["change"]]>([
    ["takes the signatures from the answer", strip(without(TYPE.RRSIG), TXT)],
    ["takes the signatures from everything", strip(without(TYPE.RRSIG))],
    ["takes the DS away", strip(without(TYPE.DS, TYPE.RRSIG), "43 ed.example")],
    ["takes the keys away", strip(without(TYPE.DNSKEY), "48 ed.example")],
    ["takes the keys' signatures away", strip(without(TYPE.RRSIG), "48 ed.example")],
    ["takes everything away", (message) => ({ ...message, answers: [], authority: [] })],
    [
      "says that the name does not exist",
      (message, key) => (key === TXT ? { ...message, rcode: 3, answers: [] } : message),
    ],
    [
      "gives another zone's DS",
      (message, key) => (key === "43 ed.example" ? renamed("43 rsa.example", "rsa.example", "ed.example") : message),
    ],
    [
      "gives another name's signed TXT",
      (message, key) =>
        key === TXT ? renamed("16 multi.ed.example", "multi.ed.example", "provdomain.ed.example") : message,
    ],
    [
      "gives another zone's TXT",
      (message, key) =>
        key === TXT ? renamed("16 provdomain.rsa.example", "provdomain.rsa.example", "provdomain.ed.example") : message,
    ],
    [
      "gives the unsigned zone's proof for the signed one",
      (message, key) => (key === "43 ed.example" ? recordedMessage("43 unsigned.example") : message),
    ],
    [
      "gives an absence proof of another name",
      (message, key) => (key === TXT ? recordedMessage("16 provision.ed.example") : message),
    ],
    [
      "gives the wildcard's TXT without its proof",
      (message, key) =>
        key === TXT
          ? { ...renamed("16 x.wild.ed.example", "x.wild.ed.example", "provdomain.ed.example"), authority: [] }
          : message,
    ],
  ])("who %s is found out", async (_, change) => {
    expect(await verdict("provdomain.ed.example", change ? { change } : {})).toBe("DNSSEC_BOGUS");
  });

  test.each(["rsa", "ecdsa", "ed"])("who strips the proof from %s's wildcard or absence is found out", async (zone) => {
    for (const name of [`x.wild.${zone}.example`, `nope.${zone}.example`, `provision.${zone}.example`]) {
      for (const types of [[TYPE.NSEC, TYPE.NSEC3], [TYPE.RRSIG]]) {
        const change = (message: Message, key: string): Message =>
          key === `16 ${name}` ? { ...message, authority: message.authority.filter(without(...types)) } : message;
        expect(await verdict(name, { change })).toBe("DNSSEC_BOGUS");
      }
    }
  });

  test("who uses a wildcard for a name that exists is found out", async () => {
    for (const zone of ["rsa", "ecdsa", "ed"]) {
      const name = `provdomain.${zone}.example`;
      const change = (message: Message, key: string) =>
        key === `16 ${name}` ? renamed(`16 x.wild.${zone}.example`, `x.wild.${zone}.example`, name) : message;
      expect(await verdict(name, { change })).toBe("DNSSEC_BOGUS");
    }
  });

  test("who changes one byte of any record changes nothing, or is found out", async () => {
    const good = new Map(
      ["rsa", "ecdsa", "ed"].map((zone) => [zone, textsOf(recordedMessage(`16 provdomain.${zone}.example`))]),
    );
    const zone = fc.constantFrom("rsa", "ecdsa", "ed");
    await fc.assert(
      fc.asyncProperty(
        zone,
        fc.nat(3),
        fc.nat(20),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        async (which, step, index, at, flip) => {
          const keys = [`16 provdomain.${which}.example`, `43 ${which}.example`, `48 ${which}.example`, "48 example"];
          const change = (message: Message, key: string): Message => {
            if (key !== keys[step]) return message;
            const answers = message.answers.map((record, i) =>
              i === index % message.answers.length ? flipped(record, at, flip) : record,
            );
            return { ...message, answers };
          };
          try {
            const found = await prove(`provdomain.${which}.example`, { change });
            expect(found.kind).toBe("records");
            if (found.kind === "records")
              expect(found.records.map(({ rdata }) => readTxt(rdata))).toEqual(good.get(which));
          } catch (thrown) {
            if (!(thrown instanceof ProvisionError)) throw thrown;
            expect(["DNSSEC_BOGUS", "CLOCK_WRONG"]).toContain(thrown.code);
          }
        },
      ),
      { numRuns: 1500 },
    );
  });
});

describe("work", () => {
  test("a zone with more keys than anybody needs is refused", async () => {
    const change = (message: Message, key: string): Message => {
      const [first] = message.answers;
      if (key !== "48 ed.example" || !first) return message;
      const more = Array.from({ length: 20 }, (_, i) => flipped(first, first.rdata.length - 1, i + 1));
      return { ...message, answers: [...message.answers, ...more] };
    };
    expect(await verdict("provdomain.ed.example", { change })).toBe("DNSSEC_BOGUS");
  });
});

function recordedMessage(key: string): Message {
  return parseMessage(RECORDED.get(key) ?? new Uint8Array());
}

function renamed(key: string, from: string, to: string): Message {
  const message = recordedMessage(key);
  const rename = (record: ResourceRecord) =>
    sameName(record.name, aName(from)) ? { ...record, name: aName(to) } : record;
  return { ...message, answers: message.answers.map(rename) };
}

function flipped(record: ResourceRecord, at: number, flip: number): ResourceRecord {
  const rdata = Uint8Array.from(record.rdata);
  const index = at % rdata.length;
  rdata[index] = (rdata[index] ?? 0) ^ flip;
  return { ...record, rdata };
}

function textsOf(message: Message) {
  return message.answers.filter(({ type }) => type === TYPE.TXT).map(({ rdata }) => readTxt(rdata));
}

async function anchorOf(zone: string): Promise<string> {
  const ds = recordedMessage(`43 ${zone}`).answers.find(({ type }) => type === TYPE.DS);
  const rdata = Buffer.from(ds?.rdata ?? []);
  return `${zone}. IN DS ${rdata.readUInt16BE(0)} ${rdata[2]} ${rdata[3]} ${rdata.subarray(4).toString("hex")}`;
}
