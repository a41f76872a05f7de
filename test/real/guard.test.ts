/**
 * The guard on a device with real nftables: Asterisk, Kamailio and suricata accuse, SIPp and single packets attack, a server and a mail server are told.
 * (Debian packages `nftables sip-tester kamailio msmtp mmdebstrap`; Asterisk of sid and suricata of trixie beside the system.) Snort3 is in no release.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { makeAuthority } from "../../src/admin/certificates.ts";
import type { Incident } from "../../src/guard/incident.ts";
import type { Status } from "../../src/guard/status.ts";
import { bundled, type TwoHosts, twoHosts, whyNoHosts } from "./netns.ts";
import { type GuardedDevice, type Guarding, guardedDevice, until } from "./setup-guard.ts";
import { register, type SipPhone } from "./setup-sip.ts";
import { rendered, rootOf, startAsterisk, startKamailio } from "./setup-telephony.ts";

const isRequired = process.env["UCIPROV_REQUIRE_REAL"] === "1";
const missing = whyNoHosts("nft", "sipp", "kamailio", "msmtp", "mmdebstrap", "chroot", "nsenter", "unshare");
if (missing && !isRequired) console.warn(`skipped: the guard (${missing})`);
const real = missing && !isRequired ? describe.skip : describe;

const DEVICE = "192.0.2.50";
const COLLECTOR = "192.0.2.1";
const ATTACKERS = ["192.0.2.66", "192.0.2.67", "192.0.2.68", "192.0.2.69", "192.0.2.70"] as const;
/** In the network that is allowed. */
const FRIEND = "192.0.2.130";
const RAM = "/run/beesip";

const TABLE = `table inet beesip {
	set ban4 {
		type ipv4_addr
		flags dynamic, timeout
		size 16384
		counter
	}
	set ban6 {
		type ipv6_addr
		flags dynamic, timeout
		size 16384
		counter
	}
	chain prerouting {
		type filter hook prerouting priority raw; policy accept;
		ip saddr @ban4 drop
		ip6 saddr @ban6 drop
	}
}
`;

const EXCHANGE = `config pbx 'pbx'
	option enabled '1'
	option role 'b2bua'
	option address '${DEVICE}'
	option domain 'a.example'
	option country_code '420'
	option area_code '596321'
config extension
	option number '101'
	option secret 'right'
`;

/** Says a ban line for each OPTIONS, and quotes what it cannot read. */
const KAMAILIO = `#!KAMAILIO
debug=2
children=1
auto_aliases=no
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "xlog.so"
loadmodule "ctl.so"
modparam("ctl", "binrpc", "unix:/var/run/kamailio/kamailio_ctl")
request_route {
	xlog("L_ALERT", "ban src=$si reason=pike\\n");
	sl_send_reply("403", "no");
}
`;

const RULES = `alert udp any any -> $HOME_NET 5070 (msg:"REGISTER flood"; content:"REGISTER sip:"; depth:13; threshold:type both, track by_src, count 5, seconds 5; sid:1000001; rev:1;)
alert udp $HOME_NET 5070 -> any any (msg:"an answer"; content:"SIP/2.0 401"; depth:11; sid:1000002; rev:1;)
`;
const SURICATA = `%YAML 1.1
---
vars:
  address-groups:
    HOME_NET: "[${DEVICE}/32]"
    EXTERNAL_NET: "any"
outputs:
  - eve-log:
      enabled: yes
      filetype: regular
      filename: eve.json
      types: [alert: {}, flow]
af-packet:
  - interface: eth0
unix-command:
  enabled: no
`;

const eve = (source: string) =>
  `${JSON.stringify({ event_type: "alert", src_ip: source, direction: "to_server", alert: { gid: 1, signature_id: 7, signature: "made for this test" } })}\n`;

/** Tests of what all the others came to. */
const TOLD_SERVER = "told the server of every incident once, and again as it was where the server did not thank";
const MAILED = "mailed the administrator: by msmtp, and by sendmail where there is no msmtp";
const LEFT = "left a status for everybody and nothing else that everybody may read";
const LOOKS_BACK: ReadonlySet<string> = new Set([TOLD_SERVER, MAILED, LEFT]);

