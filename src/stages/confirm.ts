import type { Device, RunContext } from "../context.ts";
import { ProvisionError } from "../errors.ts";
import type { Plan } from "../plan.ts";
import type { Settings } from "../settings.ts";
import { confirmTransaction } from "../transaction/confirm.ts";
import { promotions, type Trial } from "./apply.ts";
import { type Probe, probesOf } from "./confirm/probes.ts";
import { forgetFailure } from "./failed-tree.ts";
import { restoreDeltas } from "./foreign-deltas.ts";
import { keepBy } from "./keep.ts";
import { readDeviceSettings } from "./preinit.ts";
import type { OpenTrial } from "./recover-transaction.ts";
import { writeState } from "./write-state.ts";

const PAUSE = 2000;
/** Seconds that a boot takes before the window begins; recover.sh, which guards it, gives 30 more. */
const BOOT_ALLOWANCE = 90;
/** Seconds by which the watcher lets us act first. */
const AFTER_US = 30;

/**
 * The new configuration must prove itself: enough probes succeed within the window, none of them before what was reloaded had the time to
 * take effect (procd answers at once and reloads a second later). NOT_CONFIRMED says which probes failed, and how. The number is the generation's.
 */
export async function confirm(
  ctx: RunContext,
  device: Device,
  plan: Plan,
  trial: Trial,
  wasReloaded: boolean,
): Promise<number> {
  if (wasReloaded) await ctx.clock.sleep(device.settings.confirm.settle * 1000, ctx.signal);
  await startAgain(ctx, plan);
  const base = plan.download.source.base.text;
  // A tree that changes what must succeed proves itself by that as well: else it would hold, and be the last that ever does.
  const { settings: after } = readDeviceSettings(ctx.disk);
  if (JSON.stringify(after) !== JSON.stringify(device.settings)) await prove(ctx, after, base, trial.deadline);
  return await hold(ctx, device.settings, base, trial);
}

/** Where programs and the libraries of Node lie: what runs keeps the ones it has, and no probe would tell. */
const PROGRAMS = /^\/(?:usr\/)?(?:lib|bin|sbin)\//;
const START_DEADLINE = 60_000;

/** Whether uciprov starts with what the plan has put among programs and libraries: else this would be the last tree that the device ever takes. */
async function startAgain(ctx: RunContext, { files }: Plan): Promise<void> {
  if (!files.some(({ path }) => PROGRAMS.test(path)) || !ctx.commands.has("uciprov")) return;
  const { status, signal, stderr } = await ctx.commands.run("uciprov", ["graph"], {
    deadline: START_DEADLINE,
    signal: ctx.signal,
  });
  if (status === 0) return;
  throw new ProvisionError(
    "NOT_CONFIRMED",
    `with the new programs and libraries uciprov does not start (${status ?? signal}): ${stderr.trim().slice(0, 300)}`,
  );
}

/** The same for a trial whose plan rebooted: all that is left of it is its journal. The boot's own network may still be coming up. */
export async function confirmAfterReboot(ctx: RunContext, { journal, settings }: OpenTrial): Promise<number> {
  const left = journal.window + BOOT_ALLOWANCE - ctx.clock.sinceBoot();
  const deadline = ctx.clock.elapsed() + Math.max(0, left) * 1000;
  if (left > 0) ctx.startWatcher(Math.ceil(left) + AFTER_US); // recover.sh at boot has started one; without it nobody has
  ctx.log("info", `the plan has come through its reboot: ${Math.max(0, Math.floor(left))} s are left to prove itself`);
  return await hold(ctx, settings, journal.tree.uri, { id: journal.id, deadline });
}

async function hold(ctx: RunContext, settings: Settings, base: string, trial: Trial): Promise<number> {
  await prove(ctx, settings, base, trial.deadline);
  const isInTime = () => ctx.clock.elapsed() < trial.deadline;
  const { generation } = await confirmTransaction(ctx, trial.id, isInTime, keepBy(settings));
  restoreDeltas(ctx);
  forgetFailure(ctx);
  return generation;
}

/** Waits until enough probes succeed; NOT_CONFIRMED with what is in their way if they do not before the deadline. */
export async function prove(ctx: RunContext, settings: Settings, base: string, deadline: number): Promise<void> {
  const probes = probesOf(settings, base);
  const need = Math.min(settings.confirm.need, probes.length);
  let failures: readonly Failure[] = [];
  for (;;) {
    failures = await failuresOf(ctx, settings, probes, deadline, failures);
    if (probes.length - failures.length >= need) return;
    if (ctx.clock.elapsed() + PAUSE >= deadline) throw notConfirmed(failures);
    await ctx.clock.sleep(PAUSE, ctx.signal);
  }
}

/** A tree that asks for what is there already is confirmed without a trial: only what the device remembers of it is new. */
export function rememberConfirmed(ctx: RunContext, device: Device, plan: Plan): void {
  for (const { path, bytes } of promotions(ctx, device, plan)) writeState(ctx, path, bytes);
  forgetFailure(ctx);
}

interface Failure {
  readonly probe: string;
  readonly reason: string;
}

const UNANSWERED = "no answer before the time was over";

/** What of a probe the deadline cuts short is told as it failed `before`: that it was stopped says nothing. */
async function failuresOf(
  ctx: RunContext,
  settings: Settings,
  probes: readonly Probe[],
  deadline: number,
  before: readonly Failure[],
): Promise<readonly Failure[]> {
  // Connections made before the change prove nothing of what is true after it.
  const http = ctx.openHttp(settings);
  const left = AbortSignal.timeout(Math.max(1, Math.floor(deadline - ctx.clock.elapsed())));
  const context = { ...ctx, signal: AbortSignal.any([ctx.signal, left]) };
  try {
    const told = await Promise.all(
      probes.map(async (probe) => {
        const reason = await probe.failure(context, http);
        if (reason === undefined || !left.aborted) return { probe: probe.name, reason };
        return before.find((one) => one.probe === probe.name) ?? { probe: probe.name, reason: UNANSWERED };
      }),
    );
    ctx.signal.throwIfAborted();
    return told.flatMap(({ probe, reason }) => (reason === undefined ? [] : [{ probe, reason }]));
  } finally {
    setImmediate(() => void http.close().catch(() => undefined)); // the commit need not wait for it
  }
}

function notConfirmed(failures: readonly Failure[]): ProvisionError {
  const told = failures.map(({ probe, reason }) => `${probe}: ${reason}`).join("; ");
  return new ProvisionError("NOT_CONFIRMED", `the new configuration did not prove itself in time (${told})`);
}
