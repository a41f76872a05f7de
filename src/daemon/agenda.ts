/** When to run again: data in, data out, so that a test can walk a clock through anything. */

/** A moment by both clocks. */
export interface Moment {
  /** Milliseconds by the clock that never steps. */
  readonly elapsed: number;
  /** Minutes of local time since 1970, as the wall clock has it: that one jumps, by summer time and by years. */
  readonly minute: number;
}

/** How often and how eagerly, by the settings. Times in milliseconds. */
export interface Pace {
  matches(minute: number): boolean;
  /** A scheduled run begins at random within so long after its minute. */
  readonly jitter: number;
  /** Longest pause after the first failure that may pass; it doubles with each one more. */
  readonly leastBackOff: number;
  readonly mostBackOff: number;
  /** In [0, 1). */
  random(): number;
}

export type Event =
  /** `isCrowd`: the whole fleet may be starting now, so a device that is configured already takes its time. */
  | { readonly kind: "started"; readonly isCrowd: boolean }
  /** Nothing but time has passed. */
  | { readonly kind: "looked" }
  /** Somebody wants a run now. */
  | { readonly kind: "asked" }
  /** What a failure may have been due to is different: an interface came up, NTP has set the clock. */
  | { readonly kind: "mended"; readonly isCrowd: boolean }
  | { readonly kind: "begun" }
  | { readonly kind: "ended"; readonly end: End };

/** How a run ended, as far as the next one depends on it. */
export type End =
  /**
   * Well, or by a failure that only a change elsewhere can mend; `networkMayHelp`: another interface could be that change; `again`: seconds until the device's turn comes, if it
   * waits for one.
   */
  | { readonly kind: "settled"; readonly networkMayHelp?: boolean; readonly again?: number | undefined }
  /** Seconds, if the server said so. */
  | { readonly kind: "try-later"; readonly retryAfter?: number | undefined }
  /** Another process is at it. */
  | { readonly kind: "busy" };

export interface Agenda {
  /** When the next run begins, by `elapsed`; undefined: not before the schedule says so. */
  readonly due: number | undefined;
  readonly isRunning: boolean;
  /** What came while a run was going on: any number of requests are one. */
  readonly news: "none" | "mended" | "asked";
  /** A first run waits for its turn in the crowd, and is not to be hurried. */
  readonly isInCrowd: boolean;
  /** Failures that may pass, one after another. */
  readonly failures: number;
  /** Nobody knew where the tree is: who comes with another interface may. */
  readonly networkMayHelp: boolean;
  /** Retry-After: nothing but a person's wish comes before. */
  readonly notBefore: number;
  readonly begun: number;
  readonly looked: Moment;
}

/** Longest sleep: however the wall clock jumps, it is looked at again within this. */
export const LONGEST_SLEEP = 60_000;
/** Runs on request begin no faster than this one after another, so that a lease that flaps cannot make a device spin. */
const BREATH = 5000;
const BUSY_PAUSE = 60_000;
/** Minutes that are looked at one by one; after a longer jump a minute of the schedule counts as passed. */
const DAY = 1440;
/** Both clocks may differ by so much (slewing, a suspended virtual machine) before it counts as a step. */
const STEP = 120_000;
const LONGEST_RETRY_AFTER = 86_400;
const MOST_DOUBLINGS = 20;

export function emptyAgenda(now: Moment): Agenda {
  return {
    due: undefined,
    isRunning: false,
    news: "none",
    isInCrowd: false,
    failures: 0,
    networkMayHelp: false,
    notBefore: 0,
    begun: Number.NEGATIVE_INFINITY,
    looked: now,
  };
}

/** The agenda after an event. Time is looked at first, whatever the event: any number of minutes that were missed are one run. */
export function nextAgenda(agenda: Agenda, event: Event, now: Moment, pace: Pace): Agenda {
  const current = lookedAt(agenda, now, pace);
  switch (event.kind) {
    case "looked":
      return current;
    case "started":
      return event.isCrowd
        ? { ...sooner(current, now, pace.jitter, pace), isInCrowd: true }
        : sooner(current, now, 0, pace);
    case "asked":
      return asked(current, now);
    case "mended":
      return mended(current, now, event.isCrowd ? pace.leastBackOff : 0, pace);
    case "begun":
      return { ...current, isRunning: true, isInCrowd: false, news: "none", due: undefined, begun: now.elapsed };
    case "ended":
      return withNews(ended({ ...current, isRunning: false }, event.end, now, pace), current.news, now, pace);
  }
}

