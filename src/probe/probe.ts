/** The probe: learns whom to call, calls them all at the same moment as all other probes, and brings the collector what came of it. */
import type { Clock, Disk, Http, Log, ProbeConfig } from "../api.ts";
import { asProvisionError, ProvisionError } from "../errors.ts";
import { letEnd } from "../last-words.ts";
import type { Settings } from "../settings.ts";
import type { Sender } from "../zabbix/sender.ts";
import { readConfig } from "./config.ts";
import type { Plan } from "./plan.ts";
import { trim, waiting } from "./queue.ts";
import { beginRound, finishRound, lastRound, type Sound } from "./round.ts";
import { valuesOf } from "./tell-zabbix.ts";
import { upload } from "./upload.ts";
import { type Link, noteLinks, noteStatus, readStatus } from "./values.ts";
import { keptPlan, learnPlan, prepare, type VisitWorld, withCollector } from "./visit.ts";

export interface ProbeWorld {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Fires a moment after `signal`: for what is on its way then. */
  readonly late: AbortSignal;
  readonly openHttp: (settings: Settings) => Http;
  readonly readSettings: () => Settings;
  readonly lookUp: (host: string) => Promise<readonly string[]>;
  /** In [0, 1). */
  readonly random: () => number;
  /** To Zabbix. */
  readonly sender: Sender;
}

/** Seconds before a round in which the collector is asked for news: at another moment for each probe, lest all come at once. */
const LEAD = { least: 10, spread: 15 } as const;
/** Longest try to reach the collector when nothing waits for it, in seconds. */
const VISIT_SECONDS = 60;
/** Seconds between tries when the collector is away, doubled with each. */
const BACK_OFF = { least: 30, most: 3600 } as const;

/** Learns the plan and puts everything in place, for partners to call us, and calls nobody. */
export async function probeDry(world: ProbeWorld): Promise<void> {
  const { plan } = await getReady(world, AbortSignal.timeout(VISIT_SECONDS * 1000));
  world.log("info", `ready: ${plan.partners.length} partners, a round each ${plan.period} s`);
}

/** One round, now, whatever the period; what waits is uploaded. Answers how many results wait still. */
export async function probeOnce(world: ProbeWorld): Promise<number> {
  const ready = await getReady(world, AbortSignal.timeout(VISIT_SECONDS * 1000));
  // One that was cut comes first: it takes its time, and its name.
  await endRound(world, ready.config);
  const id = Math.max(Math.floor(world.clock.now() / 1000), lastRound(world.disk) + 1);
  await runRound(world, ready, id);
  await tryUpload(world, AbortSignal.timeout(10 * VISIT_SECONDS * 1000));
  return waiting(world.disk).length;
}

/** Round after round, until it is asked to stop. */
export async function probeForever(world: ProbeWorld): Promise<void> {
  const { clock, log, signal } = world;
  let failures = 0;
  // What a process before this one was killed in.
  await endRound(world, configOf(world));
  while (!signal.aborted) {
    let ready: Ready;
    try {
      ready = await getReady(world, AbortSignal.timeout(VISIT_SECONDS * 1000));
      failures = 0;
    } catch (thrown) {
      const error = asProvisionError(thrown);
      if (signal.aborted) return;
      const seconds = Math.max(error.retryAfter ?? 0, backOff(world, failures++));
      log("warning", `no round yet: ${error.message}; again in ${Math.ceil(seconds)} s`);
      await clock.sleep(seconds * 1000, signal);
      continue;
    }
    await oneTurn(world, ready);
  }
}

interface Ready {
  readonly config: ProbeConfig;
  readonly plan: Plan;
  readonly sound: Sound;
}

/** Up to the next round, and the round. */
async function oneTurn(world: ProbeWorld, first: Ready): Promise<void> {
  const { clock, log, signal } = world;
  const { period } = first.plan;
  const next = (Math.floor(clock.now() / 1000 / period) + 1) * period;
  const lead = LEAD.least + world.random() * Math.min(LEAD.spread, period / 6);
  log("info", `the next round begins in ${Math.max(0, Math.round(next - clock.now() / 1000))} s`);
  await uploadUntil(world, next - lead);
  await sleepUntil(world, next - lead);
  const left = next - clock.now() / 1000 - 2;
  // News that come too late are for the round after; without any, the last plan holds.
  const ready = left < 1 ? first : await getReady(world, AbortSignal.timeout(left * 1000)).catch(() => first);
  await sleepUntil(world, next);
  if (signal.aborted || clock.now() / 1000 - next > period / 2) return;
  await runRound(world, ready, next);
  await tryUpload(world, AbortSignal.timeout(Math.max(5, period / 3) * 1000));
}

function configOf({ disk }: ProbeWorld): ProbeConfig {
  const config = readConfig(disk);
  if (config !== undefined) return config;
  throw new ProvisionError(
    "SETTINGS_INVALID",
    "this device is no probe: beesip.probe.enabled is not set, or no run has applied it yet",
    {
      place: { file: "/etc/config/beesip", option: "beesip.probe.enabled" },
    },
  );
}

