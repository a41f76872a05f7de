import { afterEach, expect, test } from "vitest";
import { type Message, parseMessage } from "../../src/dns/message.ts";
import { formatName, lowerName } from "../../src/dns/name.ts";
import { openDns } from "../../src/host/dns.ts";
import { ANCHOR, NOW, RECORDED } from "../dns/dnssec/samples.ts";
import { type Asked, type FakeDns, fakeDns } from "./fake-dns.ts";

let server: FakeDns | undefined;
afterEach(async () => server?.close());

/** bind's recorded answer under the query's id, its question as it was asked. */
function recordedFor(query: Message, questions = query.questions): Message | undefined {
  const [question] = query.questions;
  const bytes = RECORDED.get(`${question?.type} ${formatName(lowerName(question?.name ?? []))}`);
  return bytes && { ...parseMessage(bytes), id: query.id, questions };
}

async function ask(
  name: string,
  how: { onUdp?: (asked: Asked) => void; anchors?: string[]; now?: number; deadline?: number } = {},
) {
  server = await fakeDns(
    how.onUdp ??
      (({ query, send }) => {
        const answer = recordedFor(query);
        if (answer) send(answer);
      }),
    ({ query, send }) => {
      const answer = recordedFor(query);
      if (answer) send(answer);
    },
  );
  const { signal } = new AbortController();
  const common = { servers: [server.server], port: 53, signal, deadline: how.deadline ?? 3000 };
  return openDns({ log: () => {} }).secureTxt(name, {
    ...common,
    anchors: how.anchors ?? [ANCHOR],
    now: how.now ?? NOW * 1000,
  });
}

test("a proven TXT comes with its strings; every query wants signatures and judges them itself", async () => {
  const answer = await ask("ProvDomain.ed.example");
  expect(answer).toMatchObject({ kind: "records", name: "provdomain.ed.example" });
  expect(server?.udp.length).toBe(4);
  for (const query of server?.udp ?? [])
    expect(query).toMatchObject({ checkingDisabled: true, edns: { dnssecOk: true } });
});

test("what is unsigned, altered or not yet valid is said so", async () => {
  expect(await ask("provdomain.unsigned.example")).toMatchObject({ kind: "insecure" });
  await expect(ask("provdomain.bogus.example")).rejects.toMatchObject({ code: "DNSSEC_BOGUS" });
  await expect(ask("provdomain.ed.example", { now: 0 })).rejects.toMatchObject({ code: "CLOCK_WRONG" });
});

test("answers that are cut come over TCP, and the whole chain obeys one deadline", async () => {
  const cut = ({ query, send }: Asked) => send({ ...query, isResponse: true, truncated: true });
  expect((await ask("provdomain.rsa.example", { onUdp: cut })).kind).toBe("records");
  await server?.close();
  const start = performance.now();
  await expect(ask("provdomain.rsa.example", { onUdp: () => {}, deadline: 400 })).rejects.toMatchObject({
    code: "DNS_TIMEOUT",
  });
  expect(performance.now() - start).toBeLessThan(1500);
});

test("a server that flattens letter case still serves signatures", async () => {
  const flattening = ({ query, send }: Asked) => {
    const answer = recordedFor(
      query,
      query.questions.map((one) => ({ ...one, name: lowerName(one.name) })),
    );
    if (answer) send(answer);
  };
  expect((await ask("provdomain.ed.example", { onUdp: flattening })).kind).toBe("records");
  for (const query of server?.udp ?? []) expect(query.edns?.dnssecOk).toBe(true);
});

test("a server that drops signatures is found out, and one that does not know EDNS fails", async () => {
  const dropping = ({ query, send }: Asked) => {
    const answer = recordedFor(query);
    if (answer) send({ ...answer, answers: answer.answers.filter(({ type }) => type !== 46), authority: [] });
  };
  await expect(ask("provdomain.ed.example", { onUdp: dropping, deadline: 900 })).rejects.toMatchObject({
    code: expect.stringMatching(/^DNS/),
  });
  await server?.close();
  const old = ({ query, send }: Asked) => send({ ...query, isResponse: true, rcode: 1, edns: undefined });
  await expect(ask("provdomain.ed.example", { onUdp: old })).rejects.toMatchObject({ code: "DNS_FAILED" });
});

test("an anchor that cannot be read is a fault of the settings", async () => {
  await expect(ask("provdomain.ed.example", { anchors: ["nonsense"] })).rejects.toMatchObject({
    code: "SETTINGS_INVALID",
  });
});
