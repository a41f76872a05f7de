import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GATEWAY } from "../../../hooks/_gateway-schema.ts";
import security from "../../../hooks/security/index.ts";
import { SECURITY } from "../../../hooks/security/schema.ts";
import type { Change } from "../../../src/api.ts";
import { parseGuard } from "../../../src/guard/guard-file.ts";
import { keepsModuleContract } from "../../contract/module.ts";
import { planScene, type Scene } from "../../helpers/plan-context.ts";

const PROTECTION = "/etc/kamailio/beesip-protection.cfg";
const RULES = "/etc/beesip/guard.nft";
const GUARD = "/etc/beesip/guard.json";
const PROGRAMS = { "/etc/init.d/asterisk": "x", "/etc/init.d/kamailio": "x", "/usr/sbin/nft": "x" };

type Options = Readonly<Record<string, string | readonly string[]>>;
const value = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const section = (type: string, options: Options, name = ""): string =>
  [
    `config ${type} ${name}`,
    ...Object.entries(options).flatMap(([key, given]) =>
      typeof given === "string"
        ? [`\toption ${key} ${value(given)}`]
        : given.map((one) => `\tlist ${key} ${value(one)}`),
    ),
    "",
  ].join("\n");
const defended = (options: Options, ...more: readonly string[]): string =>
  [section("security", { enabled: "1", ...options }, "security"), ...more].join("\n");
const pbx = (role: string) => section("pbx", { enabled: "1", role, address: "192.0.2.50" }, "pbx");
const gateway = (options: Options) => section("gateway", { id: "one", host: "198.51.100.1", ...options });

const scene = (beesip: string, more: Partial<Scene> = {}) =>
  planScene({ module: "security", uci: { beesip }, device: PROGRAMS, isSmall: true, ...more });

async function plan(beesip: string, more: Partial<Scene> = {}) {
  const { context, findings } = scene(beesip, more);
  const changes = (await security.plan?.(context)) ?? [];
  return {
    changes,
    files: new Map(
      changes.flatMap((change) => (change.kind === "file" ? [[change.path, textOf(change)] as const] : [])),
    ),
    told: findings.map(({ severity, message, place }) => `${severity} ${place?.option ?? place?.file}: ${message}`),
  };
}

function textOf(change: Change): string {
  return change.kind === "file" && change.content.kind === "bytes" ? Buffer.from(change.content.bytes).toString() : "";
}

/** Elements of a set in the rules. */
const elements = (rules: string | undefined, set: string): readonly string[] => {
  const [, body = ""] = new RegExp(`set ${set} \\{(.*?)\n\t\\}`, "s").exec(rules ?? "") ?? [];
  return /elements = \{ (.*) \}/.exec(body)?.[1]?.split(", ") ?? [];
};
const told = (guard: string | undefined) => JSON.parse(guard ?? "null") as Record<string, unknown>;

keepsModuleContract(
  security,
  () => planScene({ module: "security" }),
  () => scene(defended({}, pbx("both"), gateway({}))),
);

