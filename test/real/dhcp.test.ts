import { chmodSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import dhcp from "../../resolvers/dhcp.ts";
import { openDisk } from "../../src/host/disk.ts";
import { leased } from "../../src/probe/lease.ts";
import { aContext } from "../resolvers/context.ts";
import { type TwoHosts, twoHosts, whyNoHosts } from "./netns.ts";

const missing = whyNoHosts("dnsmasq", "busybox", "unshare");
if (missing) console.warn(`skipped: DHCP end to end (${missing})`);

const DROP_IN4 = new URL("../../openwrt-package/files/lib/uciprov/udhcpc.sh", import.meta.url).pathname;
const ODHCP6C = new URL("../../fixtures/answers/dhcp/odhcp6c-env.json", import.meta.url).pathname;
const DROP_IN6 = new URL("../../openwrt-package/files/lib/uciprov/odhcp6c.sh", import.meta.url).pathname;

describe.skipIf(missing)("a lease, from the server to the resolver", () => {
  let net: TwoHosts;
  let root: string;

  beforeAll(async () => {
    net = twoHosts();
    root = join(net.folder, "root");
    // The device's /var/run lies in the test's folder, so that the resolver can look at it from outside.
    await net.dev.run("mkdir", ["-p", `${root}/var/run`, `${root}/bin`]);
    net.dev.file("root/bin/ubus", `#!/bin/sh\nprintf '%s\\n' "$*" >> ${root}/told\n`);
    chmodSync(`${root}/bin/ubus`, 0o755);
  });

  afterAll(() => net?.close());

  /** Runs a command where /var/run is the scratch root's, and `ubus` is one that writes down what it is told. */
  function onDevice(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    const enter = `mount --bind ${root}/var/run /run; PATH=${root}/bin:$PATH exec "$@"`;
    return net.dev.run("unshare", ["-m", "sh", "-c", enter, "sh", ...args], { env });
  }

  /** Sources a drop-in as netifd's scripts do: busybox ash, in a subshell, event as an argument. */
  const event = (dropIn: string, args: readonly string[], env: NodeJS.ProcessEnv) =>
    onDevice(["busybox", "ash", "-c", '(. "$0" "$@"); echo "status $?"', dropIn, ...args], env);

  const record = (name: string) => join(root, "var/run/uciprov/dhcp", name);
  const told = () => (existsSync(`${root}/told`) ? readFileSync(`${root}/told`, "utf8").trim().split("\n").length : 0);
  const resolved = (options = {}) => dhcp.resolve({ ...aContext({ options }), files: openDisk(root) });
  const hears = (times: number) => expect.poll(told, { timeout: 60_000 }).toBe(times);
  /** For what must not come: were it to come later, the next look would find it. */
  const settle = () => new Promise((resolve) => setTimeout(resolve, 200));

  test("dnsmasq's option 224 becomes the device's URI, through udhcpc and the drop-in", async () => {
    const config = net.prov.file(
      "dnsmasq.conf",
      `port=0
user=root
interface=eth0
bind-interfaces
no-ping
dhcp-authoritative
dhcp-leasefile=${net.folder}/leases
pid-file=${net.folder}/dnsmasq.pid
dhcp-range=192.0.2.100,192.0.2.150,255.255.255.0,5m
dhcp-option=224,"https://cfg.fleet.example/{mac}/"
dhcp-option=option:domain-name,fleet.example
dhcp-option=225,"https://collector.fleet.example/"
dhcp-option=226,"https://keys.fleet.example/a.pem"
`,
    );
    net.prov.start("dnsmasq", ["-k", "-C", config]);
    await net.prov.listens("udp", 67);
    const script = net.dev.file("script", `#!/bin/busybox ash\nINTERFACE=wan\n(. ${DROP_IN4} "$@")\n`);
    chmodSync(script, 0o755);
    const client = ["busybox", "udhcpc", "-i", "eth0", "-f", "-q", "-n", "-t", "5", "-T", "1", "-s", script];
    await onDevice([...client, ...["224", "66", "67", "43", "143", "225", "226"].flatMap((option) => ["-O", option])]);

    expect(await resolved({ "dhcp.interface": "wan" })).toMatchObject({
      uri: { text: "https://cfg.fleet.example/{mac}/" },
      told: "option 224 of wan",
      macros: { dhcp_domain: "fleet.example", dhcp_server: "192.0.2.1" },
    });
    // What probes are told came with it.
    const toProbes = (what: "server" | "keyUrl", host: string) => leased(openDisk(root), what, [host])?.text;
    expect(toProbes("server", "collector.fleet.example")).toBe("https://collector.fleet.example/");
    expect(toProbes("keyUrl", "keys.fleet.example")).toBe("https://keys.fleet.example/a.pem");
    expect(toProbes("keyUrl", "collector.fleet.example")).toBeUndefined();
  });

  test("a changed lease asks for a run, the same one does not, and none is left after deconfig", async () => {
    const env = { INTERFACE: "eth1", opt224: "00" };
    const before = told();
    await event(DROP_IN4, ["bound"], env);
    await hears(before + 1);
    await event(DROP_IN4, ["renew"], { ...env, lease: "299" });
    await settle();
    expect(told()).toBe(before + 1);
    await event(DROP_IN4, ["renew"], { ...env, opt224: "01" });
    await hears(before + 2);
    expect(readFileSync(`${root}/told`, "utf8")).toMatch(/^-S call service signal \{"name":"uciprov","signal":1\}$/m);
    await event(DROP_IN4, ["leasefail"], { INTERFACE: "eth1" });
    expect(existsSync(record("eth1.v4"))).toBe(true);
    await event(DROP_IN4, ["deconfig"], { INTERFACE: "eth1" });
    expect(existsSync(record("eth1.v4"))).toBe(false);
  });

  test("whatever bytes a server sends, they are kept and nothing of them is run", async () => {
    const hostile = [
      "$(touch /run/pwned)",
      "`touch /run/pwned`",
      "';touch /run/pwned;'",
      '"; touch /run/pwned; "',
      "%s%n\\0\\n",
      "a\nopt224=b",
      "\\",
      "*",
      "-n",
      "é\x01\x7f",
      "x".repeat(60_000),
    ];
    for (const value of hostile) {
      const env = { INTERFACE: "eth2", bootfile: value, tftp: value, hostname: value, opt224: value, opt226: value };
      const { stdout, stderr } = await event(DROP_IN4, ["bound"], env);
      expect({ stdout, stderr }).toEqual({ stdout: "status 0\n", stderr: "" });
      const kept = readFileSync(record("eth2.v4")).toString().split("\0");
      expect(kept).toContain(`opt224=${value}`);
      expect(kept).toContain(`hostname=${value}`);
      expect(kept).toHaveLength(12);
    }
    expect(existsSync(join(root, "var/run/pwned"))).toBe(false);
    await event(DROP_IN4, ["deconfig"], { INTERFACE: "eth2" });
  });

  test.each(["", "../../etc/x", ".hidden", "a/b", "a b", "$(id)", "a\nb"])(
    "an interface called %j leaves no file",
    async (INTERFACE) => {
      const list = () => onDevice(["find", "/run"]).then(({ stdout }) => stdout);
      const before = await list();
      for (const what of ["bound", "deconfig"]) await event(DROP_IN4, [what], { INTERFACE, opt224: "00" });
      for (const what of ["bound", "stopped"]) await event(DROP_IN6, ["eth0", what], { INTERFACE, OPTION_59: "00" });
      expect(await list()).toBe(before);
    },
  );

  test("odhcp6c's options are kept, and a router advertisement that changes lifetimes only asks for no run", async () => {
    const env = {
      INTERFACE: "wan6",
      OPTION_59: Buffer.from("https://six.fleet.example/").toString("hex"),
      ADDRESSES: "2001:db8::1/64,60,120",
    };
    const before = told();
    await event(DROP_IN6, ["eth0", "bound"], env);
    await event(DROP_IN6, ["eth0", "ra-updated"], { ...env, ADDRESSES: "2001:db8::1/64,59,119" });
    await hears(before + 1);
    await settle();
    expect(told()).toBe(before + 1);
    expect(await resolved({ "dhcp.interface": ["wan6"] })).toMatchObject({
      told: "DHCPv6 option 59 of wan6",
      uri: { text: "https://six.fleet.example/" },
    });
    await event(DROP_IN6, ["eth0", "stopped"], env);
    expect(await resolved({ "dhcp.interface": ["wan6"] })).toBeUndefined();
  });

  test("what a real odhcp6c said, event by event, is kept while the lease lasts", async () => {
    const recorded = JSON.parse(readFileSync(ODHCP6C, "utf8")) as {
      events: { event: string; args: string[]; env: Record<string, string> }[];
    };
    const found: Record<string, string | undefined> = {};
    for (const { event: name, args, env } of recorded.events) {
      await event(DROP_IN6, args, { ...env, INTERFACE: "six" });
      const source = await resolved({ "dhcp.interface": ["six"] });
      found[name] = source && `${source.uri.text}, ${source.told}, ${source.macros?.["dhcp_domain"]}`;
    }
    const known = "https://sztp.fleet.example/, DHCPv6 option 136 of six, fleet.example";
    expect(found).toEqual({
      started: undefined,
      bound: known,
      "ra-updated": known,
      unbound: undefined,
      stopped: undefined,
    });
  });

  test("records are for root alone", async () => {
    const { stdout } = await onDevice(["stat", "-c", "%a", "/run/uciprov/dhcp/wan.v4", "/run/uciprov/dhcp"]);
    expect(stdout).toBe("600\n700\n");
  });
});
