import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Agenda,
  type End,
  type Event,
  emptyAgenda,
  isDue,
  LONGEST_SLEEP,
  type Moment,
  nextAgenda,
  type Pace,
  pause,
} from "../../src/daemon/agenda.ts";
import { readSchedule } from "../../src/daemon/calendar.ts";
import { parsePosixZone } from "../../src/daemon/posix-zone.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

function aPace(cron: string, more: Partial<Pace> = {}): Pace {
  const schedule = readSchedule(cron);
  return {
    matches: schedule.matches,
    jitter: 0,
    leastBackOff: 30 * SECOND,
    mostBackOff: 30 * MINUTE,
    random: () => 0.5,
    ...more,
  };
}

interface Life {
  /** Milliseconds that the device has been on. */
  elapsed: number;
  /** What its clock believes. */
  wall: number;
  agenda: Agenda;
  /** When each run began, by `elapsed`. */
  readonly runs: number[];
  hear(event: Event): void;
  /** Lives on as the daemon does: sleeps as long as it is told, runs when it is due; each run takes `takes` and ends so. */
  pass(ms: number, more?: { takes?: number; end?: () => End }): void;
}

function aLife(pace: Pace, wall: number, offset: (moment: number) => number = () => 0): Life {
  const now = (): Moment => ({
    elapsed: life.elapsed,
    minute: Math.floor((life.wall / SECOND + offset(life.wall)) / 60),
  });
  const advance = (ms: number) => {
    life.elapsed += ms;
    life.wall += ms;
  };
  const life: Life = {
    elapsed: 0,
    wall,
    agenda: emptyAgenda({ elapsed: 0, minute: Math.floor((wall / SECOND + offset(wall)) / 60) }),
    runs: [],
    hear(event) {
      life.agenda = nextAgenda(life.agenda, event, now(), pace);
    },
    pass(ms, { takes = 2 * SECOND, end = (): End => ({ kind: "settled" }) } = {}) {
      for (const until = life.elapsed + ms; life.elapsed < until; ) {
        if (isDue(life.agenda, now())) {
          expect(life.agenda.isRunning).toBe(false);
          life.runs.push(life.elapsed);
          life.hear({ kind: "begun" });
          advance(takes);
          life.hear({ kind: "ended", end: end() });
          continue;
        }
        const into = ((life.wall % MINUTE) + MINUTE) % MINUTE;
        const asleep = pause(life.agenda, now(), into);
        expect(asleep).toBeGreaterThan(0);
        expect(asleep).toBeLessThanOrEqual(LONGEST_SLEEP);
        advance(Math.min(asleep, until - life.elapsed));
        life.hear({ kind: "looked" });
      }
    },
  };
  return life;
}

const NOON = Date.parse("2026-11-22T12:00:00Z");
const settled: Event = { kind: "ended", end: { kind: "settled" } };

describe("the schedule", () => {
  test("begins runs at its minutes", () => {
    const life = aLife(aPace("*/30 * * * *"), NOON + 5 * MINUTE);
    life.pass(2 * HOUR);
    expect(life.runs).toEqual([25, 55, 85, 115].map((minutes) => minutes * MINUTE));
  });

  test("begins one at the device's turn in a roll-out, and meanwhile and afterwards those of the schedule", () => {
    const life = aLife(aPace("0 * * * *"), NOON);
    life.hear({ kind: "started", isCrowd: false });
    let turn: number | undefined;
    life.pass(4 * HOUR, {
      end() {
        turn ??= life.elapsed + 100 * MINUTE;
        const left = (turn - life.elapsed) / SECOND;
        return { kind: "settled", again: left > 0 ? left : undefined };
      },
    });
    const minutes = life.runs.map((run) => Math.round(run / MINUTE));
    expect(minutes).toEqual([0, 60, 100, 120, 180]);
  });

  test("a turn that has come by one clock and not by the other does not make it spin", () => {
    const life = aLife(aPace("0 0 1 1 *"), NOON);
    life.hear({ kind: "started", isCrowd: false });
    life.pass(MINUTE, { takes: 10, end: () => ({ kind: "settled", again: 0 }) });
    expect(life.runs.length).toBeLessThanOrEqual(13);
  });

  test("spreads them over the jitter, and a slot never puts off the one before it", () => {
    let seed = 0.1;
    const pace = aPace("* * * * *", { jitter: 5 * MINUTE, random: () => (seed = (seed * 7.3) % 1) });
    const life = aLife(pace, NOON);
    life.pass(5 * HOUR);
    const gaps = life.runs.map((run, index) => run - (life.runs[index - 1] ?? 0));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(6 * MINUTE + 5 * SECOND);
    expect(life.runs.length).toBeGreaterThan(50);
  });

  test("a minute that passes while a run goes on is not forgotten, and many are one", () => {
    const life = aLife(aPace("*/10 * * * *"), NOON);
    life.pass(10 * MINUTE + SECOND, { takes: 35 * MINUTE });
    expect(life.runs).toHaveLength(1);
    life.pass(MINUTE);
    expect(life.runs).toHaveLength(2);
    life.pass(3 * MINUTE);
    expect(life.runs).toHaveLength(2);
  });
});