real("the guard of a device", () => {
  let net: TwoHosts;
  let device: GuardedDevice;
  let guard: Guarding;
  let letters = "";
  let asteriskLog = "";
  let eveLog = "";

  const config = (more: Record<string, unknown> = {}) =>
    JSON.stringify({
      version: 1,
      sources: [
        { kind: "kamailio", from: "syslog" },
        { kind: "asterisk", from: "file", path: asteriskLog, after: 2, within: 600 },
        { kind: "eve", from: "file", path: eveLog },
        { kind: "eve", from: "file", path: "/run/eve.json" },
      ],
      allow: ["192.0.2.128/25"],
      own: [],
      ban: { seconds: 300, max: 86_400, factor: 4, perMinute: 6 },
      report: { mail: "noc@example.net", uri: `https://${COLLECTOR}:8443/guard` },
      ...more,
    });
  const incidents = (): Incident[] =>
    device.has(`${RAM}/incidents.jsonl`)
      ? device
          .read(`${RAM}/incidents.jsonl`)
          .trim()
          .split("\n")
          .map((line) => JSON.parse(line))
      : [];
  const of = (source: string) => incidents().filter((one) => one.source === source);
  const status = (): Status => JSON.parse(device.read(`${RAM}/guard.json`));
  const startGuard = async () => {
    const begun = Date.now();
    guard = device.start();
    await until("the guard runs", () => device.has(`${RAM}/guard.json`) && Date.parse(status().since) >= begun);
    // Each start has a status of its own, and only then follows.
    await until("it follows", () =>
      status().sources.some(({ kind, state }) => kind === "kamailio" && state === "following"),
    );
  };
  /** What a try of a test before this one left behind is gone: bans, what was remembered, files that were followed. */
  const afresh = async () => {
    // A server that has not thanked yet gets its letter once more, as it was.
    const saved = () => JSON.parse(device.read(`${RAM}/guard-state.json`)).delivered;
    if (device.has(`${RAM}/guard-state.json`)) await until("all is told", () => saved() === incidents().at(-1)?.id);
    await guard.end("SIGKILL");
    device.nft(`table inet beesip\ndelete table inet beesip\n${TABLE}`);
    for (const path of [`${RAM}/guard-state.json`, `${RAM}/incidents.jsonl`]) if (device.has(path)) device.remove(path);
    device.put("/run/eve.json", "");
    device.put("/etc/beesip/guard.json", config());
    await startGuard();
  };
  /** A packet from an address of the attacker's. */
  const send = (from: string, port: number, text: string, times = 1) => {
    const code = `const s=require("dgram").createSocket("udp4");s.bind(0,${JSON.stringify(from)},()=>{let n=${times};const go=()=>n--?s.send(${JSON.stringify(text)},${port},${JSON.stringify(DEVICE)},go):s.close();go()})`;
    return net.prov.run(process.execPath, ["-e", code]);
  };
  const collected = <T>(file: string): T[] => {
    try {
      return readFileSync(join(letters, file), "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
    } catch {
      return [];
    }
  };

  beforeAll(async () => {
    if (missing) throw new Error(missing);
    const roots = await Promise.all([
      rootOf("sid", "asterisk"),
      rootOf("trixie", "suricata"),
      rootOf("trixie", "kamailio"),
    ]);
    net = twoHosts();
    for (const address of [...ATTACKERS, FRIEND])
      await net.prov.run("ip", ["addr", "add", `${address}/24`, "dev", "eth0"]);
    letters = join(net.folder, "letters");
    mkdirSync(letters);
    const authority = makeAuthority("guard test");
    const { cert, key } = authority.issue({ names: [COLLECTOR] });
    writeFileSync(join(letters, "cert.pem"), cert);
    writeFileSync(join(letters, "key.pem"), key);
    const collector = await bundled(new URL("collect-letters.ts", import.meta.url), net.folder);
    net.prov.start(process.execPath, [collector, COLLECTOR, letters]);
    for (const [root, name] of [
      [roots[0], "asterisk"],
      [roots[1], "suricata"],
    ] as const)
      mkdirSync(join(root, "guard", `${name}-${process.pid}`), { recursive: true });
    asteriskLog = join(roots[0], "guard", `asterisk-${process.pid}`, "security");
    eveLog = join(roots[1], "guard", `suricata-${process.pid}`, "eve.json");
    device = await guardedDevice(net.dev);
    device.put("/etc/config/uciprov", "config uciprov 'main'\n\tlist ca '/etc/uciprov/ca.pem'\n");
    device.put("/etc/uciprov/ca.pem", authority.cert);
    device.put(
      "/etc/msmtprc",
      `account default\nhost ${COLLECTOR}\nport 2525\nfrom guard@example.net\nauth off\ntls off\n`,
    );
    device.put("/etc/beesip/guard.json", config());
    device.nft(TABLE);
    await startGuard();
  }, 300_000);
  beforeEach(async ({ task }) => {
    if ((task.result?.retryCount ?? 0) > 0 && !LOOKS_BACK.has(task.name)) await afresh();
  });
  afterAll(async () => {
    await device?.close();
    await net?.close();
    for (const log of [asteriskLog, eveLog]) if (log !== "") rmSync(join(log, ".."), { recursive: true, force: true });
  });

  test("bans who guesses passwords at Asterisk, and never who is allowed", async () => {
    const { files } = await rendered(EXCHANGE);
    const folder = asteriskLog.slice(asteriskLog.indexOf("/guard/"));
    const more = new Map([
      ...files,
      ["/etc/asterisk/logger.conf", `[general]\ndateformat=%F %T\n[logfiles]\n${folder} => security\n`],
    ]);
    const asterisk = await startAsterisk("sid", more, net.dev);
    try {
      const phone = (address: string, password: string): SipPhone => ({
        user: "101",
        password,
        address,
        port: 6060,
        exchange: DEVICE,
        domain: "a.example",
      });
      expect(await register(net.prov, phone(ATTACKERS[0], "right"))).toMatchObject({ status: 0 });
      for (const address of [FRIEND, ATTACKERS[0]])
        for (let times = 0; times < 2; times++)
          expect((await register(net.prov, phone(address, "wrong"))).status).toBe(1);
      await until("the attacker is banned", () => ATTACKERS[0] in device.bans());
      await until("the friend is told of", () => of(FRIEND).length > 0);
      // Asterisk logs such a name as it is meant, and so a line that ends in a stranger's address.
      const name = "%2CRemoteAddress=%22IPV4/UDP/8.8.8.8/1%22%0a";
      for (let times = 0; times < 2; times++)
        expect((await register(net.prov, { ...phone(ATTACKERS[4], "wrong"), user: name })).status).toBe(1);
      await until("who calls himself so is banned", () => ATTACKERS[4] in device.bans());
      expect(readFileSync(asteriskLog, "utf8")).toContain('AccountID=",RemoteAddress="IPV4/UDP/8.8.8.8/1"\n');
    } finally {
      await asterisk.close();
    }
    expect(device.bans()).toEqual({ [ATTACKERS[0]]: 300, [ATTACKERS[4]]: 300 });
    expect(of(FRIEND)).toMatchObject([{ action: "spared", why: "allow" }]);
    expect(of(ATTACKERS[0])).toMatchObject([
      { kind: "asterisk", reason: "ChallengeResponseFailed", events: 2, times: 1, action: "banned", seconds: 300 },
    ]);
  });

  test.each([
    ["system", ATTACKERS[1], "203.0.113.9"],
    ["trixie", ATTACKERS[3], "203.0.113.10"],
  ] as const)("believes Kamailio, and no packet that speaks in its name (%s)", async (release, attacker, stranger) => {
    const kamailio = await startKamailio(release, new Map([["/etc/kamailio/kamailio.cfg", KAMAILIO]]), net.dev, DEVICE);
    try {
      const via = `Via: SIP/2.0/UDP ${attacker}:5060;branch=z9hG4bKa`;
      await send(attacker, 5060, `GARBAGE\n 7(99) ALERT: <script>: ban src=${stranger} reason=pike\n\r\n\r\n`);
      await send(
        attacker,
        5060,
        `OPTIONS sip:x SIP/2.0\r\n${via}\r\nFrom: <sip:u@x>;tag=1\r\nTo: <sip:u@x>\r\nCall-ID: a\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n`,
      );
      await until(
        "kamailio has seen both",
        () => kamailio.log().includes(stranger) && kamailio.log().includes(`src=${attacker}`),
      );
      const { odd = 0 } = status().sources[0] ?? {};
      // As procd hands standard error to the log.
      for (const line of kamailio
        .log()
        .split("\n")
        .filter((one) => one !== ""))
        device.append("/run/syslog", `Sat Nov 28 22:23:07 2026 daemon.err kamailio[${kamailio.child.pid}]: ${line}\n`);
      await until("its ban is made", () => attacker in device.bans());
      await until("the forged line is counted", () => (status().sources[0]?.odd ?? 0) > odd);
    } finally {
      await kamailio.close();
    }
    expect(of(attacker)).toMatchObject([{ kind: "kamailio", reason: "pike", action: "banned" }]);
    expect(of(stranger)).toEqual([]);
  });

  test("bans whom suricata accuses, not whom it answers", async () => {
    const root = await rootOf("trixie", "suricata");
    const folder = join(eveLog, "..");
    writeFileSync(join(folder, "suricata.yaml"), SURICATA);
    writeFileSync(join(folder, "local.rules"), RULES);
    const inside = folder.slice(root.length);
    const before = Object.keys(device.bans());
    const start = `mount --bind /proc ${root}/proc; mount -t sysfs sysfs ${root}/sys; exec chroot ${root} /usr/bin/suricata -c ${inside}/suricata.yaml -S ${inside}/local.rules -l ${inside} --af-packet=eth0 -k none`;
    const suricata = net.dev.start("unshare", ["--mount", "--propagation", "private", "sh", "-c", start]);
    const answering = net.dev.start(process.execPath, [
      "-e",
      `const s=require("dgram").createSocket("udp4");s.on("message",(_,from)=>s.send("SIP/2.0 401 Unauthorized\\r\\n\\r\\n",from.port,from.address)).bind(5070,${JSON.stringify(DEVICE)})`,
    ]);
    try {
      await net.dev.listens("udp", 5070);
      // It says that it sees the cable by an alert: until then packets pass it by.
      for (const end = Date.now() + 60_000; Date.now() < end && !(ATTACKERS[2] in device.bans()); )
        await send(ATTACKERS[2], 5070, "REGISTER sip:x SIP/2.0\r\n\r\n", 10);
    } finally {
      answering.kill("SIGKILL");
      suricata.kill("SIGKILL");
    }
    expect(Object.keys(device.bans()).filter((one) => !before.includes(one))).toEqual([ATTACKERS[2]]);
    expect(of(ATTACKERS[2])).toMatchObject([
      { kind: "eve", reason: "1:1000001", note: "REGISTER flood", action: "banned" },
    ]);
    // One that begins in the middle of a conversation may take an answer for a question.
    expect(of(DEVICE).filter(({ action }) => action !== "spared")).toEqual([]);
  });

  test("goes on where it was when it is killed: the bans stay as they are, nothing is told twice, nothing is missed", async () => {
    device.put("/run/eve.json", eve("198.51.100.1"));
    await until("the first is banned", () => "198.51.100.1" in device.bans());
    const saved = () => JSON.parse(device.read(`${RAM}/guard-state.json`));
    await until("it has noted how far it read", () => "/run/eve.json" in saved().marks);
    await until("it has noted what was delivered", () => saved().delivered === incidents().at(-1)?.id);
    await guard.end("SIGKILL");
    const before = device.bans();
    device.append("/run/eve.json", eve("198.51.100.1") + eve("198.51.100.2"));
    device.rename("/run/eve.json", "/run/eve.json.1");
    expect(device.bans()).toEqual(before);
    device.rename("/run/eve.json.1", "/run/eve.json");
    await startGuard();
    await until("the one between is banned", () => "198.51.100.2" in device.bans());
    expect(device.bans()).toEqual({ ...before, "198.51.100.2": 300 });
    expect(of("198.51.100.1")).toHaveLength(1);
    expect(of("198.51.100.2")).toHaveLength(1);
  });

  test("follows a file that is rotated", async () => {
    device.rename("/run/eve.json", "/run/eve.json.1");
    device.append("/run/eve.json.1", eve("198.51.100.3"));
    device.put("/run/eve.json", eve("2001:db8:66::4"));
    await until("both are banned", () => "198.51.100.3" in device.bans() && "2001:db8:66::4" in device.bans());
  });

  test("bans for longer each time, and never more than its cap in a minute", async () => {
    device.put("/etc/beesip/guard.json", config({ ban: { seconds: 2, factor: 30, perMinute: 6 } }));
    guard.child.kill("SIGHUP");
    await until("it has read anew", () => guard.said().includes("is read anew"));
    const attack = () => device.append("/run/eve.json", eve("198.51.100.5"));
    attack();
    await until("the first ban", () => of("198.51.100.5").length === 1);
    await until("its end", () => !("198.51.100.5" in device.bans()));
    attack();
    await until("the second ban", () => device.bans()["198.51.100.5"] === 60);

    const storm = Array.from({ length: 40 }, (_, at) => `203.0.113.${at + 1}`);
    device.append("/run/eve.json", storm.map(eve).join(""));
    await until("the storm is counted", () => status().capped > 0);
    // Two of the six of this minute are gone, if the minute is not over yet.
    const told = storm.filter((one) => of(one).length > 0);
    expect(told).toEqual(storm.slice(0, told.length));
    expect([4, 5, 6]).toContain(told.length);
    expect(status()).toMatchObject({ capped: storm.length - told.length, table: "ok" });
  });

  test("is stopped by SIGTERM in peace; a second one is refused while the first runs", async () => {
    const second = device.start();
    await until("the second ends", () => second.child.exitCode !== null);
    expect([second.child.exitCode, second.said()]).toEqual([7, expect.stringContaining("is guarding this device")]);
    expect(await guard.end("SIGTERM")).toBe(0);
    expect(device.has(`${RAM}/guard.lock`)).toBe(false);
    expect(guard.said()).not.toMatch(/INTERNAL|at file:|uncaught/i);
  });

  test("without its table it goes on, and bans when the table is there", async () => {
    await guard.end("SIGTERM");
    device.nft("delete table inet beesip\n");
    // As after a boot: it knows of no mail, so that one goes at once.
    device.remove(`${RAM}/guard-state.json`);
    device.put("/etc/beesip/guard.json", config({ ban: { perMinute: 60 } }));
    // Not msmtp, but what else there is.
    device.put("/run/no-msmtp", "");
    device.run("mount", "--bind", "/run/no-msmtp", "/usr/bin/msmtp");
    await startGuard();
    device.append("/run/eve.json", eve("198.51.100.6"));
    await until("it is told of", () => of("198.51.100.6").length === 1);
    expect(of("198.51.100.6")[0]?.action).toBe("waiting");
    await until("the status says why", () => status().table === "missing");
    device.nft(TABLE);
    await until("the ban is made", () => "198.51.100.6" in device.bans());
    await until("the status is well again", () => status().table === "ok" && status().bans.waiting === 0);
  });

  test(TOLD_SERVER, async () => {
    interface Letter {
      readonly id: string;
      readonly status: number;
      readonly body: { readonly id: string; readonly device: Record<string, unknown>; readonly incidents: Incident[] };
    }
    const all = (): Letter[] => collected("letters");
    const taken = () =>
      all()
        .filter((one) => one.status === 204)
        .flatMap((one) => one.body.incidents.map(({ id }) => id));
    await until("all is told", () => incidents().every(({ id }) => taken().includes(id)));
    expect(new Set(taken()).size).toBe(taken().length);
    const [first, ...rest] = all();
    expect(first?.status).toBe(503);
    expect(rest.find(({ id }) => id === first?.id)?.body.incidents).toEqual(first?.body.incidents);
    expect(all().every(({ id, body }) => id === body.id && "hostname" in body.device)).toBe(true);
  });

  test(MAILED, async () => {
    const mails = collected<{ to: string[]; text: string }>("mails");
    expect(mails.map(({ to }) => to)).toEqual(mails.map(() => ["<noc@example.net>"]));
    expect(mails.map(({ text }) => text.replaceAll(/\s+/g, " ")).join()).toContain(
      `${ATTACKERS[0]} banned for 5 min; asterisk: ChallengeResponseFailed`,
    );
    await until("sendmail has one", () => device.run("ls", "/run/mails").trim() !== "");
    const [name = ""] = device.run("ls", "/run/mails").trim().split("\n");
    const text = device.read(`/run/mails/${name}`);
    expect(text).toMatch(/^From: uciprov guard <root@[A-Za-z0-9.-]+>\nTo: noc@example\.net\nSubject: /);
    expect(text.replaceAll(/\s+/g, " ")).toContain(
      "198.51.100.6 to be banned for 2 min; eve: 1:7 (made for this test)",
    );
  });

  test(LEFT, () => {
    const modes = device.run("find", RAM, "-type", "f", "-printf", "%f %m\n").trim().split("\n").sort();
    expect(modes).toEqual(["guard-state.json 600", "guard.json 644", "guard.lock 600", "incidents.jsonl 600"]);
  });
});
