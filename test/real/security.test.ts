/**
 * The defence of an exchange in real programs: Kamailio's part in 5.6 and 6.0, the kernel's in namespaces, loaded by the device's own init script, and the flood of the paper's
 * figure 3 (Debian packages `kamailio`, `sip-tester`, `mmdebstrap`, `nftables`, `busybox-static`, `socat`). `UCIPROV_FLOOD_RATES=500,4000` gives the flood other rates, and tries each part at each.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import security from "../../hooks/security/index.ts";
import { readLine } from "../../src/guard/log-lines.ts";
import { planScene } from "../helpers/plan-context.ts";
import { type Ended, type Host, type TwoHosts, twoHosts, whyNoHosts } from "./netns.ts";
import { type Counted, cpuSeconds, type Logins, logIn } from "./setup-flood.ts";
import {
  checkKamailio,
  type Release,
  type Running,
  rendered,
  rootOf,
  startAsterisk,
  startKamailio,
} from "./setup-telephony.ts";

const isRequired = process.env["UCIPROV_REQUIRE_REAL"] === "1";
const missing = whyNoHosts("kamailio", "sipp", "mmdebstrap", "chroot", "nft", "busybox", "socat");
if (missing && !isRequired) console.warn(`skipped: security (${missing})`);
const real = missing && !isRequired ? describe.skip : describe;

const HOSTS = {
  pbx: "192.0.2.50",
  pbx6: "2001:db8:1::50",
  one: "192.0.2.1",
  one6: "2001:db8:1::1",
  two: "192.0.2.2",
  gateway: "192.0.2.9",
} as const;
const NUMBERS = Array.from({ length: 12 }, (_, at) => String(101 + at));
const RULES = "/etc/beesip/guard.nft";

/** An exchange of role `proxy` with phones 101 to 112 and a gateway. */
const EXCHANGE = [
  `config pbx 'pbx'\n\toption enabled '1'\n\toption role 'proxy'\n\toption address '${HOSTS.pbx}'\n\toption domain 'a.example'\n`,
  ...NUMBERS.map((number) => `config extension\n\toption number '${number}'\n\toption secret 'one'\n`),
  `config gateway\n\toption id 'trunk'\n\toption host '${HOSTS.gateway}'\n`,
].join("\n");

/** One that knows nobody. */
const HONEYPOT = EXCHANGE.slice(0, EXCHANGE.indexOf("config extension"));

/** What `pbx` and `security` together make of it. */
async function defended(
  options: Readonly<Record<string, string>>,
  exchange = EXCHANGE,
): Promise<ReadonlyMap<string, string>> {
  const beesip = `${exchange}\nconfig security 'security'\n\toption enabled '1'\n${Object.entries(options)
    .map(([name, value]) => `\toption ${name} '${value}'\n`)
    .join("")}`;
  const { context, findings } = planScene({
    module: "security",
    uci: { beesip },
    device: { "/usr/sbin/nft": "x", "/etc/init.d/asterisk": "x", "/etc/init.d/kamailio": "x" },
    isSmall: true,
  });
  const changes = (await security.plan?.(context)) ?? [];
  expect(findings).toEqual([]);
  const own = changes.flatMap((change) =>
    change.kind === "file" && change.content.kind === "bytes"
      ? [[change.path, Buffer.from(change.content.bytes).toString()] as const]
      : [],
  );
  return new Map([...(await rendered(beesip)).files, ...own]);
}

/** The same with a log that a test can read. */
function talking(files: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([...files].map(([path, text]) => [path, text.replace("log_stderror=no", "log_stderror=yes")]));
}

/** What the device's init script does, under its shell, in a host's namespace: procd's part is only told. */
const INIT = resolve("openwrt-package/files/etc/init.d/beesip-guard");
const PROCD = `
procd_open_instance() { :; }
procd_set_param() { echo "$*"; }
procd_close_instance() { :; }
logger() { echo "log $*"; }
. "$INIT"
RULES=$FOLDER/guard.nft GUARD=$FOLDER/guard.json
"$@"
`;
function initScript(host: Host, folder: string, act: "start_service" | "stop_service"): Promise<Ended> {
  return host.run("busybox", ["ash", "-c", PROCD, "init", act], { env: { INIT, FOLDER: folder } });
}

