/** The real program, its tree on nginx with certificates that no CA signed, their TLSA records in zones that bind signed, asked through unbound. */
import type { ChildProcess } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeAuthority } from "../../src/admin/certificates.ts";
import { program } from "../helpers/scenario.ts";
import { logOf, type TwoHosts, twoHosts, whyNoHosts } from "./netns.ts";
import { makeZones, NSEC3, startServers, withoutSignatures, type Zone } from "./setup-zones.ts";

const missing = whyNoHosts("named", "unbound", "nginx", "dnssec-keygen", "dnssec-signzone");
if (missing) console.warn(`skipped: TLSA against bind, unbound and nginx (${missing})`);

const authority = makeAuthority("Fleet CA");
/** Certificates of CAs that no device knows: `next` is the key that `own` is to be exchanged for. */
const [own, next, strangers] = ["own", "next", "stranger"].map((name) =>
  makeAuthority(name).issue({ names: [`${name}.example`] }),
);
const expired = authority.issue({
  names: ["nobody.example"],
  notBefore: new Date("2020-01-01"),
  notAfter: new Date("2020-02-01"),
});
const byCa = authority.issue({ names: ["web.none.test", "web.plain.test", "web.wrong.test"] });

const digest = (name: string, bytes: Uint8Array) => createHash(name).update(bytes).digest("hex");
const key = (cert: string) => new X509Certificate(cert).publicKey.export({ type: "spki", format: "der" });
const keyRecord = (cert = "") => `3 1 1 ${digest("sha256", key(cert))}`;