export function isDue(agenda: Agenda, now: Moment): boolean {
  return !agenda.isRunning && agenda.due !== undefined && agenda.due <= now.elapsed;
}

/** Milliseconds to sleep before it is worth looking again; `intoMinute` of them have passed of the wall clock's minute. */
export function pause(agenda: Agenda, now: Moment, intoMinute: number): number {
  const untilDue = (agenda.due ?? Number.POSITIVE_INFINITY) - now.elapsed;
  return Math.max(0, Math.min(LONGEST_SLEEP - intoMinute, untilDue));
}

function lookedAt(agenda: Agenda, now: Moment, pace: Pace): Agenda {
  const { looked } = agenda;
  const current = { ...agenda, looked: now };
  const stepped = Math.abs((now.minute - looked.minute) * 60_000 - (now.elapsed - looked.elapsed)) > STEP;
  // While a failure is being waited out, the back-off spreads a fleet better than a minute that all its devices share.
  if (agenda.failures > 0) return stepped ? mended(current, now, pace.leastBackOff, pace) : current;
  return hasPassed(looked.minute, now.minute, pace) ? sooner(current, now, pace.jitter, pace) : current;
}

function hasPassed(from: number, to: number, pace: Pace): boolean {
  if (to - from > DAY) return true;
  if (to < from) return pace.matches(to);
  for (let minute = from + 1; minute <= to; minute++) if (pace.matches(minute)) return true;
  return false;
}

function asked(agenda: Agenda, now: Moment): Agenda {
  if (agenda.isRunning) return { ...agenda, news: "asked" };
  return agenda.isInCrowd ? agenda : { ...agenda, due: Math.max(now.elapsed, agenda.begun + BREATH) };
}

function mended(agenda: Agenda, now: Moment, within: number, pace: Pace): Agenda {
  if (agenda.isRunning) return agenda.news === "none" ? { ...agenda, news: "mended" } : agenda;
  return agenda.failures > 0 || agenda.networkMayHelp ? sooner(agenda, now, within, pace) : agenda;
}

function sooner(agenda: Agenda, now: Moment, within: number, pace: Pace): Agenda {
  const due = Math.max(agenda.notBefore, agenda.begun + BREATH, now.elapsed + pace.random() * within);
  return { ...agenda, due: Math.min(agenda.due ?? Number.POSITIVE_INFINITY, due) };
}

function ended(agenda: Agenda, end: End, now: Moment, pace: Pace): Agenda {
  if (end.kind === "settled") {
    const done = { ...agenda, failures: 0, networkMayHelp: end.networkMayHelp ?? false, notBefore: 0 };
    if (end.again === undefined) return done;
    const turn = Math.max(now.elapsed + 1000 * Math.max(end.again, 0), agenda.begun + BREATH);
    return { ...done, due: Math.min(agenda.due ?? Number.POSITIVE_INFINITY, turn) };
  }
  if (end.kind === "busy") return { ...agenda, due: now.elapsed + BUSY_PAUSE * (0.5 + pace.random() / 2) };
  const failures = agenda.failures + 1;
  const bound = Math.min(pace.mostBackOff, pace.leastBackOff * 2 ** Math.min(failures - 1, MOST_DOUBLINGS));
  const notBefore = now.elapsed + 1000 * Math.min(Math.max(end.retryAfter ?? 0, 0), LONGEST_RETRY_AFTER);
  const due = Math.max(notBefore + pace.random() * bound, agenda.begun + BREATH);
  return { ...agenda, failures, notBefore, due };
}

function withNews(agenda: Agenda, news: Agenda["news"], now: Moment, pace: Pace): Agenda {
  const heard: Agenda = { ...agenda, news: "none" };
  if (news === "asked") return asked(heard, now);
  return news === "mended" ? mended(heard, now, pace.leastBackOff, pace) : heard;
}