/** Loads the kernel's part, or takes it away where there are no rules. */
async function load(host: Host, folder: string, files: ReadonlyMap<string, string>): Promise<string> {
  const home = join(folder, "beesip");
  mkdirSync(home, { recursive: true });
  for (const name of ["guard.nft", "guard.json"]) {
    const text = files.get(`/etc/beesip/${name}`);
    if (text !== undefined) writeFileSync(join(home, name), text);
  }
  const ended = await initScript(host, home, "start_service");
  expect(ended).toMatchObject({ status: 0, stderr: "" });
  return ended.stdout;
}

interface Banned {
  readonly val: string;
  readonly timeout?: number;
  readonly expires?: number;
  readonly counter?: { readonly packets: number };
}

/** A set's elements, as nft tells them. */
async function elementsOf(host: Host, set: string): Promise<readonly Banned[]> {
  const { stdout, stderr, status } = await host.run("nft", ["-j", "list", "set", "inet", "beesip", set]);
  expect(status, stderr).toBe(0);
  const listed = (JSON.parse(stdout) as { nftables: { set?: { elem?: (string | { elem: Banned })[] } }[] }).nftables;
  return listed
    .flatMap(({ set: one }) => one?.elem ?? [])
    .map((one) => (typeof one === "string" ? { val: one } : one.elem));
}

async function packetsOf(host: Host, counter: string): Promise<number> {
  const { stdout } = await host.run("nft", ["-j", "list", "counter", "inet", "beesip", counter]);
  const listed = (JSON.parse(stdout) as { nftables: { counter?: { packets: number } }[] }).nftables;
  return listed.find((one) => one.counter !== undefined)?.counter?.packets ?? Number.NaN;
}

/** Whom the follower takes to be accused, by the lines that Kamailio wrote, as OpenWrt's log has them. */
function bansIn(log: string): string[] {
  return log.split("\n").flatMap((line) => {
    if (!line.includes("ban src=")) return [];
    const reading = readLine("kamailio", `Sat Nov 28 22:36:09 2026 daemon.err kamailio[1]: ${line}`, true);
    return typeof reading === "object" ? [`${reading.address.text} ${reading.reason}`] : [`not read: ${line}`];
  });
}

