import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { callerId, confValue, printDialPlan, printSections, step } from "../../../hooks/_asterisk-conf.ts";
import { GATEWAY, ROUTE } from "../../../hooks/_gateway-schema.ts";
import { cfg, digits, quoted } from "../../../hooks/_kamailio-cfg.ts";
import pbx from "../../../hooks/pbx/index.ts";
import { dialForms, lengthsOf, ownForms } from "../../../hooks/pbx/numbers.ts";
import { EXTENSION, PBX, PHONE } from "../../../hooks/pbx/schema.ts";
import { element, printXml } from "../../../hooks/pbx/xml.ts";
import type { Change } from "../../../src/api.ts";
import { keepsModuleContract } from "../../contract/module.ts";
import { planScene, type Scene } from "../../helpers/plan-context.ts";
import { readConf, readXml, textsOf } from "./read-back.ts";

const PROGRAMS = { "/etc/init.d/asterisk": "#!/bin/sh\n", "/etc/init.d/kamailio": "#!/bin/sh\n" };
const DHCP = "config dnsmasq\n\nconfig dhcp 'lan'\n\toption interface 'lan'\n";

const value = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const section = (type: string, options: Readonly<Record<string, string | readonly string[]>>, name = ""): string =>
  [
    `config ${type} ${name}`,
    ...Object.entries(options).flatMap(([key, given]) =>
      typeof given === "string"
        ? [`\toption ${key} ${value(given)}`]
        : given.map((one) => `\tlist ${key} ${value(one)}`),
    ),
    "",
  ].join("\n");
const exchange = (options: Readonly<Record<string, string | readonly string[]>>, ...more: readonly string[]): string =>
  [
    section(
      "pbx",
      {
        enabled: "1",
        address: "192.0.2.50",
        domain: "pbx.example",
        country_code: "420",
        area_code: "596321",
        ...options,
      },
      "pbx",
    ),
    ...more,
  ].join("\n");
const SMALL = exchange({}, section("extension", { number: "101", secret: "one" }));

const scene = (beesip: string, more: Partial<Scene> = {}) =>
  planScene({ module: "pbx", uci: { beesip, dhcp: DHCP }, device: PROGRAMS, isSmall: true, ...more });

async function plan(beesip: string, more: Partial<Scene> = {}) {
  const { context, findings } = scene(beesip, more);
  const changes = (await pbx.plan?.(context)) ?? [];
  const files = new Map(
    changes.flatMap((change) => (change.kind === "file" ? [[change.path, textOf(change)] as const] : [])),
  );
  return {
    changes,
    files,
    findings,
    told: findings.map(({ severity, message, place }) => `${severity} ${place?.option ?? place?.file}: ${message}`),
  };
}

function textOf(change: Change): string {
  return change.kind === "file" && change.content.kind === "bytes" ? Buffer.from(change.content.bytes).toString() : "";
}

keepsModuleContract(
  pbx,
  () => planScene({ module: "pbx" }),
  () => scene(SMALL),
);

