import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fileParameter, printAgentConf } from "../../../hooks/monitoring/agent-conf.ts";
import { serverOf } from "../../../hooks/monitoring/checks.ts";
import monitoring from "../../../hooks/monitoring/index.ts";
import { MONITORING } from "../../../hooks/monitoring/schema.ts";
import type { Change } from "../../../src/api.ts";
import { AGENT_FILE, AGENT_KEYS, SENDER_FILE } from "../../../src/monitor-keys.ts";
import { keepsModuleContract } from "../../contract/module.ts";
import { macroTable } from "../../helpers/hook-context.ts";
import { planScene, type Scene } from "../../helpers/plan-context.ts";

const AGENT = {
  "/etc/init.d/zabbix_agentd": "#!/bin/sh\n",
  "/etc/zabbix_agentd.conf": "Server=127.0.0.1\nInclude=/etc/zabbix_agentd.conf.d/*.conf\n",
};
const PSK = "/etc/beesip/zabbix.psk";
const KEY = "0123456789abcdef0123456789abcdef";

type Options = Readonly<Record<string, string | readonly string[]>>;

const value = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const section = (options: Options): string =>
  [
    "config monitoring 'monitoring'",
    "\toption enabled '1'",
    ...Object.entries(options).flatMap(([key, given]) =>
      typeof given === "string"
        ? [`\toption ${key} ${value(given)}`]
        : given.map((one) => `\tlist ${key} ${value(one)}`),
    ),
    "",
  ].join("\n");
const PASSIVE = { zabbix_server: ["192.0.2.20"] };

const scene = (beesip: string, more: Partial<Scene> = {}) => {
  const { context, findings } = planScene({ module: "monitoring", uci: { beesip }, device: AGENT, ...more });
  const macros = macroTable({ hostname: "box-1", mac: "020000000001", board: "acme,r1", odd: "a\nServer=0.0.0.0/0" });
  return { context: { ...context, macros }, findings };
};

async function plan(options: Options, more: Partial<Scene> = {}) {
  const { context, findings } = scene(section(options), more);
  const changes = (await monitoring.plan?.(context)) ?? [];
  const files = new Map(changes.flatMap((one) => (one.kind === "file" ? [[one.path, one] as const] : [])));
  const conf = textOf(files.get(AGENT_FILE)).split("\n");
  return {
    changes,
    files,
    /** What the agent is told, without the keys. */
    conf: conf.filter((line) => line !== "" && !line.startsWith("UserParameter=")),
    sender: JSON.parse(textOf(files.get(SENDER_FILE)) || "null"),
    told: findings.map(({ severity, message, place }) => `${severity} ${place?.option ?? place?.file}: ${message}`),
  };
}

function textOf(change: Change | undefined): string {
  return change?.kind === "file" && change.content.kind === "bytes" ? Buffer.from(change.content.bytes).toString() : "";
}

keepsModuleContract(
  monitoring,
  () => planScene({ module: "monitoring" }),
  () => scene(section(PASSIVE)),
);