real("the defence of an exchange in real programs", () => {
  let net: TwoHosts;
  beforeAll(async () => {
    if (missing) throw new Error(missing);
    await rootOf("trixie", "kamailio");
    await rootOf("sid", "asterisk");
  }, 300_000);
  beforeEach(() => {
    net = twoHosts();
    for (const address of [HOSTS.two, HOSTS.gateway])
      execFileSync("ip", ["-n", net.prov.namespace, "addr", "add", `${address}/24`, "dev", "eth0"]);
  });
  afterEach(() => net.close());

  const logins = (from: string, more: Partial<Logins> = {}): Logins => ({
    from,
    port: 6000 + Number(from.match(/[0-9]+$/)?.[0]),
    to: from.includes(":") ? HOSTS.pbx6 : HOSTS.pbx,
    domain: "a.example",
    numbers: ["101"],
    password: "one",
    rate: 10,
    total: 1,
    ...more,
  });
  const tries = (from: string, more: Partial<Logins> = {}): Promise<Counted> => logIn(net.prov, logins(from, more));
  const served = async (from: string, number = "101"): Promise<boolean> =>
    (await tries(from, { numbers: [number] })).served === 1;

  async function withKamailio(
    release: Release,
    files: ReadonlyMap<string, string>,
    act: (running: Running) => Promise<void>,
    address: string = HOSTS.pbx,
  ): Promise<void> {
    const running = await startKamailio(release, talking(files), net.dev, address);
    try {
      await act(running);
    } catch (thrown) {
      throw new Error(`${String(thrown)}\n${running.log().slice(-4000)}`, { cause: thrown });
    } finally {
      await running.close();
    }
  }

  describe.each<Release>(["system", "trixie"])("Kamailio of %s", (release) => {
    test.each(["120", "0"])("takes the file, with ban_time %s, without a word of complaint", async (ban_time) => {
      for (const exchange of [EXCHANGE, EXCHANGE.replace("'proxy'", "'both'"), HONEYPOT]) {
        const files = await defended({ ban_time, allow: "2001:db8:9::/48" }, exchange);
        const { status, said } = await checkKamailio(release, files);
        expect(status, said).toBe(0);
        expect(said).not.toMatch(/\b(?:ERROR|CRITICAL|WARNING)\b/);
      }
    });

    test("bans a phone gone wild for its time, tells it once, and leaves one at its limit alone", async () => {
      const files = await defended({ ban_time: "6", register_limit: "5" });
      await withKamailio(release, files, async ({ log }) => {
        expect(await Promise.all([tries(HOSTS.two, { total: 5 }), tries(HOSTS.one, { total: 9 })])).toEqual([
          { served: 5, failed: 0 },
          { served: 5, failed: 4 },
        ]);
        expect(bansIn(log())).toEqual([`${HOSTS.one} soft-fault`]);
        // Another number of the same source is another phone, once the ban is over.
        await expect
          .poll(() => tries(HOSTS.one, { port: 7001, numbers: ["102"], patience: 1500 }), { timeout: 20_000 })
          .toEqual({ served: 1, failed: 0 });
        expect(log()).not.toMatch(/\b(?:ERROR|CRITICAL)\b/);
      });
    });

    test("bans who guesses passwords, known numbers or not, and nobody who answers an old question", async () => {
      const files = await defended({ failed_limit: "6" });
      await withKamailio(release, files, async ({ log }) => {
        const old = await tries(HOSTS.two, { kind: "old", total: 10, rate: 10 });
        expect(old).toEqual({ served: 10, failed: 0 });
        expect(await served(HOSTS.two)).toBe(true);
        const guesses = { kind: "wrong", password: "two", numbers: ["101", "999"] } as const;
        expect(await tries(HOSTS.one, { ...guesses, total: 9 })).toEqual({ served: 6, failed: 3 });
        expect(bansIn(log())).toEqual([`${HOSTS.one} password`]);
      });
    });

    test("with ban_time 0 it tells who would have been banned, once, and serves everybody", async () => {
      const files = await defended({ ban_time: "0", register_limit: "3" });
      await withKamailio(release, files, async ({ log }) => {
        expect(await tries(HOSTS.one, { total: 8 })).toEqual({ served: 8, failed: 0 });
        expect(bansIn(log())).toEqual([`${HOSTS.one} soft-fault`]);
      });
    });

    test("a honeypot asks everybody for a password, lets nobody in, and tells who tries", async () => {
      await withKamailio(release, await defended({ ban_time: "0", failed_limit: "3" }, HONEYPOT), async ({ log }) => {
        const guesses = { kind: "wrong", numbers: NUMBERS, total: NUMBERS.length } as const;
        expect(await tries(HOSTS.one, guesses)).toEqual({ served: NUMBERS.length, failed: 0 });
        expect(bansIn(log())).toEqual([`${HOSTS.one} password`]);
      });
    });

    // What follows takes time, and hangs on nothing that the two have different.
    if (release !== "system") return;

    test("bans a flood, in IPv6, too; a gateway's address is not banned, whoever sends with it", async () => {
      const files = await defended({ register_limit: "1000", allow: HOSTS.two });
      const flood = { rate: 200, total: 300, patience: 400 } as const;
      await withKamailio(release, files, async ({ log }) => {
        expect((await tries(HOSTS.one, flood)).served).toBeLessThanOrEqual(60);
        expect(bansIn(log())).toEqual([`${HOSTS.one} flood`]);
        // Nor is whom the section names, nor Asterisk behind it, which sends from the device's own address.
        await Promise.all([
          tries(HOSTS.gateway, { ...flood, numbers: ["103"] }),
          tries(HOSTS.two, { ...flood, numbers: ["104"] }),
          logIn(net.dev, { ...logins(HOSTS.pbx), ...flood, numbers: ["105"] }),
        ]);
        expect([await served(HOSTS.gateway, "103"), await served(HOSTS.two, "104")]).toEqual([true, true]);
        expect(bansIn(log())).toHaveLength(1);
      });
      await withKamailio(
        release,
        files,
        async ({ log }) => {
          expect((await tries(HOSTS.one6, flood)).served).toBeLessThanOrEqual(60);
          expect(bansIn(log())).toEqual([`${HOSTS.one6} flood`]);
        },
        `[${HOSTS.pbx6}]`,
      );
    });

    test("takes no more logins a second than it is told, of all together", async () => {
      const files = await defended({ register_rate: "4", pike_density: "1000" });
      await withKamailio(release, files, async ({ log }) => {
        const { served: count } = await tries(HOSTS.one, { rate: 50, total: 50, patience: 400, numbers: NUMBERS });
        expect(count).toBeLessThan(25);
        expect(bansIn(log())).toEqual([]);
        await expect.poll(() => served(HOSTS.two), { timeout: 20_000 }).toBe(true);
      });
    });
  });

  test("Asterisk tells the system's log of a wrong password, in a line that the follower reads", async () => {
    const files = await defended({}, EXCHANGE.replace("'proxy'", "'b2bua'"));
    const root = await rootOf("sid", "asterisk");
    // What syslogd listens at, in the root that Asterisk runs in.
    mkdirSync(join(root, "dev"), { recursive: true });
    rmSync(join(root, "dev/log"), { force: true });
    const syslogd = net.dev.start("socat", ["-u", `UNIX-RECV:${join(root, "dev/log")},mode=666`, "STDOUT"]);
    let heard = "";
    syslogd.stdout?.on("data", (chunk) => (heard += String(chunk)));
    await expect.poll(() => existsSync(join(root, "dev/log")), { timeout: 60_000 }).toBe(true);
    const asterisk = await startAsterisk("sid", files, net.dev);
    try {
      expect(await tries(HOSTS.one, { kind: "wrong", password: "two", seconds: 20 })).toEqual({ served: 1, failed: 0 });
      const accused = () =>
        [...heard.matchAll(/<[0-9]+>[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} (asterisk\[[^<]*)/g)]
          .map(([, line = ""]) => readLine("asterisk", `Sat Nov 28 22:36:09 2026 daemon.notice ${line.trim()}`, true))
          .flatMap((reading) => (typeof reading === "object" ? [`${reading.address.text} ${reading.reason}`] : []));
      await expect
        .poll(accused, { timeout: 60_000 })
        .toEqual([expect.stringMatching(/^192\.0\.2\.1 (?:InvalidPassword|ChallengeResponseFailed)$/)]);
    } finally {
      await asterisk.close();
      rmSync(join(root, "dev/log"), { force: true });
    }
  });

  describe("the kernel", () => {
    const SHAPES = ["sip", "all"].flatMap((scope) =>
      ["128", "64"].flatMap((prefix6) =>
        ["120", "0"].flatMap((ban_time) =>
          ["50", "0"].map((kernel_rate) => ({ scope, prefix6, ban_time, kernel_rate })),
        ),
      ),
    );
    test("takes the rules of every shape, over and over", async () => {
      for (const shape of SHAPES) {
        const rules = (await defended({ ...shape, allow: "2001:db8:9::/48" })).get(RULES) ?? "";
        const path = net.dev.file("guard.nft", rules);
        const nft = async (...args: string[]) => ({ shape, ...(await net.dev.run("nft", args)) });
        const fine = { shape, status: 0, stdout: "", stderr: "" };
        expect(await nft("-c", "-f", path)).toEqual(fine);
        expect(await nft("-f", path)).toEqual(fine);
        expect(await nft("-f", path)).toEqual(fine);
      }
    });

    test("other rules keep the bans for the time that is left, `stop` takes all away, and without rules nothing is there", async () => {
      expect(await load(net.dev, net.folder, await defended({}))).toContain("command /usr/bin/uciprov guard");
      const nft = (...args: string[]) => net.dev.run("nft", args);
      // More than fit into a line, with and without an end, and one that ends at once.
      const many = Array.from({ length: 50 }, (_, at) => `198.51.100.${at} timeout 1h`).join(", ");
      for (const [set, all] of [
        ["ban4", `203.0.113.1 timeout 2d3h4m5s, 203.0.113.2, 203.0.113.3 timeout 1s, ${many}`],
        ["ban6", "2001:db8::5 timeout 2m"],
      ] as const)
        expect(await nft("add", "element", "inet", "beesip", set, `{ ${all} }`)).toMatchObject({ status: 0 });
      await expect.poll(() => elementsOf(net.dev, "ban4"), { timeout: 60_000 }).toHaveLength(52);
      await load(net.dev, net.folder, await defended({ scope: "all", kernel_rate: "99" }));
      expect((await nft("list", "table", "inet", "beesip")).stdout).toContain("99/second");
      const after = await elementsOf(net.dev, "ban4");
      expect(after).toHaveLength(52);
      const left = Object.fromEntries(after.map(({ val, expires }) => [val, expires]));
      expect(left["203.0.113.2"]).toBeUndefined();
      expect(left["203.0.113.1"]).toBeGreaterThan(183_845 - 120);
      expect(left["203.0.113.1"]).toBeLessThanOrEqual(183_845);
      expect(left["198.51.100.49"]).toBeGreaterThan(3600 - 120);
      expect((await elementsOf(net.dev, "ban6")).map(({ val }) => val)).toEqual(["2001:db8::5"]);

      const tables = async () => (await nft("list", "tables")).stdout;
      // fw4's reload and restart take its own table and no other.
      await nft("add", "table", "inet", "fw4");
      await nft("delete", "table", "inet", "fw4");
      expect(await tables()).toContain("beesip");
      await initScript(net.dev, join(net.folder, "beesip"), "stop_service");
      expect(await tables()).toBe("");
      const none = join(net.folder, "none");
      mkdirSync(none);
      expect(await initScript(net.dev, none, "start_service")).toEqual({ status: 0, stdout: "", stderr: "" });
    });

    /** Packets to a port that nobody listens at, as fast as they go. */
    const packets = (count: number, from: string, to: string, port = 5060): Promise<Ended> =>
      net.prov.run("bash", [
        "-c",
        `exec 3> >(socat -u -b 32 STDIN UDP${to.includes(":") ? `6-SENDTO:[${to}]` : `4-SENDTO:${to}`}:${port},bind=${from.includes(":") ? `[${from}]` : from}); for ((at = 0; at < ${count}; at++)); do printf '%032d' "$at" >&3; done; exec 3>&-; wait`,
      ]);

    test("bans a flood of packets, counts it, and forgets it in time; a gateway's address and another source go free", async () => {
      await load(net.dev, net.folder, await defended({ ban_time: "7", kernel_rate: "20", kernel_burst: "20" }));
      await packets(300, HOSTS.gateway, HOSTS.pbx);
      await packets(10, HOSTS.two, HOSTS.pbx);
      expect(await elementsOf(net.dev, "ban4")).toEqual([]);
      await packets(300, HOSTS.one, HOSTS.pbx);
      const [banned, ...others] = await elementsOf(net.dev, "ban4");
      expect([banned?.val, banned?.timeout, others]).toEqual([HOSTS.one, 7, []]);
      expect(banned?.counter?.packets).toBeGreaterThan(50);
      expect(await packetsOf(net.dev, "metered")).toBeGreaterThanOrEqual(1);
      expect(await packetsOf(net.dev, "dropped")).toBeGreaterThan(50);
      // It is SIP alone that it does not reach.
      expect((await net.prov.run("busybox", ["ping", "-c", "1", "-W", "5", "-I", HOSTS.one, HOSTS.pbx])).status).toBe(
        0,
      );
      await expect.poll(() => elementsOf(net.dev, "ban4"), { timeout: 40_000 }).toEqual([]);
    });

    test("scope `all` lets nothing of a banned source in, and nobody else out", async () => {
      await load(net.dev, net.folder, await defended({ scope: "all" }));
      const ping = async (from: string) =>
        (await net.prov.run("busybox", ["ping", "-c", "1", "-W", "2", "-I", from, HOSTS.pbx])).status === 0;
      expect(await ping(HOSTS.one)).toBe(true);
      await net.dev.run("nft", ["add", "element", "inet", "beesip", "ban4", `{ ${HOSTS.one}, ${HOSTS.gateway} }`]);
      expect([await ping(HOSTS.one), await ping(HOSTS.two)]).toEqual([false, true]);
      // Whoever is allowed comes first, even if somebody has banned him.
      expect(await ping(HOSTS.gateway)).toBe(true);
    });

    test("counts IPv6 by address, or by /64 with prefix6", async () => {
      const other6 = "2001:db8:1::2";
      execFileSync("ip", ["-n", net.prov.namespace, "addr", "add", `${other6}/64`, "dev", "eth0", "nodad"]);
      const dropped = async (prefix6: string): Promise<[readonly string[], number]> => {
        await load(net.dev, net.folder, await defended({ prefix6, kernel_rate: "20", kernel_burst: "20" }));
        await packets(200, HOSTS.one6, HOSTS.pbx6);
        const before = await packetsOf(net.dev, "dropped");
        expect(before).toBeGreaterThan(20);
        await packets(10, other6, HOSTS.pbx6);
        const vals = (await elementsOf(net.dev, "ban6")).map(({ val }) => val);
        return [vals, (await packetsOf(net.dev, "dropped")) - before];
      };
      expect(await dropped("128")).toEqual([[HOSTS.one6], 0]);
      await initScript(net.dev, join(net.folder, "beesip"), "stop_service");
      expect(await dropped("64")).toEqual([["2001:db8:1::"], 10]);
    });

    test("with ban_time 0 it drops nothing and remembers who it was", async () => {
      await load(net.dev, net.folder, await defended({ ban_time: "0", kernel_rate: "20", kernel_burst: "20" }));
      await packets(200, HOSTS.one, HOSTS.pbx);
      expect((await elementsOf(net.dev, "seen4")).map(({ val }) => val)).toEqual([HOSTS.one]);
      expect(await elementsOf(net.dev, "ban4")).toEqual([]);
      expect(await packetsOf(net.dev, "dropped")).toBe(0);
      expect(await packetsOf(net.dev, "metered")).toBeGreaterThan(20);
    });
  });

  const isMeasuring = process.env["UCIPROV_FLOOD_RATES"] !== undefined;
  const RATES = (process.env["UCIPROV_FLOOD_RATES"] ?? "500,2000").split(",").map(Number);
  const SECONDS = 3;
  const HOW = ["nothing", "both", "Kamailio", "kernel"] as const;

  test("a flood of logins, with the module and without: the attacker gets next to nothing, the honest everything", async () => {
    const told: string[] = [];
    for (const rate of RATES) {
      const seen = new Map<string, { cpu: number; attacker: number; honest: number }>();
      for (const how of isMeasuring ? HOW : rate === RATES.at(-1) ? HOW.slice(0, 3) : HOW.slice(0, 2)) {
        const all = await defended({});
        const files = new Map(all);
        if (how === "nothing" || how === "kernel") files.delete("/etc/kamailio/beesip-protection.cfg");
        if (how === "kernel" || how === "both") await load(net.dev, net.folder, all);
        await withKamailio("system", files, async ({ child }) => {
          const before = cpuSeconds(child.pid);
          const attack = tries(HOSTS.one, { rate, total: rate * SECONDS, patience: 400, seconds: SECONDS + 6 });
          await sleep(300);
          const honest = tries(HOSTS.two, {
            numbers: NUMBERS,
            total: NUMBERS.length,
            rate: 4,
            repeats: true,
            patience: 8000,
          });
          const [attacker, phones] = await Promise.all([attack, honest]);
          seen.set(how, { cpu: cpuSeconds(child.pid) - before, attacker: attacker.served, honest: phones.served });
        });
        if (how === "kernel" || how === "both") {
          expect(await packetsOf(net.dev, "dropped")).toBeGreaterThan(rate / 2);
          await initScript(net.dev, join(net.folder, "beesip"), "stop_service");
        }
      }
      for (const [how, { cpu, attacker, honest }] of seen)
        told.push(
          `${rate}/s, ${how}: ${cpu.toFixed(2)} s of CPU, ${attacker} of the attacker's, ${honest}/${NUMBERS.length} of the phones'`,
        );
      const [none, both] = [seen.get("nothing"), seen.get("both")];
      for (const [how, { attacker, honest }] of seen) {
        if (how === "nothing") continue;
        expect(attacker, told.join("\n")).toBeLessThanOrEqual(60);
        expect(honest, told.join("\n")).toBe(NUMBERS.length);
      }
      expect(none?.attacker, told.join("\n")).toBeGreaterThan(3 * 60);
      expect(both?.cpu, told.join("\n")).toBeLessThan((none?.cpu ?? 0) / 2);
    }
    console.log(told.join("\n"));
  }, 180_000);
});
