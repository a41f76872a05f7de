import type { RunContext } from "../context.ts";

const DEADLINE = 10_000;

/**
 * What procd knows of a service. `idle`: registered or not, it has no instance; `finished` and `crashed`: an instance has ended, with status
 * zero or another; undefined: there is no procd, the script does not use it, or the answer makes no sense.
 */
export type ServiceState = "running" | "finished" | "crashed" | "idle" | undefined;

/** Asks procd (`ubus call service list`, openwrt/procd service/service.c): init scripts' own words and exit statuses say too little. */
export async function serviceState(ctx: RunContext, name: string, script: string): Promise<ServiceState> {
  if (!/^USE_PROCD=(["']?)1\1/m.test(script) || !ctx.commands.has("ubus")) return undefined;
  const how = { deadline: DEADLINE, signal: ctx.signal };
  const result = await ctx.commands.run("ubus", ["call", "service", "list", JSON.stringify({ name })], how);
  if (result.status !== 0) return undefined;
  try {
    return stateIn(JSON.parse(result.stdout), name);
  } catch {
    return undefined;
  }
}

export async function isRunning(ctx: RunContext, name: string, script: string): Promise<boolean | undefined> {
  const state = await serviceState(ctx, name, script);
  return state === undefined ? undefined : state === "running";
}

function stateIn(answer: unknown, name: string): ServiceState {
  const service = member(answer, name);
  const instances = Object.values(asObject(member(service, "instances")));
  if (instances.length === 0) return "idle";
  if (instances.some((one) => member(one, "running") === true)) return "running";
  return instances.some((one) => (member(one, "exit_code") ?? 0) !== 0) ? "crashed" : "finished";
}

function member(value: unknown, name: string): unknown {
  return asObject(value)[name];
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return {};
  return Object.fromEntries(Object.entries(value));
}