describe("the switch", () => {
  test.each([
    ["no section", "config security 'security'\n\toption enabled '1'\n"],
    [
      "an exchange that is off",
      "config pbx 'pbx'\n\toption enabled '0'\n\noption secret 'x'\n".replace("\noption secret 'x'\n", ""),
    ],
    ["another name", "config pbx 'other'\n\toption enabled '1'\n"],
  ])("%s makes nothing, and says nothing", async (_, beesip) => {
    expect(await plan(beesip)).toMatchObject({ changes: [], told: [] });
  });

  test("each role makes the files, the switches and the services of its programs, and no others", async () => {
    const gateway =
      section("gateway", { id: "one", host: "192.0.2.1" }) +
      section("route", { prefix: "+", gateway: [] }).replace("'+'", "'+1'").replace("}", "");
    const of = async (role: string) => {
      const { changes } = await plan(
        exchange({ role }, section("extension", { number: "101", secret: "one" }), gateway),
      );
      return changes.map((change) =>
        change.kind === "file"
          ? change.path
          : change.kind === "uci"
            ? `uci ${change.package}`
            : change.kind === "service"
              ? `${change.name} ${change.onChange?.act}`
              : "?",
      );
    };
    const asterisk = ["pjsip", "beesip-transports", "extensions", "modules", "rtp", "logger"].map(
      (name) => `/etc/asterisk/${name}.conf`,
    );
    const rest = ["uci asterisk", "asterisk reload", "asterisk restart"];
    expect(await of("b2bua")).toEqual([...asterisk, ...rest]);
    expect(await of("proxy")).toEqual(["/etc/kamailio/kamailio.cfg", "uci kamailio", "kamailio restart"]);
    expect(await of("both")).toEqual([
      ...asterisk,
      ...rest,
      "/etc/kamailio/kamailio.cfg",
      "uci kamailio",
      "kamailio restart",
    ]);
  });

  test("secrets are for root and the program's group", async () => {
    const { changes } = await plan(exchange({ role: "both" }, section("extension", { number: "101", secret: "one" })));
    const modes = changes.flatMap((change) =>
      change.kind === "file" ? [`${change.mode.toString(8)} ${change.group}`] : [],
    );
    expect(new Set(modes)).toEqual(new Set(["640 asterisk", "640 kamailio"]));
  });

  test("a program that is not there is a warning, and its part is left out", async () => {
    const { changes, told } = await plan(exchange({ role: "both" }), { device: { "/etc/init.d/kamailio": "x" } });
    expect(told).toEqual([expect.stringMatching(/^warning beesip\.pbx\.role: asterisk is not on this device/)]);
    expect(changes.some((change) => change.kind === "file" && change.path.startsWith("/etc/asterisk/"))).toBe(false);
    expect(changes.length).toBeGreaterThan(0);
  });

  test("the address is the first interface's, if that is static", async () => {
    const network = "config interface 'lan'\n\toption proto 'static'\n\tlist ipaddr '192.168.7.1/24'\n";
    const bare = SMALL.replace(/\toption address .*\n/, "").replace(/\toption domain .*\n/, "");
    const { files, told } = await plan(bare, { uci: { beesip: bare, network } });
    expect(told).toEqual([]);
    expect(readConf(files.get("/etc/asterisk/pjsip.conf") ?? "")).toContainEqual({
      section: "101",
      key: "from_domain",
      value: "192.168.7.1",
    });
    expect((await plan(bare, { uci: { beesip: bare, network: network.replace("static", "dhcp") } })).told).toEqual([
      expect.stringMatching(/^error beesip\.pbx\.address: .*network\.lan has no static address/),
    ]);
  });
});