describe("the switch", () => {
  test.each([
    ["no section", "config pbx 'pbx'\n\toption enabled '1'\n"],
    ["a section that is off", "config monitoring 'monitoring'\n\toption enabled '0'\n\toption tls 'nonsense'\n"],
  ])("%s makes nothing, and says nothing", async (_, beesip) => {
    const { context, findings } = scene(beesip);
    expect([await monitoring.plan?.(context), findings]).toEqual([[], []]);
  });

  test("a section of another name makes nothing, and says so", async () => {
    const { context, findings } = scene("config monitoring 'other'\n\toption enabled '1'\n");
    expect(await monitoring.plan?.(context)).toEqual([]);
    expect(findings).toMatchObject([{ severity: "warning", place: { option: "beesip.other" } }]);
  });

  test("without the agent it is left out with a warning", async () => {
    const { changes, told } = await plan(PASSIVE, { device: {} });
    expect(changes).toEqual([]);
    expect(told).toEqual([
      "warning beesip.monitoring.enabled: zabbix_agentd is not on this device, so its part is left out until it is",
    ]);
  });

  test("events alone need no agent, and get none", async () => {
    const { changes, sender, told } = await plan({ zabbix_trapper: ["192.0.2.20"] });
    expect(changes.map((one) => (one.kind === "file" ? one.path : one.kind))).toEqual([SENDER_FILE]);
    expect(sender).toEqual({ version: 1, host: "box-1", servers: [{ host: "192.0.2.20", port: 10_051 }] });
    expect(told).toEqual([]);
  });

  test("where the release has a switch for the agent, it is on; elsewhere the init script's link is enough", async () => {
    const kinds = (changes: readonly Change[]) => changes.map((one) => (one.kind === "uci" ? one.package : one.kind));
    const beesip = section(PASSIVE);
    const { context } = scene(beesip, { uci: { beesip, zabbix_agentd: "config zabbix_agentd 'general'\n" } });
    expect(kinds((await monitoring.plan?.(context)) ?? [])).toEqual(["file", "zabbix_agentd", "service"]);
    expect(kinds((await plan(PASSIVE)).changes)).toEqual(["file", "service"]);
  });

  test("the agent restarts when its files change, and starts at boot", async () => {
    const { changes } = await plan(PASSIVE);
    expect(changes.find((one) => one.kind === "service")).toMatchObject({
      name: "zabbix_agentd",
      boot: "enabled",
      run: "started",
      onChange: { paths: [AGENT_FILE, PSK, "/etc/config/zabbix_agentd"], act: "restart" },
    });
  });

  test("a package's file that does not include ours is told", async () => {
    const device = {
      ...AGENT,
      "/etc/zabbix_agentd.conf": "Server=127.0.0.1\n#Include=/etc/zabbix_agentd.conf.d/*.conf\n",
    };
    expect((await plan(PASSIVE, { device })).told).toEqual([
      "warning /etc/zabbix_agentd.conf: /etc/zabbix_agentd.conf does not include /etc/zabbix_agentd.conf.d/*.conf: the agent would not see its settings",
    ]);
  });
});