describe("a clock that steps", () => {
  test.each([
    ["NTP puts it 205 days ahead", NOON, NOON + 205 * DAY],
    ["from 1970", 0, NOON],
    ["two hours back", NOON, NOON - 2 * HOUR],
    ["back to 1970", NOON, 0],
    ["before 1970", NOON, -5 * DAY],
    ["to the end of time", NOON, 8_640_000_000_000_000 - 3 * DAY],
  ])("%s: one run at most, then the schedule goes on as before", (_, from, to) => {
    const life = aLife(aPace("*/30 * * * *"), from);
    life.pass(5 * MINUTE);
    life.runs.length = 0;
    life.wall = to + 5 * MINUTE;
    const began = performance.now();
    life.hear({ kind: "looked" });
    // Walking the minutes one by one would take minutes itself, and memory without end; a busy machine takes some 60 ms.
    expect(performance.now() - began).toBeLessThan(5000);
    life.pass(4 * MINUTE);
    expect(life.runs).toHaveLength(to > from ? 1 : 0);
    life.pass(2 * HOUR);
    expect(life.runs).toHaveLength((to > from ? 1 : 0) + 4);
  });

  test("205 missed days of a daily schedule are one run", () => {
    const life = aLife(aPace("0 4 * * *"), NOON);
    life.pass(HOUR);
    life.wall += 205 * DAY;
    life.pass(10 * HOUR);
    expect(life.runs).toHaveLength(1);
  });

  test("a step over no minute of the schedule asks for nothing", () => {
    const life = aLife(aPace("0 4 * * *"), NOON);
    life.wall += 2 * HOUR;
    life.pass(5 * MINUTE);
    expect(life.runs).toEqual([]);
  });

  test("a step while a failure is waited out is a reason to try soon: it may have been the clock", () => {
    const life = aLife(aPace("0 4 * * *"), 0);
    life.hear({ kind: "begun" });
    for (let tries = 0; tries < 8; tries++) life.hear({ kind: "ended", end: { kind: "try-later" } });
    expect(life.agenda.due).toBe(15 * MINUTE);
    life.wall = NOON;
    life.hear({ kind: "looked" });
    expect(life.agenda.due).toBe(15 * SECOND);
  });
});

describe("summer time", () => {
  const berlin = parsePosixZone("CET-1CEST,M3.5.0,M10.5.0/3");
  const life = (cron: string, wall: string) => aLife(aPace(cron), Date.parse(wall), berlin);

  test("the hour that spring leaves out is one run after it", () => {
    const spring = life("30 2 * * *", "2027-03-28T00:00:00Z");
    spring.pass(6 * HOUR);
    expect(spring.runs).toEqual([HOUR]);
  });

  test("half-hourly runs go on through the hour that autumn has twice", () => {
    const autumn = life("*/30 * * * *", "2026-10-25T00:10:00Z");
    autumn.pass(3 * HOUR);
    expect(autumn.runs).toEqual([20, 50, 80, 110, 140, 170].map((minutes) => minutes * MINUTE));
  });

  test("local time is what counts", () => {
    const winter = life("0 4 * * *", "2026-11-22T00:00:00Z");
    winter.pass(DAY);
    expect(winter.runs).toEqual([3 * HOUR]);
  });
});

describe("somebody asks", () => {
  test("it runs now", () => {
    const life = aLife(aPace("0 4 * * *"), NOON);
    life.pass(MINUTE);
    life.hear({ kind: "asked" });
    life.pass(SECOND);
    expect(life.runs).toEqual([MINUTE]);
  });

  test("while a run goes on, however often: exactly one more afterwards", () => {
    const life = aLife(aPace("0 4 * * *"), NOON);
    life.hear({ kind: "begun" });
    for (let times = 0; times < 100; times++) life.hear({ kind: "asked" });
    life.pass(MINUTE);
    expect(life.runs).toEqual([]);
    life.hear(settled);
    life.pass(10 * MINUTE);
    expect(life.runs).toHaveLength(1);
  });

  test("it does not wait for Retry-After", () => {
    const life = aLife(aPace("0 4 * * *"), NOON);
    life.hear({ kind: "begun" });
    life.hear({ kind: "ended", end: { kind: "try-later", retryAfter: 3600 } });
    life.pass(MINUTE);
    life.hear({ kind: "asked" });
    life.pass(SECOND);
    expect(life.runs).toHaveLength(1);
  });

  test("whoever asks without end gets a run every five seconds, not a spinning device", () => {
    const life = aLife(aPace("0 4 * * *"), NOON);
    for (let step = 0; step < 600; step++) {
      life.hear({ kind: "asked" });
      life.pass(100, { takes: 10 });
    }
    expect(life.runs.length).toBeGreaterThan(10);
    expect(life.runs.length).toBeLessThanOrEqual(13);
  });
});