describe("what is refused, with its place", () => {
  const extension = (options: Readonly<Record<string, string>>) =>
    section("extension", { number: "101", secret: "one", ...options });
  const gateway = (options: Readonly<Record<string, string | readonly string[]>>) =>
    section("gateway", { id: "one", host: "192.0.2.1", ...options });
  test.each<[string, string, RegExp]>([
    [
      "a line break in a secret",
      extension({ secret: "a\nb" }),
      /^error beesip\.@extension\[0\]\.secret: .*control character/,
    ],
    ["a line break in a name", extension({ name: "a\nexten => _X!,1,System(id)" }), /@extension\[0\]\.name: .*control/],
    ["a carriage return", extension({ secret: "a\rb" }), /@extension\[0\]\.secret/],
    ["a space at the end of a secret", extension({ secret: "a " }), /@extension\[0\]\.secret: .*space/],
    ["half a character", extension({ name: "a\u2028b" }), /@extension\[0\]\.name/],
    ["a secret of 129 characters", extension({ secret: "x".repeat(129) }), /@extension\[0\]\.secret: .*128/],
    ["no secret", section("extension", { number: "101" }), /@extension\[0\]\.secret: .*missing/],
    ["a number with a letter", extension({ number: "10a" }), /@extension\[0\]\.number/],
    ["a number that is a section", extension({ number: "]" }), /@extension\[0\]\.number/],
    ["a number that is a function", extension({ number: `\${SHELL(id)}` }), /@extension\[0\]\.number/],
    ["a pattern as a number", extension({ number: "_X." }), /@extension\[0\]\.number/],
    [
      "two extensions of one number",
      extension({}) + extension({}),
      /@extension\[1\]\.number: .*"101", which beesip\.@extension\[0\] is already/,
    ],
    ["a host with a line", gateway({ host: "a\nb" }), /@gateway\[0\]\.host/],
    ["a host with a parameter", gateway({ host: "a;transport=tls" }), /@gateway\[0\]\.host/],
    ["a host with a section", gateway({ host: "gw]" }), /@gateway\[0\]\.host/],
    ["a host that is a number", gateway({ host: "1.2.3.400" }), /@gateway\[0\]\.host/],
    ["an id with a bracket", gateway({ id: "a]b" }), /@gateway\[0\]\.id/],
    ["a network that is none", gateway({ match: ["192.0.2.0/33"] }), /@gateway\[0\]\.match/],
    ["a user without a password", gateway({ username: "u" }), /@gateway\[0\]: .*username and password/],
    ["a port too high", gateway({ port: "65536" }), /@gateway\[0\]\.port/],
    ["a prefix of letters", section("route", { prefix: "+42X", gateway: ["one"] }), /@route\[0\]\.prefix/],
    [
      "a prepended function",
      section("route", { prefix: "+42", prepend: `\${X}`, gateway: ["one"] }),
      /@route\[0\]\.prepend/,
    ],
    ["a MAC address that is none", section("phone", { mac: "00:15:65" }), /@phone\[0\]\.mac/],
    ["a model that is a path", section("phone", { mac: "001565000001", model: "../x" }), /@phone\[0\]\.model/],
    [
      "a phone without its extension",
      section("phone", { mac: "001565000001", extension: ["999"] }),
      /@phone\[0\]\.extension: .*999 is no extension/,
    ],
    ["a codec nobody knows", gateway({ codec: ["a,b"] }), /@gateway\[0\]\.codec/],
  ])("%s", async (_, more, wanted) => {
    const { told, changes } = await plan(exchange({}, more));
    expect(told.filter((one) => one.startsWith("error"))).toEqual([expect.stringMatching(wanted)]);
    expect(changes).toEqual([]);
  });

  test.each<[string, Readonly<Record<string, string>>, RegExp]>([
    ["a role", { role: "pbx" }, /beesip\.pbx\.role/],
    ["an interface", { interface: "lan:5060 -x" }, /beesip\.pbx\.interface/],
    ["a domain", { domain: 'a"b' }, /beesip\.pbx\.domain/],
    ["ports the wrong way round", { rtp_start: "20000", rtp_end: "10000" }, /beesip\.pbx\.rtp_end/],
    ["a country code that begins with 0", { country_code: "042" }, /beesip\.pbx\.country_code/],
  ])("%s", async (_, options, wanted) => {
    expect((await plan(exchange(options))).told).toEqual([expect.stringMatching(wanted)]);
  });

  test("all faults at once, and never the secret itself", async () => {
    const { told } = await plan(
      exchange({ role: "x" }, extension({ secret: "hush\n" }), gateway({ host: "?", password: "hush\u0001" })),
    );
    expect(told.length).toBeGreaterThanOrEqual(4);
    expect(told.join()).not.toContain("hush");
  });

  test("a proxy is not asked for what it cannot do", async () => {
    const { told } = await plan(
      exchange(
        { role: "proxy" },
        gateway({ username: "u", password: "p", transport: "tls", srtp: "sdes", max_calls: "2" }),
      ),
    );
    expect(told.map((one) => one.split(":")[0])).toEqual([
      "error gateway one",
      "error gateway one",
      "error gateway one",
      "warning gateway one",
    ]);
  });
});

/** What the checks let through as a secret or a name. */
const line = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 40 })
  .map((text) => text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufffd\ufffe\uffff]/g, "").trim())
  .filter((text) => text !== "");
const spiky = fc
  .array(
    fc.constantFrom(
      ";",
      "\\",
      '"',
      "'",
      "]",
      "[",
      "$",
      "{",
      "}",
      "#",
      "!",
      "<",
      ">",
      "&",
      "=",
      " ",
      "a",
      "-",
      "//",
      `\${SHELL(id)}`,
      "#!define",
      "</P34>",
      "é",
    ),
    { minLength: 1, maxLength: 12 },
  )
  .map((parts) => parts.join("").trim())
  .filter((text) => text !== "");
const anyLine = fc.oneof(line, spiky);

