import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeAuthority } from "../../src/admin/certificates.ts";
import { openDisk } from "../../src/host/disk.ts";
import { askTrapper } from "../../src/host/trapper.ts";
import { SENDER_FILE } from "../../src/monitor-keys.ts";
import { messageLength, readTaken, sendRequest } from "../../src/zabbix/message.ts";
import { QUEUE_FOLDER } from "../../src/zabbix/queue.ts";
import { openSender } from "../../src/zabbix/sender.ts";
import { aClock } from "../helpers/run-context.ts";
import { frame, type StandIn, standIn, taken } from "./stand-in.ts";

const NOW = Date.UTC(2026, 10, 22) + 123;
const KEY = "00112233445566778899aabbccddeeff";

let root: string;
const opened: StandIn[] = [];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "sender-"));
});
afterEach(async () => {
  rmSync(root, { recursive: true, force: true });
  for (const one of opened.splice(0)) await one.close();
});

async function aServer(...given: Parameters<typeof standIn>): Promise<StandIn> {
  const made = await standIn(...given);
  opened.push(made);
  return made;
}

function put(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

/** The device, told to send to these ports. */
function aDevice(ports: readonly number[], proof?: unknown, self = "1-1-boot") {
  const servers = ports.map((port) => ({ host: "127.0.0.1", port }));
  put(SENDER_FILE, JSON.stringify({ version: 1, host: "box-1", servers, proof }));
  const logged: string[] = [];
  const clock = aClock(NOW);
  const sender = openSender({
    disk: openDisk(root),
    clock,
    log: (level, text) => void logged.push(`${level}: ${text}`),
    ask: askTrapper,
    processes: { self, isAlive: (token) => token === self || token === "2-2-boot" },
  });
  return { sender, logged, clock, deliver: () => sender.deliver(new AbortController().signal) };
}

const queued = (): string[] => {
  try {
    return readdirSync(join(root, QUEUE_FOLDER)).sort();
  } catch {
    return [];
  }
};

describe("sending", () => {
  test("values go out with the host's name and the time they were put, and are gone then", async () => {
    const server = await aServer();
    const { sender, clock, deliver } = aDevice([server.port]);
    sender.put([
      { key: "uciprov.event", value: 'a;b"c\\d$e\n]' },
      { key: "probe.mos[x]", value: "4.4", at: NOW - 5000 },
    ]);
    clock.advance(60_000);
    sender.put([{ key: "uciprov.event", value: "later" }]);
    expect(await deliver()).toEqual({ sent: 2, waiting: 0 });
    const clockOf = Math.floor(NOW / 1000);
    expect(server.got).toEqual([
      [
        { host: "box-1", key: "uciprov.event", value: 'a;b"c\\d$e\n]', clock: clockOf, ns: 123_000_000 },
        { host: "box-1", key: "probe.mos[x]", value: "4.4", clock: clockOf - 5, ns: 123_000_001 },
      ],
      [{ host: "box-1", key: "uciprov.event", value: "later", clock: clockOf + 60, ns: 123_000_000 }],
    ]);
    expect(queued()).toEqual([]);
  });

  test("each server gets each value once, also the one that was away", async () => {
    const one = await aServer();
    const gone = await aServer();
    await gone.close();
    const { sender, deliver } = aDevice([one.port, gone.port]);
    sender.put([{ key: "a", value: "1" }]);
    expect(await deliver()).toEqual({ sent: 0, waiting: 1 });
    expect(await deliver()).toEqual({ sent: 0, waiting: 1 });
    const other = await aServer();
    // The settings name another server now: it gets what waits, the first one nothing twice.
    const again = aDevice([one.port, other.port]);
    expect(await again.deliver()).toEqual({ sent: 1, waiting: 0 });
    expect([one.got.length, other.got.length]).toEqual([1, 1]);
  });

  test("where nobody is to hear of it, nothing is kept", async () => {
    const { sender, deliver } = aDevice([1]);
    rmSync(join(root, SENDER_FILE));
    sender.put([{ key: "a", value: "1" }]);
    expect([queued(), await deliver()]).toEqual([[], { sent: 0, waiting: 0 }]);
  });

  test("values that a server has no items for wait for them, and are dropped with a warning in the end", async () => {
    let knows = false;
    const server = await aServer((values) => (knows ? taken(values, 0) : taken(0, values)));
    const { sender, deliver, logged } = aDevice([server.port]);
    sender.put([{ key: "new.item", value: "1" }]);
    for (let tries = 0; tries < 3; tries++) expect(await deliver()).toEqual({ sent: 0, waiting: 1 });
    knows = true;
    expect(await deliver()).toEqual({ sent: 1, waiting: 0 });
    expect(logged.filter((one) => one.startsWith("warning"))).toEqual([]);

    knows = false;
    sender.put([{ key: "new.item", value: "2" }]);
    for (let tries = 0; tries < 20; tries++) await deliver();
    expect(queued()).toEqual([]);
    expect(logged.filter((one) => one.startsWith("warning"))).toEqual([
      `warning: 127.0.0.1 ${server.port} does not take 1 of 1 values (new.item): has host box-1 these items?`,
    ]);
  });

  test("what a server took in part is not sent again", async () => {
    const server = await aServer(() => taken(1, 1));
    const { sender, deliver, logged } = aDevice([server.port]);
    sender.put([
      { key: "a", value: "1" },
      { key: "b", value: "2" },
    ]);
    expect(await deliver()).toEqual({ sent: 1, waiting: 0 });
    await deliver();
    expect(server.got.length).toBe(1);
    expect(logged.join()).toContain("does not take 1 of 2 values (a, b)");
  });

  test.each<[string, string | Uint8Array]>([
    ["another protocol", Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")],
    ["an end before the beginning", Buffer.alloc(0)],
    ["half an answer", frame(taken(1, 0)).subarray(0, 20)],
    ["a compressed answer", Buffer.from("ZBXD\x03\x01\0\0\0\0\0\0\0x", "latin1")],
    ["a length of 4 GB", Buffer.from("ZBXD\x01\xff\xff\xff\xff\0\0\0\0x", "latin1")],
    ["a refusal", '{"response":"failed","info":"no\\npermission"}'],
    ["no counts", '{"response":"success","info":"fine"}'],
    ["no JSON", "processed: 1; failed: 0; total: 1;"],
    ["no object", "[]"],
    ["no UTF-8", frame("\xff").fill(0xff, 13)],
  ])("%s keeps the value for later, and says why", async (_, said) => {
    const server = await aServer(() => said);
    const { sender, deliver, logged } = aDevice([server.port]);
    sender.put([{ key: "a", value: "1" }]);
    expect(await deliver()).toEqual({ sent: 0, waiting: 1 });
    expect(logged).toEqual([expect.stringContaining(`info: events wait: 127.0.0.1 ${server.port}: `)]);
    expect(logged.join()).not.toContain("\n");
  });

  test("a server that says nothing holds up nobody for longer than the signal", async () => {
    const server = await aServer(() => undefined);
    const { sender } = aDevice([server.port]);
    sender.put([{ key: "a", value: "1" }]);
    const stop = new AbortController();
    const delivered = sender.deliver(stop.signal);
    for (let tries = 0; server.got.length === 0 && tries < 500; tries++)
      await new Promise((done) => setTimeout(done, 10));
    stop.abort(new Error("enough"));
    expect(await delivered).toEqual({ sent: 0, waiting: 1 });
  });
});

describe("the queue", () => {
  test("is bounded, the oldest give way, and that is told", () => {
    const { sender, logged, clock } = aDevice([1]);
    for (let at = 0; at < 40; at++) {
      sender.put([{ key: "a", value: `${at} ${"x".repeat(16_000)}` }]);
      clock.advance(10);
    }
    const left = queued();
    expect(left.length).toBeGreaterThan(10);
    expect(left.length).toBeLessThan(17);
    expect(logged.filter((one) => one.includes("gave way")).length).toBe(40 - left.length);
  });

  test("a value that no item could hold is left out, the others are kept", async () => {
    const server = await aServer();
    const { sender, deliver } = aDevice([server.port]);
    sender.put([
      { key: "a", value: "x".repeat(20_000) },
      { key: "b", value: "1" },
    ]);
    await deliver();
    expect(server.got.flat().map(({ key }) => key)).toEqual(["b"]);
  });

  test("more than a server takes at once goes in several requests", async () => {
    const server = await aServer();
    const { sender, deliver } = aDevice([server.port]);
    sender.put(Array.from({ length: 600 }, (_, at) => ({ key: "a", value: String(at) })));
    await deliver();
    expect(server.got.map((one) => one.length)).toEqual([250, 250, 100]);
    expect(new Set(server.got.flat().map(({ ns }) => ns)).size).toBe(600);
  });

  test("what another process is sending is left to it; what a dead one was sending is sent", async () => {
    const server = await aServer();
    const { sender, deliver } = aDevice([server.port]);
    const rename = (token: string) => {
      const [name = ""] = queued();
      writeFileSync(join(root, QUEUE_FOLDER, `${name.split(".")[0]}.${token}`), JSON.stringify(BATCH));
      rmSync(join(root, QUEUE_FOLDER, name));
    };
    const BATCH = { values: [{ key: "a", value: "1", clock: 1, ns: 1 }], sent: [] };
    sender.put([{ key: "a", value: "1" }]);
    rename("2-2-boot");
    expect(await deliver()).toEqual({ sent: 0, waiting: 0 });
    rename("3-3-boot");
    expect(await deliver()).toEqual({ sent: 1, waiting: 0 });
    expect(server.got.length).toBe(1);
  });

  test("what is no batch goes, and holds up nothing", async () => {
    const server = await aServer();
    const { sender, deliver } = aDevice([server.port]);
    put(`${QUEUE_FOLDER}/0000000000-00000000-0`, '{"values":[{"key":1}]');
    put(`${QUEUE_FOLDER}/README`, "not ours");
    sender.put([{ key: "a", value: "1" }]);
    expect(await deliver()).toEqual({ sent: 1, waiting: 0 });
    expect(queued()).toEqual(["README"]);
  });
});

describe("proofs", () => {
  const psk = (identity: string, key: string) => ({
    ciphers: "PSK-AES128-CBC-SHA256",
    maxVersion: "TLSv1.2" as const,
    pskCallback: (_: unknown, who: string) => (who === identity ? Buffer.from(key, "hex") : null),
  });
  const proof = { by: "psk", identity: 'beesip;"x', file: "/etc/beesip/zabbix.psk" };

  test("a shared key", async () => {
    const server = await aServer(undefined, psk('beesip;"x', KEY));
    put("/etc/beesip/zabbix.psk", `${KEY}\n`);
    const { sender, deliver } = aDevice([server.port], proof);
    sender.put([{ key: "a", value: "1" }]);
    expect(await deliver()).toEqual({ sent: 1, waiting: 0 });
    expect(server.got.length).toBe(1);
  });

  test("a server with another key, or none, gets nothing, and the key is not told", async () => {
    put("/etc/beesip/zabbix.psk", `${KEY}\n`);
    for (const server of [await aServer(undefined, psk('beesip;"x', KEY.replace("00", "01"))), await aServer()]) {
      const { sender, deliver, logged } = aDevice([server.port], proof);
      sender.put([{ key: "a", value: "1" }]);
      expect((await deliver()).sent).toBe(0);
      expect(server.got).toEqual([]);
      expect(logged.join()).not.toContain(KEY);
    }
  });

  test.each([
    ["no key", undefined],
    ["no hex digits", "hello\n"],
  ])("%s in the file: nothing is sent in the clear instead", async (_, text) => {
    const server = await aServer();
    if (text !== undefined) put("/etc/beesip/zabbix.psk", text);
    const { sender, deliver, logged } = aDevice([server.port], proof);
    sender.put([{ key: "a", value: "1" }]);
    expect(await deliver()).toEqual({ sent: 0, waiting: 0 });
    expect(server.got).toEqual([]);
    expect(logged.join()).toContain("it is not known where events go");
  });

  describe("certificates", () => {
    const [ours, theirs] = [makeAuthority("ours"), makeAuthority("theirs")];
    const own = ours.issue({ names: ["device.example"], isClient: true });
    const certified = { by: "cert", ca: "/ca.pem", cert: "/own.crt", key: "/own.key" };
    const serverOf = ({ cert, key }: { readonly cert: string; readonly key: string }) =>
      aServer(undefined, { cert, key, ca: ours.cert, requestCert: true, rejectUnauthorized: true });
    const sent = async (server: StandIn, more: object = {}) => {
      put("/ca.pem", ours.cert);
      put("/own.crt", own.cert);
      put("/own.key", own.key);
      const { sender, deliver } = aDevice([server.port], { ...certified, ...more });
      sender.put([{ key: "a", value: "1" }]);
      return [(await deliver()).sent, server.got.length];
    };

    test("a server that its authority vouches for by the name it is reached by gets values", async () => {
      expect(await sent(await serverOf(ours.issue({ names: ["127.0.0.1"] })))).toEqual([1, 1]);
    });

    test("one of another name, or of another authority, gets nothing", async () => {
      expect(await sent(await serverOf(ours.issue({ names: ["zabbix.example"] })))).toEqual([0, 0]);
      expect(await sent(await serverOf(theirs.issue({ names: ["127.0.0.1"] })))).toEqual([0, 0]);
    });

    test("with a subject or an issuer said, that is asked for instead of the name, as agents do", async () => {
      const server = () => serverOf(ours.issue({ names: ["zabbix.example"] }));
      expect(await sent(await server(), { subject: "CN=zabbix.example", issuer: "CN=ours" })).toEqual([1, 1]);
      expect(await sent(await server(), { subject: "CN=zabbix.example" })).toEqual([1, 1]);
      expect(await sent(await server(), { subject: "CN=other.example" })).toEqual([0, 0]);
      expect(await sent(await server(), { issuer: "CN=theirs" })).toEqual([0, 0]);
    });
  });
});

test("a request is what zabbix_sender sends, byte for byte", () => {
  const bytes = Buffer.from(sendRequest("box", [{ key: "k", value: "é", clock: 1, ns: 2 }], { clock: 3, ns: 4 }));
  const body =
    '{"request":"sender data","data":[{"host":"box","key":"k","value":"é","clock":1,"ns":2}],"clock":3,"ns":4}';
  expect(bytes.subarray(0, 13)).toEqual(
    Buffer.from(`ZBXD\x01${String.fromCharCode(Buffer.byteLength(body))}\0\0\0\0\0\0\0`, "latin1"),
  );
  expect(bytes.toString("utf8", 13)).toBe(body);
  expect(messageLength(bytes)).toBe(bytes.length);
  expect(readTaken(frame(taken(2, 3)))).toEqual({ processed: 2, failed: 3 });
});