const good = `web A 192.0.2.1
_443._tcp.web TLSA ${keyRecord(own?.cert)}
_443._tcp.web TLSA ${keyRecord(next?.cert)}
_8443._tcp.web TLSA 3 0 2 ${digest("sha512", new X509Certificate(expired.cert).raw)}
alias CNAME web
old DNAME @
`;
const wrong = `web A 192.0.2.1
_443._tcp.web TLSA ${keyRecord(strangers?.cert)}
_9443._tcp.web TLSA ${keyRecord(strangers?.cert)}
`;
const ZONES: Readonly<Record<string, Zone>> = {
  good: { algorithm: "ED25519", sign: NSEC3, text: good },
  wrong: { algorithm: "ECDSAP256SHA256", text: wrong },
  tampered: {
    algorithm: "ED25519",
    text: wrong,
    spoil: (text) => text.replace(/(TLSA\s+3 1 1\s*\(?\s*)[0-9A-F]{8}/g, "$100000000"),
  },
  stripped: { algorithm: "ED25519", text: wrong, spoil: (text) => withoutSignatures(text, "TLSA") },
  none: { algorithm: "ED25519", sign: NSEC3, text: "web A 192.0.2.1\n" },
  plain: { algorithm: "", text: good, ds: () => "" },
};

describe.skipIf(missing)("TLSA of bind's zones, through unbound, and nginx's certificates", () => {
  let net: TwoHosts;
  let anchor: string;
  let resolv: string;
  let nginx: ChildProcess | undefined;

  beforeAll(async () => {
    net = twoHosts();
    anchor = await makeZones(net, ZONES);
    await startServers(net, Object.keys(ZONES), anchor);
    resolv = join("/etc/netns", net.dev.namespace);
    mkdirSync(resolv, { recursive: true });
    writeFileSync(join(resolv, "resolv.conf"), "nameserver 192.0.2.1\n");
    mkdirSync(join(net.folder, "www/tree"), { recursive: true });
    writeFileSync(
      join(net.folder, "www/tree/default.uci"),
      "package system\n\nconfig system\n\toption hostname 'dane'\n",
    );
    await serveWith(own);
  }, 120_000);

  afterAll(async () => {
    await net?.close();
    if (resolv) rmSync(resolv, { recursive: true, force: true });
  });

  /** nginx, whose port 443 shows this certificate. */
  async function serveWith(shown: { readonly cert: string; readonly key: unknown } | undefined): Promise<void> {
    if (nginx?.exitCode === null) {
      const gone = once(nginx, "exit");
      nginx.kill("SIGTERM");
      await gone;
    }
    const put = (name: string, content: string) => writeFileSync(join(net.folder, name), content);
    put("own.pem", pem(shown));
    put("expired.pem", pem(expired));
    put("ca.pem", pem(byCa));
    put("nginx.conf", NGINX.replaceAll("FOLDER", net.folder));
    const { folder } = net;
    nginx = net.prov.start("nginx", ["-p", folder, "-c", join(folder, "nginx.conf"), "-e", join(folder, "errors.log")]);
    for (const port of [443, 8443, 9443]) await net.prov.listens("tcp", port);
  }

  /** A device's root whose settings name the tree, and the program run on it as often as a test wants. */
  function device(uri: string, more: { readonly tlsa?: string; readonly server?: string } = {}) {
    const root = mkdtempSync(join(net.folder, "root-"));
    for (const folder of ["etc/config", "etc/uciprov", "tmp", "overlay/upper", "overlay/work"])
      mkdirSync(join(root, folder), { recursive: true });
    writeFileSync(join(root, "etc/config/system"), "config system\n\toption hostname 'OpenWrt'\n");
    writeFileSync(join(root, "etc/uciprov/ca.pem"), authority.cert);
    const set = ({ tlsa = "1", server = "192.0.2.1" }: typeof more) =>
      writeFileSync(join(root, "etc/config/uciprov"), settingsText(uri, anchor, tlsa, server));
    set(more);
    return {
      set,
      owner: () => JSON.parse(readFileSync(join(root, "etc/uciprov/state/owner.json"), "utf8")) as unknown,
      hostname: () => /hostname '(\w+)'/.exec(readFileSync(join(root, "etc/config/system"), "utf8"))?.[1],
      async run(...words: string[]): Promise<string> {
        const args = [program(), "run", ...words, "--root", root, "--json"];
        const { stdout, stderr } = await net.dev.run(process.execPath, args);
        const told = JSON.parse(stdout || "{}") as { exit?: string; error?: { code: string } };
        if (told.exit === undefined) throw new Error(`${stdout}${stderr}${logOf(net.folder, "nginx")}`);
        return `${told.exit}${told.error ? ` ${told.error.code}` : ""}`;
      },
    };
  }

  test.each([
    ["its key, in the zone that the device believes", "https://web.good.test/tree"],
    ["an alias of that name", "https://alias.good.test/tree"],
    ["a name below a DNAME", "https://web.old.good.test/tree"],
    ["an expired certificate for another name, by its SHA-512", "https://web.good.test:8443/tree"],
  ])("a server that no CA knows configures a device by %s, and owns it", async (_what, uri) => {
    const one = device(uri);
    expect(await one.run()).toBe("provisioned");
    expect(one.hostname()).toBe("dane");
    const { hostname, port } = new URL(uri);
    expect(one.owner()).toMatchObject({
      kind: "origin",
      host: hostname,
      port: Number(port || 443),
      proof: { kind: "tlsa", fingerprint: "test" },
    });
    expect(await one.run("--force")).toBe("provisioned");
  });

  test.each([
    ["of another key", "https://web.wrong.test/tree", "trust-refused TLSA_MISMATCH"],
    [
      "of another key, though a CA of the settings vouches",
      "https://web.wrong.test:9443/tree",
      "trust-refused TLSA_MISMATCH",
    ],
    ["that somebody altered", "https://web.tampered.test/tree", "trust-refused DNSSEC_BOGUS"],
    ["whose signatures somebody took", "https://web.stripped.test/tree", "trust-refused DNSSEC_BOGUS"],
    ["that fit, in a zone that is not signed", "https://web.plain.test/tree", "trust-refused TLS_UNTRUSTED"],
  ])("records %s configure nothing", async (_what, uri, outcome) => {
    const one = device(uri);
    expect(await one.run()).toBe(outcome);
    expect(one.hostname()).toBe("OpenWrt");
  });

  test.each([
    ["proves that there are none", "https://web.none.test:9443/tree"],
    ["is not signed", "https://web.plain.test:9443/tree"],
  ])("where the zone %s, a CA decides as ever", async (_what, uri) => {
    const one = device(uri);
    expect(await one.run()).toBe("provisioned");
    expect(one.owner()).toMatchObject({ proof: { kind: "ca" } });
  });

  test("a redirection leads to a server that must prove itself by its own zone", async () => {
    expect(await device("https://web.good.test/to/plain").run()).toBe("trust-refused TLS_UNTRUSTED");
    expect(await device("https://web.good.test/to/wrong").run()).toBe("trust-refused TLSA_MISMATCH");
  });

  test("a name server that does not answer is no proof that there are none", async () => {
    expect(await device("https://web.none.test:9443/tree", { server: "192.0.2.1#5999" }).run()).toMatch(/^try-later /);
  });

  test("without the setting nobody is asked, and a certificate that no CA signed is refused", async () => {
    expect(await device("https://web.good.test/tree", { tlsa: "0" }).run()).toBe("trust-refused TLS_UNTRUSTED");
    expect(await device("https://web.none.test:9443/tree", { tlsa: "0", server: "192.0.2.1#5999" }).run()).toBe(
      "provisioned",
    );
  });

  test("the owner may exchange its key for one that the zone publishes, and nobody else may", async () => {
    const one = device("https://web.good.test/tree");
    expect(await one.run()).toBe("provisioned");
    try {
      await serveWith(next);
      expect(await one.run("--force")).toBe("provisioned");
      await serveWith(strangers);
      expect(await one.run("--force")).toBe("trust-refused TLSA_MISMATCH");
      one.set({ tlsa: "0" });
      expect(await one.run("--force")).toBe("trust-refused TLS_UNTRUSTED");
    } finally {
      await serveWith(own);
    }
  });
});

function pem(shown: { readonly cert: string; readonly key: unknown } | undefined): string {
  return `${shown?.cert}${shown?.key}`;
}

function settingsText(uri: string, anchor: string, tlsa: string, server: string): string {
  return `config uciprov 'main'
	list ca '/etc/uciprov/ca.pem'
	option system_ca '0'
	option tries '1'
	option ready_seconds '0'
config uciprov 'confirm'
	option window '20'
config uciprov 'static'
	option base_uri '${uri}'
config uciprov 'dns'
	option enabled '0'
config uciprov 'dhcp'
	option enabled '0'
config uciprov 'lldp'
	option enabled '0'
config uciprov 'dnssec'
	option tlsa '${tlsa}'
	option timeout '4'
	list server '${server}'
	list anchor '${anchor}'
`;
}

const NGINX = `
daemon off;
user root;
pid FOLDER/nginx.pid;
worker_processes 1;
events { worker_connections 200; }
http {
  access_log off;
  client_body_temp_path FOLDER/t1; proxy_temp_path FOLDER/t2; fastcgi_temp_path FOLDER/t3; uwsgi_temp_path FOLDER/t4; scgi_temp_path FOLDER/t5;
  default_type application/octet-stream;
  root FOLDER/www;
  server {
    listen 192.0.2.1:443 ssl; ssl_certificate FOLDER/own.pem; ssl_certificate_key FOLDER/own.pem;
    rewrite ^/to/(plain|wrong)/(.*)$ https://web.$1.test/tree/$2 redirect;
  }
  server { listen 192.0.2.1:8443 ssl; ssl_certificate FOLDER/expired.pem; ssl_certificate_key FOLDER/expired.pem; }
  server { listen 192.0.2.1:9443 ssl; ssl_certificate FOLDER/ca.pem; ssl_certificate_key FOLDER/ca.pem; }
}
`;
