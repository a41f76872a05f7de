/** Zabbix's real agents with the settings the module writes, and real proxies that take what we send (Debian packages `zabbix-agent`, `zabbix-proxy-sqlite3`, `sqlite3`, `mmdebstrap`). */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { GUARD_RAM } from "../../src/commands/guard-world.ts";
import { GUARD_FILE } from "../../src/guard/guard-file.ts";
import { openDisk } from "../../src/host/disk.ts";
import { AGENT_KEYS, type AgentKey, MONITOR_FOLDER, TRAPPER_KEYS } from "../../src/monitor-keys.ts";
import { ASTERISK, PLACES } from "../../src/probe/places.ts";
import { PROBE_FILE } from "../../src/probe-file.ts";
import { writeMonitor } from "../../src/zabbix/agent-files.ts";
import { QUEUE_FOLDER } from "../../src/zabbix/queue.ts";
import { program } from "../helpers/scenario.ts";
import { bundled, type TwoHosts, twoHosts, whyNoHosts } from "./netns.ts";
import type { Running } from "./setup-telephony.ts";
import {
  checkSettings,
  deviceRoot,
  type ProxyRun,
  place,
  planned,
  RELEASES,
  startAgent,
  startProxy,
  type Taken,
  testKey,
} from "./setup-zabbix.ts";

const isRequired = process.env["UCIPROV_REQUIRE_REAL"] === "1";
const missing = whyNoHosts("zabbix_agentd", "zabbix_proxy", "zabbix_get", "sqlite3", "mmdebstrap", "chroot", "busybox");
if (missing && !isRequired) console.warn(`skipped: zabbix (${missing})`);
const real = missing && !isRequired ? describe.skip : describe;

const HOSTILE = `a;b"c\\d$e ]['" #!define X => a = b \${SHELL(id)} </P34>&<x> %00 příliš`;
/** Without what begins and ends macros, which is refused. */
const METADATA = `a;b"c\\d$e ]['" #!define X = a = b $(id) \`id\` %00 příliš`;
const KEY = "00112233445566778899aabbccddeeff";
const IDENTITY = 'beesip;"x"$\\#= 020000000001';
const PSK = { identity: IDENTITY, key: KEY };
const SECTION = `config monitoring 'monitoring'
	option enabled '1'
	list zabbix_server '192.0.2.1'
	list zabbix_server '2001:db8:1::1'
	list zabbix_server_active '192.0.2.1:10052'
	list zabbix_server_active '[2001:db8:1::1]:10053'
	list zabbix_trapper '192.0.2.1'
	option hostname 'Box {mac}_1.x'
	option metadata '{odd}'
	option refresh '60'
	option tls 'psk'
	option psk_identity 'beesip;"x"$\\#= {mac}'
	option psk '${KEY}'
`;

const CERTIFIED = `config monitoring 'monitoring'
	option enabled '1'
	list zabbix_server '192.0.2.1'
	option listen_port '10060'
	option tls 'cert'
	option ca_file '/etc/ssl/zabbix-ca.pem'
`;

