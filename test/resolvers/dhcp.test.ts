import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { leaseUri, readLease } from "../../resolvers/_dhcp-options.ts";
import dhcp from "../../resolvers/dhcp.ts";
import { keepsResolverContract } from "../contract/resolver.ts";
import { aContext } from "./context.ts";

/** A record as the drop-ins write it. */
function recordOf(variables: Readonly<Record<string, string | Uint8Array>>): Uint8Array {
  return Buffer.concat(
    Object.entries(variables).flatMap(([name, value]) => [Buffer.from(`${name}=`), Buffer.from(value), Buffer.of(0)]),
  );
}

const hex = (...parts: (string | number)[]) =>
  Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.of(part)))).toString("hex");
const uriOf = (variables: Readonly<Record<string, string | Uint8Array>>) => leaseUri(readLease(recordOf(variables)));
const at = (name: string) => `/var/run/uciprov/dhcp/${name}`;

const lease = recordOf({
  opt224: hex("https://cfg.fleet.example/{mac}/"),
  hostname: "ow4",
  domain: "fleet.example",
  serverid: "192.0.2.1",
  bootfile: "",
});

keepsResolverContract(dhcp, {
  knowing: async () => aContext({ files: { [at("wan.v4")]: lease } }),
  ignorant: async () => aContext(),
});

test("dhcp: the option is a template, what else the server said becomes macros, and it proves nothing", async () => {
  expect(await dhcp.resolve(aContext({ files: { [at("wan.v4")]: lease } }))).toEqual({
    uri: expect.objectContaining({ text: "https://cfg.fleet.example/{mac}/" }),
    evidence: "none",
    macros: { dhcp_hostname: "ow4", dhcp_domain: "fleet.example", dhcp_server: "192.0.2.1" },
    told: "option 224 of wan",
  });
});

test("dhcp: of a DHCPv6 server's domains and addresses the first are macros", async () => {
  const six = { OPTION_59: hex("https://six.example/"), DOMAINS: "fleet.example net.example", SERVER: "fe80::1" };
  const macrosOf = async (env: Record<string, string>) =>
    (await dhcp.resolve(aContext({ files: { [at("six.v6")]: recordOf(env) } })))?.macros;
  expect(await macrosOf(six)).toEqual({ dhcp_domain: "fleet.example", dhcp_server: "fe80::1" });
  expect(await macrosOf({ ...six, DOMAINS: "", SERVER: " " })).toEqual({});
});

describe("what real clients hand on", () => {
  interface Case {
    readonly name: string;
    readonly events: { readonly event: string; readonly env: Readonly<Record<string, string>> }[];
  }
  const cases = JSON.parse(
    readFileSync(new URL("../../fixtures/answers/dhcp/udhcpc-env.json", import.meta.url), "utf8"),
  ) as Case[];
  const found = Object.fromEntries(cases.map(({ name, events }) => [name, uriOf(events.at(-1)?.env ?? {})]));

  test.each([
    ["plain", "http://provision.fleet.example/config", "option 224"],
    ["hostile-strings", "http://provision.fleet.example/c?a=1&b=$(id);'x'", "option 224"],
    ["boot-fields", "http://provision.fleet.example/config", "option 224"],
    ["odd-values", "http://x/boot", "option 67"],
    ["openwrt-netifd", "http://provision.fleet.example/config", "option 224"],
    ["openwrt-odd-values", "http://x/boot", "option 67"],
  ])("%s: %s from %s", (name, uri, option) => {
    expect(found[name]).toEqual({ uri, option });
  });

  test("rfc3396-split: an option in parts is whole", () => {
    expect(found["rfc3396-split"]?.uri).toMatch(/^https:\/\/provision\.fleet\.example\/a+\/end$/);
    expect(found["rfc3396-split"]?.uri).toHaveLength(266);
  });
});

