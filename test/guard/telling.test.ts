/** What nft, people and machines are told. */
import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Address, parseAddress } from "../../src/guard/address.ts";
import { openFirewall } from "../../src/guard/firewall.ts";
import { parseGuard } from "../../src/guard/guard-file.ts";
import { asciiJson, type Incident, readIncidents, tellIncident } from "../../src/guard/incident.ts";
import { mailText, openMailBag, PACE } from "../../src/guard/mail.ts";
import { banText, readSet } from "../../src/guard/nft.ts";
import { openReporter } from "../../src/guard/reporter.ts";
import { readSaved, savedText } from "../../src/guard/saved.ts";
import { whySpared } from "../../src/guard/spared.ts";
import { openTelling } from "../../src/guard/telling.ts";

function address(text: string): Address {
  const found = parseAddress(text);
  if (found === undefined) throw new Error(text);
  return found;
}
const INCIDENT: Incident = {
  version: 1,
  id: "one",
  at: "2026-11-28T22:00:00.000Z",
  source: "198.51.100.10",
  kind: "eve",
  reason: "1:1000001",
  note: "flood",
  events: 3,
  firstSeen: "2026-11-28T21:59:00.000Z",
  lastSeen: "2026-11-28T22:00:00.000Z",
  times: 2,
  action: "banned",
  seconds: 480,
  until: "2026-11-28T22:08:00.000Z",
};
const ended = (status: number, stdout = "", stderr = "") => ({ status, signal: null, stdout, stderr, timedOut: false });
const listed = (...elem: unknown[]) =>
  JSON.stringify({ nftables: [{ metainfo: {} }, { set: { name: "ban4", elem } }] });

describe("nft", () => {
  test("hears of all bans in one transaction, each added, deleted and added", () => {
    const text = banText("beesip", [
      { address: address("::ffff:198.51.100.10"), seconds: 119.5 },
      { address: address("2001:DB8::1"), seconds: 480 },
    ]);
    expect(text.split("\n")).toEqual([
      "add element inet beesip ban4 { 198.51.100.10 }",
      "delete element inet beesip ban4 { 198.51.100.10 }",
      "add element inet beesip ban4 { 198.51.100.10 timeout 120s }",
      "add element inet beesip ban6 { 2001:db8::1 }",
      "delete element inet beesip ban6 { 2001:db8::1 }",
      "add element inet beesip ban6 { 2001:db8::1 timeout 480s }",
      "",
    ]);
  });

  test("answers with elements of any form, or with something else", () => {
    const elem = { val: "198.51.100.10", timeout: 120, expires: 77, counter: { packets: 1, bytes: 2 } };
    expect(readSet(listed("192.0.2.1", { elem }, { prefix: { addr: "10.0.0.0", len: 8 } }))).toEqual([
      { address: address("192.0.2.1"), timeout: undefined, expires: undefined },
      { address: address("198.51.100.10"), timeout: 120, expires: 77 },
    ]);
    expect(readSet('{"nftables":[{"metainfo":{}},{"set":{"name":"ban4"}}]}')).toEqual([]);
    for (const odd of ["", "null", "[]", '{"nftables":[]}', '{"nftables":[{"set":'])
      expect(readSet(odd)).toBeUndefined();
    fc.assert(fc.property(fc.json(), (text) => void readSet(text)));
  });

  test("is told no ban that is shorter than the one that stands, and none that a person made for good", async () => {
    const told: string[] = [];
    const stands = listed(
      "192.0.2.1",
      { elem: { val: "192.0.2.2", timeout: 9999, expires: 9000 } },
      { elem: { val: "192.0.2.3", timeout: 60, expires: 3 } },
    );
    const firewall = openFirewall(
      "beesip",
      async (args, stdin) => {
        if (stdin === undefined) return ended(0, args.includes("ban4") ? stands : listed());
        told.push(stdin);
        return ended(0);
      },
      () => undefined,
    );
    for (const one of ["192.0.2.1", "192.0.2.2", "192.0.2.3"])
      firewall.order({ address: address(one), seconds: 120 }, 10);
    expect((await firewall.flush(10)).size).toBe(3);
    expect(told).toEqual([banText("beesip", [{ address: address("192.0.2.3"), seconds: 120 }])]);
  });

  test("is asked again, less and less often, until the table is there; what has passed is not banned any more", async () => {
    let isThere = false;
    const told: string[] = [];
    const said: string[] = [];
    const firewall = openFirewall(
      "beesip",
      async (_, stdin) => {
        if (!isThere) return ended(1, "", "Error: No such file or directory\n");
        if (stdin !== undefined) told.push(stdin);
        return ended(0, listed());
      },
      (level, text) => said.push(`${level} ${text}`),
    );
    firewall.order({ address: address("198.51.100.1"), seconds: 20 }, 0);
    firewall.order({ address: address("198.51.100.2"), seconds: 600 }, 0);
    let tries = 0;
    for (let now = 0; now < 100; now++) {
      if (!firewall.isDue(now)) continue;
      tries++;
      await firewall.flush(now);
    }
    expect(tries).toBeLessThan(12);
    expect({ state: firewall.state, waiting: firewall.waiting }).toEqual({ state: "missing", waiting: 1 });
    isThere = true;
    for (let now = 100; now < 140; now++) if (firewall.isDue(now)) await firewall.flush(now);
    expect(firewall.state).toBe("ok");
    expect(told).toHaveLength(1);
    expect(told[0]).toMatch(/^add element inet beesip ban4 \{ 198\.51\.100\.2 timeout (?:4[6-9][0-9]|500)s \}$/m);
    expect(said).toHaveLength(2);
  });
});