describe("every format holds every value that is let through", () => {
  test("Asterisk's files", () => {
    fc.assert(
      fc.property(fc.array(anyLine, { minLength: 1, maxLength: 4 }), (values) => {
        const text = printSections(values.map((one, at) => ({ name: `s${at}`, pairs: [["key", one]] })));
        expect(readConf(text)).toEqual(values.map((one, at) => ({ section: `s${at}`, key: "key", value: one })));
      }),
    );
  });

  test("a caller's name", () => {
    fc.assert(
      fc.property(anyLine, (name) => {
        const [, inside = ""] = /^"((?:[^"\\]|\\.)*)" <101>$/su.exec(callerId(name, "101")) ?? [];
        expect(inside.replace(/\\(.)/gsu, "$1")).toBe(name);
      }),
    );
  });

  test("XML, in text and in attributes", () => {
    fc.assert(
      fc.property(anyLine, (text) => {
        expect(readXml(printXml(element("root", [element("a", text, { b: text })])))).toMatchObject({
          children: [{ name: "a", text, attributes: { b: text } }],
        });
      }),
    );
  });

  test("Kamailio's strings", () => {
    fc.assert(
      fc.property(anyLine, (text) => {
        const [, inside = ""] = /^"((?:[^"\\]|\\.)*)"$/su.exec(quoted(text).cfg) ?? [];
        expect(inside.replace(/\\(.)/gsu, "$1")).toBe(text);
      }),
    );
  });

  test("what they cannot hold, the writers themselves refuse", () => {
    for (const bad of ["a\nb", "a\u0000", " a", "a "]) expect(() => confValue(bad)).toThrow(/cannot hold/);
    for (const bad of ["a]", "a\nb", "", "a b"])
      expect(() => printSections([{ name: bad, pairs: [] }])).toThrow(/cannot hold/);
    expect(() =>
      printDialPlan([{ name: "x", extensions: [{ number: "1,1,System(id)", steps: [step("NoOp")] }] }]),
    ).toThrow(/cannot hold/);
    for (const bad of ["a\nb", "\u0000"]) expect(() => quoted(bad)).toThrow(/cannot hold/);
    for (const bad of ["1)", "", "$x"]) expect(() => digits(bad)).toThrow(/cannot hold/);
    expect(() => printXml(element("a", "\u0001"))).toThrow(/cannot hold/);
    expect(() => printXml(element("a b", ""))).toThrow(/cannot hold/);
    expect(cfg`a ${quoted("b")} ${[digits("1"), digits("+2")]}`.cfg).toBe('a "b" 1\n+2');
  });

  test("a whole exchange: each name and secret where it belongs, in Asterisk's file, Kamailio's digest and four phones", async () => {
    await fc.assert(
      fc.asyncProperty(anyLine, anyLine, async (name, secret) => {
        const phones = ["yealink", "grandstream", "snom", "cisco"].map((vendor, at) =>
          section("phone", { mac: `00156500000${at}`, vendor, model: "M1", extension: ["101"] }),
        );
        const { files, told } = await plan(
          exchange({ role: "both" }, section("extension", { number: "101", name, secret }), ...phones),
        );
        expect(told).toEqual([]);
        const of = (path: string) => files.get(`/etc/beesip/phones/${path}`) ?? "";
        const ha1 = createHash("md5").update(`101:pbx.example:${secret}`).digest("hex");
        expect(files.get("/etc/kamailio/kamailio.cfg")).toContain(`$var(list) = "101=${ha1}:2"`);
        const [first, ...pairs] = of("001565000000.cfg").trimEnd().split("\n");
        expect(first).toBe("#!version:1.0.0.1");
        expect(pairs).toContain(`account.1.password = ${secret}`);
        expect(pairs).toContain(`account.1.display_name = ${name}`);
        expect(pairs.every((one) => /^account\.1\.[a-z_.0-9]+ = ./.test(one))).toBe(true);
        expect(textsOf(readXml(of("cfg001565000001.xml")), "P34")).toEqual([secret]);
        expect(textsOf(readXml(of("snomM1-001565000002.htm")), "user_pass")).toEqual([secret]);
        expect(textsOf(readXml(of("spa001565000003.cfg")), "Password_1_")).toEqual([secret]);
        expect(textsOf(readXml(of("spa001565000003.cfg")), "Display_Name_1_")).toEqual([name]);
      }),
      { numRuns: 40 },
    );
  });
});

