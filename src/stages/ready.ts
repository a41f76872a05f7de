import type { RunContext } from "../context.ts";
import type { Settings } from "../settings.ts";

const PAUSE = 1000;

/** Why a device is not ready yet, in words for the log. */
type Obstacle = string;

/**
 * Waits, bounded by `main.ready_seconds`, until the overlay is on flash, some interface is up and the clock is not before `floor`
 * (milliseconds since 1970). What is still missing then is told and the run goes on: an unreachable network or a wrong clock shows itself
 * with a better error where it matters. Only an overlay that would be lost is waited out for good (facts: first boot on JFFS2 runs in RAM).
 */
export async function waitUntilReady(ctx: RunContext, settings: Settings, floor: number): Promise<void> {
  const end = ctx.clock.elapsed() + settings.main.ready_seconds * 1000;
  for (let told = ""; ; ) {
    const obstacle = overlayObstacle(ctx) ?? (await interfaceObstacle(ctx)) ?? clockObstacle(ctx, floor);
    if (obstacle === undefined) return;
    if (obstacle !== told) ctx.log("info", `waiting: ${obstacle}`);
    told = obstacle;
    if (ctx.clock.elapsed() >= end) {
      ctx.log("warning", `going on although ${obstacle}`);
      return;
    }
    await ctx.clock.sleep(PAUSE, ctx.signal);
  }
}

/** `/overlay/.fs_state` is a link whose text is 2 once the overlay is there to stay (openwrt/fstools libfstools/overlay.c). */
function overlayObstacle(ctx: RunContext): Obstacle | undefined {
  const state = ctx.disk.readLink("/overlay/.fs_state");
  return state === undefined || state === "2" ? undefined : "the overlay is still being made";
}

async function interfaceObstacle(ctx: RunContext): Promise<Obstacle | undefined> {
  if (!ctx.commands.has("ubus")) return undefined;
  const asked = await ctx.commands.run("ubus", ["-S", "-t", "5", "call", "network.interface", "dump"], {
    deadline: 10_000,
    signal: ctx.signal,
  });
  if (asked.status !== 0) return undefined;
  return hasUpInterface(asked.stdout) ? undefined : "no interface is up";
}

function hasUpInterface(json: string): boolean {
  try {
    const dump: unknown = JSON.parse(json);
    const interfaces = typeof dump === "object" && dump !== null && "interface" in dump ? dump.interface : undefined;
    return Array.isArray(interfaces) && interfaces.some(isUpAndNoLoopback);
  } catch {
    return true;
  }
}

function isUpAndNoLoopback(one: unknown): boolean {
  if (typeof one !== "object" || one === null) return false;
  return "up" in one && one.up === true && !("interface" in one && one.interface === "loopback");
}

function clockObstacle(ctx: RunContext, floor: number): Obstacle | undefined {
  if (ctx.clock.now() >= floor) return ctx.isClockProven() ? undefined : "nothing has set the clock since boot";
  return `the clock says ${new Date(ctx.clock.now()).toISOString()}, which cannot be`;
}
