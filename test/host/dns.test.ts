import { createSocket } from "node:dgram";
import { once } from "node:events";
import { isIP } from "node:net";
import { networkInterfaces } from "node:os";
import DNS2 from "dns2";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import type { TxtAnswer } from "../../src/api.ts";
import { encodeMessage, type Message } from "../../src/dns/message.ts";
import { formatName, lowerName } from "../../src/dns/name.ts";
import { TYPE } from "../../src/dns/types.ts";
import { openDns } from "../../src/host/dns.ts";
import { readServers } from "../../src/host/dns-server.ts";
import { answerTo, bytes, cname, record, txt } from "../dns/build.ts";
import { type Asked, type FakeDns, fakeDns, frame, toBytes } from "./fake-dns.ts";

const NAME = "_uciprov.fleet.example";
const GOOD = txt(NAME, "provuri=https://a.example/", "serial=42");

const servers: FakeDns[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

async function serve(...args: Parameters<typeof fakeDns>): Promise<FakeDns> {
  const server = await fakeDns(...args);
  servers.push(server);
  return server;
}

const good = ({ query, send }: Asked) => send(answerTo(query, [GOOD]));
const silent = () => {};

interface How {
  readonly deadline?: number;
  readonly signal?: AbortSignal;
  readonly name?: string;
}

function ask(server: FakeDns | readonly string[], how: How = {}): Promise<TxtAnswer> {
  const log: string[] = [];
  return openDns({ log: (_, message) => log.push(message) }).txt(how.name ?? NAME, {
    servers: "server" in server ? [server.server] : server,
    port: 53,
    deadline: how.deadline ?? 1500,
    signal: how.signal ?? new AbortController().signal,
  });
}

const strings = (answer: TxtAnswer) =>
  answer.kind === "records"
    ? answer.records.map((one) => one.map((s) => Buffer.from(s).toString("latin1")))
    : answer.kind;

const expectGood = async (answer: Promise<TxtAnswer>) =>
  expect(strings(await answer)).toEqual([["provuri=https://a.example/", "serial=42"]]);

const expectError = (answer: Promise<TxtAnswer>, code: string) => expect(answer).rejects.toMatchObject({ code });

describe("a server that behaves", () => {
  test("is asked once, and its strings come byte for byte", async () => {
    const server = await serve(({ query, send }) =>
      send(answerTo(query, [txt(NAME, "a", Uint8Array.of(0, 255, 10), "")])),
    );
    const answer = await ask(server);
    expect(answer).toEqual({
      kind: "records",
      name: NAME,
      ttl: 300,
      records: [[bytes("a"), bytes(0, 255, 10), bytes()]],
    });
    expect(server.udp).toHaveLength(1);
    expect(server.udp[0]).toMatchObject({
      recursionDesired: true,
      edns: { udpSize: 1232, version: 0, dnssecOk: false },
    });
  });

  test("dns2's server is understood over UDP", async () => {
    const server = DNS2.createServer({
      udp: true,
      handle: (request, send) => {
        const response = DNS2.Packet.createResponseFromRequest(request);
        const record = { type: DNS2.Packet.TYPE.TXT, ttl: 7, data: ["provuri=https://b.example/", "serial=1"] };
        for (const question of request.questions) {
          response.answers.push(DNS2.Packet.createResourceFromQuestion(question, record));
        }
        send(response);
      },
    });
    const { udp } = await server.listen({ udp: { port: 0, address: "127.0.0.1" } });
    try {
      const answer = await ask([`127.0.0.1#${udp?.port}`]);
      expect(strings(answer)).toEqual([["provuri=https://b.example/", "serial=1"]]);
    } finally {
      await server.close();
    }
  });

  test("NXDOMAIN and no data are told apart, over aliases", async () => {
    expect(await ask(await serve(({ query, send }) => send(answerTo(query, [], { rcode: 3 }))))).toEqual({
      kind: "no-name",
      name: NAME,
    });
    expect(await ask(await serve(({ query, send }) => send(answerTo(query, [cname(NAME, "b.example")]))))).toEqual({
      kind: "no-data",
      name: "b.example",
    });
  });

  test("an alias within its answer is followed", async () => {
    const server = await serve(({ query, send }) =>
      send(answerTo(query, [cname(NAME, "b.example", 9), txt("b.example", "x")])),
    );
    expect(await ask(server)).toMatchObject({ kind: "records", name: "b.example", ttl: 9 });
  });

  test("is reached over IPv6, also by a link-local address with its zone", async () => {
    const zoned = Object.entries(networkInterfaces()).flatMap(([name, all]) =>
      (all ?? []).filter(({ address }) => address.startsWith("fe80:")).map(({ address }) => `${address}%${name}`),
    );
    for (const address of ["::1", ...zoned.slice(0, 1)]) {
      const server = await serve(({ query, send }) => send(answerTo(query, [], { truncated: true })), good, address);
      await expectGood(ask(server));
    }
  });

  test("each query has its own id, port and letter case", async () => {
    const ports = new Set<number>();
    const server = await serve(({ query, from, send }) => {
      ports.add(from.port);
      send(answerTo(query, [GOOD]));
    });
    for (let i = 0; i < 12; i++) await ask(server);
    expect(new Set(server.udp.map(({ id }) => id)).size).toBeGreaterThan(10);
    expect(ports.size).toBeGreaterThan(10);
    expect(new Set(server.udp.map(({ questions }) => formatName(questions[0]?.name ?? []))).size).toBeGreaterThan(10);
    for (const { questions } of server.udp) expect(formatName(questions[0]?.name ?? []).toLowerCase()).toBe(NAME);
  });
});

describe("what is not the answer is dropped, and listening goes on", () => {
  const lies: [string, (query: Message) => Message | Uint8Array][] = [
    ["another id", (query) => answerTo({ ...query, id: query.id ^ 1 }, [txt(NAME, "forged")])],
    ["a query, not a response", (query) => answerTo(query, [txt(NAME, "forged")], { isResponse: false })],
    ["another opcode", (query) => answerTo(query, [txt(NAME, "forged")], { opcode: 4 })],
    ["another name in the question", (query) => otherQuestion(query, { name: [bytes("evil"), bytes("example")] })],
    ["another type in the question", (query) => otherQuestion(query, { type: TYPE.A })],
    ["another class in the question", (query) => otherQuestion(query, { class: 3 })],
    ["no question", (query) => answerTo({ ...query, questions: [] }, [txt(NAME, "forged")])],
    ["no question and NXDOMAIN", (query) => answerTo({ ...query, questions: [] }, [], { rcode: 3 })],
    ["nothing at all", () => bytes()],
    ["one byte", () => bytes(1)],
    ["half a header", (query) => encodeMessage(query).slice(0, 7)],
    ["a pointer loop", (query) => bytes(...encodeMessage(answerTo(query, [])).slice(0, 12), 0xc0, 12, 0, 16, 0, 1)],
    ["a record that is cut", (query) => encodeMessage(answerTo(query, [GOOD], { edns: undefined })).slice(0, -5)],
    [
      "1,100 records",
      (query) =>
        answerTo(
          query,
          Array.from({ length: 1100 }, () => txt(NAME, "forged")),
        ),
    ],
    ["a TXT string longer than its record", (query) => answerTo(query, [record(NAME, TYPE.TXT, bytes(200, "forged"))])],
  ];

  test.each(lies)("%s", async (_, lie) => {
    const server = await serve(({ query, send }) => {
      send(lie(query));
      setTimeout(() => send(answerTo(query, [GOOD])), 20);
    });
    await expectGood(ask(server));
  });

  test("an answer from another port, with everything else right", async () => {
    const stranger = createSocket("udp4");
    stranger.bind(0, "127.0.0.1");
    await once(stranger, "listening");
    const server = await serve(({ query, from, send }) => {
      stranger.send(toBytes(answerTo(query, [txt(NAME, "forged")])), from.port, "127.0.0.1");
      setTimeout(() => send(answerTo(query, [GOOD])), 40);
    });
    try {
      await expectGood(ask(server));
    } finally {
      stranger.close();
    }
  });

  test("a flood of them ends at the deadline", async () => {
    const server = await serve(({ query, send }) => {
      for (let i = 0; i < 500; i++)
        send(answerTo({ ...query, id: (query.id + 1 + i) & 0xffff }, [txt(NAME, "forged")]));
    });
    const start = performance.now();
    await expectError(ask(server, { deadline: 400 }), "DNS_TIMEOUT");
    expect(performance.now() - start).toBeLessThan(1500);
  });

  function otherQuestion(query: Message, other: Partial<Message["questions"][number]>): Message {
    const [question] = query.questions;
    if (!question) throw new Error("a query without question");
    return answerTo({ ...query, questions: [{ ...question, ...other }] }, [txt(NAME, "forged")]);
  }
});

describe("an answer that is cut", () => {
  const cut = ({ query, send }: Asked) =>
    send(encodeMessage(answerTo(query, [GOOD], { truncated: true })).slice(0, 50));

  test("comes whole over TCP, under a new id", async () => {
    const many = Array.from({ length: 200 }, (_, i) => txt(NAME, `k${i}=${"v".repeat(200)}`));
    const server = await serve(cut, ({ query, send }) => send(answerTo(query, many)));
    expect(strings(await ask(server))).toHaveLength(200);
    expect(server.tcp[0]?.id).not.toBe(server.udp[0]?.id);
  });

  test("comes over TCP byte by byte, too", async () => {
    const server = await serve(cut, async ({ query, socket }) => {
      for (const byte of frame(toBytes(answerTo(query, [GOOD])))) {
        socket.write(Uint8Array.of(byte));
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    await expectGood(ask(server));
  });

  const tcpLies: [string, Parameters<typeof fakeDns>[1]][] = [
    ["is closed at once", ({ socket }) => socket.destroy()],
    ["is reset", ({ socket }) => socket.resetAndDestroy()],
    ["ends in the middle", ({ query, socket }) => socket.end(frame(toBytes(answerTo(query, [GOOD]))).subarray(0, 30))],
    [
      "announces 65,535 bytes and ends",
      ({ query, socket }) => socket.end(frame(toBytes(answerTo(query, [GOOD])), 65_535)),
    ],
    ["announces none", ({ socket }) => socket.write(Uint8Array.of(0, 0))],
    ["has another id", ({ query, send }) => send(answerTo({ ...query, id: query.id ^ 1 }, [GOOD]))],
    ["has another question", ({ query, send }) => send(answerTo({ ...query, questions: [] }, [GOOD]))],
    ["is no response", ({ query, send }) => send(query)],
    ["is cut again", ({ query, send }) => send(answerTo(query, [], { truncated: true }))],
    ["is rubbish", ({ send }) => send(Buffer.alloc(500, 0xc0))],
  ];

  test.each(tcpLies)("but whose TCP answer %s is a failure", async (_, lie) => {
    await expectError(ask(await serve(cut, lie), { deadline: 600 }), "DNS_FAILED");
  });

  test("but whose TCP stays silent ends at the deadline", async () => {
    const start = performance.now();
    await expectError(ask(await serve(cut, silent), { deadline: 500 }), "DNS_TIMEOUT");
    expect(performance.now() - start).toBeLessThan(1500);
  });

  test("but whose TCP trickles for ever ends at the deadline", async () => {
    const server = await serve(cut, ({ socket }) => {
      socket.write(Uint8Array.of(0xff, 0xff));
      const drip = setInterval(() => socket.write("x"), 20);
      socket.on("close", () => clearInterval(drip));
    });
    await expectError(ask(server, { deadline: 400 }), "DNS_TIMEOUT");
  });
});

describe("several tries", () => {
  test("a lost datagram is sent again, and a late answer to the first still counts", async () => {
    await expectGood(ask(await serve((asked) => asked.count >= 2 && good(asked)), { deadline: 900 }));
    const late = await serve((asked) => asked.count === 1 && setTimeout(() => good(asked), 500));
    await expectGood(ask(late, { deadline: 1200 }));
    expect(late.udp.length).toBeGreaterThan(1);
  });

  test("silence from everybody is DNS_TIMEOUT, at the deadline, after three tries each", async () => {
    const [one, two] = [await serve(silent), await serve(silent)];
    const start = performance.now();
    await expectError(ask([one.server, two.server], { deadline: 600 }), "DNS_TIMEOUT");
    expect(performance.now() - start).toBeGreaterThan(550);
    expect([one.udp.length, two.udp.length]).toEqual([3, 3]);
  });

  test.each([
    [2, "SERVFAIL"],
    [5, "REFUSED"],
    [4, "NOTIMP"],
    [9, "RCODE 9"],
  ])("rcode %i (%s) sends us to the next server at once; from all it is DNS_FAILED", async (rcode, name) => {
    const refusing = await serve(({ query, send }) => send(answerTo(query, [], { rcode })));
    const start = performance.now();
    await expectGood(ask([refusing.server, (await serve(good)).server], { deadline: 5000 }));
    expect(performance.now() - start).toBeLessThan(800);
    await expect(ask(refusing)).rejects.toMatchObject({
      code: "DNS_FAILED",
      cause: { message: `${refusing.server} answered ${name}` },
    });
  });

  test("a closed port sends us to the next server at once; alone it is DNS_FAILED", async () => {
    const gone = await fakeDns(silent);
    await gone.close();
    const start = performance.now();
    await expectError(ask(gone, { deadline: 5000 }), "DNS_FAILED");
    await expectGood(ask([gone.server, (await serve(good)).server], { deadline: 5000 }));
    expect(performance.now() - start).toBeLessThan(1500);
  });

  test.each([
    ["FORMERR", 1],
    ["NOTIMP", 4],
  ])("a server that answers %s to EDNS is asked without", async (_, rcode) => {
    const server = await serve(({ query, send }) =>
      send(
        query.edns ? answerTo({ ...query, questions: [], edns: undefined }, [], { rcode }) : answerTo(query, [GOOD]),
      ),
    );
    await expectGood(ask(server));
    expect(server.udp.map(({ edns }) => edns !== undefined)).toEqual([true, false]);
  });

  test("a server that drops EDNS is asked without in the last round", async () => {
    await expectGood(ask(await serve((asked) => asked.query.edns === undefined && good(asked)), { deadline: 900 }));
  });

  test("a server that flattens letter case is believed only where lower case was asked, and that without waiting", async () => {
    const server = await serve(({ query, send }) => {
      const questions = query.questions.map((one) => ({ ...one, name: lowerName(one.name) }));
      send(answerTo({ ...query, questions }, [GOOD]));
    });
    const start = performance.now();
    await expectGood(ask(server, { deadline: 10_000 }));
    expect(performance.now() - start).toBeLessThan(1000);
    expect(server.udp).toHaveLength(3);
    expect(formatName(server.udp[2]?.questions[0]?.name ?? [])).toBe(NAME);
  });

  test("a server that only speaks nonsense is DNS_FAILED", async () => {
    const server = await serve(({ query, send }) => send(bytes(query.id >> 8, query.id & 255, 0x80, 0, 0, 9)));
    await expectError(ask(server, { deadline: 300 }), "DNS_FAILED");
  });

  test("aliases in a circle are DNS_FAILED", async () => {
    const server = await serve(({ query, send }) =>
      send(answerTo(query, [cname(NAME, "b.example"), cname("b.example", NAME)])),
    );
    await expectError(ask(server), "DNS_FAILED");
  });
});

describe("stopping", () => {
  const handles = () => process.getActiveResourcesInfo().filter((kind) => /UDP|TCP|Timeout/.test(kind)).length;

  test("ends a query at once with STOPPED and leaves no socket or timer, over UDP and over TCP", async () => {
    const quiet = await serve(silent);
    const cut = await serve(({ query, send }) => send(answerTo(query, [], { truncated: true })), silent);
    for (const server of [quiet, cut]) {
      const before = handles();
      const stop = new AbortController();
      const answer = ask(server, { signal: stop.signal, deadline: 60_000 });
      setTimeout(() => stop.abort(), 50);
      const start = performance.now();
      await expectError(answer, "STOPPED");
      expect(performance.now() - start).toBeLessThan(1000);
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(handles()).toBeLessThanOrEqual(before + 1);
    }
  });

  test("before the query sends nothing", async () => {
    const server = await serve(good);
    await expectError(ask(server, { signal: AbortSignal.abort() }), "STOPPED");
    expect(server.udp).toHaveLength(0);
  });
});

describe("what is asked", () => {
  test.each(["", "a..b", "a b", "a\n", `${"a".repeat(64)}.example`])("%j is no domain name", async (name) => {
    await expectError(ask(["127.0.0.1"], { name }), "SETTINGS_INVALID");
  });

  test.each([
    "",
    "localhost",
    "127.0.0.1:53",
    "[::1]",
    "127.0.0.1#",
    "127.0.0.1#0",
    "127.0.0.1#65536",
    "127.0.0.1#5#3",
    "1.2.3",
    "127.0.0.1 ",
  ])("%j is no name server", async (server) => {
    await expectError(ask([server]), "SETTINGS_INVALID");
  });

  test("servers are read with zone and port, each once, four at most", () => {
    expect(readServers(["192.0.2.1", "fe80::1%eth0#5353", "192.0.2.1#53"], 53)).toEqual([
      { address: "192.0.2.1", family: 4, port: 53 },
      { address: "fe80::1%eth0", family: 6, port: 5353 },
    ]);
    expect(readServers(["::1", "::2", "::3", "::4", "::5"], 54)).toHaveLength(4);
    expect(() => readServers([], 53)).toThrow("no name server");
  });

  test("what is a literal address is what Node takes for one", () => {
    const odd = ["1.2.3.4", "01.2.3.4", "1.2.3.256", "1.2.3.4.5", "1e1.2.3.4", "-0.2.3.4", "1.2.3.4 ", "1.2.3.", "::"];
    const pieces = fc.array(fc.constantFrom("0", "1", "25", "255", "256", ".", ":", "f", "e", "x", " ", "-"), {
      maxLength: 12,
    });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.constantFrom(...odd),
          fc.ipV4(),
          fc.ipV6(),
          pieces.map((all) => all.join("")),
        ),
        (text) => {
          const family = isIP(text);
          if (family === 0) expect(() => readServers([text], 53)).toThrow("no name server");
          else expect(readServers([text], 53)).toEqual([{ address: text, family, port: 53 }]);
        },
      ),
    );
  });
});
