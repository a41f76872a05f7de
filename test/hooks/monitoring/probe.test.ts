import { describe, expect, test } from "vitest";
import monitoring from "../../../hooks/monitoring/index.ts";
import { PROBE } from "../../../hooks/monitoring/probe-schema.ts";
import type { Change } from "../../../src/api.ts";
import { readConfig } from "../../../src/probe/config.ts";
import { PROBE_FILE } from "../../../src/probe-file.ts";
import { keepsModuleContract } from "../../contract/module.ts";
import { planScene } from "../../helpers/plan-context.ts";

const DEVICE = { "/etc/init.d/asterisk": "x", "/etc/init.d/beesip-probe": "x" };
type Options = Readonly<Record<string, string | readonly string[]>>;
const value = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
const section = (type: string, options: Options): string =>
  [
    `config ${type} '${type}'`,
    ...Object.entries(options).flatMap(([key, given]) =>
      typeof given === "string"
        ? [`\toption ${key} ${value(given)}`]
        : given.map((one) => `\tlist ${key} ${value(one)}`),
    ),
    "",
  ].join("\n");
const SERVER = { enabled: "1", server: "https://collector.example/base/" };
const scene = (beesip: string, device: Readonly<Record<string, string>> = DEVICE) =>
  planScene({ module: "monitoring", uci: { beesip }, device });

async function plan(options: Options, more = "", device?: Readonly<Record<string, string>>) {
  const { context, findings } = scene(section("probe", options) + more, device);
  const changes = (await monitoring.plan?.(context)) ?? [];
  const files = new Map(
    changes.flatMap((one) =>
      one.kind === "file" && one.content.kind === "bytes"
        ? [[one.path, { text: Buffer.from(one.content.bytes).toString(), mode: one.mode, group: one.group }] as const]
        : [],
    ),
  );
  return {
    changes,
    files,
    names: [...files.keys()].map((path) => path.replace("/etc/asterisk/", "")).sort(),
    told: findings.map(({ severity, place }) => `${severity} ${place?.option ?? place?.file}`),
  };
}

const acts = (changes: readonly Change[]) => changes.filter(({ kind }) => kind === "service");

keepsModuleContract(
  monitoring,
  () => scene(section("probe", { enabled: "0" })),
  () => scene(section("probe", SERVER)),
);

