import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import type { Clock, Disk, Http, HttpAnswer } from "../../src/api.ts";
import { ProvisionError } from "../../src/errors.ts";
import { lastWords } from "../../src/last-words.ts";
import { ASTERISK, PLACES } from "../../src/probe/places.ts";
import { type ProbeWorld, probeDry, probeForever, probeOnce } from "../../src/probe/probe.ts";
import { readLinks, readStatus } from "../../src/probe/values.ts";
import { PROBE_FILE, type ProbeConfig } from "../../src/probe-file.ts";
import { readSettings } from "../../src/settings.ts";
import type { Delivery } from "../../src/zabbix/sender.ts";
import { device, type Exchange, exchange } from "./stand-ins.ts";

const CONFIG: ProbeConfig = {
  version: 1,
  server: "https://collector.example/",
  hosts: [],
  cert: "/etc/beesip/probe.crt",
  key: "/etc/beesip/probe.key",
  name: "brno",
  port: 5060,
  spoolBytes: 4 << 20,
  conceals: true,
};
const PLAN = { period: 300, partners: ["a", "b"].map((id, at) => ({ id, host: `192.0.2.${at + 7}` })) };
/** A multiple of the period. */
const NOON = 1_700_000_100;

/** A device, a collector that can be away, and a clock that runs as fast as it is asked to; at `until` seconds after NOON it is told to stop. */
function scene({ until = 1000, start = 20 }: { until?: number; start?: number } = {}) {
  const disk: Disk = device();
  for (const folder of ["/etc", "/etc/beesip"]) disk.makeDirectory(folder, 0o755);
  for (const path of [CONFIG.cert, CONFIG.key]) disk.writeNew(path, Buffer.from("x"), { mode: 0o600 });
  disk.writeNew(PROBE_FILE, Buffer.from(JSON.stringify(CONFIG)), { mode: 0o600 });
  const asterisk: Exchange = exchange(disk);
  const stop = new AbortController();
  const state = {
    now: NOON + start,
    isAwayAt: (_second: number) => false,
    plan: JSON.stringify(PLAN),
    retryAfter: undefined as number | undefined,
  };
  /** Second after NOON at which each thing happened. */
  const seen: { calls: [number, string][]; asked: [number, string][]; puts: string[] } = {
    calls: [],
    asked: [],
    puts: [],
  };
  const look = () => {
    const before = new Map(asterisk.calls);
    asterisk.look();
    for (const [name, count] of asterisk.calls)
      if (count !== before.get(name)) seen.calls.push([Math.round(state.now - NOON), name]);
  };
  const clock: Clock = {
    now: () => state.now * 1000,
    elapsed: () => state.now * 1000,
    sinceBoot: () => state.now - NOON + 5000,
    async sleep(ms, signal) {
      state.now += ms / 1000;
      look();
      if (state.now - NOON >= until) stop.abort();
      if (signal.aborted) throw new ProvisionError("STOPPED", "asked to stop while waiting");
    },
  };
  const away = () => {
    const facts = state.retryAfter === undefined ? {} : { retryAfter: state.retryAfter };
    if (state.isAwayAt(state.now - NOON))
      throw new ProvisionError("CONNECT_FAILED", "connecting to collector.example", facts);
  };
  const http: Http = {
    async get({ uri }): Promise<HttpAnswer> {
      seen.asked.push([Math.round(state.now - NOON), "plan"]);
      away();
      const bytes = Buffer.from(state.plan);
      const transport = { scheme: "https", host: "collector.example", port: 443, proof: { kind: "none" } } as const;
      return { kind: "body", uri, transport, bytes, size: bytes.length, sha256: "" };
    },
    async post({ uri }) {
      seen.asked.push([Math.round(state.now - NOON), "put"]);
      away();
      seen.puts.push(uri.slice("https://collector.example/rounds/".length));
      return { status: 201, retryAfter: undefined };
    },
    close: async () => undefined,
  };
  const told: string[] = [];
  const deaf = { sender: { put: () => undefined, deliver: async () => ({ sent: 0, waiting: 0 }) } };
  const world: ProbeWorld = {
    disk,
    clock,
    log: (_, message) => void told.push(message),
    signal: stop.signal,
    late: stop.signal,
    openHttp: () => http,
    readSettings: () => readSettings(undefined).settings,
    lookUp: async () => [],
    random: () => 0.5,
    ...deaf,
  };
  const run = () =>
    probeForever(world).catch((thrown: unknown) => {
      if (!stop.signal.aborted) throw thrown;
    });
  return { disk, world, state, seen, told, run };
}

const rounds = (names: readonly string[]) => [...new Set(names.map((name) => Number(name.split(/[./]/)[0]) - NOON))];

test("rounds begin when the clock shows a multiple of the period, all calls at once, and each is uploaded", async () => {
  const { run, seen } = scene({ until: 1000 });
  await run();
  expect(rounds(seen.calls.map(([, name]) => name))).toEqual([300, 600, 900]);
  for (const [second, name] of seen.calls) expect(second - (rounds([name])[0] ?? 0)).toBeLessThanOrEqual(1);
  expect(seen.calls).toHaveLength(6);
  expect(rounds(seen.puts)).toEqual([300, 600, 900]);
  expect(new Set(seen.puts).size).toBe(seen.puts.length);
  // Asked for news once at the start, and shortly before each round.
  const asked = seen.asked.filter(([, what]) => what === "plan").map(([second]) => second);
  expect(asked[0]).toBe(20);
  for (const round of [300, 600, 900])
    expect(asked.some((second) => second < round && second >= round - 26)).toBe(true);
});

