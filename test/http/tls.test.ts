import { describe, expect, test } from "vitest";
import { makeAuthority } from "../../src/admin/certificates.ts";
import { always } from "../helpers/web.ts";
import { claimingToStandBelow, fingerprintOf, pinOf } from "./certificates.ts";
import { scene } from "./scene.ts";

const { server, client } = scene();
const authority = makeAuthority("Fleet CA");
const good = authority.issue({ names: ["localhost", "127.0.0.1"] });
const day = 86_400_000;

describe("a server's certificate", () => {
  test("of a configured CA is believed, and the CA is named by its fingerprint", async () => {
    const web = await server(always(200, {}, "x"), good);
    const answer = await client({ ca: [authority.cert] }).fetch(web.origin);
    expect(answer.transport).toEqual({
      scheme: "https",
      host: "localhost",
      port: web.port,
      proof: { kind: "ca", fingerprint: fingerprintOf(authority.cert) },
    });
  });

  test("may be for an address", async () => {
    const web = await server(always(200, {}, "x"), good);
    const answer = await client({ ca: [authority.cert] }).fetch(`https://127.0.0.1:${web.port}/`);
    expect(answer.transport.proof.kind).toBe("ca");
  });

  test("may hang below an intermediate that the server sends", async () => {
    const below = authority.authority("Below");
    const leaf = below.issue({ names: ["localhost"] });
    const web = await server(always(200, {}, "x"), { cert: leaf.cert + below.cert, key: leaf.key });
    const answer = await client({ ca: [authority.cert] }).fetch(web.origin);
    expect(answer.transport.proof).toEqual({ kind: "ca", fingerprint: fingerprintOf(authority.cert) });
  });

  test("may come with a cross-signed root whose old signer nobody knows any more", async () => {
    const crossed = makeAuthority("Gone CA").authority("Fleet CA", authority.key).cert;
    const web = await server(always(200, {}, "x"), { cert: good.cert + crossed, key: good.key });
    const answer = await client({ ca: [authority.cert] }).fetch(web.origin);
    expect(answer.transport.proof).toEqual({ kind: "ca", fingerprint: fingerprintOf(authority.cert) });
  });

  test("cannot borrow another CA's name for its root", async () => {
    const own = makeAuthority("Other CA");
    const leaf = own.issue({ names: ["localhost"] });
    const forged = claimingToStandBelow(authority.cert, makeAuthority("Fleet CA"), own);
    const web = await server(always(200, {}, "x"), { cert: leaf.cert + forged + authority.cert, key: leaf.key });
    const both = await client({ ca: [own.cert, authority.cert] }).fetch(web.origin);
    expect(both.transport.proof).toEqual({ kind: "ca", fingerprint: fingerprintOf(own.cert) });
    await expect(client({ ca: [authority.cert] }).fetch(web.origin)).rejects.toMatchObject({ code: "TLS_UNTRUSTED" });
  });

  test.each([
    [
      "of a CA nobody named is TLS_UNTRUSTED",
      () => makeAuthority("Fleet CA").issue({ names: ["localhost"] }),
      "TLS_UNTRUSTED",
    ],
    ["that signs itself is TLS_UNTRUSTED", () => selfSigned(), "TLS_UNTRUSTED"],
    ["for another name is TLS_NAME", () => authority.issue({ names: ["other.example"] }), "TLS_NAME"],
    [
      "that has expired is TLS_EXPIRED",
      () => authority.issue({ names: ["localhost"], notAfter: new Date(Date.now() - day / 2) }),
      "TLS_EXPIRED",
    ],
    [
      "that is not valid yet is CLOCK_WRONG",
      () => authority.issue({ names: ["localhost"], notBefore: new Date(Date.now() + day) }),
      "CLOCK_WRONG",
    ],
    [
      "made for clients is TLS_UNTRUSTED",
      () => authority.issue({ names: ["localhost"], isClient: true }),
      "TLS_UNTRUSTED",
    ],
  ])("%s, and nothing is asked", async (_what, make, code) => {
    const web = await server(always(200, {}, "x"), make());
    const error: unknown = await client({ ca: [authority.cert] })
      .fetch(`${web.origin}/a?b=c`)
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code });
    expect(String(error)).toContain(`fetching ${web.origin}/a?b=…: TLS with localhost:${web.port}`);
    expect(web.asked).toEqual([]);
  });

  test("that has expired is CLOCK_WRONG where the clock itself is implausible", async () => {
    const web = await server(
      always(200),
      authority.issue({ names: ["localhost"], notAfter: new Date(Date.now() - day / 2) }),
    );
    const asking = client({ ca: [authority.cert] }, false).fetch(web.origin);
    await expect(asking).rejects.toMatchObject({ code: "CLOCK_WRONG", exit: "try-later" });
  });

  test("of no CA at all is not believed when neither the system's nor any other CA counts", async () => {
    const web = await server(always(200, {}, "x"), good);
    await expect(client().fetch(web.origin)).rejects.toMatchObject({ code: "TLS_UNTRUSTED" });
  });
});

