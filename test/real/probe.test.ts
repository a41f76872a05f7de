/** Probes on real Asterisk that call each other, over links that lose packets, and a collector that is away at times (Debian packages `mmdebstrap`, `nftables`, `chromium`). */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import monitoring from "../../hooks/monitoring/index.ts";
import { type Authority, makeAuthority } from "../../src/admin/certificates.ts";
import { type Heard, mosOf, rating } from "../../src/probe/e-model.ts";
import { makeSample } from "../../src/probe/sample.ts";
import { readWav, writeWav } from "../../src/probe/wav.ts";
import { PROBE_FILE } from "../../src/probe-file.ts";
import type { Matrix, MatrixLink } from "../collector/matrix.ts";
import { BROWSER, openBrowser } from "../helpers/browser.ts";
import { planScene } from "../helpers/plan-context.ts";
import { bundled, type Ended, type Host, type Star, starOf, whyNoHosts } from "./netns.ts";
import { type Asterisk, rendered, rootOf, startAsterisk } from "./setup-telephony.ts";

const isRequired = process.env["UCIPROV_REQUIRE_REAL"] === "1";
const missing = whyNoHosts("mmdebstrap", "chroot", "nft", BROWSER);
if (missing && !isRequired) console.warn(`skipped: probe (${missing})`);
const real = missing && !isRequired ? describe.skip : describe;

const PROGRAM = new URL("../../dist/uciprov.cjs", import.meta.url).pathname;
const BEESIP =
  "config probe 'probe'\n\toption enabled '1'\n\toption server 'https://192.0.2.1:8443/'\n\toption ca '/etc/beesip/ca.pem'\n";

/** What the module makes of the section: paths → texts. */
async function files(beesip: string): Promise<Map<string, string>> {
  const device = { "/etc/init.d/asterisk": "x", "/etc/init.d/beesip-probe": "x" };
  const { context, findings } = planScene({ module: "monitoring", uci: { beesip }, device });
  const changes = (await monitoring.plan?.(context)) ?? [];
  expect(findings).toEqual([]);
  return new Map(
    changes.flatMap((one) =>
      one.kind === "file" && one.content.kind === "bytes"
        ? [[one.path, Buffer.from(one.content.bytes).toString()] as const]
        : [],
    ),
  );
}

/** One probe: a host, an Asterisk on it, and the device's files, among which Asterisk's spool lies. */
interface Device {
  readonly host: Host;
  readonly asterisk: Asterisk;
  run(...words: string[]): Promise<Ended & { json: Record<string, unknown> }>;
  start(...words: string[]): ChildProcess;
}

async function openDevice(host: Host, name: string, authority: Authority): Promise<Device> {
  const all = await files(BEESIP);
  // Where its complaints can be read.
  const logger = (all.get("/etc/asterisk/logger.conf") ?? "").replace("syslog.daemon", "console");
  const asterisk = await startAsterisk("sid", new Map([...all, ["/etc/asterisk/logger.conf", logger]]), host);
  const root = asterisk.home;
  const put = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text, { mode: 0o600 });
  };
  const { cert, key } = authority.issue({ names: [name], isClient: true });
  put(PROBE_FILE, all.get(PROBE_FILE) ?? "");
  put("/etc/beesip/ca.pem", authority.cert);
  put("/etc/beesip/probe.crt", cert);
  put("/etc/beesip/probe.key", key);
  mkdirSync(join(root, "var/spool"), { recursive: true });
  symlinkSync("/spool", join(root, "var/spool/asterisk"));
  const words = (more: readonly string[]) => [PROGRAM, "--root", root, "probe", ...more];
  return {
    host,
    asterisk,
    async run(...more) {
      const ended = await host.run(process.execPath, words([...more, "--json"]), { seconds: 120 });
      return { ...ended, json: ended.stdout === "" ? {} : JSON.parse(ended.stdout) };
    },
    start: (...more) =>
      spawn("ip", ["netns", "exec", host.namespace, process.execPath, ...words(more)], { stdio: "ignore" }),
  };
}