describe("the switch", () => {
  test.each([
    ["an exchange without it", pbx("proxy")],
    ["one that is off", section("security", { enabled: "0", ban_time: "nonsense" }, "security")],
  ])("%s makes nothing, and says nothing", async (_, beesip) => {
    expect(await plan(beesip)).toMatchObject({ changes: [], told: [] });
  });

  test("a section of another name, and a word that is no switch, make nothing, and say so", async () => {
    const other = await plan(section("security", { enabled: "1" }, "other"));
    expect(other).toMatchObject({ changes: [], told: [expect.stringMatching(/^warning .*beesip\.other is not read/)] });
    const word = await plan(section("security", { enabled: "enable" }, "security"));
    expect(word).toMatchObject({ changes: [], told: [expect.stringMatching(/^error .*neither 1 nor 0/)] });
  });

  test.each([
    ["proxy", [PROTECTION, "kamailio restart", RULES, GUARD, "beesip-guard reload"], "kamailio"],
    ["both", [PROTECTION, "kamailio restart", RULES, GUARD, "beesip-guard reload"], "kamailio"],
    ["b2bua", [RULES, GUARD, "beesip-guard reload"], "asterisk"],
  ])("before a %s it makes the files and services of its programs, and no others", async (role, wanted, kind) => {
    const { changes, files } = await plan(defended({}, pbx(role)));
    expect(
      changes.map((change) =>
        change.kind === "file"
          ? change.path
          : change.kind === "service"
            ? `${change.name} ${change.onChange?.act}`
            : "?",
      ),
    ).toEqual(wanted);
    expect(told(files.get(GUARD))["sources"]).toEqual([{ kind, from: "syslog" }]);
  });

  test("without an exchange there is the kernel's part alone; an IDS gives the follower something to read", async () => {
    expect([...(await plan(defended({}))).files.keys()]).toEqual([RULES]);
    expect(told((await plan(defended({ ids: "snort3" }))).files.get(GUARD))["sources"]).toEqual([
      { kind: "snort3", from: "file", path: "/var/log/alert_json.txt" },
    ]);
    const given = await plan(defended({ ids: "eve", ids_file: "/mnt/eve.json" }));
    expect(told(given.files.get(GUARD))["sources"]).toEqual([{ kind: "eve", from: "file", path: "/mnt/eve.json" }]);
    const off = await plan(defended({ ids: "eve", guard: "0" }));
    expect([...off.files.keys()]).toEqual([RULES]);
    expect(off.told).toEqual([expect.stringMatching(/^warning beesip\.security\.ids:/)]);
  });

  test("what the device lacks is left out: silently if the exchange tells it, else with a warning", async () => {
    const { "/etc/init.d/kamailio": _, ...noKamailio } = PROGRAMS;
    const without = await plan(defended({}, pbx("proxy")), { device: noKamailio });
    expect([[...without.files.keys()], without.told]).toEqual([[RULES], []]);
    const { "/usr/sbin/nft": __, ...noNft } = PROGRAMS;
    const noKernel = await plan(defended({}, pbx("proxy")), { device: noNft });
    expect([...noKernel.files.keys()]).toEqual([PROTECTION]);
    expect(noKernel.told).toEqual([expect.stringMatching(/^warning .*nft is not on this device/)]);
  });

  test("what the follower is told is for root alone, and Kamailio's part for its group", async () => {
    const { changes } = await plan(defended({ report_url: "https://noc.example/hush" }, pbx("proxy")));
    const modes = changes.flatMap((one) =>
      one.kind === "file" ? [`${one.path} ${one.mode.toString(8)} ${one.group ?? "-"}`] : [],
    );
    expect(modes).toEqual([`${PROTECTION} 640 kamailio`, `${RULES} 644 -`, `${GUARD} 600 -`]);
  });
});

