import { describe, expect, test } from "vitest";
import dns from "../../resolvers/dns.ts";
import { ProvisionError } from "../../src/errors.ts";
import { keepsResolverContract } from "../contract/resolver.ts";
import { aContext, type ContextFacts, dnsOf } from "./context.ts";

const resolvConf = { "/etc/resolv.conf": "search fleet.example\nnameserver 192.0.2.1\n" };
const provuri = [["provuri=https://cfg.fleet.example/{mac}/", "serial=42", "site=north"]];
const known: ContextFacts = { files: resolvConf, macros: { domain: "fleet.example" } };

keepsResolverContract(dns, {
  knowing: async () => aContext({ ...known, dns: dnsOf({ "_uciprov.fleet.example": provuri }) }),
  ignorant: async () => aContext({ ...known, dns: dnsOf({}) }),
});

test("dns: the answer is a template, macros and a beacon, and proves nothing", async () => {
  const evidence = await dns.resolve(aContext({ ...known, dns: dnsOf({ "_uciprov.fleet.example": provuri }) }));
  expect(evidence).toMatchObject({
    uri: { text: "https://cfg.fleet.example/{mac}/" },
    evidence: "none",
    macros: { txt_site: "north" },
    beacon: "42",
    told: "TXT of _uciprov.fleet.example",
  });
});

describe("names", () => {
  test("the first that has a provuri ends the search: one query", async () => {
    const server = dnsOf({ "_uciprov.fleet.example": provuri, "uciprov.fleet.example": [["provuri=other"]] });
    await dns.resolve(aContext({ ...known, dns: server }));
    expect(server.asked.map(({ name }) => name)).toEqual(["_uciprov.fleet.example"]);
  });

  test.each([
    ["does not exist", {}, "_uciprov.fleet.example does not exist"],
    ["has no TXT", { "_uciprov.fleet.example": [] }, "_uciprov.fleet.example has no TXT record"],
    ["has no provuri", { "_uciprov.fleet.example": [["v=spf1 -all"]] }, "TXT of _uciprov.fleet.example has no provuri"],
  ])("where the first %s, the one without underscore is asked, and the log says why", async (_, zone, line) => {
    const context = aContext({
      ...known,
      dns: dnsOf({ ...zone, "uciprov.fleet.example": [["provuri=https://b.example/"]] }),
    });
    expect(await dns.resolve(context)).toMatchObject({ uri: { text: "https://b.example/" } });
    expect(context.logged).toContainEqual({ level: "info", message: `dns: ${line}` });
  });

  test("a failure of the first is not taken for its absence", async () => {
    const zone = {
      "_uciprov.fleet.example": new ProvisionError("DNS_FAILED", "SERVFAIL"),
      "uciprov.fleet.example": provuri,
    };
    await expect(dns.resolve(aContext({ ...known, dns: dnsOf(zone) }))).rejects.toMatchObject({ code: "DNS_FAILED" });
  });

  test("a configured name is asked alone, its macros expanded", async () => {
    const server = dnsOf({});
    const context = aContext({
      ...known,
      dns: server,
      options: { "dns.name": "{mac}.prov.{domain}" },
      macros: { domain: "fleet.example", mac: "020000c0ffee" },
    });
    expect(await dns.resolve(context)).toBeUndefined();
    expect(server.asked.map(({ name }) => name)).toEqual(["020000c0ffee.prov.fleet.example"]);
  });

  test("a name that dnssec is configured for is never asked", async () => {
    const options = { "dnssec.name": "_UCIPROV.Fleet.example." };
    const server = dnsOf({ "_uciprov.fleet.example": provuri });
    expect(await dns.resolve(aContext({ ...known, dns: server, options }))).toBeUndefined();
    expect(server.asked.map(({ name }) => name)).toEqual(["uciprov.fleet.example"]);

    const named = aContext({ ...known, options: { "dns.name": "p.example", "dnssec.name": "P.example" } });
    expect(await dns.resolve(named)).toBeUndefined();
  });

  test.each([
    undefined,
    "",
    "a b",
    "a\nb",
    "-x.example",
    "..",
    "a..b",
    "exa mple",
    "fleet.example/evil",
    `${"a".repeat(300)}`,
  ])("domain %j asks nobody", async (domain) => {
    const context = aContext({ files: resolvConf, macros: domain === undefined ? {} : { domain } });
    expect(await dns.resolve(context)).toBeUndefined();
    expect(context.logged).toHaveLength(1);
  });
});

describe("servers", () => {
  const serversOf = async (files: Record<string, string>, options = {}) => {
    const server = dnsOf({});
    await dns.resolve(aContext({ files, options: { "dns.name": "p.example", ...options }, dns: server }));
    return server.asked[0];
  };

  test("are those of resolv.conf, then those the network gave, once each", async () => {
    const asked = await serversOf({
      "/etc/resolv.conf":
        "# comment\n; too\noptions ndots:1\nnameserver 127.0.0.1 # local\nnameserver\t::1\nnameserver evil;reboot\nnameservers 9.9.9.9\n nameserver 9.9.9.8\n",
      "/tmp/resolv.conf.d/resolv.conf.auto":
        "# Interface wan\nnameserver 192.0.2.1\nnameserver 127.0.0.1\nnameserver fe80::1%eth0\nnameserver 192.0.2.9\n",
    });
    expect(asked?.servers).toEqual(["127.0.0.1", "::1", "192.0.2.1", "fe80::1%eth0"]);
    expect(asked?.port).toBe(53);
  });

  test("are those of the settings where they say so, with their port", async () => {
    const asked = await serversOf(resolvConf, {
      "dns.server": ["198.51.100.1#5353"],
      "dns.port": "54",
      "dns.timeout": "3",
    });
    expect(asked).toMatchObject({ servers: ["198.51.100.1#5353"], port: 54 });
    expect(asked?.deadline).toBeGreaterThan(2000);
    expect(asked?.deadline).toBeLessThanOrEqual(3000);
  });

  test("none at all is a failure that may pass", async () => {
    await expect(serversOf({})).rejects.toMatchObject({ code: "DNS_FAILED", mayRetry: true });
  });
});

test("dns: two different provuri are an error that blames the zone", async () => {
  const zone = { "_uciprov.fleet.example": [["provuri=a"], ["provuri=b"]] };
  await expect(dns.resolve(aContext({ ...known, dns: dnsOf(zone) }))).rejects.toMatchObject({ code: "URI_AMBIGUOUS" });
});

test("dns: a bad serial is no beacon, and the log says so", async () => {
  const context = aContext({
    ...known,
    dns: dnsOf({ "_uciprov.fleet.example": [["provuri=https://a.example/", "serial=soon"]] }),
  });
  expect(await dns.resolve(context)).not.toHaveProperty("beacon");
  expect(context.logged).toContainEqual({ level: "warning", message: expect.stringContaining("serial is no number") });
});

test("dns: it can be turned off", () => {
  expect(dns.isEnabled(aContext({ options: { "dns.enabled": "0" } }))).toBe(false);
});
