import { expect, test } from "vitest";
import type { Anchor } from "../../../src/dns/dnssec/anchors.ts";
import { serverKeys } from "../../../src/dns/dnssec/tlsa.ts";
import type { Message, ResourceRecord } from "../../../src/dns/message.ts";
import { TYPE } from "../../../src/dns/types.ts";
import { ProvisionError } from "../../../src/errors.ts";
import { bytes, cname, record } from "../build.ts";
import { NOW } from "./samples.ts";
import { dname, signedZones } from "./signed-zones.ts";

const address = (owner: string) => record(owner, TYPE.A, bytes(192, 0, 2, 1));
const tlsa = (owner: string, ...rdata: number[]): ResourceRecord => record(owner, TYPE.TLSA, bytes(...rdata));

const ZONES = {
  test: [
    address("web.test"),
    tlsa("_443._tcp.web.test", 3, 1, 1, 7),
    tlsa("_8443._tcp.web.test", 3, 0, 0, 8, 9),
    address("bare.test"),
    cname("shared.test", "web.test"),
    cname("own.test", "bare.test"),
    tlsa("_443._tcp.own.test", 3, 1, 1, 1),
    cname("out.test", "web.plain.test"),
    tlsa("_443._tcp.out.test", 3, 1, 1, 2),
    cname("_443._tcp.bare.test", "keys.test"),
    tlsa("keys.test", 3, 1, 1, 3),
    dname("_tcp.moved.test", "_tcp.web.test"),
    address("moved.test"),
    address("nothing.test"),
    address("cut.test"),
    tlsa("_443._tcp.cut.test", 3, 1),
  ],
  "plain.test": [address("web.plain.test"), tlsa("_443._tcp.web.plain.test", 3, 1, 1, 4)],
  "zone.test": [address("web.zone.test"), tlsa("_443._tcp.web.zone.test", 3, 1, 1, 5)],
};

function scene(change?: (message: Message, key: string) => Message) {
  const zones = signedZones(ZONES, { unsigned: ["plain.test"], ...(change ? { change } : {}) });
  return {
    ...zones,
    keys: (host: string, port = 443, anchors: readonly Anchor[] = zones.anchors) =>
      serverKeys(host, port, { ask: zones.ask, anchors, now: NOW }),
  };
}

test("are found for a name and port, with the anchor that proves them", async () => {
  expect(await scene().keys("web.test")).toEqual({
    kind: "records",
    name: "web.test",
    records: [{ usage: 3, selector: 1, matching: 1, content: bytes(7) }],
    anchor: "test",
  });
  expect(await scene().keys("WEB.test.", 8443)).toMatchObject({ records: [{ content: bytes(8, 9) }] });
  expect(await scene().keys("web.test", 444)).toEqual({ kind: "none", why: "_444._tcp.web.test has none" });
});

test("are proven by the nearest anchor, which is told", async () => {
  const zones = scene();
  const anchors = [...zones.anchors, ...zones.anchorOf("zone.test")];
  expect(await zones.keys("web.zone.test", 443, anchors)).toMatchObject({ kind: "records", anchor: "zone.test" });
  expect(zones.asked).toEqual(["1 web.zone.test", "48 zone.test", "52 _443._tcp.web.zone.test"]);
});

test("belong to where the server's proven aliases end, and else to its own name", async () => {
  expect(await scene().keys("shared.test")).toMatchObject({ name: "web.test", records: [{ content: bytes(7) }] });
  // The expanded name has some: they count, and not those at the alias.
  expect(await scene().keys("own.test")).toMatchObject({ name: "bare.test", records: [{ content: bytes(3) }] });
  expect(await scene().keys("out.test")).toMatchObject({ name: "out.test", records: [{ content: bytes(2) }] });
});

test("may themselves lie behind a CNAME or a DNAME", async () => {
  expect(await scene().keys("bare.test")).toMatchObject({ records: [{ content: bytes(3) }] });
  expect(await scene().keys("moved.test")).toMatchObject({ records: [{ content: bytes(7) }] });
});

test("are proven to be none where the zone has none, and where there is no such host", async () => {
  expect(await scene().keys("nothing.test")).toMatchObject({ kind: "none" });
  expect(await scene().keys("no such host")).toMatchObject({ kind: "none" });
});

test("are not asked for where the host itself is in no signed zone", async () => {
  const zones = scene();
  expect(await zones.keys("web.plain.test")).toMatchObject({ kind: "none", why: expect.stringContaining("unsigned") });
  expect(zones.asked.filter((key) => key.startsWith("52 "))).toEqual([]);
  const other = scene();
  expect(await other.keys("web.example")).toMatchObject({ kind: "none" });
  expect(other.asked.filter((key) => key.startsWith("52 "))).toEqual([]);
});

const only = (wanted: string, keep: (record: ResourceRecord) => boolean) => (message: Message, key: string) =>
  key === wanted
    ? { ...message, answers: message.answers.filter(keep), authority: message.authority.filter(keep) }
    : message;

test.each<[string, (message: Message, key: string) => Message]>([
  ["takes the records away", only("52 _443._tcp.web.test", () => false)],
  ["takes their signature away", only("52 _443._tcp.web.test", ({ type }) => type !== TYPE.RRSIG)],
  ["takes the address's signature away", only("1 web.test", ({ type }) => type !== TYPE.RRSIG)],
  [
    "changes them",
    (message) => ({
      ...message,
      answers: message.answers.map((one) => (one.type === TYPE.TLSA ? tlsa("_443._tcp.web.test", 3, 1, 1, 6) : one)),
    }),
  ],
  [
    "says that there is no such host",
    (message, key) => (key === "1 web.test" ? { ...message, rcode: 3, answers: [] } : message),
  ],
  [
    "gives those of another port",
    (message, key) =>
      key === "52 _443._tcp.web.test"
        ? {
            ...message,
            answers: message.answers.map((one) =>
              one.type === TYPE.TLSA ? tlsa("_443._tcp.web.test", 3, 0, 0, 8, 9) : one,
            ),
          }
        : message,
  ],
])("who %s is found out", async (_, change) => {
  await expect(scene(change).keys("web.test")).rejects.toMatchObject({ code: "DNSSEC_BOGUS" });
});

test("silence and failure are no absence", async () => {
  const zones = signedZones(ZONES);
  const ask = async (question: Parameters<typeof zones.ask>[0]) => {
    if (question.type === TYPE.TLSA) throw new ProvisionError("DNS_FAILED", "SERVFAIL");
    return zones.ask(question);
  };
  const asking = serverKeys("web.test", 443, { ask, anchors: zones.anchors, now: NOW });
  await expect(asking).rejects.toMatchObject({ code: "DNS_FAILED" });
});

test("a record that is cut is none", async () => {
  expect(await scene().keys("cut.test")).toMatchObject({ kind: "records", records: [] });
});
