import { describe, expect, test } from "vitest";
import { makeAuthority } from "../../src/admin/certificates.ts";
import type { Disk, Http, HttpAnswer, HttpLetter, ProbeConfig } from "../../src/api.ts";
import { ProvisionError } from "../../src/errors.ts";
import { leased } from "../../src/probe/lease.ts";
import { ASTERISK, PLACES } from "../../src/probe/places.ts";
import { makeSample } from "../../src/probe/sample.ts";
import { keptPlan, learnPlan, prepare, type VisitWorld, withCollector } from "../../src/probe/visit.ts";
import { writeWav } from "../../src/probe/wav.ts";
import { readSettings, type Settings } from "../../src/settings.ts";
import { device } from "./stand-ins.ts";

const CONFIG: ProbeConfig = {
  version: 1,
  server: "https://collector.example/base",
  hosts: [],
  cert: "/etc/beesip/probe.crt",
  key: "/etc/beesip/probe.key",
  ca: "/etc/beesip/ca.pem",
  name: "brno",
  port: 5060,
  spoolBytes: 4 << 20,
  conceals: true,
};
const NEVER = new AbortController().signal;
const PLAN = { period: 300, partners: [{ id: "a", host: "192.0.2.7" }] };
const authority = makeAuthority("Probes");

/** A web of fixed answers; a path that is not there is absent. */
function web(answers: Readonly<Record<string, string | Uint8Array>>, status = 201) {
  const asked: string[] = [];
  const settings: Settings[] = [];
  const letters: HttpLetter[] = [];
  const openHttp = (given: Settings): Http => {
    settings.push(given);
    return {
      async get({ uri }): Promise<HttpAnswer> {
        asked.push(uri);
        const transport = { scheme: "https", host: "collector.example", port: 443, proof: { kind: "none" } } as const;
        const found = answers[uri];
        if (found === undefined) return { kind: "absent", uri, transport };
        const bytes = Buffer.from(found);
        return { kind: "body", uri, transport, bytes, size: bytes.length, sha256: "" };
      },
      async post(letter) {
        letters.push(letter);
        asked.push(`${letter.method ?? "POST"} ${letter.uri}`);
        return { status, retryAfter: status === 503 ? 77 : undefined };
      },
      close: async () => undefined,
    };
  };
  return { openHttp, asked, settings, letters };
}

function worldOn(disk: Disk, { openHttp }: Pick<VisitWorld, "openHttp">, config = CONFIG) {
  const told: string[] = [];
  const world: VisitWorld = {
    disk,
    config,
    openHttp,
    settings: readSettings(undefined).settings,
    log: (_, message) => void told.push(message),
    lookUp: async (host) => {
      if (host === "lost.example") throw new Error("not found");
      return ["192.0.2.8", "2001:DB8::8"];
    },
  };
  return { world, told };
}

/** A device that has its certificate. */
function probe(): Disk {
  const disk = device();
  for (const folder of ["/etc", "/etc/beesip"]) disk.makeDirectory(folder, 0o755);
  for (const path of [CONFIG.cert, CONFIG.key]) disk.writeNew(path, Buffer.from("x"), { mode: 0o600 });
  return disk;
}

const PLAN_URI = "https://collector.example/base/probes/self/plan";
const learn = (world: VisitWorld) => withCollector(world, NEVER, (collector) => learnPlan(world, collector));