test("whatever the sections say, it is a plan or told faults with places; nothing is thrown", async () => {
  const options = (table: Readonly<Record<string, { readonly isList: boolean }>>) =>
    fc
      .dictionary(
        fc.constantFrom(...Object.keys(table)),
        fc.oneof(
          anyLine,
          fc.constantFrom(
            "1",
            "0",
            "101",
            "one",
            "+420",
            "192.0.2.1",
            "001565000001",
            "both",
            "proxy",
            "udp",
            "tls",
            "cisco",
          ),
        ),
        { maxKeys: 8 },
      )
      .map((given) =>
        Object.fromEntries(Object.entries(given).map(([name, one]) => [name, table[name]?.isList ? [one] : one])),
      );
  const any = fc.record({
    pbx: options(PBX),
    sections: fc.array(
      fc.oneof(
        ...Object.entries({ extension: EXTENSION, phone: PHONE, gateway: GATEWAY, route: ROUTE }).map(([type, table]) =>
          options(table).map((given) => ({ type, given })),
        ),
      ),
      { maxLength: 4 },
    ),
  });
  let plans = 0;
  await fc.assert(
    fc.asyncProperty(any, async ({ pbx: given, sections }) => {
      const text = [
        exchange({ ...given, enabled: "1" }),
        ...sections.map(({ type, given: one }) => section(type, one)),
      ].join("\n");
      const { changes, findings } = await plan(text);
      const faults = findings.filter(({ severity }) => severity === "error");
      expect(faults.every(({ place }) => place?.option !== undefined)).toBe(true);
      expect(faults.length > 0).toBe(changes.length === 0);
      if (faults.length === 0) plans++;
    }),
    { numRuns: 300 },
  );
  expect(plans).toBeGreaterThan(3);
});

describe("phones", () => {
  const two = [
    section("extension", { number: "101", name: "Ann", secret: "one" }),
    section("extension", { number: "102", secret: "two" }),
  ];

  test("a phone with two numbers has them in its order", async () => {
    const { files } = await plan(
      exchange(
        {},
        ...two,
        section("phone", { mac: "00-0B-82-00-00-01", vendor: "grandstream", extension: ["102", "101"] }),
      ),
    );
    const root = readXml(files.get("/etc/beesip/phones/cfg000b82000001.xml") ?? "");
    expect(textsOf(root, "mac")).toEqual(["000b82000001"]);
    expect([textsOf(root, "P35"), textsOf(root, "P404"), textsOf(root, "P406")]).toEqual([["102"], ["101"], ["one"]]);
  });

  test("dnsmasq serves them and DHCP tells of them; with http the web server does; with none nobody", async () => {
    const phone = section("phone", { mac: "001565000001", extension: ["101"] });
    const batches = async (options: Readonly<Record<string, string>>) =>
      (await plan(exchange(options, ...two, phone))).changes.flatMap((change) =>
        change.kind === "uci" && change.layer.mode === "batch"
          ? change.layer.content.map(({ command, args }) => `${command} ${args.join(" ")}`)
          : [],
      );
    const options = (uri: string) => [
      `add_list dhcp.lan.dhcp_option=66,${uri}`,
      `add_list dhcp.lan.dhcp_option=160,${uri}`,
    ];
    expect(await batches({})).toEqual([
      "set dhcp.@dnsmasq[0].enable_tftp=1",
      "set dhcp.@dnsmasq[0].tftp_root=/etc/beesip/phones",
      ...options("tftp://192.0.2.50/"),
    ]);
    expect(await batches({ provision: "http" })).toEqual(options("http://192.0.2.50/prov/"));
    expect(await batches({ provision: "none" })).toEqual([]);
    expect((await batches({ dhcp: "0" })).length).toBe(2);
    expect(
      (await plan(exchange({ provision: "none" }, ...two, phone))).files.has("/etc/beesip/phones/001565000001.cfg"),
    ).toBe(false);
  });

  test("a model of Cisco's leads its phones to their own files", async () => {
    const phone = section("phone", { mac: "000e08000001", vendor: "cisco", model: "504G", extension: ["101"] });
    const { files } = await plan(exchange({}, ...two, phone));
    expect(textsOf(readXml(files.get("/etc/beesip/phones/spa504G.cfg") ?? ""), "Profile_Rule")).toEqual([
      "tftp://192.0.2.50/spa$MA.cfg",
    ]);
  });
});

