import { createHash, X509Certificate } from "node:crypto";
import { describe, expect, test } from "vitest";
import certs from "../../hooks/certs.ts";
import { makeAuthority } from "../../src/admin/certificates.ts";
import type { Change } from "../../src/api.ts";
import { keepsModuleContract } from "../contract/module.ts";
import { planScene } from "../helpers/plan-context.ts";

const authority = makeAuthority("lab CA");
const other = makeAuthority("other CA");
const client = authority.issue({ names: ["r1.example"], isClient: true });
const stranger = authority.issue({ names: ["r2.example"], isClient: true });

keepsModuleContract(
  certs,
  () => planScene({ module: "certs" }),
  () => planScene({ module: "certs", tree: { ca: authority.cert, client: client.cert + client.key } }),
);

async function plan(tree: Readonly<Record<string, string>>) {
  const { context, findings } = planScene({ module: "certs", tree });
  const changes = (await certs.plan?.(context)) ?? [];
  return { changes, told: findings.map(({ severity, message }) => `${severity} ${message}`), findings };
}

function textOf(change: Change | undefined): string {
  return change?.kind === "file" && change.content.kind === "bytes" ? Buffer.from(change.content.bytes).toString() : "";
}

const pathOf = (cert: string): string =>
  `/etc/ssl/certs/tree-${createHash("sha256").update(new X509Certificate(cert).raw).digest("hex").slice(0, 16)}.crt`;

describe("authorities", () => {
  test("each has a file of its own, named for its fingerprint, whatever stands around it", async () => {
    const { changes, told } = await plan({
      ca: `# ours\n${authority.cert}\nCertificate:\n    Data:\n${other.cert.replaceAll("\n", "\r\n")}`,
    });
    expect(told).toEqual([]);
    expect(changes).toMatchObject([
      { path: pathOf(authority.cert), mode: 0o644 },
      { path: pathOf(other.cert), mode: 0o644 },
      { kind: "symlink", target: pathOf(authority.cert).slice("/etc/ssl/certs/".length) },
      { kind: "symlink", target: pathOf(other.cert).slice("/etc/ssl/certs/".length) },
    ]);
    expect(new X509Certificate(textOf(changes[1])).subject).toContain("other CA");
  });

  test("one that is there twice is one", async () => {
    expect((await plan({ ca: authority.cert + authority.cert })).changes.map(({ kind }) => kind)).toEqual([
      "file",
      "symlink",
    ]);
  });

  test("links by which OpenSSL finds them keep their numbers, and leave the device's own alone", async () => {
    const first = (await plan({ ca: authority.cert })).changes.find(({ kind }) => kind === "symlink");
    if (first?.kind !== "symlink") throw new Error("there is no link");
    expect(first.path).toMatch(/^\/etc\/ssl\/certs\/[0-9a-f]{8}\.0$/);
    const linksOn = async (device: Readonly<Record<string, string>>, owned: readonly string[] = []) => {
      const { context } = planScene({ module: "certs", tree: { ca: authority.cert }, device, owned, isSmall: true });
      const changes = (await certs.plan?.(context)) ?? [];
      return changes.flatMap((change) => (change.kind === "symlink" ? [change.path] : []));
    };
    const second = first.path.replace(/0$/, "1");
    expect(await linksOn({ [first.path]: "->somebody.crt" })).toEqual([second]);
    expect(await linksOn({ [first.path]: "->somebody.crt", [second]: `->${first.target}` })).toEqual([second]);
    expect(await linksOn({ [first.path]: "->earlier.crt" }, [first.path])).toEqual([first.path]);
  });

  test("a certificate of no authority is a warning", async () => {
    const { changes, told } = await plan({ ca: client.cert });
    expect(changes.map(({ kind }) => kind)).toEqual(["file", "symlink"]);
    expect(told).toEqual([expect.stringMatching(/^warning .*no authority/)]);
  });

  test("one that expired before the firmware was built is a warning", async () => {
    const old = makeAuthority("old CA", { notBefore: new Date("2010-01-01"), notAfter: new Date("2012-01-01") });
    expect((await plan({ ca: old.cert })).told).toEqual([expect.stringMatching(/^warning .*expired/)]);
  });

  test("a private key among them is a fault, and is not written", async () => {
    const { changes, told } = await plan({ ca: authority.cert + client.key });
    expect(changes.map(({ kind }) => kind)).toEqual(["file", "symlink"]);
    expect(told).toEqual([expect.stringMatching(/^error a PRIVATE KEY/)]);
  });
});

describe("the device's own", () => {
  test("certificate and chain in one file, the key in another that only root reads", async () => {
    const { changes, told } = await plan({ client: client.cert + authority.cert + client.key });
    expect(told).toEqual([]);
    expect(changes).toMatchObject([
      { path: "/etc/ssl/client.crt", mode: 0o644 },
      { path: "/etc/ssl/private/client.key", mode: 0o600 },
    ]);
    expect(textOf(changes[0])).not.toContain("PRIVATE");
    expect(textOf(changes[1])).toMatch(/^-----BEGIN [A-Z ]*PRIVATE KEY-----\n/);
  });

  test.each<[string, string]>([
    ["a certificate alone", client.cert],
    ["a key alone", client.key],
    ["two keys", client.cert + client.key + stranger.key],
    ["another's key", client.cert + stranger.key],
    [
      "an encrypted key",
      `${client.cert}-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n`,
    ],
    ["a key that is none", `${client.cert}-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n`],
    ["a certificate that is none", `-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n${client.key}`],
    ["a block that is cut off", client.key + client.cert.slice(0, -40)],
    ["a block with more than base64", client.key + client.cert.replace("\nM", "\n M")],
    ["nothing at all", "# none\n"],
    ["a web page", "<!DOCTYPE html>"],
  ])("%s is a fault, and nothing is written", async (_, text) => {
    const { changes, findings } = await plan({ client: text });
    expect(changes).toEqual([]);
    expect(findings.some((finding) => finding.severity === "error" && finding.code === "PLAN_INVALID")).toBe(true);
  });
});