describe("whoever is spared", () => {
  const guard = parseGuard('{"version":1,"sources":[],"allow":["203.0.113.0/24"],"own":["198.51.100.1"]}');
  const around = { own: [address("198.51.100.2")], lifeline: [address("198.51.100.3")] };
  test.each([
    ["203.0.113.77", "allow"],
    ["::ffff:203.0.113.77", "allow"],
    ["198.51.100.1", "own"],
    ["198.51.100.2", "own"],
    ["198.51.100.3", "lifeline"],
    ["192.168.1.20", "private"],
    ["100.64.3.4", "private"],
    ["fd00::1", "private"],
    ["127.0.0.1", "no-host"],
    ["0.0.0.0", "no-host"],
    ["255.255.255.255", "no-host"],
    ["::1", "no-host"],
    ["fe80::1", "no-host"],
    ["ff02::1", "no-host"],
    ["198.51.100.4", undefined],
    ["2001:db8::1", undefined],
  ])("%s: %j", (text, why) => {
    expect(whySpared(address(text), guard, around)).toBe(why);
  });

  test("private addresses are not, where that is said; what is allowed or own is all the same", () => {
    const all = parseGuard(
      '{"version":1,"sources":[],"allow":["192.168.1.0/25"],"own":["10.0.0.1"],"ban":{"private":true}}',
    );
    const why = (text: string) => whySpared(address(text), all, around);
    expect([why("192.168.1.200"), why("192.168.1.20"), why("10.0.0.1")]).toEqual([undefined, "allow", "own"]);
  });
});

