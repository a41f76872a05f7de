/** A thousand devices get their power back at once; each decides by the real agenda and the real retries. */
import { expect, test } from "vitest";
import {
  type Agenda,
  type Event,
  emptyAgenda,
  isDue,
  type Moment,
  nextAgenda,
  type Pace,
  pause,
} from "../../src/daemon/agenda.ts";
import { readSchedule } from "../../src/daemon/calendar.ts";
import { ProvisionError } from "../../src/errors.ts";
import { withRetries } from "../../src/retry.ts";
import { OPTIONS } from "../../src/settings.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const NOON = Date.parse("2026-11-22T12:00:00Z");
const DEVICES = 1000;
const JITTER = OPTIONS.schedule.jitter.initial;
/** Requests a second if they were spread evenly over the jitter. */
const MEAN = DEVICES / JITTER;
const { tries, retry_seconds } = {
  tries: OPTIONS.main.tries.initial,
  retry_seconds: OPTIONS.main.retry_seconds.initial,
};

/** A generator of its own for each device, so that a run of this test is like the next (mulberry32). */
function draws(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Blackout {
  /** Milliseconds after the power came back at which the server answers. */
  readonly serverUp: number;
  readonly until: number;
  /** Seconds that a server which is coming up asks to be left alone. */
  readonly retryAfter?: number;
  /** What the fleet is compared with. */
  readonly isNaive?: boolean;
}

/** Each request of one device, as milliseconds after the power came back. */
async function lifeOf(seed: number, how: Blackout): Promise<{ requests: number[]; served: number | undefined }> {
  const random = draws(seed);
  const schedule = readSchedule(OPTIONS.schedule.cron.initial);
  const pace: Pace = {
    matches: schedule.matches,
    jitter: how.isNaive ? 0 : JITTER * SECOND,
    leastBackOff: 30 * SECOND,
    mostBackOff: OPTIONS.schedule.backoff.initial * SECOND,
    random: how.isNaive ? () => 1 : random,
  };
  // Boots of the same model differ by little; so do their leases.
  const boot = 30 * SECOND + random() * 5 * SECOND;
  const lease = boot + 3 * SECOND + random() * 4 * SECOND;
  let time = boot;
  const now = (): Moment => ({ elapsed: time, minute: Math.floor((NOON + time) / MINUTE) });
  let agenda: Agenda = emptyAgenda(now());
  const hear = (event: Event) => {
    agenda = nextAgenda(agenda, event, now(), pace);
  };
  const requests: number[] = [];
  let served: number | undefined;
  const ask = async () => {
    requests.push(time);
    time += 200;
    if (time < how.serverUp) {
      const facts = how.retryAfter === undefined ? {} : { retryAfter: how.retryAfter };
      throw new ProvisionError("HTTP_UNAVAILABLE", "not yet", facts);
    }
    served ??= time;
  };
  const clock = {
    now: () => NOON + time,
    elapsed: () => time,
    sinceBoot: () => time / SECOND,
    sleep: async (ms: number) => {
      time += ms;
    },
  };
  let isLeased = false;
  hear({ kind: "started", isCrowd: !how.isNaive });
  while (time < how.until) {
    if (isDue(agenda, now())) {
      hear({ kind: "begun" });
      try {
        await withRetries(ask, {
          tries,
          minSeconds: retry_seconds,
          maxSeconds: 60,
          signal: new AbortController().signal,
          clock,
          random: pace.random,
        });
        hear({ kind: "ended", end: { kind: "settled" } });
      } catch (thrown) {
        const retryAfter = thrown instanceof ProvisionError ? thrown.retryAfter : undefined;
        hear({ kind: "ended", end: { kind: "try-later", retryAfter } });
      }
      continue;
    }
    const asleep = pause(agenda, now(), (NOON + time) % MINUTE);
    time = isLeased ? time + asleep : Math.min(time + asleep, Math.max(lease, time));
    // The lease is new after a boot, so its drop-in asks for a run.
    if (!isLeased && time >= lease) {
      isLeased = true;
      hear({ kind: "asked" });
    }
    hear({ kind: "looked" });
  }
  return { requests, served };
}

interface Figures {
  /** Most requests in one second: while the server is away, and from when it is there. */
  readonly peakBefore: number;
  readonly peak: number;
  readonly inAll: number;
  /** Seconds after the power came back. */
  readonly lastServed: number;
  /** Requests of the device that made most. */
  readonly mostOfOne: number;
}

async function fleet(how: Blackout): Promise<Figures> {
  const seconds = new Uint32Array(Math.ceil(how.until / SECOND) + 7200);
  let [inAll, lastServed, mostOfOne] = [0, 0, 0];
  for (let device = 0; device < DEVICES; device++) {
    const { requests, served } = await lifeOf(device + 1, how);
    for (const request of requests)
      seconds[Math.floor(request / SECOND)] = (seconds[Math.floor(request / SECOND)] ?? 0) + 1;
    inAll += requests.length;
    mostOfOne = Math.max(mostOfOne, requests.length);
    lastServed = Math.max(lastServed, served ?? Number.POSITIVE_INFINITY);
  }
  const up = Math.ceil(how.serverUp / SECOND);
  const [before, after] = [seconds.subarray(0, up), seconds.subarray(up)];
  return {
    peakBefore: Math.max(0, ...before),
    peak: Math.max(...after),
    inAll,
    lastServed: lastServed / SECOND,
    mostOfOne,
  };
}

/** `FLEET=1` shows the figures that docs/daemon.md has. */
const show = (name: string, figures: Figures) => {
  if (process.env["FLEET"] === "1") console.log(name, JSON.stringify(figures));
};

test("after a blackout a thousand configured devices ask within the jitter, and no second sees more than five times the mean", async () => {
  const one = await fleet({ serverUp: 0, until: 10 * MINUTE });
  show("server up", one);
  expect(one.peak).toBeLessThanOrEqual(5 * MEAN);
  // One by itself, and one more where the lease came while the first was under way or after it.
  expect(one.inAll).toBeLessThanOrEqual(1.1 * DEVICES);
  expect(one.lastServed).toBeLessThanOrEqual(35 + JITTER + 1);
});

test("a fleet without jitter and back-off has a peak more than ten times as high", async () => {
  const [naive, ours] = [
    await fleet({ serverUp: 0, until: 10 * MINUTE, isNaive: true }),
    await fleet({ serverUp: 0, until: 10 * MINUTE }),
  ];
  show("naive", naive);
  expect(naive.peak / ours.peak).toBeGreaterThan(10);
});

test("a server that stays away for half an hour is not overrun when it comes, and everybody is served within the longest pause", async () => {
  const away = await fleet({ serverUp: 30 * MINUTE, until: 3 * HOUR });
  show("away for 30 min", away);
  expect(away.peak).toBeLessThanOrEqual(5 * MEAN);
  expect(away.peakBefore).toBeLessThanOrEqual(25 * MEAN);
  expect(away.lastServed).toBeLessThanOrEqual((30 * MINUTE + OPTIONS.schedule.backoff.initial * SECOND) / SECOND + 60);
  expect(away.mostOfOne).toBeLessThanOrEqual(60);
});

test("a server that asks to be left alone for ten minutes is", async () => {
  const alone = await fleet({ serverUp: 10 * MINUTE, until: HOUR, retryAfter: 600 });
  show("Retry-After 600", alone);
  // Nobody comes twice within the time asked for: one request before it, then one after it.
  expect(alone.peak).toBeLessThanOrEqual(5 * MEAN);
  expect(alone.lastServed).toBeLessThan(HOUR / SECOND);
});