describe("who is never banned", () => {
  const LIST = JSON.stringify({
    version: 1,
    gateways: [
      { id: "one", host: "203.0.113.1" },
      { id: "two", host: "gw.example", match: ["203.0.113.2", "2001:db8:7::/48"] },
      { id: "off", host: "203.0.113.3", enabled: false },
    ],
  });

  test("gateways of UCI and of the list, UCI's where both have one; disabled ones not", async () => {
    const { files } = await plan(
      defended(
        { allow: ["198.51.100.64/26"] },
        pbx("proxy"),
        gateway({}),
        gateway({ id: "no", host: "198.51.100.3", enabled: "0" }),
      ),
      { tree: { gateways: LIST } },
    );
    const four = ["198.51.100.64/26", "198.51.100.1", "203.0.113.2"];
    expect(elements(files.get(RULES), "allow4")).toEqual(four);
    expect(elements(files.get(RULES), "allow6")).toEqual(["2001:db8:7::/48"]);
    expect(told(files.get(GUARD))["allow"]).toEqual([...four, "2001:db8:7::/48"]);
    const conditions = [...(files.get(PROTECTION) ?? "").matchAll(/src_ip==(\S+)\)/g)].map(([, one]) => one);
    // Plain addresses of gateways are in Kamailio's table already.
    expect(conditions).toEqual(["198.51.100.64/26", "[2001:db8:7::]/48"]);
  });

  test("while the list is bad, those of the last good one; without an exchange, nobody's", async () => {
    const device = { ...PROGRAMS, "/etc/beesip/gateways.json": LIST };
    const bad = await plan(defended({}, pbx("proxy")), { tree: { gateways: "<html>" }, device });
    expect(elements(bad.files.get(RULES), "allow4")).toEqual(["203.0.113.1", "203.0.113.2"]);
    // What is wrong with it, `pbx` tells.
    expect(bad.told).toEqual([]);
    const gone = await plan(defended({}, pbx("proxy")), { device });
    expect(elements(gone.files.get(RULES), "allow4")).toEqual([]);
    const none = await plan(defended({}), { tree: { gateways: LIST }, device });
    expect(elements(none.files.get(RULES), "allow4")).toEqual([]);
  });

  test("a gateway that has only a name is a warning", async () => {
    const { told: said } = await plan(defended({}, pbx("b2bua"), gateway({ host: "gw.example" })));
    expect(said).toEqual([expect.stringMatching(/^warning gateway one: .*may be banned/)]);
  });

  test("the device's own static addresses, of both families", async () => {
    const network = [
      "config interface 'lan'\n\toption ipaddr '192.168.1.1/24'\n\tlist ip6addr '2001:db8::1/64'\n",
      "config interface 'wan'\n\toption proto 'dhcp'\n",
      "config interface 'b'\n\toption ipaddr '10.0.0.1'\n",
    ].join("\n");
    const { files } = await plan(defended({}, pbx("proxy")), { uci: { beesip: defended({}, pbx("proxy")), network } });
    expect(told(files.get(GUARD))["own"]).toEqual(["192.0.2.50", "192.168.1.1", "2001:db8::1", "10.0.0.1"]);
  });

  test("more gateways than the follower takes: it gets the first, the kernel all", async () => {
    const match = Array.from({ length: 60 }, (_, at) => `10.0.${at}.0/24`);
    const many = Array.from({ length: 20 }, (_, at) =>
      gateway({ id: `g${at}`, host: "192.0.2.1", match: match.map((one) => one.replace("10.0", `10.${at}`)) }),
    );
    const { files } = await plan(defended({}, pbx("proxy"), ...many));
    expect(elements(files.get(RULES), "allow4")).toHaveLength(1200);
    expect(told(files.get(GUARD))["allow"]).toHaveLength(1024);
  });
});

describe("what the follower is told", () => {
  test.each<[string, Options]>([
    ["as it comes", {}],
    ["banning nobody", { ban_time: "0" }],
    [
      "with everything",
      {
        ids: "snort3",
        report_mail: "noc+sip@isp.example",
        report_url: "https://noc.example/x?a=b",
        ban_private: "1",
        ban_time_max: "604800",
        ban_time: "604800",
        ban_factor: "100",
        bans_per_minute: "6000",
        allow: ["198.51.100.64/26", "2001:db8::/32", "::ffff:192.0.2.9"],
      },
    ],
    ["with a longest ban shorter than the time repeats are merged over", { ban_time: "0", ban_time_max: "60" }],
  ])("%s, it reads", async (_, options) => {
    const { files } = await plan(defended(options, pbx("b2bua"), gateway({})));
    const guard = parseGuard(files.get(GUARD) ?? "");
    expect(guard.applies).toBe(options["ban_time"] !== "0");
    expect(guard.sources.map(({ kind }) => kind)).toEqual([
      "asterisk",
      ...(options["ids"] === undefined ? [] : ["snort3"]),
    ]);
    expect(guard.allow.map(({ address }) => address.text)).toContain("198.51.100.1");
    expect(guard.own.map(({ text }) => text)).toEqual(["192.0.2.50"]);
    expect([guard.mail, guard.uri]).toEqual([options["report_mail"], options["report_url"]]);
    expect(guard.ban.private).toBe(options["ban_private"] === "1");
  });
});

