import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readNeighbours } from "../../resolvers/_neighbours.ts";
import lldp from "../../resolvers/lldp.ts";
import type { Commands } from "../../src/api.ts";
import { ProvisionError } from "../../src/errors.ts";
import { keepsResolverContract } from "../contract/resolver.ts";
import { aContext } from "./context.ts";

const sample = (name: string) =>
  readFileSync(new URL(`../../fixtures/answers/lldp/${name}.json0`, import.meta.url), "utf8");
const OPTIONS = { "lldp.oui": "02:75:70", "lldp.subtype": "1", "lldp.interface": ["eth0"], "lldp.timeout": "0" };

/** An lldpcli that prints these, one after another, and the last one for ever. */
function lldpcli(...outputs: (string | number)[]): Commands & { readonly calls: (readonly string[])[] } {
  const calls: (readonly string[])[] = [];
  return {
    calls,
    has: (name) => name === "lldpcli",
    async run(name, args, { signal }) {
      if (signal.aborted) throw new ProvisionError("STOPPED", "asked to stop");
      calls.push([name, ...args]);
      const output = outputs[Math.min(calls.length, outputs.length) - 1] ?? "";
      const status = typeof output === "number" ? output : 0;
      return { status, signal: null, stdout: String(output), stderr: "", timedOut: false };
    },
  };
}

const resolve = (output: string | number, options = {}) =>
  lldp.resolve(aContext({ commands: lldpcli(output), options: { ...OPTIONS, ...options } }));

keepsResolverContract(lldp, {
  knowing: async () => aContext({ commands: lldpcli(sample("one")), options: OPTIONS }),
  ignorant: async () => aContext({ commands: lldpcli(sample("zero")), options: OPTIONS }),
});

test("lldp: the organisation's TLV names the URI, and the neighbour becomes macros", async () => {
  expect(await resolve(sample("one"))).toEqual({
    uri: expect.objectContaining({ text: "http://provision.fleet.example/config" }),
    evidence: "none",
    macros: { lldp_interface: "eth0", lldp_system: "vm", lldp_chassis: "da:b9:e8:ff:d5:e9", lldp_port: "ge-0/0/1" },
    told: "LLDP neighbour on eth0",
  });
});

test("lldp: without such a TLV the system description counts", async () => {
  expect((await resolve(sample("one"), { "lldp.subtype": "9" }))?.uri.text).toBe(
    "http://provision.fleet.example/config",
  );
  const described = sample("one").replace("provuri=http", "xprovuri=http");
  expect(await resolve(described, { "lldp.subtype": "9" })).toBeUndefined();
});

test("lldp: only uplinks of the settings count, in their order", async () => {
  expect(await resolve(sample("one"), { "lldp.interface": ["wan"] })).toBeUndefined();
  const both = { "lldp.interface": ["eth1", "eth0"] };
  expect((await resolve(sample("two-ifaces"), both))?.told).toBe("LLDP neighbour on eth1");
});

test("lldp: a system name that pretends to be structure moves no neighbour to another port", async () => {
  expect(await resolve(sample("raw-inject"))).toBeUndefined();
  expect((await resolve(sample("raw-inject"), { "lldp.interface": ["eth1"] }))?.told).toBe("LLDP neighbour on eth1");
});

test("lldp: two neighbours of one port with two URIs are an error, with one URI they are fine", async () => {
  const one = JSON.parse(sample("one")) as { lldp: { interface: object[] }[] };
  const port = one.lldp[0]?.interface ?? [];
  port.push(...port);
  expect(await resolve(JSON.stringify(one))).toBeDefined();
  const other = JSON.stringify(port[0]).replaceAll("68,74,74,70,3A", "68,74,74,70,73,3A");
  port.push(JSON.parse(other) as object);
  await expect(resolve(JSON.stringify(one))).rejects.toMatchObject({ code: "URI_AMBIGUOUS" });
});

test("lldp: of two neighbours on one port the one that names a URI is heard", async () => {
  const options = { "lldp.interface": ["eth1", "eth0"] };
  for (const name of ["raw-sameif", "raw-sameif_samename"]) {
    expect((await resolve(sample(name), options))?.uri.text).toBe("http://provision.fleet.example/config");
  }
});