describe("mail", () => {
  test("is one for a burst, tells of a source once an hour, and counts the rest", () => {
    const bag = openMailBag();
    const put = (source: string, now: number) => bag.put({ ...INCIDENT, source }, now);
    put("a", 1000);
    put("b", 1002);
    expect(bag.take(1003)).toBeUndefined();
    expect(bag.take(1000 + PACE.gather)?.incidents.map(({ source }) => source)).toEqual(["a", "b"]);
    bag.settle(true);
    put("a", 1100);
    put("c", 1101);
    expect(bag.take(1200)).toBeUndefined();
    expect(bag.take(1005 + PACE.between)).toMatchObject({ incidents: [{ source: "c" }], more: 1 });
    bag.settle(true);
    put("a", 1400);
    expect(bag.take(3000)).toBeUndefined();
    put("a", 1005 + PACE.perSource);
    expect(bag.take(1005 + PACE.perSource + PACE.gather)).toMatchObject({ incidents: [{ source: "a" }], more: 1 });
  });

  test("goes on after a restart: nobody is told of again within the hour, and what waited still waits", () => {
    const bag = openMailBag();
    const put = (source: string, now: number, to = bag) => to.put({ ...INCIDENT, source, id: `${source}${now}` }, now);
    put("a", 1000);
    bag.take(1005);
    bag.settle(true);
    put("b", 1010);
    const again = openMailBag(bag.keep());
    expect(bag.keep()).toMatchObject({ last: 1005, upTo: "a1000", told: [["a", 1005]] });
    put("b", 1010, again);
    put("a", 1020, again);
    expect(again.take(1100)).toBeUndefined();
    expect(again.take(1005 + PACE.between)).toMatchObject({ incidents: [{ source: "b" }], more: 1 });
  });

  test("that nobody took is tried again with the next", () => {
    const bag = openMailBag();
    bag.put({ ...INCIDENT, source: "a" }, 1000);
    bag.take(1005);
    bag.settle(false);
    bag.put({ ...INCIDENT, source: "b" }, 1010);
    expect(bag.take(1100)).toBeUndefined();
    expect(bag.take(1010 + PACE.between)?.incidents.map(({ source }) => source)).toEqual(["a", "b"]);
  });

  test("that is on its way, or that nobody took, is news still for whoever goes on after a restart; that arrived is not", () => {
    const bag = openMailBag();
    const put = (source: string, now: number, to = bag) => to.put({ ...INCIDENT, source, id: `${source}${now}` }, now);
    const tellsAgain = () => {
      const again = openMailBag(bag.keep());
      const { upTo } = bag.keep();
      if (upTo === undefined) put("a", 1000, again);
      put("b", 1400, again);
      return again.take(1800)?.incidents.map(({ source }) => source);
    };
    put("a", 1000);
    expect(bag.take(1005)).toBeDefined();
    expect(tellsAgain()).toEqual(["a", "b"]);
    // Meanwhile it is not begun again, nor the same told twice.
    put("a", 1310);
    expect(bag.take(1400)).toBeUndefined();
    bag.settle(false);
    expect(tellsAgain()).toEqual(["a", "b"]);
    expect(bag.take(1405)).toMatchObject({ incidents: [{ source: "a" }], more: 1 });
    bag.settle(true);
    expect(bag.keep().upTo).toBe("a1310");
    expect(tellsAgain()).toEqual(["b"]);
  });

  test("whose program cannot be started, or that is on its way at the end, is waited for and kept", async () => {
    const ends: ((isTaken: boolean) => void)[] = [];
    const said: string[] = [];
    const how = { newId: () => "x", log: (level: string, text: string) => void said.push(`${level} ${text}`) };
    const broken = openTelling({ mail: () => Promise.reject(new Error("no memory")) }, how, undefined, [], 0);
    broken.put(INCIDENT, 0);
    broken.tick(PACE.gather);
    await broken.settled();
    expect(broken.counts.mails).toEqual({ sent: 0, failed: 1 });
    expect(broken.keep().mail?.upTo).toBeUndefined();
    expect(said.join()).toContain("no memory");

    const slow = openTelling({ mail: () => new Promise((end) => ends.push(end)) }, how, undefined, [], 0);
    slow.put(INCIDENT, 0);
    slow.tick(PACE.gather);
    let isSettled = false;
    const settled = slow.settled().then(() => (isSettled = true));
    await setImmediate();
    expect(isSettled).toBe(false);
    expect(slow.keep().mail?.upTo).toBeUndefined();
    ends[0]?.(true);
    await settled;
    expect(slow.hasNews).toBe(true);
    expect(slow.keep().mail?.upTo).toBe(INCIDENT.id);
    expect(slow.counts.mails).toEqual({ sent: 1, failed: 0 });
  });

  test("is plain ASCII in short lines whatever a rule is called, with one header each", () => {
    const texts = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("x\r\nBcc: evil@example.net", "\n.\nQUIT", "\u202e\u0007\u001b[2J", "a".repeat(3000)),
    );
    fc.assert(
      fc.property(texts, texts, (note, hostname) => {
        const text = mailText(
          "noc@example.net",
          { hostname, now: 1_796_000_000_000, id: "x" },
          [{ ...INCIDENT, note }],
          3,
        );
        const [head = "", ...body] = text.split("\n\n");
        expect(text).toMatch(/^[\x20-\x7e\n]*$/);
        expect(text.split("\n").every((line) => line.length <= 998 && line !== ".")).toBe(true);
        expect(head.split("\n").map((line) => line.split(":")[0])).toEqual([
          "From",
          "To",
          "Subject",
          "Date",
          "Message-ID",
          "Auto-Submitted",
          "MIME-Version",
          "Content-Type",
          "Content-Transfer-Encoding",
        ]);
        expect(body.join("\n\n")).toContain("198.51.100.10");
      }),
      { numRuns: 200 },
    );
    expect(mailText("noc@example.net", { hostname: "router", now: 0, id: "x" }, [INCIDENT], 0)).toContain(
      "Date: Thu, 01 Jan 1970 00:00:00 +0000\n",
    );
  });
});

