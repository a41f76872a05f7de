import { createHash, X509Certificate } from "node:crypto";
import { describe, expect, test } from "vitest";
import { makeAuthority } from "../../src/admin/certificates.ts";
import type { ServerKeys } from "../../src/dns/dnssec/tlsa.ts";
import type { Tlsa } from "../../src/dns/rdata.ts";
import { ProvisionError } from "../../src/errors.ts";
import type { AskServerKeys } from "../../src/host/tlsa.ts";
import { always } from "../helpers/web.ts";
import { fingerprintOf, pinOf } from "./certificates.ts";
import { scene } from "./scene.ts";

const { server, client } = scene();
const day = 86_400_000;
const authority = makeAuthority("Fleet CA");
const good = authority.issue({ names: ["localhost"] });
const stranger = makeAuthority("Other CA").issue({ names: ["localhost"] });

const certificate = (pem: string) => new X509Certificate(pem).raw;
const key = (pem: string) => new X509Certificate(pem).publicKey.export({ type: "spki", format: "der" });
const digest = (name: string, bytes: Uint8Array) => createHash(name).update(bytes).digest();

const record = (usage: number, selector: number, matching: number, pem: string): Tlsa => {
  const bytes = selector === 0 ? certificate(pem) : key(pem);
  const content = matching === 0 ? bytes : digest(matching === 1 ? "sha256" : "sha512", bytes);
  return { usage, selector, matching, content };
};

/** A zone that says this of every server, and remembers who was asked for. */
function zone(...records: Tlsa[]) {
  const asked: string[] = [];
  const ask: AskServerKeys = async (host, port) => {
    asked.push(`${host}:${port}`);
    const none: ServerKeys = { kind: "none", why: "proven" };
    return records.length === 0 ? none : { kind: "records", name: host, records, anchor: "." };
  };
  return { asked, ask };
}

describe("a server whose zone publishes its certificate", () => {
  test.each([0, 1].flatMap((selector) => [0, 1, 2].map((matching) => [selector, matching] as const)))(
    "is proven by TLSA 3 %i %i, whoever signed it",
    async (selector, matching) => {
      const web = await server(always(200, {}, "x"), stranger);
      const { ask } = zone(record(3, selector, matching, stranger.cert));
      const answer = await client({}, true, ask).fetch(web.origin);
      expect(answer.transport.proof).toEqual({ kind: "tlsa", fingerprint: "." });
      expect(answer.transport.alsoProven).toBeUndefined();
    },
  );

  test("counts whatever name and dates the certificate has", async () => {
    const odd = authority.issue({ names: ["other.example"], notAfter: new Date(Date.now() - day / 2) });
    const web = await server(always(200, {}, "x"), odd);
    const answer = await client({}, true, zone(record(3, 1, 1, odd.cert)).ask).fetch(web.origin);
    expect(answer.transport.proof.kind).toBe("tlsa");
  });

  test("is told apart from what else proves it: a pin comes first, a CA last", async () => {
    const web = await server(always(200, {}, "x"), good);
    const pin = pinOf(good.cert).toString("hex");
    const settings = { ca: [authority.cert], pins: [pin] };
    const answer = await client(settings, true, zone(record(3, 1, 1, good.cert)).ask).fetch(web.origin);
    expect([answer.transport.proof, ...(answer.transport.alsoProven ?? [])]).toEqual([
      { kind: "pin", fingerprint: pin },
      { kind: "tlsa", fingerprint: "." },
      { kind: "ca", fingerprint: fingerprintOf(authority.cert) },
    ]);
  });

  test("is looked up once for all its connections, by its name and port", async () => {
    const web = await server((socket) => {
      socket.end("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx");
    }, good);
    const { ask, asked } = zone(record(3, 1, 1, good.cert));
    const http = client({}, true, ask);
    for (let time = 0; time < 3; time++) await http.fetch(web.origin);
    expect(web.opened()).toBe(3);
    expect(asked).toEqual([`localhost:${web.port}`]);
  });
});

describe("a server with another certificate than its zone publishes", () => {
  test.each<[string, object]>([
    ["by a CA that the device believes", { ca: [authority.cert] }],
    ["with a key that is pinned", { pins: [pinOf(good.cert).toString("hex")] }],
  ])("is refused before a byte is sent, though it is proven %s", async (_how, settings) => {
    const web = await server(always(200, {}, "x"), good);
    const http = client(settings, true, zone(record(3, 1, 1, stranger.cert)).ask);
    for (let time = 0; time < 2; time++)
      await expect(http.fetch(web.origin)).rejects.toMatchObject({ code: "TLSA_MISMATCH", exit: "trust-refused" });
    expect(web.asked).toEqual([]);
  });

  test("is fine if one record of several fits, as while a key is being exchanged", async () => {
    const web = await server(always(200, {}, "x"), good);
    const { ask } = zone(record(3, 1, 1, stranger.cert), record(3, 1, 1, good.cert));
    expect((await client({}, true, ask).fetch(web.origin)).transport.proof.kind).toBe("tlsa");
  });

  test("is not saved by a weaker digest beside the strong one that does not fit", async () => {
    const web = await server(always(200, {}, "x"), good);
    const weak = [record(3, 1, 2, stranger.cert), record(3, 1, 1, good.cert)];
    await expect(client({}, true, zone(...weak).ask).fetch(web.origin)).rejects.toMatchObject({
      code: "TLSA_MISMATCH",
    });
  });

  test("does not fit by part of a digest, by the other selector, or by nothing", async () => {
    const web = await server(always(200, {}, "x"), good);
    const whole = record(3, 1, 0, good.cert);
    for (const odd of [
      { ...record(3, 0, 1, good.cert), selector: 1 },
      { ...whole, content: whole.content.subarray(0, -1) },
      { ...whole, content: Buffer.concat([whole.content, Buffer.of(0)]) },
    ])
      await expect(client({}, true, zone(odd).ask).fetch(web.origin)).rejects.toMatchObject({ code: "TLSA_MISMATCH" });
  });
});

