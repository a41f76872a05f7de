import { afterEach, expect, test, vi } from "vitest";
import type { End } from "../../src/daemon/agenda.ts";
import { type Habits, type Request, stay } from "../../src/daemon.ts";

const NOON = Date.parse("2026-11-22T12:10:00Z");
const MINUTE = 60_000;

afterEach(() => vi.useRealTimers());

/** The real loop in a world of its own: time passes when the test says so, runs end when it says so. */
function aWorld(more: { end?: End; sinceBoot?: number; isSettled?: boolean; pace?: Partial<Habits["pace"]> } = {}) {
  vi.useFakeTimers({ now: NOON, toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
  const started = performance.now();
  const stop = new AbortController();
  const world = {
    began: [] as number[],
    running: 0,
    mostRunning: 0,
    logged: [] as string[],
    listeners: 0,
    habitsRead: 0,
    isClockProven: true,
    wallStep: 0,
    ask: (_: Request) => {},
    finish: () => {},
    habits: more.pace ?? {},
    stop: () => stop.abort(new Error("SIGTERM")),
    ended: undefined as Promise<void> | undefined,
    isHanging: false,
  };
  world.ended = stay({
    clock: {
      now: () => Date.now() + world.wallStep,
      elapsed: () => performance.now() - started,
      sinceBoot: () => more.sinceBoot ?? 5000,
      sleep: (ms, signal) =>
        new Promise((resolve, reject) => {
          const timer = setTimeout(resolve, ms);
          signal.addEventListener("abort", () => {
            clearTimeout(timer);
            reject(new Error("woken"));
          });
        }),
    },
    log: (level, message) => world.logged.push(`${level} ${message}`),
    signal: stop.signal,
    readHabits: () => {
      world.habitsRead++;
      return {
        zone: { name: "UTC", offset: () => 0 },
        isSettled: more.isSettled ?? true,
        pace: {
          matches: (minute) => minute % 30 === 0,
          jitter: 0,
          leastBackOff: 30_000,
          mostBackOff: 30 * MINUTE,
          random: () => 0.5,
          ...world.habits,
        },
      };
    },
    isClockProven: () => world.isClockProven,
    run: async (signal) => {
      world.began.push(Math.round(performance.now() - started));
      world.mostRunning = Math.max(world.mostRunning, ++world.running);
      await new Promise<void>((resolve) => {
        world.finish = resolve;
        signal.addEventListener("abort", () => resolve());
        if (!world.isHanging) setTimeout(resolve, 1000);
      });
      world.running--;
      return more.end ?? { kind: "settled" };
    },
    listen: (on) => {
      world.listeners++;
      world.ask = on;
      return () => void world.listeners--;
    },
  });
  return { world, pass: (ms: number) => vi.advanceTimersByTimeAsync(ms) };
}

test("runs at the start, then on schedule", async () => {
  const { world, pass } = aWorld();
  await pass(60 * MINUTE);
  expect(world.began).toEqual([0, 20 * MINUTE, 50 * MINUTE]);
  expect(world.logged).toEqual([]);
});

test("a request while it sleeps runs now; many while it runs are one more run, never two at once", async () => {
  const { world, pass } = aWorld();
  await pass(10_000);
  world.ask("asked");
  await pass(500);
  expect(world.began).toEqual([0, 10_000]);
  for (let times = 0; times < 1000; times++) world.ask("asked");
  await pass(MINUTE);
  expect(world.began).toHaveLength(3);
  expect(world.mostRunning).toBe(1);
});

test("a request is heard even if it comes before the first look at the agenda", async () => {
  const { world, pass } = aWorld();
  world.ask("asked");
  await pass(MINUTE);
  expect(world.began.length).toBeGreaterThanOrEqual(1);
  expect(world.began.length).toBeLessThanOrEqual(2);
});

test("is asked to end while it sleeps: ends at once and leaves no listener and no timer", async () => {
  const { world, pass } = aWorld();
  await pass(MINUTE);
  world.stop();
  await world.ended;
  expect(world.listeners).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
});

test("is asked to end while it runs: the run hears it, and no other one begins", async () => {
  const { world, pass } = aWorld();
  world.isHanging = true;
  await pass(10);
  world.ask("asked");
  world.stop();
  await world.ended;
  expect(world).toMatchObject({ running: 0, listeners: 0 });
  expect(world.began).toHaveLength(1);
});

test("is asked to end before it began: it does not run at all", async () => {
  const { world, pass } = aWorld({ sinceBoot: 10, pace: { jitter: 5 * MINUTE } });
  world.stop();
  await pass(10);
  await world.ended;
  expect(world.began).toEqual([]);
});

test("NTP sets the clock while a failure is waited out: it tries again soon", async () => {
  for (const sign of ["marker", "step"]) {
    const { world, pass } = aWorld({
      end: { kind: "try-later" },
      pace: { mostBackOff: 60 * MINUTE, random: () => 0.99 },
    });
    world.isClockProven = false;
    await pass(45 * MINUTE);
    const before = world.began.length;
    await pass(5 * MINUTE);
    expect(world.began.length, "the back-off is long by now").toBe(before);
    if (sign === "marker") world.isClockProven = true;
    else world.wallStep = 205 * 24 * 60 * MINUTE;
    await pass(2 * MINUTE);
    expect(world.began.length, sign).toBe(before + 1);
    world.stop();
    await world.ended;
    vi.useRealTimers();
  }
});

test("after a boot a configured device lets the crowd spread, a new one does not wait", async () => {
  const settled = aWorld({ sinceBoot: 30, pace: { jitter: 5 * MINUTE } });
  await settled.pass(MINUTE);
  settled.world.ask("asked");
  await settled.pass(500);
  expect(settled.world.began).toEqual([]);
  await settled.pass(2 * MINUTE);
  expect(settled.world.began).toEqual([2.5 * MINUTE]);
  settled.world.stop();
  await settled.world.ended;
  vi.useRealTimers();
  const fresh = aWorld({ sinceBoot: 30, isSettled: false, pace: { jitter: 5 * MINUTE } });
  await fresh.pass(10);
  expect(fresh.world.began).toEqual([0]);
});

test("settings are read anew after each run, not with each look", async () => {
  const { world, pass } = aWorld();
  await pass(15 * MINUTE);
  expect(world.habitsRead).toBe(2);
  world.ask("asked");
  await pass(MINUTE);
  expect(world.habitsRead).toBe(3);
});

test("it says once when it will run again, not with every look", async () => {
  const { world, pass } = aWorld({ end: { kind: "try-later", retryAfter: 1200 } });
  await pass(15 * MINUTE);
  expect(world.logged).toEqual(["info the next run begins in 1215 s"]);
});