describe("what the agent is told", () => {
  test("who may ask, and nothing of active checks", async () => {
    const { conf } = await plan({
      zabbix_server: ["192.0.2.20", "2001:db8::/32", "zabbix.example.net"],
      listen: ["192.0.2.1"],
    });
    expect(conf).toEqual([
      "Server=192.0.2.20,2001:db8::/32,zabbix.example.net",
      "ListenIP=192.0.2.1",
      "ListenPort=10050",
      "Hostname=box-1",
      "UnsafeUserParameters=0",
    ]);
  });

  test("whom it reports to: then it listens to nobody", async () => {
    const { conf, sender } = await plan({
      zabbix_server_active: ["zabbix.example.net", "[2001:db8::1]:10055"],
      refresh: "600",
      metadata: 'beesip {board} a;b"c\\d$e',
    });
    expect(conf).toEqual([
      "StartAgents=0",
      "ServerActive=zabbix.example.net,[2001:db8::1]:10055",
      "RefreshActiveChecks=600",
      "Hostname=box-1",
      'HostMetadata=beesip acme,r1 a;b"c\\d$e',
      "UnsafeUserParameters=0",
    ]);
    expect(sender.servers).toEqual([
      { host: "zabbix.example.net", port: 10_051 },
      { host: "2001:db8::1", port: 10_055 },
    ]);
  });

  test("the name that the same plan gives the device: the old one would be a host that is never seen again", async () => {
    const system = "config system\n\toption hostname 'attic'\n";
    const options = { ...PASSIVE, metadata: "beesip {hostname:upper}" };
    const { conf } = await plan(options, { uci: { beesip: section(options), system } });
    expect(conf).toEqual(expect.arrayContaining(["Hostname=attic", "HostMetadata=beesip ATTIC"]));
  });

  test("a shared key lies in a file for root and the agent's group, and nowhere else", async () => {
    const options = {
      ...PASSIVE,
      zabbix_server_active: ["192.0.2.20"],
      tls: "psk",
      psk_identity: "beesip {mac}",
      psk: KEY,
    };
    const { conf, files, sender } = await plan(options);
    expect(conf).toContain("TLSAccept=psk");
    expect(conf).toContain("TLSConnect=psk");
    expect(conf).toContain("TLSPSKIdentity=beesip 020000000001");
    expect(conf).toContain(`TLSPSKFile=${PSK}`);
    expect(files.get(PSK)).toMatchObject({ mode: 0o640, group: "zabbix-agent" });
    expect(textOf(files.get(PSK))).toBe(`${KEY}\n`);
    expect(sender.proof).toEqual({ by: "psk", identity: "beesip 020000000001", file: PSK });
    expect(files.get(SENDER_FILE)).toMatchObject({ mode: 0o600 });
    for (const [path, one] of files) if (path !== PSK) expect(textOf(one)).not.toContain(KEY);
  });

  test("certificates: the agent's group gets a copy of the device's key, which `certs` gives to root alone", async () => {
    const options = { ...PASSIVE, tls: "cert", ca_file: "/etc/ssl/zabbix-ca.pem", server_subject: "CN=Zabbix; O=a,b" };
    const pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    const tree = { client: `-----BEGIN CERTIFICATE-----\nBBBB\n-----END CERTIFICATE-----\n${pem}` };
    const { conf, files, changes } = await plan(options, { tree });
    expect(conf.slice(-6)).toEqual([
      "TLSAccept=cert",
      "TLSCAFile=/etc/ssl/zabbix-ca.pem",
      "TLSCertFile=/etc/ssl/client.crt",
      "TLSKeyFile=/etc/beesip/zabbix.key",
      "TLSServerCertSubject=CN=Zabbix; O=a,b",
      "UnsafeUserParameters=0",
    ]);
    expect(files.get("/etc/beesip/zabbix.key")).toMatchObject({ mode: 0o640, group: "zabbix-agent" });
    expect(textOf(files.get("/etc/beesip/zabbix.key"))).toBe(pem);
    expect(changes.find(({ kind }) => kind === "service")).toMatchObject({
      onChange: {
        paths: expect.arrayContaining(["/etc/beesip/zabbix.key", "/etc/ssl/client.crt", "/etc/ssl/zabbix-ca.pem"]),
      },
    });
    const own = await plan({ ...options, key_file: "/etc/own.key" }, { tree });
    expect([own.conf.includes("TLSKeyFile=/etc/own.key"), own.files.has("/etc/beesip/zabbix.key")]).toEqual([
      true,
      false,
    ]);
  });

  test("a key of its own for each file that it may print", async () => {
    const { files } = await plan(PASSIVE);
    const keys = textOf(files.get(AGENT_FILE)).match(/^UserParameter=.*$/gm);
    expect(keys).toEqual(
      Object.keys(AGENT_KEYS).map(
        (key) => `UserParameter=${key},cat /var/run/beesip/monitor/${key} 2>/dev/null || echo ZBX_NOTSUPPORTED`,
      ),
    );
  });
});