describe("the gateway list", () => {
  const LIST = {
    version: 1,
    gateways: [
      {
        id: "ostrava-1",
        host: "192.0.2.10",
        match: ["192.0.2.10/32"],
        codecs: ["alaw"],
        auth: { type: "digest", username: "u;1", password: 'p"2' },
        extra: 1,
      },
      { id: "praha-1", host: "gw2.example.net", match: ["192.0.2.11"], port: 5070 },
      { id: "off", host: "192.0.2.12", enabled: false },
    ],
    prefixes: [
      {
        prefix: "+420596",
        gateways: [
          { id: "praha-1", priority: 20 },
          { id: "ostrava-1", priority: 10 },
        ],
      },
      {
        prefix: "+1",
        minDigits: 11,
        maxDigits: 11,
        gateways: [
          { id: "off", priority: 1 },
          { id: "praha-1", priority: 1 },
        ],
      },
    ],
  };
  const KEPT = "/etc/beesip/gateways.json";
  const withList = (list: unknown, more: Partial<Scene> = {}) =>
    plan(SMALL, { tree: { gateways: typeof list === "string" ? list : JSON.stringify(list) }, ...more });

  test("its gateways and prefixes are in the files, the lowest priority first, and the list is kept", async () => {
    const { files, told, changes } = await withList(LIST);
    expect(told).toEqual([expect.stringMatching(/^warning route \+1: .*"off", no gateway in service/)]);
    const dialled = [
      ...(files.get("/etc/asterisk/extensions.conf") ?? "").matchAll(/Dial\(PJSIP\/\$\{NUMBER\}@gw-([a-z0-9-]+)/g),
    ].map(([, id]) => id);
    expect(dialled).toEqual(["ostrava-1", "praha-1", "praha-1"]);
    const pairs = readConf(files.get("/etc/asterisk/pjsip.conf") ?? "");
    expect(pairs).toContainEqual({ section: "gw-praha-1", key: "contact", value: "sip:gw2.example.net:5070" });
    expect(pairs).toContainEqual({ section: "gw-ostrava-1", key: "password", value: 'p"2' });
    expect(pairs.some(({ section }) => section === "gw-off")).toBe(false);
    expect(changes).toContainEqual(expect.objectContaining({ path: KEPT, mode: 0o600 }));
    expect(files.get(KEPT)).toBe(JSON.stringify(LIST));
  });

  test("UCI wins where both have a gateway or a prefix", async () => {
    const beesip =
      SMALL +
      section("gateway", { id: "praha-1", host: "198.51.100.9" }) +
      section("route", { prefix: "+1", gateway: ["ostrava-1"] });
    const { files } = await plan(beesip, { tree: { gateways: JSON.stringify(LIST) } });
    expect(readConf(files.get("/etc/asterisk/pjsip.conf") ?? "")).toContainEqual({
      section: "gw-praha-1",
      key: "contact",
      value: "sip:198.51.100.9:5060",
    });
    expect(files.get("/etc/asterisk/extensions.conf")?.match(/exten => _\+1!/g)).toHaveLength(1);
  });

  test("prefixes within our own numbers are left out: calls there would come back", async () => {
    const { files, told } = await withList({
      ...LIST,
      prefixes: [{ prefix: "+4205963211", gateways: [{ id: "praha-1", priority: 1 }] }],
    });
    expect(told).toEqual([expect.stringMatching(/this exchange's own/)]);
    expect(files.get("/etc/asterisk/extensions.conf")).not.toContain("gw-praha-1");
  });

  const change = (path: readonly (string | number)[], to: unknown): unknown => {
    const copy: unknown = JSON.parse(JSON.stringify(LIST));
    let at = copy as Record<string | number, unknown>;
    for (const key of path.slice(0, -1)) at = at[key] as Record<string | number, unknown>;
    at[path.at(-1) ?? ""] = to;
    return copy;
  };
  const BAD: [string, unknown, RegExp][] = [
    ["a web page", "<!DOCTYPE html>", /no JSON object/],
    ["nothing", "", /no JSON object/],
    ["an array", [], /no JSON object/],
    ["an empty list", { version: 1, gateways: [], prefixes: [] }, /is empty/],
    ["another version", { ...LIST, version: 2 }, /version: .*is 2, not 1/],
    ["no version", { gateways: LIST.gateways }, /missing, not 1/],
    ["a host with a line", change(["gateways", 1, "host"], "a\nb"), /gateways\[1\]\.host/],
    ["a host with a section", change(["gateways", 1, "host"], "x]"), /gateways\[1\]\.host/],
    ["no host", change(["gateways", 1, "host"], undefined), /gateways\[1\]\.host is missing/],
    ["an id with a quote", change(["gateways", 0, "id"], 'a"'), /gateways\[0\]\.id/],
    [
      "the same id twice",
      change(["gateways", 1, "id"], "ostrava-1"),
      /gateways\[1\]\.id is "ostrava-1", which gateways\[0\]\.id/,
    ],
    ["the same prefix twice", change(["prefixes", 1, "prefix"], "+420596"), /prefixes\[1\]\.prefix/],
    ["a prefix that is a pattern", change(["prefixes", 1, "prefix"], "+42X."), /prefixes\[1\]\.prefix/],
    ["a port as a text", change(["gateways", 1, "port"], "5060"), /gateways\[1\]\.port/],
    ["a password with a line", change(["gateways", 0, "auth", "password"], "a\nb"), /gateways\[0\]\.auth\.password/],
    [
      "no password",
      change(["gateways", 0, "auth"], { type: "digest", username: "u" }),
      /gateways\[0\]\.auth\.password is missing/,
    ],
    ["gateways that are none", change(["prefixes", 0, "gateways"], "praha-1"), /prefixes\[0\]\.gateways/],
    [
      "too many gateways",
      { ...LIST, gateways: Array.from({ length: 1001 }, (_, at) => ({ id: `g${at}`, host: "192.0.2.1" })) },
      /at most 1000/,
    ],
  ];

  test.each(BAD)("%s is refused with its place, where there is no good one", async (_, list, wanted) => {
    const { told, changes } = await withList(list);
    expect(told.every((one) => one.startsWith("error"))).toBe(true);
    expect(told.join("\n")).toMatch(wanted);
    expect(changes.some((one) => one.kind === "file" && one.path === KEPT)).toBe(false);
  });

  test.each(BAD)("%s: the last good one stays in use", async (_, list) => {
    const good = await withList(LIST);
    const { files, told } = await withList(list, {
      device: { ...PROGRAMS, [KEPT]: JSON.stringify(LIST) },
      owned: [KEPT],
    });
    expect(told.every((one) => one.startsWith("warning"))).toBe(true);
    expect(told.join("\n")).toContain("the last good one stays in use");
    expect(files).toEqual(good.files);
  });

  test("a file of somebody else's is no last good one", async () => {
    const { told } = await withList("nonsense", { device: { ...PROGRAMS, [KEPT]: JSON.stringify(LIST) } });
    expect(told).toEqual([expect.stringMatching(/^error/)]);
  });

  test("whatever it holds, it is a list or has faults; it never throws, and its plan has no more lines than objects", async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (list) => {
        const { told } = await withList(JSON.stringify(list));
        expect(told.length).toBeGreaterThan(0);
      }),
      { numRuns: 60 },
    );
  });
});

describe("numbers", () => {
  const pbx = (options: Partial<Parameters<typeof dialForms>[0]>) =>
    ({
      country_code: "420",
      area_code: "596",
      national_prefix: undefined,
      national_digits: 9,
      international_prefix: "00",
      ...options,
    }) as Parameters<typeof dialForms>[0];

  test("national numbers have a prefix or a length", () => {
    expect(dialForms(pbx({}))).toContainEqual({ begins: "", digits: 9, becomes: "+420" });
    expect(dialForms(pbx({ country_code: "49", national_prefix: "0" }))).toContainEqual({
      begins: "0",
      digits: undefined,
      becomes: "+49",
    });
    expect(dialForms(pbx({ country_code: undefined }))).toHaveLength(2);
  });

  test("an extension has every form of a number of its own", () => {
    expect(ownForms(pbx({}), "101")).toEqual(["+420596101", "00420596101", "596101"]);
    expect(ownForms(pbx({ national_prefix: "0" }), "101")).toContain("0596101");
    expect(ownForms(pbx({ area_code: undefined }), "101")).toEqual([]);
  });

  test("digits are counted with the country code, and never fewer than the prefix has", () => {
    const trunk = (min_digits: number | undefined) => ({
      gateways: [],
      route: { prefix: "+420596", label: undefined, min_digits, max_digits: 12, strip: 0, prepend: "", gateway: [] },
    });
    expect(lengthsOf(trunk(9))).toEqual({ least: 10, most: 13 });
    expect(lengthsOf(trunk(undefined))).toEqual({ least: 7, most: 13 });
  });
});
