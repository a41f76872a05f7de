import { createPrivateKey, X509Certificate } from "node:crypto";
import { connect, createServer } from "node:tls";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { makeAuthority } from "../../src/admin/certificates.ts";
import { oid, sequence, time, unsigned } from "../../src/admin/der.ts";

describe("an authority", () => {
  const authority = makeAuthority("Testing Ground");
  const root = new X509Certificate(authority.cert);

  test("signs itself, and says that it is one", () => {
    expect(root.ca).toBe(true);
    expect(root.subject).toBe("CN=Testing Ground");
    expect(root.issuer).toBe(root.subject);
    expect(root.verify(root.publicKey)).toBe(true);
    expect(root.checkIssued(root)).toBe(true);
  });

  test("issues certificates for names and addresses of both kinds, with their own keys", () => {
    const names = ["provision.fleet.example", "*.fleet.example", "192.0.2.1", "2001:db8:1::1", "::1"];
    const { cert, key } = authority.issue({ names });
    const leaf = new X509Certificate(cert);
    expect(leaf.ca).toBe(false);
    expect(leaf.checkIssued(root)).toBe(true);
    expect(leaf.verify(root.publicKey)).toBe(true);
    expect(leaf.checkPrivateKey(createPrivateKey(key))).toBe(true);
    expect(leaf.subjectAltName).toBe(
      "DNS:provision.fleet.example, DNS:*.fleet.example, IP Address:192.0.2.1, IP Address:2001:DB8:1:0:0:0:0:1, IP Address:0:0:0:0:0:0:0:1",
    );
    expect(leaf.checkHost("provision.fleet.example")).toBe("provision.fleet.example");
    expect(leaf.checkHost("other.example")).toBeUndefined();
    expect(leaf.checkIP("192.0.2.1")).toBe("192.0.2.1");
    expect(leaf.checkIP("192.0.2.2")).toBeUndefined();
  });

  test("takes only names that a certificate can hold", () => {
    for (const name of ["", "süd.example", "a b", "a\nb"]) {
      expect(() => authority.issue({ names: [name] })).toThrow(/cannot stand in a certificate/);
    }
  });

  test("never repeats a serial number, nor starts it with a set sign bit or a zero", () => {
    const serials = Array.from({ length: 50 }, () => new X509Certificate(authority.issue({ names: ["a"] }).cert));
    expect(new Set(serials.map((one) => one.serialNumber)).size).toBe(50);
    for (const { serialNumber } of serials) expect(serialNumber).toMatch(/^[4-7][0-9A-F]{31}$/);
  });

  test("keeps dates to the second, before and after 2050", () => {
    const notBefore = new Date("1999-12-31T23:59:59Z");
    const notAfter = new Date("2051-01-02T03:04:05Z");
    const leaf = new X509Certificate(authority.issue({ names: ["a.example"], notBefore, notAfter }).cert);
    expect([new Date(leaf.validFrom), new Date(leaf.validTo)]).toEqual([notBefore, notAfter]);
  });

  test("has authorities below it", () => {
    const below = authority.authority("Below");
    const middle = new X509Certificate(below.cert);
    expect(middle.verify(root.publicKey) && middle.checkIssued(root)).toBe(true);
    expect(new X509Certificate(below.issue({ names: ["a"] }).cert).verify(middle.publicKey)).toBe(true);
  });

  test("can be signed by another as well, with the key it has", () => {
    const other = makeAuthority("Other");
    const crossed = new X509Certificate(other.authority("Testing Ground", authority.key).cert);
    expect(crossed.publicKey.equals(root.publicKey)).toBe(true);
    expect([crossed.subject, crossed.issuer]).toEqual(["CN=Testing Ground", "CN=Other"]);
    expect(crossed.verify(new X509Certificate(other.cert).publicKey)).toBe(true);
  });

  test("is believed by OpenSSL in a real handshake, through an intermediate, and only by who has its root", async () => {
    const below = authority.authority("Below");
    const { cert, key } = below.issue({ names: ["localhost"] });
    const server = createServer({ cert: cert + below.cert, key }, (socket) => socket.end());
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const address = server.address();
    const port = typeof address === "object" ? (address?.port ?? 0) : 0;
    try {
      const shake = (ca: string) =>
        new Promise<string>((done) => {
          const socket = connect({ host: "127.0.0.1", port, servername: "localhost", ca }, () => {
            done("ok");
            socket.destroy();
          }).on("error", (error) => done("code" in error ? String(error.code) : error.message));
        });
      expect(await shake(authority.cert)).toBe("ok");
      expect(await shake(makeAuthority("Testing Ground").cert)).toBe("UNABLE_TO_GET_ISSUER_CERT_LOCALLY");
    } finally {
      server.close();
    }
  });
});

describe("DER", () => {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

  test("writes the examples of X.690 and RFC 8017", () => {
    expect(hex(oid("1.2.840.113549.1.1.1"))).toBe("06092a864886f70d010101");
    expect(hex(oid("2.999.3"))).toBe("0603883703");
    expect(hex(unsigned(Uint8Array.of(0x00, 0x80)))).toBe("02020080");
    expect(hex(unsigned(Uint8Array.of(0, 0)))).toBe("020100");
    expect(hex(time(new Date("2049-12-31T23:59:59.999Z")))).toBe(`170d${hex(Buffer.from("491231235959Z"))}`);
    expect(hex(time(new Date("2050-01-01T00:00:00Z")))).toBe(`180f${hex(Buffer.from("20500101000000Z"))}`);
  });

  test("states every length so that its reader finds the end", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 70_000 }), (count) => {
        const der = sequence(new Uint8Array(count));
        const first = der[1] ?? 0;
        const digits = first < 0x80 ? [] : [...der.subarray(2, 2 + (first & 0x7f))];
        const stated = first < 0x80 ? first : digits.reduce((sum, digit) => sum * 256 + digit, 0);
        expect(stated).toBe(count);
        expect(der.length).toBe(2 + digits.length + count);
        expect(digits[0]).not.toBe(0);
      }),
      { numRuns: 60 },
    );
  });
});