test("a line of JSON is ASCII, and comes back whole; what is none is passed over", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (note) => {
      const line = asciiJson({ ...INCIDENT, note });
      expect(line).toMatch(/^[\x20-\x7e]*$/);
      expect(readIncidents(`{}\n${line}\nhalf`)).toEqual([{ ...INCIDENT, note }]);
    }),
  );
  expect(tellIncident({ ...INCIDENT, note: "\u001b[2J" })).toBe(
    "198.51.100.10 banned for 8 min; eve: 1:1000001 (?[2J), 3 events, time 2",
  );
});

test("what is saved comes back, of this boot and whole only", () => {
  const saved = {
    boot: "b",
    marks: { "/var/log/x": { dev: 1, inode: 2, offset: 3 } },
    kept: [{ address: "198.51.100.1", offences: 2, since: 1, until: 9, lastSeen: 1 }],
    delivered: "one",
    mail: { last: 3, upTo: "one", told: [["198.51.100.1", 3]] as const },
  };
  expect(readSaved(savedText(saved), "b")).toEqual(saved);
  expect(readSaved(savedText(saved), "another boot")).toBeUndefined();
  for (const odd of ["", "{}", savedText(saved).slice(0, 60), '{"version":1,"boot":"b","kept":[{}],"marks":{}}'])
    expect(readSaved(odd, "b")).toBeUndefined();
  fc.assert(fc.property(fc.json(), (text) => void readSaved(text, "b")));
});

describe("reports", () => {
  const scene = (answers: readonly (number | Error)[]) => {
    const got: { id: string; body: Record<string, unknown> }[] = [];
    let turn = 0;
    let ids = 0;
    const reporter = openReporter(
      async (body, id) => {
        const answer = answers[Math.min(turn++, answers.length - 1)] ?? 204;
        if (answer instanceof Error) throw answer;
        got.push({ id, body });
        return { status: answer, retryAfter: answer === 429 ? 100 : undefined };
      },
      { newId: () => `letter-${ids++}`, log: () => undefined },
    );
    const tick = async (now: number) => {
      reporter.tick(now);
      await reporter.settled();
    };
    return { reporter, got, tick };
  };

  test("a letter that got no answer is sent again as it was, later and later", async () => {
    const { reporter, got, tick } = scene([new Error("no route"), 503, 429, 204]);
    reporter.put(INCIDENT);
    await tick(0);
    reporter.put({ ...INCIDENT, id: "two" });
    await tick(1);
    expect(got).toEqual([]);
    await tick(5);
    await tick(15);
    await tick(114);
    expect(got.map(({ id }) => id)).toEqual(["letter-0", "letter-0"]);
    await tick(115);
    await tick(116);
    expect(got.map(({ id }) => id)).toEqual(["letter-0", "letter-0", "letter-0", "letter-1"]);
    expect(reporter.counts).toEqual({ waiting: 0, sent: 2, dropped: 0 });
    expect(reporter.delivered).toBe("two");
  });

  test("the queue is bounded, and the next letter says how many are lost", async () => {
    const { reporter, got, tick } = scene([204]);
    for (let at = 0; at < 600; at++) reporter.put({ ...INCIDENT, id: `${at}` });
    await tick(0);
    expect(reporter.counts).toEqual({ waiting: 462, sent: 50, dropped: 88 });
    expect(got[0]?.body).toMatchObject({ version: 1, lost: 88 });
  });

  test("a refusal is told, and not repeated", async () => {
    const { reporter, got, tick } = scene([403, 204]);
    reporter.put(INCIDENT);
    await tick(0);
    await tick(1);
    expect(got).toHaveLength(1);
    expect(reporter.counts).toEqual({ waiting: 0, sent: 0, dropped: 1 });
  });
});