describe("what it refuses, with its place", () => {
  const both = { ...PASSIVE, tls: "psk", psk_identity: "x", psk: KEY };
  test.each<[Options, string]>([
    [{}, "zabbix_server: beesip.monitoring.zabbix_server is missing"],
    [{ zabbix_server: ["a,0.0.0.0/0"] }, 'zabbix_server: beesip.monitoring.zabbix_server "a,0.0.0.0/0" is no address'],
    [{ zabbix_server_active: ["[::1]", "::1"] }, 'zabbix_server_active "[::1]" is no HOST'],
    [{ zabbix_server_active: ["::1", "[::1]:10051"] }, "zabbix_server_active has [::1]:10051 twice"],
    [{ ...PASSIVE, hostname: "a;b" }, 'hostname "a;b" is no Zabbix host name'],
    [{ ...PASSIVE, hostname: "{odd}" }, 'hostname "a\\nServer=0.0.0.0/0" is no Zabbix host name'],
    [{ ...PASSIVE, hostname: " box" }, 'hostname " box" is no Zabbix host name'],
    [{ ...PASSIVE, hostname: "{nobody}" }, "hostname cannot be filled in"],
    [{ ...PASSIVE, metadata: "{odd}" }, "metadata holds a control character"],
    [{ ...PASSIVE, metadata: "x ] " }, "metadata begins or ends with a space"],
    [{ ...PASSIVE, metadata: "\u0024{SHELL(id)}" }, "metadata cannot be filled in"],
    [{ ...PASSIVE, metadata: "x".repeat(256) }, "metadata is longer than 255"],
    [{ ...PASSIVE, hostname_item: "system.run[id]" }, 'hostname_item "system.run[id]" is no key'],
    [{ ...PASSIVE, listen_port: "80" }, 'listen_port "80" is no whole number from 1024'],
    [{ ...both, psk: "12" }, "psk is not 32 to 512 hex digits"],
    [{ ...both, psk_identity: "a\tb" }, "psk_identity holds a control character"],
    [{ ...both, psk_identity: "" }, "psk_identity is missing"],
    [{ ...both, psk_file: "/etc/x" }, "psk_file is there as well as psk"],
    [{ ...PASSIVE, tls: "psk" }, "psk_identity is missing"],
    [{ ...PASSIVE, tls: "cert", key_file: "/etc/x.key" }, "ca_file is missing"],
    [{ ...PASSIVE, tls: "cert", ca_file: "/etc/ca.pem" }, "key_file is not set, and the tree has no certs/{mac}.pem"],
    [{ ...PASSIVE, tls: "cert", ca_file: "/etc/../x" }, 'ca_file "/etc/../x" is no path'],
    [{ ...PASSIVE, tls: "cert", ca_file: "/etc/a b" }, 'ca_file "/etc/a b" is no path'],
  ])("%j: %s", async (options, message) => {
    const { changes, told } = await plan(options);
    expect(changes).toEqual([]);
    expect(told.find((one) => one.startsWith("error beesip.monitoring.") && one.includes(message))).toBeDefined();
  });

  test("a wrong shared key is not told", async () => {
    const { told } = await plan({ ...both, psk: "xyzzy-secret" });
    expect(told.join()).not.toContain("xyzzy");
  });

  test("whatever the options say, it is a plan of single lines or told faults with places; nothing is thrown", async () => {
    const hostile = fc.oneof(
      fc.constantFrom(
        'a;b"c\\d$e',
        "]",
        "a\nb",
        "\u0024{SHELL(id)}",
        "#!define",
        "</P34>",
        "{mac}",
        "{odd}",
        " a",
        "a\t",
        "\u2028",
      ),
      fc.string({ unit: "grapheme", maxLength: 40 }).filter((text) => !text.includes("\0")),
    );
    const options = fc.dictionary(
      fc.constantFrom(...Object.keys(MONITORING).filter((name) => name !== "enabled")),
      hostile,
    );
    await fc.assert(
      fc.asyncProperty(options, async (given) => {
        const lists = Object.fromEntries(
          Object.entries(given).map(([name, text]) => [
            name,
            MONITORING[name as keyof typeof MONITORING].isList ? [text] : text,
          ]),
        );
        const { files, told } = await plan({ ...PASSIVE, ...lists });
        const lines = textOf(files.get(AGENT_FILE)).split("\n");
        for (const line of lines.slice(0, -1)) expect(line).toMatch(/^[A-Za-z]+=\S(?:.*\S)?$/u);
        if (files.size === 0) expect(told.some((one) => one.startsWith("error beesip.monitoring"))).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});

describe("writing the file", () => {
  test.each(["a\nb", " a", "a ", "", "a\u0000", "x".repeat(2001)])("%j does not fit", (text) => {
    expect(() => printAgentConf([["Hostname", text]])).toThrow("cannot hold");
  });

  test.each([
    ["a[*]", "/x"],
    ["a", "/x;id"],
    ["a b", "/x"],
    ["a", "/x $(id)"],
  ])("no key %j for %j", (key, path) => {
    expect(() => fileParameter(key, path)).toThrow("cannot hold");
  });
});

test.each([
  ["zabbix.example.net", { host: "zabbix.example.net", port: 10_051 }],
  ["192.0.2.1:10055", { host: "192.0.2.1", port: 10_055 }],
  ["2001:db8::1", { host: "2001:db8::1", port: 10_051 }],
  ["[2001:db8::1]:1", { host: "2001:db8::1", port: 1 }],
  ["[192.0.2.1]:1", undefined],
  ["a:0", undefined],
  ["a:65536", undefined],
  ["a:b", undefined],
  ["a;b", undefined],
  ["", undefined],
])("a server %j", (text, server) => {
  expect(serverOf(text)).toEqual(server);
});