describe("a server without records that could judge it", () => {
  const fits = record(3, 1, 1, good.cert);
  test.each<[string, Tlsa[]]>([
    ["none at all", []],
    ["of CAs (usages 0 to 2)", [0, 1, 2].map((usage) => ({ ...fits, usage }))],
    [
      "of unknown selector or matching type",
      [
        { ...fits, selector: 2 },
        { ...fits, matching: 3 },
      ],
    ],
    ["with digests of odd length", [{ ...fits, content: fits.content.subarray(1) }]],
    ["with nothing in it", [{ ...fits, matching: 0, content: new Uint8Array() }]],
  ])("%s: is judged by its CA as ever", async (_what, records) => {
    const web = await server(always(200, {}, "x"), good);
    const answer = await client({ ca: [authority.cert] }, true, zone(...records).ask).fetch(web.origin);
    expect(answer.transport).toMatchObject({ proof: { kind: "ca" } });
    await expect(client({}, true, zone(...records).ask).fetch(web.origin)).rejects.toMatchObject({
      code: "TLS_UNTRUSTED",
    });
  });

  test("plain http and literal addresses are never asked about", async () => {
    const { ask, asked } = zone(fits);
    const plain = await server(always(200, {}, "x"));
    await client({}, true, ask).fetch(plain.origin);
    const literal = authority.issue({ names: ["127.0.0.1"] });
    const web = await server(always(200, {}, "x"), literal);
    await client({ ca: [authority.cert] }, true, ask).fetch(`https://127.0.0.1:${web.port}/`);
    expect(asked).toEqual([]);
  });
});

describe("records that cannot be proven", () => {
  test.each(["DNSSEC_BOGUS", "CLOCK_WRONG", "DNS_TIMEOUT", "DNS_FAILED"] as const)(
    "%s: nothing is asked of the server, and the next try looks them up again",
    async (code) => {
      const web = await server(always(200, {}, "x"), good);
      let times = 0;
      const ask: AskServerKeys = async (host) => {
        if (times++ === 0) throw new ProvisionError(code, "in the way");
        return { kind: "records", name: host, records: [record(3, 1, 1, good.cert)], anchor: "." };
      };
      const http = client({ ca: [authority.cert] }, true, ask);
      const error: unknown = await http.fetch(web.origin).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code });
      expect(String(error)).toContain(`TLSA of localhost:${web.port}: in the way`);
      expect(web.opened()).toBe(0);
      expect((await http.fetch(web.origin)).transport.proof.kind).toBe("tlsa");
    },
  );

  test("a look-up under way ends when the client is closed", async () => {
    let isStopped = false;
    const ask: AskServerKeys = (_host, _port, signal) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          isStopped = true;
          reject(new ProvisionError("STOPPED", "asked to stop"));
        });
      });
    const http = client({}, true, ask);
    const asking = http.fetch("https://localhost:1/").catch((thrown: unknown) => thrown);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await http.close();
    expect(await asking).toBeInstanceOf(ProvisionError);
    expect(isStopped).toBe(true);
  });
});

test("a redirect leads to a server that is judged by its own zone", async () => {
  const target = await server(always(200, {}, "x"), stranger);
  const web = await server(always(302, { Location: `https://localhost:${target.port}/` }), good);
  const records = new Map([[web.port, [record(3, 1, 1, good.cert)]]]);
  const ask: AskServerKeys = async (host, port) => {
    const own = records.get(port);
    return own ? { kind: "records", name: host, records: own, anchor: "." } : { kind: "none", why: "proven" };
  };
  await expect(client({}, true, ask).fetch(web.origin)).rejects.toMatchObject({ code: "TLS_UNTRUSTED" });
  records.set(target.port, [record(3, 1, 1, stranger.cert)]);
  expect((await client({}, true, ask).fetch(web.origin)).transport).toMatchObject({
    port: target.port,
    proof: { kind: "tlsa" },
  });
  records.set(target.port, [record(3, 1, 1, good.cert)]);
  await expect(client({}, true, ask).fetch(web.origin)).rejects.toMatchObject({ code: "TLSA_MISMATCH" });
});
