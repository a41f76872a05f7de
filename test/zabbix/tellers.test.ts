import { expect, test, vi } from "vitest";
import { openTeller } from "../../src/commands/guard-zabbix.ts";
import type { Incident } from "../../src/guard/incident.ts";
import type { Status } from "../../src/guard/status.ts";
import { lastWords } from "../../src/last-words.ts";
import { AGENT_FILE, AGENT_KEYS, MONITOR_FOLDER, TRAPPER_KEYS } from "../../src/monitor-keys.ts";
import { leaveLinks, leaveStatus, valuesOf } from "../../src/probe/tell-zabbix.ts";
import type { Link } from "../../src/probe/values.ts";
import { makeFolder } from "../../src/ram-folder.ts";
import { soonAfter } from "../../src/soon-after.ts";
import type { Delivery, NewValue } from "../../src/zabbix/sender.ts";
import { aClock, aRunContext } from "../helpers/run-context.ts";

function aDevice(hasAgent = true) {
  const { disk } = aRunContext();
  if (hasAgent) {
    makeFolder(disk, "/etc/zabbix_agentd.conf.d", 0o755);
    disk.writeNew(AGENT_FILE, Buffer.from(""), { mode: 0o644 });
  }
  const values = () =>
    Object.fromEntries(disk.list(MONITOR_FOLDER).map((key) => [key, disk.read(`${MONITOR_FOLDER}/${key}`)?.trimEnd()]));
  return { disk, values };
}

const ROUND = 1_795_000_000;
const LINKS: readonly Link[] = [
  { partner: "ostrava-1", state: "measured", round: ROUND, mos: 4.4123456, loss: 0.05, jitter: 1.25, rtt: 20.5 },
  { partner: "praha-1", state: "measured", round: ROUND, mos: 3.5, loss: 0, jitter: 0 },
  { partner: "brno-1", state: "failed", round: ROUND },
];
const PROBE = { round: ROUND, measured: 2, failed: 1, waiting: 3, dropped: 0, trouble: "" };

test("a round's numbers are values of trapper items, at the time the round began; what was not measured has none", () => {
  const values = valuesOf(LINKS);
  expect(values.map(({ key, value }) => `${key} ${value}`)).toEqual([
    "probe.state[ostrava-1] measured",
    "probe.mos[ostrava-1] 4.412",
    "probe.loss[ostrava-1] 5",
    "probe.jitter[ostrava-1] 1.25",
    "probe.rtt[ostrava-1] 20.5",
    "probe.state[praha-1] measured",
    "probe.mos[praha-1] 3.5",
    "probe.loss[praha-1] 0",
    "probe.jitter[praha-1] 0",
    "probe.state[brno-1] failed",
  ]);
  expect(new Set(values.map(({ at }) => at))).toEqual(new Set([ROUND * 1000]));
  for (const { key } of values) expect(key.replace(/\[.*\]/, "[PARTNER]") in TRAPPER_KEYS).toBe(true);
});

test("how the probe is stands where the agent's keys read it, partners for discovery; the worst link only where one was measured", () => {
  const { disk, values } = aDevice();
  leaveStatus(disk, PROBE);
  leaveLinks(disk, LINKS);
  expect(values()).toMatchObject({ "probe.round": String(ROUND), "probe.trouble": "NONE", "probe.mos_min": "3.5" });
  expect(JSON.parse(values()["probe.partners"] ?? "")).toEqual([
    { "{#PARTNER}": "ostrava-1" },
    { "{#PARTNER}": "praha-1" },
    { "{#PARTNER}": "brno-1" },
  ]);
  expect(Object.keys(values()).every((key) => key in AGENT_KEYS)).toBe(true);
  leaveLinks(disk, LINKS.slice(2));
  expect(values()).not.toHaveProperty("probe.mos_min");
});

test("fifty partners of the longest names fit into what an agent hands on", () => {
  const { disk, values } = aDevice();
  leaveLinks(
    disk,
    Array.from({ length: 50 }, (_, at) => ({ partner: `${at}`.padStart(32, "x"), state: "failed" as const, round: 1 })),
  );
  expect(JSON.parse(values()["probe.partners"] ?? "").length).toBe(50);
});