/** A certificate and its key, of itself or of an authority made before. With RSA: what Zabbix offers under TLS 1.2 knows nothing else. */
function rsa(folder: string, name: string, by?: string): { readonly cert: string; readonly key: string } {
  const [cert, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  const signer = by === undefined ? [] : ["-CA", join(folder, `${by}.crt`), "-CAkey", join(folder, `${by}.key`)];
  const make = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", `/CN=${name}`, "-keyout", key];
  execFileSync("openssl", [...make, "-out", cert, ...signer], { stdio: "pipe" });
  return { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") };
}

real.each(RELEASES)("Zabbix %s", (version) => {
  let hosts: TwoHosts;
  let root: string;
  let script: string;
  let agent: Running | undefined;
  const running: Pick<Running, "close">[] = [];

  beforeAll(async () => {
    hosts = twoHosts();
    root = await deviceRoot(version, hosts.folder);
    script = await bundled(new URL("ask-zabbix.ts", import.meta.url), hosts.folder);
    const plan = await planned(SECTION, { odd: METADATA });
    expect(plan.findings).toEqual([]);
    place(root, plan);
  }, 240_000);
  afterAll(async () => {
    for (const one of running) await one.close();
    await agent?.close();
    await hosts?.close();
  });

  test("every key prints its file, whatever it holds, and is not supported without it", async () => {
    rmSync(join(root, MONITOR_FOLDER), { recursive: true, force: true });
    for (const key of Object.keys(AGENT_KEYS))
      expect([key, await testKey(root, key)]).toEqual([key, "[t|ZBX_NOTSUPPORTED]"]);
    const values = Object.fromEntries(Object.keys(AGENT_KEYS).map((key, at) => [key, `${at} ${HOSTILE}`]));
    writeMonitor(openDisk(root), values as Partial<Record<AgentKey, string>>);
    for (const [key, value] of Object.entries(values))
      expect([key, await testKey(root, key)]).toEqual([key, `[t|${value}]`]);
  });

  if (version === "7.0") {
    test("its own check takes the settings, and would say what is wrong with them", async () => {
      expect(await checkSettings(root)).toContain("Validation successful");
      const path = join(root, "etc/zabbix_agentd.conf.d/wrong.conf");
      writeFileSync(path, "Nonsense=1\n");
      expect(await checkSettings(root)).toMatch(/^refused: [\s\S]*Nonsense/);
      rmSync(path);
    });
  }

  describe("asked and asking", () => {
    const get = (key: string, ...how: string[]) =>
      hosts.prov.run("zabbix_get", ["-s", "192.0.2.50", "-t", "10", "-k", key, ...how]);
    let proof: string[];
    let served: Running[];

    beforeAll(async () => {
      const file = hosts.prov.file("psk", `${KEY}\n`);
      proof = ["--tls-connect", "psk", "--tls-psk-identity", IDENTITY, "--tls-psk-file", file];
      writeMonitor(openDisk(root), { "uciprov.tree": HOSTILE });
      rmSync(join(root, MONITOR_FOLDER, "uciprov.drift"), { force: true });
      served = ["10052", "10053"].map((port) => {
        const child = hosts.prov.start("node", [script, "serve", port, IDENTITY, KEY]);
        let said = "";
        child.stdout?.on("data", (chunk) => (said += String(chunk)));
        return { child, log: () => said, close: async () => void child.kill() };
      });
      for (const port of [10_052, 10_053]) await hosts.prov.listens("tcp", port);
      agent = await startAgent(hosts.dev, root, version);
    }, 120_000);

    test("the server it names gets values with the shared key, over both families", async () => {
      expect(await get("uciprov.tree", ...proof)).toMatchObject({ status: 0, stdout: `${HOSTILE}\n` });
      expect(await get("agent.hostname", ...proof)).toMatchObject({ stdout: "Box 020000000001_1.x\n" });
      const six = ["-s", "2001:db8:1::50", "-t", "10", "-k", "uciprov.failures", ...proof];
      expect((await hosts.prov.run("zabbix_get", six)).stdout).toBe(`3 ${HOSTILE}\n`);
      expect((await get("uciprov.drift", ...proof)).stdout).toBe("ZBX_NOTSUPPORTED\n");
    });

    test("nobody gets anything without the key, with another one, or from another address", async () => {
      const other = hosts.prov.file("other", `${KEY.replace("00", "01")}\n`);
      const refused = [
        await get("uciprov.tree"),
        await get("uciprov.tree", ...proof.slice(0, -1), other),
        await hosts.dev.run("zabbix_get", ["-s", "127.0.0.1", "-t", "10", "-k", "uciprov.tree", ...proof]),
      ];
      for (const { status, stdout } of refused) expect([status, stdout]).toEqual([1, ""]);
    });

    test("what a server says about a key reaches no command and no other file", async () => {
      for (const key of ["uciprov.tree[../../../../etc/passwd]", "uciprov.tree;id", "system.run[id]", "uciprov"]) {
        const { stdout } = await get(key, ...proof);
        expect([key, stdout]).toEqual([key, expect.stringMatching(/^ZBX_NOTSUPPORTED/)]);
      }
    });

    test("it reports to each server it names, with the name and the metadata as they were written", async () => {
      const requests = () =>
        served.map(({ log }) =>
          log()
            .split("\n")
            .filter((line) => line !== "")
            .map((line): Record<string, unknown> => JSON.parse(line)),
        );
      const brought = () =>
        requests().every((all) => all.some((one) => JSON.stringify(one["data"] ?? "").includes("příliš")));
      for (let tries = 0; !brought() && tries < 300; tries++) await new Promise((done) => setTimeout(done, 100));
      for (const all of requests()) {
        expect(all.find(({ request }) => request === "active checks")).toMatchObject({
          request: "active checks",
          host: "Box 020000000001_1.x",
          host_metadata: METADATA,
        });
        expect(all.find((one) => "data" in one)).toMatchObject({ request: "agent data" });
        const values = all.flatMap(({ data }) => (Array.isArray(data) ? data : []));
        expect(values.map((one) => one.value)).toContain(HOSTILE);
      }
    });
  });

  describe("sent", () => {
    let proxy: ProxyRun;
    const send = async (values: readonly unknown[]) => {
      const { stdout, stderr } = await hosts.dev.run("node", [script, "send", root, JSON.stringify(values)]);
      try {
        return JSON.parse(stdout);
      } catch {
        throw new Error(`${stdout}${stderr}`);
      }
    };

    /** So many values that came of it. */
    const cameOf = async (count: number, act: () => Promise<unknown>): Promise<readonly Taken[]> => {
      const before = (await proxy.taken(0)).length;
      await act();
      return (await proxy.taken(before + count)).slice(before);
    };
    const put = (path: string, content: string) => {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), content);
    };
    // What a test before left, or a try before this one.
    beforeEach(() => rmSync(join(root, QUEUE_FOLDER), { recursive: true, force: true }));

    beforeAll(async () => {
      const keys = [...Object.keys(TRAPPER_KEYS).map((key) => key.replace("PARTNER", "brno")), "later.item"];
      proxy = await startProxy(hosts.prov, version, { name: "Box 020000000001_1.x", keys, psk: PSK });
      running.push(proxy);
    }, 120_000);

    test("values arrive with their text and their time, each once", async () => {
      const at = Date.UTC(2026, 5, 1) + 250;
      const values = [
        { key: "uciprov.event", value: `${HOSTILE}\nsecond line`, at },
        { key: "uciprov.event", value: "changed provisioned NONE generation=3", at },
      ];
      const taken = await cameOf(2, async () => {
        expect(await send(values)).toEqual({ sent: 1, waiting: 0, logged: [] });
        expect(await send([])).toMatchObject({ sent: 0, waiting: 0 });
      });
      expect(taken).toEqual(
        values.map(({ key, value }, index) => ({ key, value, clock: at / 1000 - 0.25, ns: 250_000_000 + index })),
      );
    });

    test("an item it does not know waits", async () => {
      expect(await send([{ key: "nobody.knows", value: "1" }])).toMatchObject({ sent: 0, waiting: 1 });
    });

    test("without the key nothing is taken", async () => {
      writeFileSync(join(root, "etc/beesip/zabbix.psk"), `${KEY.replace("00", "01")}\n`);
      const { sent, waiting, logged } = await send([{ key: "later.item", value: "1" }]);
      expect([sent, waiting]).toEqual([0, 1]);
      expect(logged.join()).toContain("events wait: 192.0.2.1 10051");
      writeFileSync(join(root, "etc/beesip/zabbix.psk"), `${KEY}\n`);
      const taken = await cameOf(1, async () => expect(await send([])).toEqual({ sent: 1, waiting: 0, logged: [] }));
      expect(taken.map(({ key }) => key)).toEqual(["later.item"]);
    });

    test("the guard's incidents come while it runs, and the last of them though it is told to stop at once", async () => {
      const eve = join(root, "tmp/eve.json");
      const ram = join(root, GUARD_RAM.folder);
      const incidents = () => {
        const path = join(root, GUARD_RAM.incidents);
        return existsSync(path) ? readFileSync(path, "utf8").split("\n").length - 1 : 0;
      };
      for (const name of existsSync(ram) ? readdirSync(ram) : [])
        if (/^(?:guard|incidents)/.test(name)) rmSync(join(ram, name));
      put("tmp/eve.json", "");
      const sources = [{ kind: "eve", from: "file", path: "/tmp/eve.json" }];
      put(GUARD_FILE, JSON.stringify({ version: 1, apply: false, sources }));
      const accuse = (source: string) =>
        appendFileSync(
          eve,
          `${JSON.stringify({ event_type: "alert", src_ip: source, direction: "to_server", alert: { gid: 1, signature_id: 7, signature: HOSTILE } })}\n`,
        );
      const sourceOf = ({ value }: Taken) => JSON.parse(value).source;
      const guard = hosts.dev.start(process.execPath, [program(), "--root", root, "guard"]);
      const ended = once(guard, "exit");
      try {
        await expect.poll(() => existsSync(join(root, GUARD_RAM.status)), { timeout: 60_000 }).toBe(true);
        const [first] = await cameOf(1, async () => accuse("198.51.100.1"));
        expect(JSON.parse(first?.value ?? "{}")).toMatchObject({ source: "198.51.100.1", note: HOSTILE });
        const more = await cameOf(1, async () => {
          accuse("198.51.100.2");
          await expect.poll(incidents, { timeout: 60_000, interval: 20 }).toBe(2);
          guard.kill("SIGTERM");
          expect(await ended).toEqual([0, null]);
        });
        expect(more.map(sourceOf)).toEqual(["198.51.100.2"]);
      } finally {
        guard.kill("SIGKILL");
      }
      expect(await testKey(root, "guard.incidents")).toBe("[t|2]");
    });

    test("a round's numbers come, though the probe is called for one round and ends", async () => {
      const round = Math.floor(Date.now() / 1000);
      const measured = { mos: 4.1, loss: 0.05, jitter: 1.5, rtt: 20 };
      const sample = { name: "builtin", sha256: "0".repeat(64), packets: 500, bytes: 160_044 };
      const told = { version: 1, name: "x", port: 5060, hosts: [], spoolBytes: 1_000_000, conceals: true };
      // One that was killed after a call: its result waits, and the next process ends the round. Nobody listens at the collector's port.
      put(PROBE_FILE, JSON.stringify({ ...told, server: "https://192.0.2.1:9/", cert: "/tmp/crt", key: "/tmp/key" }));
      for (const path of ["tmp/crt", "tmp/key"]) put(path, "");
      rmSync(join(root, PLACES.folder), { recursive: true, force: true });
      put(PLACES.plan, JSON.stringify({ period: 300, partners: [] }));
      put(
        PLACES.round,
        JSON.stringify({ id: round, began: 0, codec: "alaw", sample, partners: ["brno"], recorded: 0 }),
      );
      put(
        `${PLACES.queue}/${round}.brno.json`,
        JSON.stringify({ version: 1, round, partner: "brno", state: "measured", measured }),
      );
      mkdirSync(join(root, ASTERISK.outgoing), { recursive: true });
      const taken = await cameOf(5, async () => {
        const words = [program(), "--root", root, "probe", "--once", "--json"];
        const { status, stdout, stderr } = await hosts.dev.run(process.execPath, words, { seconds: 120 });
        expect([status, stderr], stdout).toEqual([8, expect.any(String)]);
      });
      expect(taken).toEqual(
        Object.entries({ state: "measured", mos: "4.1", loss: "5", jitter: "1.5", rtt: "20" }).map(
          ([what, value], ns) => ({
            key: `probe.${what}[brno]`,
            value,
            clock: round,
            ns,
          }),
        ),
      );
      expect(await testKey(root, "probe.measured")).toBe("[t|1]");
    });
  });

  test("with certificates it answers whom its authority vouches for, and nobody else", async () => {
    await agent?.close();
    const ours = rsa(hosts.folder, "ours");
    rsa(hosts.folder, "theirs");
    const device = rsa(hosts.folder, "device", "ours");
    const plan = await planned(CERTIFIED, {}, { client: `${device.cert}${device.key}` });
    expect(plan.findings).toEqual([]);
    place(root, plan);
    mkdirSync(join(root, "etc/ssl"), { recursive: true });
    writeFileSync(join(root, "etc/ssl/client.crt"), device.cert);
    writeFileSync(join(root, "etc/ssl/zabbix-ca.pem"), ours.cert);
    agent = await startAgent(hosts.dev, root, version, 10_060);
    const get = async (by: string) => {
      const { cert, key } = rsa(hosts.folder, "zabbix", by);
      const files = [ours.cert, cert, key].map((text, at) => hosts.prov.file(`cert-${at}`, text));
      const proof = ["ca", "cert", "key"].flatMap((what, at) => [`--tls-${what}-file`, files[at] ?? ""]);
      const how = ["-s", "192.0.2.50", "-p", "10060", "-t", "10", "-k", "agent.hostname", "--tls-connect", "cert"];
      const { status, stdout, stderr } = await hosts.prov.run("zabbix_get", [...how, ...proof]);
      return [status, stdout || stderr];
    };
    expect(await get("ours"), agent.log()).toEqual([0, "box-1\n"]);
    expect((await get("theirs"))[0]).toBe(1);
  });
});