describe("after a boot", () => {
  test("a device alone starts at once", () => {
    const life = aLife(aPace("0 4 * * *", { jitter: 5 * MINUTE }), NOON);
    life.hear({ kind: "started", isCrowd: false });
    life.pass(SECOND);
    expect(life.runs).toEqual([0]);
  });

  test("one of a crowd waits for its turn, also if its lease asks for more; afterwards it listens", () => {
    const life = aLife(aPace("0 4 * * *", { jitter: 5 * MINUTE }), NOON);
    life.hear({ kind: "started", isCrowd: true });
    life.hear({ kind: "asked" });
    life.pass(2 * MINUTE);
    expect(life.runs).toEqual([]);
    life.pass(MINUTE);
    expect(life.runs).toEqual([2.5 * MINUTE]);
    life.hear({ kind: "asked" });
    life.pass(SECOND);
    expect(life.runs).toHaveLength(2);
  });
});

describe("a failure that may pass", () => {
  const fails = (retryAfter?: number): Event => ({ kind: "ended", end: { kind: "try-later", retryAfter } });
  const tried = (random: number, times: number, retryAfter?: number) => {
    const life = aLife(aPace("*/5 * * * *", { random: () => random }), NOON);
    life.elapsed = HOUR;
    life.hear({ kind: "looked" });
    for (let time = 0; time < times; time++) {
      life.hear({ kind: "begun" });
      life.elapsed += MINUTE;
      life.wall += MINUTE;
      life.hear(fails(retryAfter));
    }
    return (life.agenda.due ?? Number.NaN) - life.elapsed;
  };

  test("is tried again within 30 s, then twice as long, up to the bound", () => {
    const bounds = [1, 2, 3, 4, 5, 6, 7, 8, 50, 5000].map((times) => tried(0.999_999, times) / SECOND);
    expect(bounds.map(Math.round)).toEqual([30, 60, 120, 240, 480, 960, 1800, 1800, 1800, 1800]);
    expect(tried(0, 5)).toBe(0);
  });

  test("Retry-After is the least pause, a day at most, and jitter comes on top", () => {
    expect(tried(0, 1, 7200)).toBe(7200 * SECOND);
    expect(tried(0.999_999, 1, 7200)).toBeGreaterThan(7229 * SECOND);
    expect(tried(0, 1, 1e12)).toBe(DAY);
    expect(tried(0, 1, -5)).toBe(0);
  });

  test("neither the schedule nor the network coming back is before Retry-After", () => {
    const life = aLife(aPace("* * * * *"), NOON);
    life.hear({ kind: "begun" });
    life.hear(fails(3600));
    for (let minute = 0; minute < 59; minute++) {
      life.hear({ kind: "mended", isCrowd: false });
      life.pass(MINUTE);
    }
    expect(life.runs).toEqual([]);
    life.pass(2 * MINUTE);
    expect(life.runs).toHaveLength(1);
  });

  test("the network coming back ends the wait, at once for a device that is alone", () => {
    for (const [isCrowd, due] of [
      [false, 0],
      [true, 15 * SECOND],
    ] as const) {
      const life = aLife(aPace("0 4 * * *"), NOON);
      life.elapsed = HOUR;
      life.hear({ kind: "begun" });
      life.elapsed += MINUTE;
      for (let tries = 0; tries < 9; tries++) life.hear(fails());
      life.hear({ kind: "mended", isCrowd });
      expect((life.agenda.due ?? Number.NaN) - life.elapsed).toBe(due);
    }
  });

  test("the network coming back is no reason to run while all is well, and counts if the run that goes on then fails", () => {
    const life = aLife(aPace("0 4 * * *"), NOON);
    life.hear({ kind: "mended", isCrowd: false });
    expect(life.agenda.due).toBeUndefined();
    life.hear({ kind: "begun" });
    life.hear({ kind: "mended", isCrowd: false });
    life.hear(settled);
    expect(life.agenda.due).toBeUndefined();
  });

  test("success forgets the failures", () => {
    const life = aLife(aPace("0 4 * * *"), NOON);
    for (let tries = 0; tries < 9; tries++) life.hear(fails());
    life.hear(settled);
    expect(life.agenda).toMatchObject({ failures: 0, notBefore: 0 });
  });
});

