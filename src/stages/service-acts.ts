import type { RunContext } from "../context.ts";
import { ProvisionError } from "../errors.ts";
import { SERVICE_NAME } from "../service-record.ts";
import type { ServiceAct, ServicePlan } from "../services.ts";
import type { Settings } from "../settings.ts";
import { type ServiceState, serviceState } from "./service-state.ts";

/** Longest an init script may take, in milliseconds; procd gives a service's own shutdown less. */
export const LONGEST_ACT = 60_000;
/** procd has started or lost an instance by then. */
const PAUSE = 1500;

/** What stops first makes room for what starts. */
const TURN: Readonly<Record<ServiceAct, number>> = { stop: 0, restart: 1, reload: 2, start: 3 };

type Act = Pick<ServicePlan, "name" | "act" | "wasRunning">;

/**
 * Does to services what the plan says, one after the other, and then looks whether they are as they should be; exit statuses alone are not
 * believed. Gives back whether any was acted on. SERVICE_FAILED: one did not do it, or no longer runs.
 */
export async function actOnServices(
  ctx: RunContext,
  settings: Settings,
  plans: readonly ServicePlan[],
): Promise<boolean> {
  const acts = plans.filter(({ byProcd }) => byProcd === undefined).toSorted((a, b) => TURN[a.act] - TURN[b.act]);
  if (acts.length === 0) return false;
  if (!settings.main.reload) {
    ctx.log("info", `services are left as they are: ${acts.map(({ name, act }) => `${name} (${act})`).join(", ")}`);
    return false;
  }
  const done: { one: ServicePlan; trouble: string | undefined }[] = [];
  for (const one of acts) {
    if (!ctx.commands.has(initScript(one))) ctx.log("info", `not done here: ${one.act} ${one.name}`);
    else done.push({ one, trouble: await act(ctx, one) });
  }
  if (done.length === 0) return false;
  await ctx.clock.sleep(PAUSE, ctx.signal);
  const failures: string[] = [];
  for (const { one, trouble } of done) {
    const failure = judge(one, trouble, await stateOf(ctx, one.name));
    if (failure !== undefined) failures.push(`${one.name}: ${failure}`);
    else if (trouble !== undefined) ctx.log("warning", `${one.name}: ${one.act} ${trouble}, but it is as it should be`);
    else ctx.log("info", `${one.name}: ${one.act}, because ${one.because}`);
  }
  if (failures.length > 0) throw new ProvisionError("SERVICE_FAILED", failures.join("; "));
  return true;
}

/** After a way back, with the old files in place; `NAME:ACT` each, as the journal has them. Nothing of it can be an error any more. */
export async function undoServices(ctx: RunContext, settings: Settings, listed: readonly string[]): Promise<void> {
  if (!settings.main.reload) return;
  const acts = listed.flatMap((text): Act[] => {
    const [, name, act] = /^([^:]+):(start|stop|reload|restart)$/.exec(text) ?? [];
    return name !== undefined && isAct(act) && SERVICE_NAME.test(name) ? [{ name, act }] : [];
  });
  for (const one of acts.toSorted((a, b) => TURN[a.act] - TURN[b.act])) {
    if (!ctx.commands.has(initScript(one))) continue;
    const trouble = await act(ctx, one);
    if (trouble === undefined) ctx.log("info", `${one.name}: ${one.act}, with the old configuration`);
    else ctx.log("warning", `${one.name}: ${one.act} ${trouble}`);
  }
}

function isAct(text: string | undefined): text is ServiceAct {
  return text !== undefined && text in TURN;
}

function initScript({ name }: Act): string {
  return `/etc/init.d/${name}`;
}

/** What was odd about it, if anything. */
async function act(ctx: RunContext, one: Act): Promise<string | undefined> {
  const how = { deadline: LONGEST_ACT, signal: ctx.signal, leavesChildren: true };
  try {
    const result = await ctx.commands.run(initScript(one), [one.act], how);
    if (result.timedOut) return `took longer than ${LONGEST_ACT / 1000} s and was killed`;
    if (result.status === 0) return undefined;
    const said = (result.stderr.trim() || result.stdout.trim()).split("\n").at(-1)?.slice(0, 200) ?? "";
    return `ended with ${result.status ?? result.signal}${said === "" ? "" : `: ${said}`}`;
  } catch (thrown) {
    ctx.signal.throwIfAborted();
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}

async function stateOf(ctx: RunContext, name: string): Promise<ServiceState> {
  const script = ctx.disk.read(`/etc/init.d/${name}`);
  return script === undefined ? undefined : serviceState(ctx, name, script);
}

/** What is wrong with a service after the act, or undefined. */
function judge({ act, wasRunning }: Act, trouble: string | undefined, state: ServiceState): string | undefined {
  if (act === "stop") {
    if (state === "running") return `it still runs after stop${trouble === undefined ? "" : `, which ${trouble}`}`;
    return state === undefined && trouble !== undefined ? `stop ${trouble}` : undefined;
  }
  if (state === "running" || (trouble === undefined && state === undefined)) return undefined;
  if (trouble !== undefined) return `${act} ${trouble}`;
  if (state === "crashed") return `it ended at once after ${act}`;
  // Without an instance: switched off by its own configuration, or a script that works once. Not if it ran a moment ago.
  return wasRunning === true && state === "idle" ? `it no longer runs after ${act}` : undefined;
}