/** News from the collector, else what is known; and all of it in place. Throws if there is no plan at all, or no Asterisk. */
async function getReady(world: ProbeWorld, late: AbortSignal): Promise<Ready> {
  const { disk, log, signal } = world;
  const visit = visitOf(world);
  let away: ProvisionError | undefined;
  const sound = await withCollector(visit, AbortSignal.any([signal, late]), async (collector) => {
    await learnPlan(visit, collector).catch((thrown: unknown) => {
      away = asProvisionError(thrown);
    });
    const plan = keptPlan(disk);
    return plan === undefined ? undefined : prepare(visit, plan, collector);
  }).catch((thrown: unknown) => {
    away = asProvisionError(thrown);
    return undefined;
  });
  if (signal.aborted) throw new ProvisionError("STOPPED", "asked to stop", { cause: signal.reason });
  noteStatus(disk, { trouble: away?.message ?? "" });
  const plan = keptPlan(disk);
  if (plan === undefined) throw away ?? new ProvisionError("NOT_READY", "there is no plan yet");
  if (away !== undefined) log("warning", `the collector: ${away.message}; the last plan holds`);
  return { config: visit.config, plan, sound: sound ?? (await prepare(visit, plan, undefined)) };
}

function visitOf(world: ProbeWorld): VisitWorld {
  const { disk, log, openHttp, lookUp } = world;
  return { disk, log, openHttp, lookUp, config: configOf(world), settings: world.readSettings() };
}

async function runRound(world: ProbeWorld, { config, plan, sound }: Ready, id: number): Promise<void> {
  // One that was cut comes first: its calls are made, and only to be gathered.
  await endRound(world, config);
  if (plan.partners.length === 0) {
    world.log("info", "the plan has no partners: no round");
    return;
  }
  if (id <= lastRound(world.disk)) return;
  beginRound({ ...world, config }, plan, sound, id);
  await endRound(world, config);
}

async function endRound(world: ProbeWorld, config: ProbeConfig): Promise<void> {
  const { disk, log } = world;
  const results = await finishRound({ ...world, config });
  if (results === undefined) return;
  const gone = trim(disk, config.spoolBytes, log);
  const measured = results.filter(({ state }) => state === "measured").length;
  tell(world, noteLinks(disk, results));
  noteStatus(disk, {
    round: results[0]?.round ?? 0,
    measured,
    failed: results.length - measured,
    waiting: waiting(disk).length,
    dropped: readStatus(disk).dropped + gone.recordings + gone.results,
  });
  log("info", `round ${results[0]?.round}: ${measured} of ${results.length} links measured`);
}

/** Beside the round: only the program's end waits for it, and what could not be sent is sent after a later one. */
function tell({ sender, late }: ProbeWorld, links: readonly Link[]): void {
  sender.put(valuesOf(links));
  letEnd(sender.deliver(late));
}

/** One pass; what may pass is told and waits. */
async function tryUpload(world: ProbeWorld, late: AbortSignal): Promise<ProvisionError | undefined> {
  const { disk, log, signal } = world;
  if (waiting(disk).length === 0) return undefined;
  const visit = visitOf(world);
  try {
    await withCollector(visit, AbortSignal.any([signal, late]), (collector) => upload(disk, collector, log));
    return undefined;
  } catch (thrown) {
    const error = asProvisionError(thrown);
    if (signal.aborted) throw error;
    noteStatus(disk, { trouble: error.message, waiting: waiting(disk).length });
    log("warning", `${waiting(disk).length} results wait: ${error.message}`);
    return error;
  }
}

/** Tries as long as something waits and the time is not up, with growing pauses. */
async function uploadUntil(world: ProbeWorld, second: number): Promise<void> {
  const { disk, clock, signal } = world;
  for (let failures = 0; waiting(disk).length > 0 && !signal.aborted; failures++) {
    const left = second - clock.now() / 1000;
    if (left < 5) return;
    const error = await tryUpload(world, AbortSignal.timeout(left * 1000));
    if (error === undefined) return;
    const pause = Math.max(error.retryAfter ?? 0, backOff(world, failures));
    await sleepUntil(world, Math.min(second, clock.now() / 1000 + pause));
  }
}

/** Full jitter from half on: a fleet that lost its collector together does not come back together, nor at once. */
function backOff({ random }: ProbeWorld, failures: number): number {
  return (0.5 + random() / 2) * Math.min(BACK_OFF.most, BACK_OFF.least * 2 ** failures);
}

/** In steps, since the clock may be set meanwhile. */
async function sleepUntil({ clock, signal }: ProbeWorld, second: number): Promise<void> {
  for (;;) {
    const left = second * 1000 - clock.now();
    if (left <= 0) return;
    await clock.sleep(Math.min(left, 30_000), signal);
  }
}