describe("a probe", () => {
  test("is nothing until its section says so", async () => {
    expect((await plan({ ...SERVER, enabled: "0" })).changes).toEqual([]);
    expect((await plan({ server: SERVER.server })).changes).toEqual([]);
  });

  test("has all of Asterisk where there is no exchange, and only its own files beside one that is on Asterisk", async () => {
    const beside = ["beesip-extensions.conf", "beesip-modules.conf", "beesip-pjsip.conf"];
    const whole = ["extensions.conf", "logger.conf", "modules.conf", "pjsip.conf", "rtp.conf"];
    const names = async (more: string, options: Options = {}) =>
      (await plan({ ...SERVER, ...options }, more)).names.filter((name) => name !== PROBE_FILE);
    expect(await names("")).toEqual([...beside, ...whole]);
    expect(await names(section("pbx", { enabled: "0", role: "b2bua" }))).toEqual([...beside, ...whole]);
    for (const role of ["b2bua", "both"]) expect(await names(section("pbx", { enabled: "1", role }))).toEqual(beside);
    expect(await names(section("pbx", { enabled: "1", role: "proxy" }), { port: "5062" })).toEqual([
      ...beside,
      ...whole,
    ]);
  });

  test("cannot listen where Kamailio does", async () => {
    const proxy = section("pbx", { enabled: "1", role: "proxy" });
    expect(await plan(SERVER, proxy)).toMatchObject({ changes: [], told: ["error beesip.probe.port"] });
    const other = await plan({ ...SERVER, port: "5062" }, proxy);
    expect(other.files.get("/etc/asterisk/pjsip.conf")?.text).toContain("bind = [::]:5062");
  });

  test("tells its partners the port of the Asterisk that answers them", async () => {
    const port = async (more: string, options: Options = {}) =>
      JSON.parse((await plan({ ...SERVER, ...options }, more)).files.get(PROBE_FILE)?.text ?? "{}").port;
    expect(await port("", { port: "5070" })).toBe(5070);
    expect(await port(section("pbx", { enabled: "1" }), { port: "5070" })).toBe(5060);
    expect(await port(section("pbx", { enabled: "1", role: "both" }))).toBe(5080);
  });

  test("leaves Asterisk's files to Asterisk's group and its own to root; changes reload, restart, or restart the probe", async () => {
    const { files, changes } = await plan(SERVER);
    for (const [path, { mode, group }] of files) {
      if (path === PROBE_FILE) expect({ mode, group }).toEqual({ mode: 0o600, group: undefined });
      else expect({ path, mode, group }).toEqual({ path, mode: 0o640, group: "asterisk" });
    }
    const [reload, restart, own] = acts(changes);
    expect(reload).toMatchObject({ name: "asterisk", boot: "enabled", run: "started", onChange: { act: "reload" } });
    expect(restart).toMatchObject({ name: "asterisk", onChange: { act: "restart" } });
    expect(own).toMatchObject({ name: "beesip-probe", onChange: { paths: [PROBE_FILE], act: "restart" } });
  });

  test("is told what the section says, in a file that the program reads back as it was", async () => {
    const { files, told } = await plan({
      ...SERVER,
      host: ["collector.example"],
      key_url: "https://keys.example/a.pem",
      cert: "/etc/ssl/client.crt",
      key: "/etc/ssl/private/client.key",
      ca: "/etc/beesip/ca.pem",
      sample: "/etc/beesip/own.wav",
      name: 'a;b"c\\d$e',
      concealment: "0",
      spool_limit_kb: "1024",
    });
    expect(told).toEqual([]);
    const text = files.get(PROBE_FILE)?.text ?? "";
    const { context } = planScene({ module: "monitoring", device: { [PROBE_FILE]: text } });
    expect(readConfig(context.files)).toEqual({
      version: 1,
      server: "https://collector.example/base/",
      hosts: ["collector.example"],
      keyUrl: "https://keys.example/a.pem",
      cert: "/etc/ssl/client.crt",
      key: "/etc/ssl/private/client.key",
      ca: "/etc/beesip/ca.pem",
      sample: "/etc/beesip/own.wav",
      name: 'a;b"c\\d$e',
      port: 5060,
      spoolBytes: 1024 * 1024,
      conceals: false,
    });
  });

  test("needs a collector, or a host that DHCP may name as one", async () => {
    expect(await plan({ enabled: "1" })).toMatchObject({ changes: [], told: ["error beesip.probe.server"] });
    expect((await plan({ enabled: "1", host: ["collector.example"] })).told).toEqual([]);
  });

  test.each([
    ["server", "http://collector.example/"],
    ["server", "https://user:pw@collector.example/"],
    ["server", "collector.example"],
    ["key_url", "http://keys.example/"],
    ["host", "a;b"],
    ["cert", "relative.pem"],
    ["key", "/etc/../etc/shadow"],
    ["ca", "/etc/a b"],
    ["sample", "/tmp/${SHELL(id)}"],
    ["name", "a\nb"],
    ["port", "0"],
    ["spool_limit_kb", "1"],
    ["concealment", "maybe"],
  ])("with %s %j is refused, with its place", async (option, text) => {
    const { context, findings } = scene(
      section("probe", { ...SERVER, [option]: PROBE[option as keyof typeof PROBE].isList ? [text] : text }),
    );
    const changes = await monitoring.plan?.(context);
    expect(changes).toEqual([]);
    expect(findings.map(({ place }) => place?.option)).toEqual([`beesip.probe.${option}`]);
  });

  test("waits where there is no Asterisk, with a warning; twice is a fault", async () => {
    expect(await plan(SERVER, "", {})).toMatchObject({ changes: [], told: ["warning beesip.probe.enabled"] });
    expect(await plan(SERVER, "config probe\n")).toMatchObject({
      changes: [],
      told: ["warning beesip.@probe[1]", "error /etc/config/beesip"],
    });
  });

  test("answers partners alone: its endpoints have one context, and that lets in by address", async () => {
    const { files } = await plan(SERVER);
    const pjsip = files.get("/etc/asterisk/beesip-pjsip.conf")?.text ?? "";
    expect(pjsip.match(/^context = .*$/gm)).toEqual(["context = probe-in", "context = probe-in", "context = probe-in"]);
    const dialled = files.get("/etc/asterisk/beesip-extensions.conf")?.text ?? "";
    const answering = dialled.slice(dialled.indexOf("[probe-in]"), dialled.indexOf("[probe-out]"));
    expect(answering.indexOf("/partners/")).toBeGreaterThan(0);
    expect(answering.indexOf("/partners/")).toBeLessThan(answering.indexOf("Answer("));
  });
});
