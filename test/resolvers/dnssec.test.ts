import { expect, test } from "vitest";
import dnssec from "../../resolvers/dnssec.ts";
import type { Dns, SecureTxtAnswer } from "../../src/api.ts";
import { ProvisionError } from "../../src/errors.ts";
import { keepsResolverContract } from "../contract/resolver.ts";
import { aContext } from "./context.ts";

const NAME = "prov.fleet.example";
const KNOWN: SecureTxtAnswer = {
  kind: "records",
  name: NAME,
  ttl: 60,
  records: [["provuri=https://cfg.fleet.example/{mac}/", "serial=42", "site=north"].map((text) => Buffer.from(text))],
};

/** A DNS that proves this. */
function proving(answer: SecureTxtAnswer | Error): Dns & { readonly asked: { name: string; how: object }[] } {
  const asked: { name: string; how: object }[] = [];
  return {
    asked,
    txt: () => Promise.reject(new Error("nobody asks without proof")),
    async secureTxt(name, how) {
      asked.push({ name, how });
      if (how.signal.aborted) throw new ProvisionError("STOPPED", "asked to stop");
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
}

const context = (dns: Dns, options = {}, macros = {}) =>
  aContext({ dns, macros, options: { "dnssec.name": NAME, "dnssec.server": ["192.0.2.1"], ...options } });

keepsResolverContract(dnssec, {
  knowing: async () => context(proving(KNOWN)),
  ignorant: async () => context(proving({ kind: "no-name", name: NAME })),
});

test("dnssec: what is proven is ours", async () => {
  const dns = proving(KNOWN);
  expect(await dnssec.resolve(context(dns, { "dnssec.anchor": ["a", "b"], "dnssec.timeout": "7" }))).toMatchObject({
    uri: { text: "https://cfg.fleet.example/{mac}/" },
    evidence: "dnssec",
    macros: { txt_site: "north" },
    beacon: "42",
    told: `proven TXT of ${NAME}`,
  });
  expect(dns.asked).toMatchObject([
    { name: NAME, how: { servers: ["192.0.2.1"], anchors: ["a", "b"], deadline: 7000, port: 53 } },
  ]);
});

test("dnssec: a name that the network chose proves nothing, however well it is signed", async () => {
  const named = context(proving(KNOWN), { "dnssec.name": "prov.{domain}" }, { domain: "fleet.example" });
  expect(await dnssec.resolve(named)).toMatchObject({ evidence: "none" });
});

test("dnssec: an unsigned zone is an error, and a bogus one, too: neither falls through to plain dns", async () => {
  const unsigned = context(proving({ kind: "insecure", name: NAME, why: "no DS" }));
  await expect(dnssec.resolve(unsigned)).rejects.toMatchObject({ code: "DNSSEC_UNSIGNED", exit: "trust-refused" });
  const bogus = new ProvisionError("DNSSEC_BOGUS", "tampered");
  await expect(dnssec.resolve(context(proving(bogus)))).rejects.toBe(bogus);
});

test("dnssec: proven absence is nothing to say", async () => {
  for (const kind of ["no-name", "no-data"] as const) {
    expect(await dnssec.resolve(context(proving({ kind, name: NAME })))).toBeUndefined();
  }
});

test("dnssec: a clock before the firmware's own date is not asked to judge dates", async () => {
  const early = { now: () => 0, elapsed: () => 0, sinceBoot: () => 0, sleep: async () => {} };
  await expect(dnssec.resolve({ ...context(proving(KNOWN)), clock: early })).rejects.toMatchObject({
    code: "CLOCK_WRONG",
    mayRetry: true,
  });
});

test("dnssec: without a name it does not take part", () => {
  expect(dnssec.isEnabled(aContext())).toBe(false);
});