test("lldp: no daemon is nothing to say; output that is no JSON is an error", async () => {
  expect(await resolve(1)).toBeUndefined();
  await expect(resolve("{")).rejects.toMatchObject({ code: "COMMAND_FAILED" });
  await expect(resolve(sample("one").slice(0, 900))).rejects.toMatchObject({ code: "COMMAND_FAILED" });
});

test("lldp: it waits for the first neighbour, as long as the settings allow", async () => {
  let now = 0;
  const clock = {
    now: () => now,
    elapsed: () => now,
    sinceBoot: () => now,
    sleep: async (ms: number) => {
      now += ms;
    },
  };
  const options = { ...OPTIONS, "lldp.timeout": "35" };
  const late = lldpcli(sample("zero"), sample("zero"), sample("one"));
  expect(await lldp.resolve(aContext({ commands: late, clock, options }))).toBeDefined();
  expect(now).toBe(4000);

  now = 0;
  const never = lldpcli(sample("zero"));
  expect(await lldp.resolve(aContext({ commands: never, clock, options }))).toBeUndefined();
  expect(now).toBe(35_000);
});

test("lldp: without lldpcli it does not take part, and a bad setting is told", async () => {
  expect(lldp.isEnabled(aContext())).toBe(false);
  await expect(resolve(sample("one"), { "lldp.oui": "zz" })).rejects.toMatchObject({ code: "SETTINGS_INVALID" });
});

describe("hostile words", () => {
  const neighbour = (tlv: object, descr = "") =>
    JSON.stringify({
      lldp: [
        {
          interface: [
            {
              name: "eth0",
              via: "LLDP",
              chassis: [{ descr: [{ value: descr }] }],
              "unknown-tlvs": [{ "unknown-tlv": [{ oui: "02,75,70", subtype: "1", ...tlv }] }],
            },
          ],
        },
      ],
    });
  const hex = (text: string) => (Buffer.from(text).toString("hex").match(/../g) ?? []).join(",");

  test.each([
    ["no value", {}],
    ["a number for a value", { value: 7 }],
    ["an odd digit", { value: "68,7" }],
    ["a newline in the URI", { value: hex("http://a.example/\nx") }],
    ["another scheme", { value: hex("file:///etc/passwd") }],
    ["another organisation", { value: hex("http://a.example/"), oui: "02,75,71" }],
    ["another subtype", { value: hex("http://a.example/"), subtype: "2" }],
  ])("a TLV with %s says nothing", async (_, tlv) => {
    expect(await resolve(neighbour(tlv))).toBeUndefined();
  });

  test("one heard by another protocol does not count", async () => {
    expect(await resolve(sample("one").replace('"LLDP"', '"CDPv2"'))).toBeUndefined();
  });

  test("samples with odd bytes are read without a fault", () => {
    for (const name of ["raw-odd", "raw-nosysname", "raw-sameif_samename", "two-ifaces"]) {
      expect(readNeighbours(sample(name), { oui: "027570", subtype: 1 }).length).toBeGreaterThan(0);
    }
  });

  test("whatever the JSON, it is read as neighbours with plain words", () => {
    const key = fc.constantFrom(
      "lldp",
      "interface",
      "name",
      "via",
      "chassis",
      "port",
      "descr",
      "value",
      "unknown-tlvs",
      "unknown-tlv",
      "oui",
      "__proto__",
    );
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { depthSize: "medium" },
        fc.constantFrom("LLDP", "02,75,70", "68,74", "x\ny", 1, null, true),
        fc.array(tie("tree"), { maxLength: 3 }),
        fc.dictionary(key, tie("tree"), { maxKeys: 4 }),
      ),
    }));
    fc.assert(
      fc.property(fc.array(tree), (interfaces) => {
        const list = interfaces.map((one) =>
          typeof one === "object" && one !== null ? { via: "LLDP", name: "eth0", ...one } : one,
        );
        for (const one of readNeighbours(JSON.stringify({ lldp: [{ interface: list }] }), {
          oui: "027570",
          subtype: 1,
        })) {
          for (const word of [...one.uris, ...Object.values(one.macros)]) expect(word).not.toMatch(/[\u0000-\u001f]/);
        }
      }),
      { numRuns: 3000 },
    );
  });
});
