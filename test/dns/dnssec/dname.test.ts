import { expect, test } from "vitest";
import { findRecords } from "../../../src/dns/answer.ts";
import { validate } from "../../../src/dns/dnssec/validate.ts";
import { type Message, query } from "../../../src/dns/message.ts";
import { formatName } from "../../../src/dns/name.ts";
import { TYPE } from "../../../src/dns/types.ts";
import { ProvisionError } from "../../../src/errors.ts";
import { aName, answerTo, cname, record, txt } from "../build.ts";
import { NOW } from "./samples.ts";
import { dname, signedZones } from "./signed-zones.ts";

const ZONES = {
  test: [dname("old.test", "new.test"), txt("prov.new.test", "here"), dname("away.test", "plain.test")],
  "plain.test": [txt("prov.plain.test", "unproven")],
};

async function prove(
  name: string,
  change?: (message: Message, key: string) => Message,
  zones: Parameters<typeof signedZones>[0] = ZONES,
) {
  const { ask, anchors } = signedZones(zones, { unsigned: ["plain.test"], ...(change ? { change } : {}) });
  try {
    const found = await validate({ name: aName(name), type: TYPE.TXT }, { ask, anchors, now: NOW });
    return `${found.kind} ${formatName(found.name)}`;
  } catch (thrown) {
    if (thrown instanceof ProvisionError) return thrown.code;
    throw thrown;
  }
}

const answers = (keep: (type: number) => boolean) => (message: Message) => ({
  ...message,
  answers: message.answers.filter(({ type }) => keep(type)),
});

test("a name below a DNAME is proven by the DNAME, whose CNAME nobody signs", async () => {
  expect(await prove("prov.old.test")).toBe("records prov.new.test");
  expect(await prove("PROV.Old.test")).toBe("records PROV.new.test");
  expect(await prove("a.b.c.old.test")).toBe("no-data a.b.c.new.test");
});

test("a server need not make the CNAME", async () => {
  expect(
    await prove(
      "prov.old.test",
      answers((type) => type !== TYPE.CNAME),
    ),
  ).toBe("records prov.new.test");
});

test("the owner of a DNAME is not redirected itself", async () => {
  expect(await prove("old.test")).toBe("no-data old.test");
});

test("a DNAME into an unsigned zone is insecure from there on", async () => {
  expect(await prove("prov.away.test")).toBe("insecure prov.plain.test");
});

test("who redirects the CNAME, forges or strips the DNAME, or moves it to another name is found out", async () => {
  const elsewhere = (message: Message) => ({
    ...message,
    answers: message.answers.map((one) => (one.type === TYPE.CNAME ? cname("prov.old.test", "prov.plain.test") : one)),
  });
  expect(await prove("prov.old.test", elsewhere)).toBe("DNSSEC_BOGUS");
  const forged = (message: Message) => ({
    ...message,
    answers: message.answers
      .filter(({ type }) => type !== TYPE.CNAME)
      .map((one) => (one.type === TYPE.DNAME ? dname("old.test", "plain.test") : one)),
  });
  expect(await prove("prov.old.test", forged)).toBe("DNSSEC_BOGUS");
  expect(
    await prove(
      "prov.old.test",
      answers((type) => type !== TYPE.DNAME),
    ),
  ).toBe("DNSSEC_BOGUS");
  const unsigned = (message: Message) => ({
    ...message,
    answers: message.answers.filter((one) => one.type !== TYPE.RRSIG || one.rdata[1] !== TYPE.DNAME),
  });
  expect(await prove("prov.old.test", unsigned)).toBe("DNSSEC_BOGUS");
  const moved = (message: Message) => ({
    ...message,
    answers: message.answers.map((one) => (one.name.length === 2 ? { ...one, name: aName("new.test") } : one)),
  });
  expect(await prove("prov.new.test", moved)).toBe("records prov.new.test");
  expect(await prove("prov.old.test", moved)).toBe("DNSSEC_BOGUS");
});

test("two DNAMEs of one name are refused", async () => {
  const zones = { test: [...ZONES.test, dname("old.test", "away.test")] };
  expect(
    await prove(
      "prov.old.test",
      answers((type) => type !== TYPE.CNAME),
      zones,
    ),
  ).toBe("DNSSEC_BOGUS");
});

test("DNAMEs in a circle end", async () => {
  const zones = { test: [dname("a.test", "b.test"), dname("b.test", "a.test")] };
  expect(await prove("x.a.test", undefined, zones)).toBe("DNSSEC_BOGUS");
});

test("a DNAME that makes a name too long proves nothing", async () => {
  const label = "x".repeat(60);
  const zones = { test: [dname("a.test", `${label}.${label}.${label}.test`)] };
  const change = (message: Message): Message => ({
    ...message,
    answers: message.answers.filter(({ type }) => type !== TYPE.CNAME),
  });
  expect(await prove(`${label}.${label}.a.test`, change, zones)).toBe("DNSSEC_BOGUS");
});

test("without proof, the CNAME counts, and the DNAME where it is missing", () => {
  const asked = query({ name: aName("prov.old.test"), type: TYPE.TXT }, { id: 1 });
  const find = (...records: Parameters<typeof answerTo>[1]) =>
    findRecords(answerTo(asked, records), aName("prov.old.test"), TYPE.TXT);
  const here = txt("prov.new.test", "here");
  expect(find(dname("old.test", "new.test"), here)).toMatchObject({ kind: "records", ttl: 300 });
  expect(find(dname("old.test", "new.test"), cname("prov.old.test", "prov.new.test", 0), here)).toMatchObject({
    ttl: 0,
  });
  expect(find(dname("prov.old.test", "prov.new.test"), here)).toMatchObject({ kind: "no-data" });
  expect(() => find(dname("old.test", "new.test"), dname("old.test", "newer.test"))).toThrow("two different DNAMEs");
  expect(() => find(dname("old.test", "old.test"))).toThrow("circle");
  expect(() => find(record("old.test", TYPE.DNAME, Uint8Array.of(63)))).toThrow("malformed");
});