const GUARD: Status = {
  version: 1,
  at: "2026-11-22T10:00:00.000Z",
  since: "2026-11-22T09:00:00.000Z",
  applies: true,
  table: "ok",
  bans: { active: 2, total: 5, waiting: 0 },
  incidents: { total: 7, byReason: {} },
  spared: 1,
  capped: 0,
  reports: { waiting: 0, sent: 0, dropped: 0 },
  mails: { sent: 0, failed: 0 },
  sources: [],
  last: null,
};
const INCIDENT: Incident = {
  version: 1,
  id: "1",
  at: GUARD.at,
  source: "198.51.100.66",
  kind: "kamailio",
  reason: "pike",
  note: "\u001b[31mpříliš",
  events: 1,
  firstSeen: GUARD.at,
  lastSeen: GUARD.at,
  times: 1,
  action: "banned",
};

test("how the guard is stands where the agent's keys read it, and an incident is an event, in ASCII", async () => {
  const { disk, values } = aDevice();
  const put: NewValue[] = [];
  const sender = {
    put: (more: readonly NewValue[]) => void put.push(...more),
    deliver: async () => ({ sent: 0, waiting: 0 }),
  };
  const teller = openTeller(disk, aClock(), sender, new AbortController().signal);
  teller.incident(INCIDENT);
  teller.status(GUARD);
  expect(values()).toEqual({
    "guard.time": String(Date.parse(GUARD.at) / 1000),
    "guard.table": "ok",
    "guard.bans": "2",
    "guard.incidents": "7",
    "guard.spared": "1",
  });
  expect(Object.keys(values()).every((key) => key in AGENT_KEYS)).toBe(true);
  expect(put.map(({ key }) => key)).toEqual(["guard.incident"]);
  expect(JSON.parse(put[0]?.value ?? "")).toEqual(INCIDENT);
  expect(put[0]?.value).toMatch(/^[\x20-\x7e]*$/);
});

test("a delivery is part of the program's end; one that fails harms nobody and is tried again a minute later", async () => {
  const { disk } = aDevice(false);
  const clock = aClock();
  let tries = 0;
  let fail: () => void = () => undefined;
  const deliver = () => {
    tries += 1;
    return new Promise<Delivery>((_, reject) => (fail = () => reject(new Error("out of memory"))));
  };
  const teller = openTeller(disk, clock, { put: () => undefined, deliver }, new AbortController().signal);
  teller.status(GUARD);
  let isOver = false;
  const over = lastWords().then(() => (isOver = true));
  await new Promise((done) => setImmediate(done));
  expect(isOver).toBe(false);
  fail();
  await over;
  teller.status(GUARD);
  expect(tries).toBe(1);
  clock.advance(61_000);
  teller.status(GUARD);
  expect(tries).toBe(2);
  fail();
  await lastWords();
});

test("what is on its way when the program is asked to stop has a moment to arrive", () => {
  vi.useFakeTimers();
  try {
    const stop = new AbortController();
    const late = soonAfter(stop.signal);
    vi.advanceTimersByTime(60_000);
    stop.abort(new Error("asked to stop"));
    vi.advanceTimersByTime(2500);
    expect(late.aborted).toBe(false);
    expect(soonAfter(stop.signal).aborted).toBe(false);
    vi.advanceTimersByTime(2000);
    expect(late.reason).toBe(stop.signal.reason);
  } finally {
    vi.useRealTimers();
  }
});

test("one delivery at a time, and a server that is away is left alone for a minute", async () => {
  const { disk } = aDevice(false);
  const clock = aClock();
  let tries = 0;
  let end: (delivery: Delivery) => void = () => undefined;
  const deliver = () => {
    tries += 1;
    return new Promise<Delivery>((done) => (end = done));
  };
  const teller = openTeller(disk, clock, { put: () => undefined, deliver }, new AbortController().signal);
  const tick = async () => {
    teller.status(GUARD);
    await Promise.resolve();
    return tries;
  };
  expect([await tick(), await tick()]).toEqual([1, 1]);
  end({ sent: 0, waiting: 4 });
  await new Promise((done) => setImmediate(done));
  clock.advance(59_000);
  expect(await tick()).toBe(1);
  clock.advance(2000);
  expect(await tick()).toBe(2);
  end({ sent: 4, waiting: 0 });
  await new Promise((done) => setImmediate(done));
  expect(await tick()).toBe(3);
  expect(disk.list(MONITOR_FOLDER)).toEqual([]);
});