test("while the collector is away rounds go on by the last plan, and all of it comes when it is back", async () => {
  const { run, seen, state, disk, told } = scene({ until: 1300 });
  state.isAwayAt = (second) => second > 100 && second < 1000;
  await run();
  expect(rounds(seen.calls.map(([, name]) => name))).toEqual([300, 600, 900, 1200]);
  expect(rounds(seen.puts).sort((a, b) => a - b)).toEqual([300, 600, 900, 1200]);
  expect(new Set(seen.puts).size).toBe(seen.puts.length);
  expect(seen.puts).toHaveLength(16);
  expect(told.join("\n")).toContain("the last plan holds");
  expect(readStatus(disk)).toMatchObject({ waiting: 0, dropped: 0, trouble: "" });
  // Not as often as it can.
  expect(seen.asked.filter(([second]) => second > 330 && second < 560).length).toBeLessThan(8);
});

test("without any plan it tries again with growing pauses, and obeys what the collector asks for", async () => {
  const { run, seen, state } = scene({ until: 2000 });
  state.isAwayAt = () => true;
  await run();
  const asked = seen.asked.map(([second]) => second);
  const pauses = asked.slice(1).map((second, at) => second - (asked[at] ?? 0));
  expect(pauses.length).toBeGreaterThan(3);
  for (const [at, pause] of pauses.entries()) expect(pause).toBeGreaterThanOrEqual(pauses[at - 1] ?? 15);
  expect(pauses.at(-1)).toBeGreaterThan(4 * (pauses[0] ?? 0));
  expect(seen.calls).toEqual([]);

  const patient = scene({ until: 2000 });
  patient.state.isAwayAt = () => true;
  patient.state.retryAfter = 900;
  await patient.run();
  expect(patient.seen.asked.map(([second]) => second)).toEqual([20, 920, 1820]);
});

test("once: a round now, and what waits still is counted; never the same round twice", async () => {
  const { world, seen, state, disk } = scene();
  expect(await probeOnce(world)).toBe(0);
  state.isAwayAt = () => true;
  expect(await probeOnce(world)).toBe(2);
  expect(await probeOnce(world)).toBe(4);
  expect(new Set(seen.calls.map(([, name]) => name)).size).toBe(6);
  expect(readLinks(disk)).toMatchObject([
    { partner: "a", state: "measured", loss: 0 },
    { partner: "b", state: "measured", loss: 0 },
  ]);
  state.isAwayAt = () => false;
  expect(await probeOnce(world)).toBe(0);
  expect(new Set(seen.puts).size).toBe(seen.puts.length);
});

test("the program's end waits for Zabbix to be told of a round; that it could not be told harms nobody", async () => {
  const { world } = scene();
  let end: () => void = () => undefined;
  const slow = {
    put: () => undefined,
    deliver: () => new Promise<Delivery>((_, reject) => (end = () => reject(new Error("away")))),
  };
  expect(await probeOnce({ ...world, sender: slow })).toBe(0);
  let isOver = false;
  const over = lastWords().then(() => (isOver = true));
  await setImmediate();
  expect(isOver).toBe(false);
  end();
  await over;
});

test("once, after a round was cut and the clock was set back: that round ends, and another one is made", async () => {
  const { world, seen, state, disk } = scene();
  const killed = { ...world.clock, sleep: () => Promise.reject(new Error("killed")) };
  await expect(probeOnce({ ...world, clock: killed })).rejects.toThrow("killed");
  state.now -= 10;
  await probeOnce(world);
  const names = [...new Set(seen.calls.map(([, name]) => name.split(".")[0]))];
  expect(names).toHaveLength(2);
  expect(readStatus(disk).round).toBe(Number(names[1]));
});

test("dry: everything is in place, and nobody is called", async () => {
  const { world, seen, disk } = scene();
  await probeDry(world);
  expect(disk.list(ASTERISK.partners)).toEqual(["192.0.2.7", "192.0.2.8"]);
  expect(seen.calls).toEqual([]);
  expect(disk.stat(PLACES.round)).toBeUndefined();
});

test("a plan without partners makes no round; a device that is no probe is told so", async () => {
  const { world, seen, state, disk } = scene();
  state.plan = JSON.stringify({ ...PLAN, partners: [] });
  expect(await probeOnce(world)).toBe(0);
  expect(seen.calls).toEqual([]);
  disk.unlink(PROBE_FILE);
  await expect(probeOnce(world)).rejects.toMatchObject({ code: "SETTINGS_INVALID" });
  disk.writeNew(PROBE_FILE, Buffer.from('{"version":9}'), { mode: 0o600 });
  await expect(probeOnce(world)).rejects.toMatchObject({ code: "SETTINGS_INVALID", place: { file: PROBE_FILE } });
});