describe("bans", () => {
  test("their times and limits are where each part looks for them", async () => {
    const { files } = await plan(
      defended(
        {
          ban_time: "300",
          ban_time_max: "4000",
          ban_factor: "3",
          bans_per_minute: "7",
          kernel_rate: "80",
          kernel_burst: "9",
          register_limit: "21",
          failed_limit: "22",
          register_rate: "23",
          pike_density: "24",
          pike_unit: "3",
        },
        pbx("proxy"),
      ),
    );
    expect(told(files.get(GUARD))).toMatchObject({
      version: 1,
      table: "beesip",
      apply: true,
      ban: { seconds: 300, max: 4000, factor: 3, perMinute: 7, private: false },
    });
    expect(files.get(RULES)).toContain(
      "limit rate over 80/second burst 9 packets } add @ban4 { ip saddr timeout 300s }",
    );
    const cfg = files.get(PROTECTION) ?? "";
    for (const part of [
      "banned=>size=10;autoexpire=300;initval=0;",
      "$var(count) > 21",
      "$var(count) > 22",
      "$var(count) > 23",
      '"reqs_density_per_unit", 24',
      '"sampling_time_unit", 3',
    ])
      expect(cfg).toContain(part);
  });

  test("with ban_time 0 nothing drops anything, and everything still tells", async () => {
    const { files } = await plan(defended({ ban_time: "0", ids: "eve" }, pbx("proxy")));
    expect(files.get(RULES)).not.toMatch(/\bdrop$/m);
    expect(files.get(RULES)).not.toContain("add @ban");
    expect(files.get(RULES)).toContain("update @seen4");
    expect(told(files.get(GUARD))).toMatchObject({ apply: false });
    const ban = /route\[BAN\] \{.*?\n\}/s.exec(files.get(PROTECTION) ?? "")?.[0];
    expect(ban).toContain("xlog");
    expect(ban).not.toContain("exit");
    expect(files.get(PROTECTION)).not.toMatch(/sht\(banned=>\$si\)/);
  });

  test("scope says where banned sources are dropped: before SIP's ports, or before everything", async () => {
    const chain = (rules: string | undefined, name: string) =>
      new RegExp(`chain ${name} \\{(.*?)\n\t\\}`, "s").exec(rules ?? "")?.[1] ?? "";
    for (const [scope, where, elsewhere] of [
      ["sip", "sip", "prerouting"],
      ["all", "prerouting", "sip"],
    ] as const) {
      const { files } = await plan(defended({ scope }, pbx("both")));
      expect(chain(files.get(RULES), where)).toMatch(/@ban4 .*drop[\s\S]*@ban6 .*drop/);
      expect(chain(files.get(RULES), elsewhere)).not.toMatch(/saddr @ban/);
      // Whoever is allowed comes before any of it.
      expect(chain(files.get(RULES), "prerouting")).toMatch(
        /^\s*type[\s\S]*"lo" accept[\s\S]*@allow4 accept[\s\S]*@allow6 accept[\s\S]*goto sip\s*$/,
      );
      expect(chain(files.get(RULES), "prerouting")).toContain("{ 5060, 5061, 5080 }");
    }
  });

  test("without a rate the kernel counts nothing, and with register_rate 0 Kamailio takes all logins", async () => {
    const { files } = await plan(defended({ kernel_rate: "0", register_rate: "0" }, pbx("proxy")));
    expect(files.get(RULES)).not.toContain("limit rate");
    expect(files.get(PROTECTION)).not.toContain("second=>");
  });

  test("reports go where the section says", async () => {
    const { files } = await plan(
      defended({ report_mail: "noc+sip@isp.example", report_url: "https://noc.example/x?a=b" }, pbx("proxy")),
    );
    expect(told(files.get(GUARD))["report"]).toEqual({ mail: "noc+sip@isp.example", uri: "https://noc.example/x?a=b" });
    expect(told((await plan(defended({}, pbx("proxy")))).files.get(GUARD))).not.toHaveProperty("report");
  });
});

const HOSTILE = [
  `a;b"c\\d$e`,
  "]",
  "x\ny",
  "#!define X",
  `\${SHELL(id)}`,
  "192.0.2.1 }",
  "192.0.2.1/33",
  "192.0.2.0/024",
  "::1%lo",
  "",
  " ",
  "</P34>",
];