describe("a visit", () => {
  test("shows the probe's certificate, believes its authorities alone, and keeps the plan", async () => {
    const net = web({ [PLAN_URI]: JSON.stringify(PLAN) });
    const { world } = worldOn(probe(), net);
    await learn(world);
    expect(keptPlan(world.disk)).toMatchObject({ period: 300, partners: [{ id: "a", transport: "udp" }] });
    expect(net.settings[0]?.main).toMatchObject({
      client_cert: CONFIG.cert,
      client_key: CONFIG.key,
      ca: [CONFIG.ca],
      pin: [],
      system_ca: false,
    });
  });

  test("tells a collector that knows it not of itself, once", async () => {
    const net = web({});
    const { world } = worldOn(probe(), net);
    await expect(learn(world)).rejects.toThrow(/no plan for it/);
    expect(net.asked).toEqual([PLAN_URI, "POST https://collector.example/base/probes", PLAN_URI]);
    expect(JSON.parse(Buffer.from(net.letters[0]?.body ?? []).toString())).toEqual({
      version: 1,
      name: "brno",
      port: 5060,
    });
  });

  test.each([
    [503, "HTTP_UNAVAILABLE", 77],
    [403, "HTTP_REFUSED", undefined],
    [400, "HTTP_REFUSED", undefined],
  ])("that is answered with %s is told as such", async (status, code, retryAfter) => {
    const { world } = worldOn(probe(), web({}, status));
    await expect(learn(world)).rejects.toMatchObject({ code, retryAfter });
  });

  test("uses no plan that is wrong anywhere: faults are told with their places, and the last good one stays", async () => {
    const disk = probe();
    await learn(worldOn(disk, web({ [PLAN_URI]: JSON.stringify(PLAN) })).world);
    const bad = { ...PLAN, partners: [PLAN.partners[0], { id: 'a;b"c\\d$e', host: "${SHELL(id)}", label: "x\ny" }] };
    const { world, told } = worldOn(disk, web({ [PLAN_URI]: JSON.stringify(bad) }));
    await expect(learn(world)).rejects.toMatchObject({ code: "PLAN_INVALID" });
    expect(told.map((line) => /partners\[1\]\.[a-z]+/.exec(line)?.[0])).toEqual([
      "partners[1].id",
      "partners[1].host",
      "partners[1].label",
    ]);
    for (const line of told) expect(line).not.toMatch(/[\u0000-\u001f]/);
    expect(keptPlan(disk)?.partners).toHaveLength(1);
  });

  test("lets the partners' addresses call, however they are named, and nobody else any more", async () => {
    const disk = probe();
    const plan = (hosts: readonly string[]) => ({
      period: 300,
      sample: "builtin",
      codec: "alaw" as const,
      partners: hosts.map((host, at) => ({ id: `p${at}`, host, port: 5060, transport: "udp" as const })),
    });
    const { world, told } = worldOn(disk, web({}));
    const sound = await prepare(world, plan(["192.0.2.7", "two.example", "lost.example", "2001:DB8::7"]), undefined);
    expect(disk.list(ASTERISK.partners)).toEqual(["192.0.2.7", "192.0.2.8", "2001:db8::7", "2001:db8::8"]);
    expect(told).toEqual([expect.stringContaining("lost.example")]);
    expect(sound).toMatchObject({ name: "builtin", packets: 500 });
    expect(disk.stat(ASTERISK.sample)?.size).toBe(sound.bytes);
    await prepare(world, plan(["192.0.2.7"]), undefined);
    expect(disk.list(ASTERISK.partners)).toEqual(["192.0.2.7"]);
  });

  test("fetches the plan's sound once, and takes none with silence in it, nor what is no sound", async () => {
    const disk = probe();
    const uri = "https://collector.example/base/samples/own.wav";
    const plan = { period: 300, sample: "own", codec: "alaw", partners: [] } as const;
    const get = (sound: Uint8Array) => {
      const net = web({ [uri]: sound });
      const { world } = worldOn(disk, net);
      return { net, done: withCollector(world, NEVER, (collector) => prepare(world, plan, collector)) };
    };
    const good = makeSample().subarray(0, 24_000);
    const silent = Int16Array.from(good).fill(0, 8000, 8100);
    for (const [bytes, wrong] of [
      [writeWav(silent), /digitally silent/],
      [Buffer.from("<html>"), /no WAV/],
      [writeWav(good.subarray(0, 8000)), /shorter than 2 s/],
    ] as const) {
      await expect(get(bytes).done).rejects.toThrow(wrong);
      // Not kept either: the collector may mend it.
      expect(disk.list(PLACES.sounds)).toEqual([]);
    }
    expect(await get(writeWav(good)).done).toMatchObject({ name: "own", packets: 150 });
    const again = get(writeWav(good));
    await again.done;
    expect(again.net.asked).toEqual([]);
  });

  test("waits while Asterisk does not run", async () => {
    const disk = probe();
    disk.removeDirectory(ASTERISK.outgoing);
    await expect(
      prepare(worldOn(disk, web({})).world, { period: 300, sample: "builtin", codec: "alaw", partners: [] }, undefined),
    ).rejects.toMatchObject({
      code: "NOT_READY",
    });
  });
});

