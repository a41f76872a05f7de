import type { Clock, Log } from "./api.ts";
import {
  type End,
  type Event,
  emptyAgenda,
  isDue,
  type Moment,
  nextAgenda,
  type Pace,
  pause,
} from "./daemon/agenda.ts";
import { openInbox } from "./daemon/inbox.ts";
import { localMinute, type Zone } from "./daemon/zone.ts";

/** How this device wants to be looked after; read anew after each run and with each request. */
export interface Habits {
  readonly pace: Pace;
  readonly zone: Zone;
  /** Whether a generation is confirmed: such a device works, and can wait for its turn in a crowd. */
  readonly isSettled: boolean;
}

/** A run is wanted, or what the last one may have failed for is mended (an interface came up). */
export type Request = "asked" | "mended";

/** What the daemon needs of the world. */
export interface Surroundings {
  readonly clock: Clock;
  readonly log: Log;
  /** Asked to end: a wait ends at once, a run as soon as it is safe. */
  readonly signal: AbortSignal;
  readHabits(): Habits;
  isClockProven(): boolean;
  /** One run, to its end. Never rejects: how it ended is all that matters here. */
  run(signal: AbortSignal): Promise<End>;
  /** Has itself called with every request, whenever it comes. The result ends that. */
  listen(on: (request: Request) => void): () => void;
}

/** Seconds after a boot in which a start counts as one of many: power came back to a whole building. */
const CROWD_SECONDS = 600;

/** Stays until it is asked to end, and runs when the agenda says so: one run after another, never two. */
export async function stay(world: Surroundings): Promise<void> {
  const { clock, signal } = world;
  const inbox = openInbox<Request>();
  const unlisten = world.listen((request) => inbox.put(request));
  signal.addEventListener("abort", inbox.wake);
  let habits = world.readHabits();
  let agenda = emptyAgenda(momentOf(clock, habits));
  let wasProven = world.isClockProven();
  const hear = (event: Event) => {
    agenda = nextAgenda(agenda, event, momentOf(clock, habits), habits.pace);
  };
  const hearRequests = () => {
    const requests = inbox.take();
    const isProven = world.isClockProven();
    if (requests.includes("mended") || (isProven && !wasProven)) hear({ kind: "mended", isCrowd: habits.isSettled });
    if (requests.includes("asked")) hear({ kind: "asked" });
    wasProven = isProven;
  };
  try {
    hear({ kind: "started", isCrowd: habits.isSettled && clock.sinceBoot() < CROWD_SECONDS });
    for (let told: number | undefined; !signal.aborted; ) {
      if (isDue(agenda, momentOf(clock, habits))) {
        hear({ kind: "begun" });
        const end = await oneRun(world);
        hearRequests();
        habits = world.readHabits();
        hear({ kind: "ended", end });
        continue;
      }
      if (told !== agenda.due) tellNext(world.log, agenda.due, clock.elapsed());
      told = agenda.due;
      await inbox.wait(clock, pause(agenda, momentOf(clock, habits), Math.max(0, clock.now() % 60_000)));
      hearRequests();
      hear({ kind: "looked" });
    }
  } finally {
    signal.removeEventListener("abort", inbox.wake);
    unlisten();
  }
}

/** Under a signal of its own: what a run hangs on it goes with the run, and the daemon's own never grows. */
async function oneRun(world: Surroundings): Promise<End> {
  const stop = new AbortController();
  const pass = () => stop.abort(world.signal.reason);
  world.signal.addEventListener("abort", pass, { once: true });
  try {
    return await world.run(stop.signal);
  } finally {
    world.signal.removeEventListener("abort", pass);
  }
}

function momentOf(clock: Clock, { zone }: Habits): Moment {
  return { elapsed: clock.elapsed(), minute: localMinute(zone, clock.now()) };
}

function tellNext(log: Log, due: number | undefined, now: number): void {
  if (due !== undefined) log("info", `the next run begins in ${Math.max(0, Math.ceil((due - now) / 1000))} s`);
}
