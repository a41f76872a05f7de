import type { RunContext } from "../context.ts";
import { asProvisionError, ProvisionError } from "../errors.ts";
import { makeFolder, RAM_FOLDER } from "../ram-folder.ts";

/** Milliseconds between two looks at files. */
const LOOK = 1000;
/** The same for what netifd tells by itself, in case that it did not. */
const ASK_AGAIN = 5000;
/** Exists once a run since boot has waited for the clock in vain: where nothing sets it, no later run has to wait. */
const CLOCK_NEVER_CAME = `${RAM_FOLDER}/clock-never-came`;

interface Obstacle {
  readonly kind: "overlay" | "interface" | "clock";
  /** For the log. */
  readonly why: string;
}

/**
 * Waits, bounded by what `readSeconds` says (`main.ready_seconds`, asked for only if there is something to wait for), until the overlay is on flash, some interface is up and the clock has been set and is not before
 * `floor` (milliseconds since 1970). It only listens: no interface is ever brought up or down. An overlay that is still being made then is NOT_READY,
 * since what is written now would be lost (first boot on JFFS2 runs in RAM). Anything else that is missing is told and the run goes on: an
 * unreachable network or a wrong clock shows itself with a better error where it matters.
 */
export async function waitUntilReady(ctx: RunContext, readSeconds: () => number, floor: number): Promise<void> {
  const first = await lookForObstacle(ctx, floor);
  if (first === undefined) return;
  const wait = readSeconds() * 1000;
  const news = listenForInterfaces(ctx, wait);
  try {
    const left = await waitFor(ctx, floor, ctx.clock.elapsed() + wait, news);
    if (left !== undefined) goOnWithout(ctx, left);
  } finally {
    news.stop();
  }
}

/** The obstacle that is still there at `end`. */
async function waitFor(ctx: RunContext, floor: number, end: number, news: News): Promise<Obstacle | undefined> {
  let isUp = false;
  for (let told = ""; ; ) {
    const obstacle = await lookForObstacle(ctx, floor, isUp);
    const left = end - ctx.clock.elapsed();
    if (obstacle === undefined || left <= 0) return obstacle;
    if (obstacle.why !== told) ctx.log("info", `waiting: ${obstacle.why}`);
    told = obstacle.why;
    isUp ||= obstacle.kind === "clock";
    await news.wait(Math.min(left, obstacle.kind === "interface" && news.isListening() ? ASK_AGAIN : LOOK));
  }
}

function goOnWithout(ctx: RunContext, { kind, why }: Obstacle): void {
  if (kind === "overlay") throw new ProvisionError("NOT_READY", why);
  ctx.log("warning", `going on although ${why}`);
  if (kind === "clock") noteThatClockNeverCame(ctx);
}

async function lookForObstacle(ctx: RunContext, floor: number, isUp = false): Promise<Obstacle | undefined> {
  return overlayObstacle(ctx) ?? (isUp ? undefined : await interfaceObstacle(ctx)) ?? clockObstacle(ctx, floor);
}

/** `/overlay/.fs_state` is a link whose text is 2 once the overlay is there to stay (openwrt/fstools libfstools/overlay.c). */
function overlayObstacle(ctx: RunContext): Obstacle | undefined {
  const state = ctx.disk.readLink("/overlay/.fs_state");
  if (state === undefined || state === "2") return undefined;
  return { kind: "overlay", why: "the overlay is still being made" };
}

async function interfaceObstacle(ctx: RunContext): Promise<Obstacle | undefined> {
  if (!ctx.commands.has("ubus")) return undefined;
  const asked = await ctx.commands.run("ubus", ["-S", "-t", "5", "call", "network.interface", "dump"], {
    deadline: 10_000,
    signal: ctx.signal,
  });
  if (asked.status !== 0) return undefined;
  return hasUpInterface(asked.stdout) ? undefined : { kind: "interface", why: "no interface is up" };
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
  const isPossible = ctx.clock.now() >= floor;
  if ((isPossible && ctx.isClockProven()) || ctx.disk.stat(CLOCK_NEVER_CAME)) return undefined;
  if (isPossible) return { kind: "clock", why: "nothing has set the clock since boot" };
  return { kind: "clock", why: `the clock says ${new Date(ctx.clock.now()).toISOString()}, which cannot be` };
}

function noteThatClockNeverCame(ctx: RunContext): void {
  try {
    makeFolder(ctx.disk, RAM_FOLDER, 0o755);
    ctx.disk.writeNew(CLOCK_NEVER_CAME, new Uint8Array(), { mode: 0o644 });
  } catch (thrown) {
    ctx.log("debug", `the next run waits for the clock again: ${asProvisionError(thrown).message}`);
  }
}

/** What ends a wait early. */
interface News {
  isListening(): boolean;
  /** Until an interface has come up, or `ms` have passed. STOPPED if the run is to end. */
  wait(ms: number): Promise<void>;
  stop(): void;
}

/** netifd tells of interfaces as event `network.interface` (openwrt/netifd ubus.c); where ubus is not, or ends, looking now and then must do. */
function listenForInterfaces(ctx: RunContext, deadline: number): News {
  const end = new AbortController();
  let waiting = new AbortController();
  let isListening = ctx.commands.has("ubus");
  let isNews = false;
  const onLine = (line: string) => {
    if (!isInterfaceUp(line)) return;
    isNews = true;
    waiting.abort();
  };
  if (isListening) {
    const signal = AbortSignal.any([ctx.signal, end.signal]);
    const listening = ctx.follow("ubus", ["-S", "listen", "network.interface"], { deadline, signal, onLine });
    const over = () => {
      isListening = false;
      waiting.abort();
    };
    listening.then(over, over);
  }
  return {
    isListening: () => isListening,
    async wait(ms) {
      if (!isNews) await sleepUnless(ctx, ms, waiting.signal);
      isNews = false;
      waiting = new AbortController();
    },
    stop: () => end.abort(),
  };
}

async function sleepUnless(ctx: RunContext, ms: number, woken: AbortSignal): Promise<void> {
  try {
    await ctx.clock.sleep(ms, AbortSignal.any([ctx.signal, woken]));
  } catch (thrown) {
    if (ctx.signal.aborted || !woken.aborted) throw thrown;
  }
}

/** `{ "network.interface": {"action":"ifup","interface":"wan"} }`; the loopback does not count. */
function isInterfaceUp(line: string): boolean {
  try {
    const event: unknown = JSON.parse(line);
    const what = typeof event === "object" && event !== null ? Object.values(event)[0] : undefined;
    if (typeof what !== "object" || what === null) return false;
    return "action" in what && what.action === "ifup" && !("interface" in what && what.interface === "loopback");
  } catch {
    return false;
  }
}