const LOSSES = { clean: 0, five: 5, twenty: 20 } as const;
const NAMES = ["ear", "clean", "five", "twenty"] as const;

real("probes of speech quality", () => {
  let star: Star;
  let authority: Authority;
  let devices: Record<(typeof NAMES)[number], Device>;
  let program: string;
  let server: ChildProcess | undefined;
  const folder = () => join(star.folder, "collector");
  const log = () =>
    existsSync(join(folder(), "requests.log")) ? readFileSync(join(folder(), "requests.log"), "utf8") : "";

  async function openCollector(...more: string[]): Promise<void> {
    const { cert, key } = authority.issue({ names: ["192.0.2.1"] });
    const [certFile, keyFile, caFile] = [
      star.hub.file("server.crt", cert),
      star.hub.file("server.key", key),
      star.hub.file("ca.pem", authority.cert),
    ];
    const words = [program, folder(), "--port", "8443", "--cert", certFile, "--key", keyFile, "--ca", caFile, ...more];
    server = spawn("ip", ["netns", "exec", star.hub.namespace, process.execPath, ...words], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    await star.hub.listens("tcp", 8443);
  }

  async function closeCollector(): Promise<void> {
    if (server !== undefined) await ended(server, "SIGTERM");
    server = undefined;
  }

  /** As a person with a certificate sees it. */
  async function ask(path: string): Promise<string> {
    const { cert, key } = authority.issue({ names: ["person"], isClient: true });
    const script = `require("https").get({host:"192.0.2.1",port:8443,path:process.argv[1],ca:process.env.CA,cert:process.env.CERT,key:process.env.KEY},r=>r.pipe(process.stdout))`;
    const env = { CA: authority.cert, CERT: cert, KEY: key };
    return (await star.hub.run(process.execPath, ["-e", script, path], { env })).stdout;
  }

  /** Packets that were lost on purpose so far, of `five` and of `twenty`. */
  async function drops(): Promise<readonly number[]> {
    const { stdout } = await devices.ear.host.run("nft", ["list", "table", "inet", "loss"]);
    return [...stdout.matchAll(/counter packets ([0-9]+)/g)].map(([, count]) => Number(count));
  }

  const matrix = async (): Promise<Matrix> => JSON.parse(await ask("/matrix.json"));
  const all = async (...words: string[]) => Promise.all(NAMES.map((name) => devices[name].run(...words)));

  beforeAll(async () => {
    if (missing) throw new Error(missing);
    await rootOf("sid", "asterisk");
    star = starOf(NAMES.length);
    authority = makeAuthority("Probes");
    program = await bundled(new URL("../collector/main.ts", import.meta.url), star.folder);
    await openCollector();
    const opened = await Promise.all(
      NAMES.map(async (name, index) => {
        const host = star.hosts[index];
        if (host === undefined) throw new Error("no host");
        return [name, await openDevice(host, name, authority)] as const;
      }),
    );
    devices = Object.fromEntries(opened) as typeof devices;
    // What comes from two of the partners is lost in part, on its way into the first.
    const rules = Object.entries(LOSSES).map(
      ([name, percent]) =>
        `ip saddr 192.0.2.${10 + NAMES.findIndex((one) => one === name)} udp dport 10000-10400 numgen random mod 100 < ${percent} counter drop`,
    );
    const table = `table inet loss {\nchain in {\ntype filter hook input priority 0;\n${rules.slice(1).join("\n")}\n}\n}\n`;
    const { status, stderr } = await devices.ear.host.run("nft", ["-f", "-"], { input: table });
    expect(status, stderr).toBe(0);
  }, 300_000);

  afterAll(async () => {
    await closeCollector();
    for (const device of Object.values(devices ?? {})) await device.asterisk.close();
    await star?.close();
  });

  test("Asterisk has all that was written for it, and knows each application and function", async () => {
    const { asterisk } = devices.ear;
    for (const name of ["probe", "probe-alaw", "probe-ulaw"]) {
      expect(await asterisk.ask(`pjsip show endpoint ${name}`)).toMatch(/^ context +: probe-in$/m);
    }
    expect(await asterisk.ask("pjsip show endpoints")).toMatch(/Objects found: 3\b/);
    expect(await asterisk.ask("pjsip show transports")).toMatch(/Objects found: 4\b/);
    for (const [context, number] of [
      ["probe-in", "probe"],
      ["probe-out", "s"],
      ["probe-end", "s"],
    ])
      expect(await asterisk.ask(`dialplan show ${number}@${context}`)).toContain(`'${number}' =>`);
    const text = (await files(BEESIP)).get("/etc/asterisk/beesip-extensions.conf") ?? "";
    const applications = [...text.matchAll(/^(?:exten => [a-z]+,1| same => n(?:\([a-z]+\))?),([A-Za-z]+)\(/gm)];
    expect(applications.length).toBeGreaterThan(20);
    for (const app of new Set(applications.map(([, name = ""]) => name)))
      expect(await asterisk.ask(`core show application ${app}`), app).toMatch(/Info about|Synopsis/i);
    for (const name of ["CHANNEL", "FIELDQTY", "FILE", "GROUP", "GROUP_COUNT", "SHIFT", "STAT", "TIMEOUT"])
      expect(await asterisk.ask(`core show function ${name}`), name).toMatch(/Info about|Synopsis/i);
    expect(asterisk.log()).not.toMatch(/Error loading module|No such module|could not be loaded/i);
  });

  test("beside an exchange, both have all of theirs", async () => {
    const pbx =
      "config pbx 'pbx'\n\toption enabled '1'\n\toption address '192.0.2.50'\n\nconfig extension\n\toption number '101'\n\toption secret 'x;y'\n";
    const both = new Map([...(await rendered(pbx)).files, ...(await files(`${BEESIP}\n${pbx}`))]);
    for (const release of ["sid", "bullseye"] as const) {
      const asterisk = await startAsterisk(release, both);
      try {
        expect(await asterisk.ask("pjsip show endpoints"), release).toMatch(/Objects found: 4\b/);
        expect(await asterisk.ask("dialplan show s@probe-out"), release).toContain("MixMonitor");
        expect(await asterisk.ask("dialplan show 101@phones"), release).toContain("'101' =>");
        expect(await asterisk.ask("module show like func_groupcount"), release).toMatch(/1 modules? loaded/);
      } finally {
        await asterisk.close();
      }
    }
  });

  test("whoever is no partner is turned away, whatever it says to be", async () => {
    expect((await all("--once", "--dry-run")).map(({ status }) => status)).toEqual([0, 0, 0, 0]);
    const caller = await bundled(new URL("ask-sip.ts", import.meta.url), star.folder);
    const status = async (user: string) =>
      Number((await star.hub.run(process.execPath, [caller, "192.0.2.10", user])).stdout);
    expect(await status("probe")).toBe(403);
    expect(await status("probe-alaw")).toBe(403);
    expect(await status("somebody")).toBe(401);
  });

  test("a round of calls at 0, 5 and 20 % of loss: MOS in this order and near what the model says, by the probe and by the recording", async () => {
    // Everybody knows everybody now.
    expect((await all("--once", "--dry-run")).map(({ status }) => status)).toEqual([0, 0, 0, 0]);
    const before = await drops();
    const rounds = await all("--once");
    expect(rounds.map(({ status, stderr }) => ({ status, stderr }))).toEqual(
      rounds.map(() => ({ status: 0, stderr: expect.any(String) })),
    );
    const { links } = await matrix();
    const dropped = (await drops()).map((count, index) => count - (before[index] ?? 0));
    expect(links.map(({ from, to, state }) => `${from} ${to} ${state}`).sort()).toEqual(
      NAMES.flatMap((to) => NAMES.filter((from) => from !== to).map((from) => `${from} ${to} measured`)).sort(),
    );
    const into = (from: string) => links.find((one) => one.from === from && one.to === "ear");
    const told: string[] = [];
    for (const [name, percent] of Object.entries(LOSSES)) {
      const { device, wav } = numbersOf(into(name));
      told.push(
        `${name}: ${percent} % wanted, ${device.loss} lost, MOS ${device.mos}; recording ${wav.loss}, MOS ${wav.mos}`,
      );
      const wanted: Heard = { delay: 60, loss: percent / 100, codec: "G.711 with concealment" };
      expect(Math.abs(device.loss - percent / 100), told.at(-1)).toBeLessThan(0.06);
      expect(Math.abs(device.mos - mosOf(rating(wanted))), told.at(-1)).toBeLessThan(0.5);
      expect(Math.abs(wav.loss - device.loss), told.at(-1)).toBeLessThan(0.04);
      // The recording knows bursts, which count for more; a busy machine makes some.
      expect(wav.mos - device.mos, told.at(-1)).toBeLessThan(0.2);
      expect(device.mos - wav.mos, told.at(-1)).toBeLessThan(0.8);
      expect(wav.label).toBe("MOS-E(wav)");
      expect(Math.abs(wav.level), told.at(-1)).toBeLessThan(2);
    }
    console.log(told.join("\n"));
    // A busy machine spoils one or the other, which then is not told.
    const times = links.flatMap((link) => numbersOf(link).device.rtt ?? []);
    expect(times.length).toBeGreaterThan(links.length / 2);
    expect(times.filter((time) => time <= 0)).toEqual([]);
    // Nobody misses more than the kernel dropped, of this call and of the one that the partner made.
    for (const [index, name] of (["five", "twenty"] as const).entries()) {
      expect(numbersOf(into(name)).device.loss * 500).toBeLessThanOrEqual((dropped[index] ?? 0) + 2);
    }
    const mos = (kind: "device" | "wav") => Object.keys(LOSSES).map((name) => numbersOf(into(name))[kind].mos);
    for (const kind of ["device", "wav"] as const) {
      const [clean = 0, five = 0, twenty = 0] = mos(kind);
      expect(clean).toBeGreaterThan(five);
      expect(five).toBeGreaterThan(twenty);
    }
    for (const link of links) if (link.to !== "ear") expect(numbersOf(link).device.loss).toBeLessThan(0.02);
  });

  test("the map shows every link, needs nothing else, and breaks no rule of its own", async () => {
    const path = star.hub.file("map.html", await ask("/"));
    const browser = await openBrowser();
    try {
      const tab = await browser.open(`file://${path}`);
      expect(await tab.value(`document.querySelectorAll("path.link").length`)).toBe(12);
      expect(await tab.value(`document.querySelectorAll("tbody tr").length`)).toBe(12);
      expect(await tab.value(`[...document.querySelectorAll("svg text")].map((one) => one.textContent).join()`)).toBe(
        "clean,ear,five,twenty",
      );
      const inside = `[...document.querySelectorAll("svg text, circle")].every((one) => { const a = one.getBoundingClientRect(), b = document.querySelector("svg").getBoundingClientRect(); return a.left >= b.left && a.right <= b.right && a.top >= b.top && a.bottom <= b.bottom })`;
      expect(await tab.value(inside)).toBe(true);
      expect(await tab.value("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
      const requests = tab.requests.filter((one) => !one.includes("map.html"));
      expect({ requests, complaints: tab.complaints }).toEqual({ requests: [], complaints: [] });
    } finally {
      await browser.close();
    }
  });

  test("the collector away for two rounds, and the probe killed in one of them: nothing is lost, nothing comes twice", async () => {
    // A short sound, since the numbers are not what matters here.
    const short = star.hub.file("short.wav", "");
    writeFileSync(short, writeWav(makeSample().subarray(0, 16_000)));
    await closeCollector();
    await openCollector("--sample", `short=${short}`);
    expect((await all("--once", "--dry-run")).map(({ status }) => status)).toEqual([0, 0, 0, 0]);
    const { ear } = devices;
    // A try before this one may have left a round open or results waiting: the last of it goes now.
    const ram = join(ear.asterisk.home, "var/run/beesip/probe");
    const own = join(folder(), "rounds/ear");
    const results = () => readdirSync(own).filter((name) => name.endsWith(".json"));
    if (existsSync(join(ram, "round.json")) || readdirSync(join(ram, "queue")).length > 0)
      expect(await ear.run("--once")).toMatchObject({ status: 0 });
    await closeCollector();
    const before = { lines: log().split("\n").length, results: new Set(results()) };

    // Calls over TCP and IPv6, too: the last plans, as if they had said so.
    const kept = join(ram, "plan.json");
    const [tcp, six] = ['"transport":"udp"', '"host":"192.0.2.12"'];
    const plan = readFileSync(kept, "utf8");
    expect(plan).toContain(six);
    writeFileSync(kept, plan.replace(tcp, '"transport":"tcp"').replace(six, '"host":"2001:db8:1::12"'));
    writeFileSync(join(devices.five.asterisk.home, "spool/beesip-probe/partners/2001:db8:1::10"), "");
    const away = await ear.run("--once");
    expect({ status: away.status, json: away.json }).toMatchObject({ status: 8, json: { measured: 3, waiting: 3 } });

    const spool = join(ear.asterisk.home, "spool/beesip-probe/rec");
    const recordings = () => readdirSync(spool).filter((name) => name.endsWith(".wav"));
    const killed = ear.start("--once");
    try {
      await expect.poll(recordings, { timeout: 60_000, interval: 100 }).toHaveLength(3);
    } finally {
      await ended(killed, "SIGKILL");
    }

    await openCollector("--sample", `short=${short}`);
    const back = await ear.run("--once");
    expect({ status: back.status, json: back.json, stderr: back.stderr }).toMatchObject({
      status: 0,
      json: { measured: 3, waiting: 0, dropped: 0 },
    });
    const puts = log()
      .split("\n")
      .slice(before.lines - 1)
      .filter((line) => line.includes(" PUT "));
    const rounds = new Set(puts.map((line) => /\/rounds\/([0-9]+)\//.exec(line)?.[1]));
    expect(rounds.size).toBe(3);
    expect(puts.filter((line) => !line.endsWith(" 201"))).toEqual([]);
    expect(new Set(puts).size).toBe(puts.length);
    // Three rounds of three partners: a recording and a result each.
    expect(puts).toHaveLength(18);
    const came = results().filter((name) => !before.results.has(name));
    const told = came.map((name) => `${name} ${JSON.parse(readFileSync(join(own, name), "utf8")).state}`);
    expect(told).toHaveLength(9);
    expect(told.filter((state) => !state.endsWith(" measured"))).toEqual([]);
    // Whole, each of them: Asterisk closes a recording a moment after its call has ended.
    const lengths = came.map((name) => {
      const wav = readWav(readFileSync(join(own, name.replace(/json$/, "wav"))), { seconds: 75 });
      return "samples" in wav ? wav.samples.length : 0;
    });
    expect(Math.min(...lengths), lengths.join()).toBeGreaterThan(8000);
    expect(recordings()).toEqual([]);
    // A fault in the dial plan is a warning when a call comes to it.
    for (const { asterisk } of Object.values(devices)) {
      expect(asterisk.log()).toContain("Asterisk Ready");
      expect(asterisk.log()).not.toMatch(/syntax error|extension logic|No application|Function .* not registered/i);
    }
  });
});

async function ended(child: ChildProcess, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill(signal);
  await gone;
}

function numbersOf(link: MatrixLink | undefined) {
  if (link?.device === undefined || link.wav === undefined) throw new Error(`no numbers: ${JSON.stringify(link)}`);
  return { device: link.device, wav: link.wav };
}