describe("certificate and key", () => {
  const KEY_URI = "https://keys.example/brno.pem";
  const own = authority.issue({ names: ["brno"], isClient: true });
  const other = authority.issue({ names: ["brno"], isClient: true });
  const bare = (): Disk => {
    const disk = device();
    disk.makeDirectory("/etc", 0o755);
    return disk;
  };
  const fetched = (pem: string, config: Pick<ProbeConfig, "keyUrl"> | object = { keyUrl: KEY_URI }) => {
    const disk = bare();
    const net = web({ [KEY_URI]: pem, [PLAN_URI]: JSON.stringify(PLAN) });
    const { world } = worldOn(disk, net, { ...CONFIG, ...config });
    return { disk, net, done: learn(world) };
  };

  test("are fetched where they are not there, without showing any, and belong to root alone", async () => {
    const { disk, net, done } = fetched(`${own.cert}${own.key}`);
    await done;
    expect(disk.stat(CONFIG.key)?.mode).toBe(0o600);
    expect(disk.read(CONFIG.cert)?.trim()).toBe(own.cert.trim());
    expect(disk.read(CONFIG.key)?.trim()).toBe(own.key.trim());
    expect(net.asked[0]).toBe(KEY_URI);
    expect(net.settings[0]?.main).toMatchObject({
      client_cert: undefined,
      client_key: undefined,
      ca: [CONFIG.ca],
      system_ca: false,
    });
  });

  test.each([
    ["another key", `${own.cert}${other.key}`],
    ["no key", own.cert],
    ["no certificate", own.key],
    ["a page", "<html>log in</html>"],
    [
      "a key that is locked",
      `${own.cert}-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n`,
    ],
  ])("with %s are refused, nothing is written, and no word of what came is told", async (_, pem) => {
    const { disk, done } = fetched(pem);
    const error = await done.catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "HTTP_ODD" });
    expect(String(error)).not.toMatch(/BEGIN|html|MI/);
    expect(error instanceof ProvisionError && error.cause).toBeUndefined();
    expect(disk.stat(CONFIG.key)).toBeUndefined();
  });

  test("are not looked for anywhere that nobody named", async () => {
    await expect(fetched("", {}).done).rejects.toMatchObject({ code: "NOT_READY" });
  });
});

describe("what DHCP says to probes", () => {
  const hex = (text: string) => Buffer.from(text).toString("hex");
  const lease = (record: string) => {
    const disk = device();
    for (const folder of ["/var/run/uciprov", "/var/run/uciprov/dhcp"]) disk.makeDirectory(folder, 0o755);
    disk.writeNew("/var/run/uciprov/dhcp/wan.v4", Buffer.from(record), { mode: 0o600 });
    return disk;
  };
  const keyUrl = (record: string, hosts: readonly string[]) => leased(lease(record), "keyUrl", hosts)?.text;

  test("counts for hosts that the owner allows, over https, and for nobody else", () => {
    const record = `opt224=\0opt226=${hex("https://keys.example/brno.pem")}\0`;
    expect(keyUrl(record, ["keys.example"])).toBe("https://keys.example/brno.pem");
    expect(keyUrl(record, ["KEYS.example"])).toBe("https://keys.example/brno.pem");
    for (const hosts of [[], ["other.example"], ["example"], ["keys.example.net"]])
      expect(keyUrl(record, hosts)).toBeUndefined();
  });

  test.each([
    "http://keys.example/a",
    "https://keys.example@evil.example/a",
    "https://evil.example/keys.example",
    "https://keys.example.evil.example/",
    "keys.example",
    "https://keys.example/../a",
    "https://keys.example/\na",
    "",
  ])("%j is not taken", (uri) => {
    expect(keyUrl(`opt226=${hex(uri)}\0`, ["keys.example"])).toBeUndefined();
  });

  test("that is no hex, or cut, is not taken; a zero byte at the end is a habit", () => {
    const uri = hex("https://keys.example/a");
    for (const value of ["https://keys.example/a", `${uri}0`, `${uri}zz`, `${uri}ff`])
      expect(keyUrl(`opt226=${value}\0`, ["keys.example"])).toBeUndefined();
    expect(keyUrl(`opt226=${uri}00\0`, ["keys.example"])).toBe("https://keys.example/a");
  });

  test("names the collector in the same way, and only where the settings name none", async () => {
    const disk = lease(`opt225=${hex("https://collector.example/base/")}\0`);
    for (const folder of ["/etc", "/etc/beesip"]) disk.makeDirectory(folder, 0o755);
    for (const path of [CONFIG.cert, CONFIG.key]) disk.writeNew(path, Buffer.from("x"), { mode: 0o600 });
    const { server: _, ...nameless } = CONFIG;
    const net = web({ [PLAN_URI]: JSON.stringify(PLAN) });
    await learn(worldOn(disk, net, { ...nameless, hosts: ["collector.example"] }).world);
    expect(net.asked).toEqual([PLAN_URI]);
    await expect(learn(worldOn(disk, net, nameless).world)).rejects.toMatchObject({ code: "NOT_READY" });
  });
});