test("a device that nobody told where its tree is asks again when an interface comes up, once", () => {
  const life = aLife(aPace("0 4 * * *"), NOON);
  life.hear({ kind: "begun" });
  life.hear({ kind: "ended", end: { kind: "settled", networkMayHelp: true } });
  life.pass(HOUR);
  expect(life.runs).toEqual([]);
  life.hear({ kind: "mended", isCrowd: false });
  life.pass(MINUTE);
  expect(life.runs).toEqual([HOUR]);
  life.hear({ kind: "mended", isCrowd: false });
  life.pass(MINUTE);
  expect(life.runs).toHaveLength(1);
});

test("any other failure waits for the schedule", () => {
  const life = aLife(aPace("*/30 * * * *"), NOON + MINUTE);
  life.hear({ kind: "begun" });
  life.hear(settled);
  life.pass(28 * MINUTE);
  expect(life.runs).toEqual([]);
});

test("somebody else running is no failure: it is looked again within a minute, and the back-off stays", () => {
  const life = aLife(aPace("0 4 * * *"), NOON);
  life.hear({ kind: "begun" });
  life.hear({ kind: "ended", end: { kind: "busy" } });
  expect(life.agenda).toMatchObject({ failures: 0, due: 45 * SECOND });
});

const EVENT: fc.Arbitrary<(life: Life) => void> = fc.oneof(
  fc.integer({ min: 1, max: 3 * HOUR }).map((ms) => (life: Life) => life.pass(ms)),
  fc.integer({ min: 1, max: 3 * HOUR }).map((ms) => (life: Life) => life.pass(ms, { takes: 40 * MINUTE })),
  fc.tuple(fc.integer({ min: 1, max: HOUR }), fc.option(fc.integer({ min: -1, max: 1e9 }))).map(
    ([ms, retryAfter]) =>
      (life: Life) =>
        life.pass(ms, { end: () => ({ kind: "try-later", retryAfter: retryAfter ?? undefined }) }),
  ),
  fc.integer({ min: -300 * DAY, max: 300 * DAY }).map((ms) => (life: Life) => {
    life.wall += ms;
  }),
  fc
    .constantFrom<Event>({ kind: "asked" }, { kind: "mended", isCrowd: true }, { kind: "looked" })
    .map((event) => (life: Life) => life.hear(event)),
);

describe("whatever happens", () => {
  const lives = fc.record({
    cron: fc.constantFrom("*/30 * * * *", "*/10 * * * *", "0 * * * *", "15 */2 * * *"),
    jitter: fc.constantFrom(0, 300 * SECOND, HOUR),
    seeds: fc.array(fc.double({ min: 0, max: 0.999_999, noNaN: true }), { minLength: 1, maxLength: 9 }),
    isCrowd: fc.boolean(),
    happens: fc.array(EVENT, { maxLength: 15 }),
  });
  const lived = ({ cron, jitter, seeds, isCrowd, happens }: typeof lives extends fc.Arbitrary<infer T> ? T : never) => {
    let drawn = 0;
    const pace = aPace(cron, { jitter, random: () => seeds[drawn++ % seeds.length] ?? 0 });
    const life = aLife(pace, NOON, parsePosixZone("CET-1CEST,M3.5.0,M10.5.0/3"));
    life.hear({ kind: "started", isCrowd });
    for (const happen of happens) happen(life);
    return life;
  };

  test("two runs never overlap, and a device never falls silent for longer than schedule, jitter and a minute", () => {
    fc.assert(
      fc.property(lives, (one) => {
        const life = lived(one);
        // What went before may leave a Retry-After of a day; then all is well again.
        life.pass(DAY + 2 * HOUR);
        const from = life.elapsed;
        life.runs.length = 0;
        life.pass(12 * HOUR);
        const gaps = [...life.runs, life.elapsed].map((run, index) => run - (life.runs[index - 1] ?? from));
        // An hour more where the test runs across a change of summer time.
        expect(Math.max(...gaps)).toBeLessThanOrEqual(2 * HOUR + HOUR + one.jitter + MINUTE + 10 * SECOND);
      }),
      { seed: 21, numRuns: 60 },
    );
  });

  test("a step of the clock adds one run at most", () => {
    fc.assert(
      fc.property(lives, fc.integer({ min: -400 * DAY, max: 400 * DAY }), (one, step) => {
        const life = lived({ ...one, cron: "15 */2 * * *", jitter: 0 });
        life.pass(DAY + HOUR);
        const before = life.runs.length;
        life.wall += step;
        life.pass(HOUR);
        // One for what the step left out, one for the schedule's own minute in this hour.
        expect(life.runs.length - before).toBeLessThanOrEqual(2);
      }),
      { seed: 22, numRuns: 60 },
    );
  });

  test("the agenda stays as small as it was", () => {
    fc.assert(
      fc.property(lives, (one) => {
        expect(JSON.stringify(lived(one).agenda).length).toBeLessThan(400);
      }),
      { seed: 23, numRuns: 30 },
    );
  });
});