describe("options", () => {
  const u = "http://a.example/";

  test("the most specific one counts", () => {
    const all = {
      OPTION_136: hex(0, 17, u),
      OPTION_59: hex("http://59/"),
      opt224: hex("http://224/"),
      opt143: hex(0, 11, "http://143/"),
      bootfile: "http://67/",
      tftp: "http://66/",
      opt43: hex("http://43/"),
    };
    const order = Object.keys(all).map((_, i) => uriOf(Object.fromEntries(Object.entries(all).slice(i)))?.option);
    expect(order).toEqual([
      "DHCPv6 option 136",
      "DHCPv6 option 59",
      "option 224",
      "option 143",
      "option 67",
      "option 66",
      "option 43",
    ]);
  });

  test.each<[string, Record<string, string | Uint8Array>]>([
    ["224 in capitals", { opt224: hex(u).toUpperCase() }],
    ["224 with zeros at the end", { opt224: hex(u, 0, 0) }],
    ["143 as RFC 8572 lists it", { opt143: hex(0, u.length, u, 0, 5, "other") }],
    ["143 whose first entry is no URI", { opt143: hex(0, 3, "abc", 0, u.length, u) }],
    ["143 as bare text", { opt143: hex(u) }],
    ["143 as a list of empty entries before it", { opt143: hex(0, 0, 0, 0, 0, u.length, u) }],
    ["59", { OPTION_59: hex(u) }],
    ["the BOOTP file field", { boot_file: u }],
    ["66 alone", { tftp: u }],
    ["66 with an odd file", { tftp: u, bootfile: "../../etc" }],
    ["66 with a file that is no path", { tftp: u, bootfile: "x?y#z" }],
    ["43 as bare text", { opt43: hex(u) }],
    ["43 with padding and other sub-options", { opt43: hex(0, 0, 1, 4, "http", 2, u.length, u, 255, 9, 9) }],
  ])("%s is understood", (_, variables) => {
    expect(uriOf(variables)?.uri).toBe(u);
  });

  test("66 as a URI with 67 as a plain path is the path below it", () => {
    expect(uriOf({ tftp: "https://a.example", bootfile: "fleet/site-1/" })?.uri).toBe("https://a.example/fleet/site-1");
    expect(uriOf({ tftp: "https://a.example/x/", bootfile: "/y" })?.uri).toBe("https://a.example/x/y");
    expect(uriOf({ tftp: "https://a.example/{mac}", bootfile: "y" })?.uri).toBe("https://a.example/{mac}");
  });

  test.each<[string, Record<string, string | Uint8Array>]>([
    ["nothing", {}],
    ["224 of odd length", { opt224: `${hex(u)}f` }],
    ["224 that is no hex", { opt224: u }],
    ["224 as another system uses it", { opt224: hex("controller.example:15002") }],
    ["224 with NUL inside", { opt224: hex("http://a.example/", 0, "x") }],
    ["224 with a newline", { opt224: hex("http://a.example/\nx") }],
    ["224 with a blank", { opt224: hex("http://a.example/ x") }],
    ["224 that is no UTF-8", { opt224: hex("http://a.example/", 0xff) }],
    ["224 without a host", { opt224: hex("http:///x") }],
    ["224 of 3,000 bytes", { opt224: hex(`http://a.example/${"x".repeat(3000)}`) }],
    ["another scheme", { opt224: hex("tftp://a.example/x"), bootfile: "file:///etc/passwd", tftp: "javascript:x" }],
    ["143 that runs out", { opt143: hex(0, 99, u) }],
    ["143 of one byte", { opt143: hex(0) }],
    ["67 as a boot loader's file", { bootfile: "pxelinux.0" }],
    ["66 as a host", { tftp: "192.0.2.1", bootfile: "x" }],
    ["66 that the client replaced", { tftp: "bad" }],
    ["43 whose sub-option runs out", { opt43: hex(1, 200, u) }],
    ["43 behind its end", { opt43: hex(255, 1, u.length, u) }],
    ["43 of one byte", { opt43: hex(1) }],
  ])("%s is no URI of ours", (_, variables) => {
    expect(uriOf(variables)).toBeUndefined();
  });
});

describe("interfaces", () => {
  const one = (uri: string) => recordOf({ opt224: hex(uri) });
  const files = {
    [at("wan.v4")]: one("http://wan/"),
    [at("wan6.v6")]: recordOf({ OPTION_59: hex("http://wan6/") }),
    [at("lan.v4")]: one("http://lan/"),
    [at(".wan.v4.new")]: one("http://half/"),
    [at("note.txt")]: one("http://note/"),
  };
  const uriFrom = async (list: string[]) =>
    (await dhcp.resolve(aContext({ files, options: list.length > 0 ? { "dhcp.interface": list } : {} })))?.uri.text;

  test("those of the settings count, in their order", async () => {
    expect(await uriFrom(["wan6", "wan"])).toBe("http://wan6/");
    expect(await uriFrom(["wan", "wan6"])).toBe("http://wan/");
    expect(await uriFrom(["wwan"])).toBeUndefined();
    expect(await uriFrom(["note", ".wan", "wan.v4"])).toBeUndefined();
  });

  test("without any, all count by name; half-written ones never", async () => {
    expect(await uriFrom([])).toBe("http://lan/");
  });

  test("one whose lease names nothing leaves the word to the next", async () => {
    const context = aContext({ files: { [at("a.v4")]: recordOf({ bootfile: "x" }), [at("b.v4")]: one("http://b/") } });
    expect((await dhcp.resolve(context))?.told).toBe("option 224 of b");
    expect(context.logged[0]?.message).toBe("dhcp: the lease of a names no http or https URI");
  });
});

test("dhcp: hostile names and hosts are no macros", async () => {
  const record = recordOf({
    opt224: hex("http://a/"),
    hostname: "a\nb",
    domain: "bad",
    serverid: Uint8Array.of(0xff),
    bootfile: "x".repeat(256),
  });
  expect(await dhcp.resolve(aContext({ files: { [at("wan.v4")]: record } }))).toMatchObject({ macros: {} });
});

test("whatever the bytes of a record, the outcome is a URI without control characters, or none", () => {
  const value = fc.oneof(
    fc.uint8Array({ maxLength: 80 }),
    fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(Buffer.from(bytes).toString("hex"))),
    fc
      .uint8Array({ maxLength: 40 })
      .map((bytes) => Buffer.from(hex("http://a/", Buffer.from(bytes).toString("latin1")))),
  );
  const name = fc.constantFrom("opt224", "opt143", "opt43", "bootfile", "tftp", "OPTION_59", "OPTION_136");
  fc.assert(
    fc.property(fc.dictionary(name, value), fc.uint8Array({ maxLength: 20 }), (variables, tail) => {
      const found = leaseUri(readLease(Buffer.concat([recordOf(variables), tail])));
      if (found) expect(found.uri).toMatch(/^https?:\/\/[^\s/][^\s\u0000-\u001f\u007f-\u009f]*$/i);
    }),
    { numRuns: 5000 },
  );
});