describe("the CAs of the settings", () => {
  test("stand beside the system's", async () => {
    const web = await server(always(200, {}, "x"), good);
    const answer = await client({ ca: [authority.cert], useSystemCa: true }).fetch(web.origin);
    expect(answer.transport.proof).toEqual({ kind: "ca", fingerprint: fingerprintOf(authority.cert) });
    expect(web.opened()).toBe(1);
    await expect(client({ useSystemCa: true }).fetch(web.origin)).rejects.toMatchObject({ code: "TLS_UNTRUSTED" });
  });

  test("may be several in one text", async () => {
    const web = await server(always(200, {}, "x"), good);
    const ca = [`first\n${makeAuthority("A").cert}\nsecond\n${authority.cert}`];
    for (const useSystemCa of [true, false]) {
      expect(await client({ ca, useSystemCa }).fetch(web.origin)).toMatchObject({ kind: "body" });
    }
  });

  test.each(["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])(
    "that are none (%j) are SETTINGS_INVALID, not no CA",
    async (pem) => {
      const web = await server(always(200, {}, "x"), good);
      await expect(client({ ca: [pem] }).fetch(web.origin)).rejects.toMatchObject({ code: "SETTINGS_INVALID" });
      await expect(client({ ca: [pem], useSystemCa: true }).fetch(web.origin)).rejects.toMatchObject({
        code: "SETTINGS_INVALID",
      });
    },
  );
});

describe("a pinned key", () => {
  const hex = pinOf(good.cert).toString("hex");

  test.each([
    ["hex", hex],
    ["upper-case hex with colons", hex.toUpperCase().replace(/..(?=.)/g, "$&:")],
    ["base64", pinOf(good.cert).toString("base64")],
    ["base64 as curl and RFC 7469 write it", `sha256//${pinOf(good.cert).toString("base64")}`],
  ])("in %s is believed without any CA", async (_form, pin) => {
    const web = await server(always(200, {}, "x"), good);
    const answer = await client({ pins: [pin] }).fetch(web.origin);
    expect(answer.transport.proof).toEqual({ kind: "pin", fingerprint: hex });
  });

  test.each(["sha256//", "sha256/", ""])("may begin with a slash of its own, behind %j", async (prefix) => {
    const pin = Buffer.alloc(32, 0xfc).toString("base64");
    expect(pin).toMatch(/^\/Pz8/);
    const web = await server(always(200, {}, "x"), good);
    await expect(client({ pins: [`${prefix}${pin}`] }).fetch(web.origin)).rejects.toMatchObject({
      code: "TLS_UNTRUSTED",
    });
  });

  test("counts whatever name and dates its certificate has", async () => {
    const odd = authority.issue({ names: ["other.example"], notAfter: new Date(Date.now() - day / 2) });
    const web = await server(always(200, {}, "x"), odd);
    const answer = await client({ pins: [pinOf(odd.cert).toString("hex")] }, false).fetch(web.origin);
    expect(answer.transport.proof.kind).toBe("pin");
  });

  test("of another server is refused on every connection, before a byte is sent", async () => {
    const web = await server(always(200, {}, "x"), good);
    const http = client({ pins: [pinOf(authority.cert).toString("hex")] });
    for (let time = 0; time < 3; time++) {
      await expect(http.fetch(web.origin)).rejects.toMatchObject({ code: "TLS_UNTRUSTED" });
    }
    expect(web.asked).toEqual([]);
  });

  test("is asked again on each connection: none is a resumed session", async () => {
    const web = await server((socket) => {
      socket.end("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx");
    }, good);
    const http = client({ pins: [hex] });
    for (let time = 0; time < 3; time++) {
      expect((await http.fetch(web.origin)).transport.proof.kind).toBe("pin");
    }
    expect(web.opened()).toBe(3);
  });

  test("leaves the CAs as they are for servers without a pin, with their names and dates", async () => {
    const other = authority.issue({ names: ["localhost"] });
    const wrong = authority.issue({ names: ["other.example"] });
    const old = authority.issue({ names: ["localhost"], notAfter: new Date(Date.now() - day / 2) });
    const settings = { pins: [hex], ca: [authority.cert] };
    const asking = async (cert: typeof other) =>
      client(settings).fetch((await server(always(200, {}, "x"), cert)).origin);
    expect((await asking(other)).transport.proof).toEqual({ kind: "ca", fingerprint: fingerprintOf(authority.cert) });
    await expect(asking(wrong)).rejects.toMatchObject({ code: "TLS_NAME" });
    await expect(asking(old)).rejects.toMatchObject({ code: "TLS_EXPIRED" });
  });

  test.each(["", "abc", "g".repeat(64), "0".repeat(63)])("that is none (%j) is SETTINGS_INVALID", async (pin) => {
    await expect(client({ pins: [pin] }).fetch("https://localhost:1/")).rejects.toMatchObject({
      code: "SETTINGS_INVALID",
    });
  });
});

describe("the device's own certificate", () => {
  const devices = makeAuthority("Devices");
  const asking = { ...good, requestCert: true, rejectUnauthorized: true, ca: devices.cert };

  test("is shown to a server that asks for it", async () => {
    const web = await server(always(200, {}, "x"), asking);
    const own = devices.issue({ names: ["0200deadbeef"], isClient: true });
    expect(await client({ ca: [authority.cert], client: own }).fetch(web.origin)).toMatchObject({ kind: "body" });
  });

  test.each(["TLSv1.2", "TLSv1.3"] as const)(
    "when it is missing ends the connection, which may pass (%s)",
    async (maxVersion) => {
      const web = await server(always(200, {}, "x"), { ...asking, maxVersion });
      await expect(client({ ca: [authority.cert] }).fetch(web.origin)).rejects.toMatchObject({
        code: "CONNECT_FAILED",
      });
      expect(web.asked).toEqual([]);
    },
  );

  test("that does not fit its key is SETTINGS_INVALID", async () => {
    const one = devices.issue({ names: ["a"], isClient: true });
    const other = devices.issue({ names: ["a"], isClient: true });
    const mixed = { cert: one.cert, key: other.key };
    const asked = client({ ca: [authority.cert], client: mixed }).fetch("https://localhost:1/");
    await expect(asked).rejects.toMatchObject({ code: "SETTINGS_INVALID" });
  });
});

describe("a server that speaks no TLS", () => {
  test("is CONNECT_FAILED, not untrusted", async () => {
    const web = await server((socket) => void socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    const raw = await server(always(200));
    await expect(client().fetch(`https://127.0.0.1:${raw.port}/`)).rejects.toMatchObject({ exit: "try-later" });
    await expect(client().fetch(`https://127.0.0.1:${web.port}/`)).rejects.toMatchObject({ exit: "try-later" });
  });
});

function selfSigned() {
  const { cert, key } = makeAuthority("localhost");
  return { cert, key };
}