describe("what is refused, with its place", () => {
  const TEXTS = ["ids_file", "report_mail", "report_url"] as const;
  test.each(TEXTS.flatMap((name) => HOSTILE.filter((one) => one !== "").map((text) => [name, text] as const)))(
    "%s %j",
    async (name, text) => {
      const { told: said, changes } = await plan(defended({ [name]: text, ids: "eve" }, pbx("both")));
      expect(said).toEqual([expect.stringMatching(new RegExp(`^error beesip\\.security\\.${name}: `))]);
      expect(changes).toEqual([]);
    },
  );

  test.each(HOSTILE.filter((one) => one !== ""))("allow %j", async (text) => {
    const { told: said, changes } = await plan(defended({ allow: ["192.0.2.1", text] }, pbx("both")));
    expect(said).toEqual([expect.stringMatching(/^error beesip\.security\.allow: /)]);
    expect(changes).toEqual([]);
  });

  test.each<[string, Options, string]>([
    ["a number that is none", { ban_time: "2m" }, "ban_time"],
    ["a negative one", { kernel_rate: "-1" }, "kernel_rate"],
    ["one too large", { ban_time: "604801", ban_time_max: "604800" }, "ban_time"],
    ["a longest ban that is shorter than the first", { ban_time: "100", ban_time_max: "99" }, "ban_time_max"],
    ["an IDS nobody knows", { ids: "snort2" }, "ids"],
    ["a scope nobody knows", { scope: "lan" }, "scope"],
    ["everybody as a friend", { allow: ["0.0.0.0/0"] }, "allow"],
    ["everybody of IPv6", { allow: ["::/0"] }, "allow"],
    ["a path that climbs", { ids_file: "/var/log/../../etc/shadow" }, "ids_file"],
    ["a path that is none", { ids_file: "eve.json" }, "ids_file"],
    ["a report in the clear", { report_url: "http://noc.example/" }, "report_url"],
    ["a password in it", { report_url: "https://u:hush@noc.example/" }, "report_url"],
    ["a mail address that is an option", { report_mail: "-oQ/tmp@isp.example" }, "report_mail"],
    ["two mail addresses", { report_mail: "a@isp.example,b@isp.example" }, "report_mail"],
  ])("%s", async (_, options, option) => {
    const { told: said, changes } = await plan(defended(options, pbx("both")));
    expect(said).toEqual([expect.stringMatching(new RegExp(`^error beesip\\.security\\.${option}: `))]);
    expect(said.join()).not.toContain("hush");
    expect(changes).toEqual([]);
  });

  test("an option nobody knows is a warning", async () => {
    const { told: said } = await plan(defended({ ban_tiem: "5" }));
    expect(said).toEqual([expect.stringMatching(/^warning beesip\.security\.ban_tiem: .*no option/)]);
  });

  const anything = fc.oneof(
    fc.constantFrom(...HOSTILE, "1", "0", "192.0.2.1", "2001:db8::/32", "a@b.example", "https://a.example/x", "/a/b"),
    fc.string({ maxLength: 20 }),
  );
  const record = (names: readonly string[]) =>
    fc
      .dictionary(fc.constantFrom(...names), anything, { maxKeys: 6 })
      .map((all) =>
        Object.fromEntries(
          Object.entries(all).filter(([, text]) => text !== "" && !/[\u0000\ufffd]|[\ud800-\udfff]/u.test(text)),
        ),
      );

  test("whatever the section and the gateways say, it is a plan or told faults with places; nothing is thrown, no line is broken", async () => {
    await fc.assert(
      fc.asyncProperty(record(Object.keys(SECURITY)), record(Object.keys(GATEWAY)), async (options, one) => {
        const { files, told: said } = await plan(defended(options, pbx("both"), section("gateway", one)));
        if (files.size === 0) {
          if (options["enabled"] === undefined) expect(said.some((text) => text.startsWith("error"))).toBe(true);
          return;
        }
        expect(files.get(RULES)).toMatch(/^[\x20-\x7e\t\n]*$/);
        expect(files.get(RULES)?.match(/^table inet beesip \{$/gm)).toHaveLength(1);
        for (const set of ["allow4", "allow6"])
          for (const element of elements(files.get(RULES), set))
            expect(element).toMatch(/^[0-9A-Fa-f.:]+(?:\/[0-9]+)?$/);
        expect(files.get(PROTECTION)?.match(/^#!/gm)).toHaveLength(1);
        const guard = files.get(GUARD);
        if (guard !== undefined) expect(parseGuard(guard).table).toBe("beesip");
      }),
      { numRuns: 150 },
    );
  });
});
