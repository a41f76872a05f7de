import type { Finding, Module, RunFacts } from "./api.ts";
import type { Begun, CarriedOut, planAhead } from "./change-device.ts";
import type { Device, Plugins, RunContext } from "./context.ts";
import { asProvisionError, type ExitName, ProvisionError } from "./errors.ts";
import { hookScene } from "./hook-scene.ts";
import { type LeftPart, toldLeft } from "./left-part.ts";
import { idleChoices, isModuleOn } from "./module-choice.ts";
import { type Plan, toldUnsettled } from "./plan.ts";
import { withRetries } from "./retry.ts";
import { unchangedByBeacon } from "./stages/beacon.ts";
import { mostRequests } from "./stages/fetch/wanted.ts";
import { getUri, type Source } from "./stages/geturi.ts";
import { preinit, readDeviceSettings } from "./stages/preinit.ts";
import { quarantine, release } from "./stages/quarantine.ts";
import { waitUntilReady } from "./stages/ready.ts";
import { recoverDevice } from "./stages/recover.ts";
import { timeFloor } from "./stages/time-floor.ts";
import { readFloor, readState, STATE } from "./state.ts";
import { type Step, stepper } from "./step.ts";

/** What a run came to. Failures are thrown; this is every other end. */
export interface Outcome {
  readonly exit: Extract<ExitName, "provisioned" | "rolled-back">;
  /**
   * `partial`: changed, but without what cut the device off; `flashing`, `rebooting`: the device is about to restart; `waiting`: the tree is new, and other
   * devices take it first; `planned`: a dry run; `recorded`: the tree is new, the configuration it asks for is there already.
   */
  readonly result:
    | "changed"
    | "partial"
    | "flashing"
    | "rebooting"
    | "unchanged"
    | "recorded"
    | "waiting"
    | "planned"
    | "off";
  readonly told: string;
  readonly plan?: Plan;
  readonly generation?: number;
  /** Seconds after which a run will find something to do: the device's turn in a roll-out. */
  readonly again?: number;
  readonly findings: readonly Finding[];
}

/** A tree may change what its own URIs hold (`fd`, the hostname) this many times before it counts as unsettled. */
const MORE_PASSES = 2;

/**
 * One run: passes until the tree asks for nothing more. A pass that changes a macro which resource URIs use is followed by another at once;
 * a tree that has not settled after two more is invalid.
 */
export async function provision(ctx: RunContext, plugins: Plugins): Promise<Outcome> {
  let changed: Outcome | undefined;
  for (let pass = 0; ; pass++) {
    const { outcome, unsettled } = await onePass(ctx, plugins);
    if (outcome.result === "changed" || outcome.result === "partial") changed = outcome;
    if (unsettled === undefined) return changed ?? outcome;
    if (pass === MORE_PASSES) {
      throw new ProvisionError(
        "TREE_UNSETTLED",
        `${toldUnsettled(unsettled)} still changes what the tree asks for after ${pass + 1} passes`,
      );
    }
    ctx.log("info", `${toldUnsettled(unsettled)} has changed: one more pass`);
  }
}

interface Pass {
  readonly outcome: Outcome;
  /** What asks for another pass by its change. */
  readonly unsettled?: string;
}

async function onePass(ctx: RunContext, plugins: Plugins): Promise<Pass> {
  const scene = hookScene(ctx, plugins.modules);
  const step = stepper(ctx, scene.run);
  let device: Device | undefined;
  /** Whose tree is in question, as long as it is. */
  let judged: Source | undefined;
  /** The plan of what came first, if there was time for it. */
  let begun: Promise<Begun | undefined> | undefined;
  try {
    const failedBefore = ctx.disk.read(STATE.failed);
    const trial = await step("recover", recoverDevice);
    const wasTakenBack = ctx.disk.read(STATE.failed) !== failedBefore;
    if (trial !== undefined) await (await import("./change-device.ts")).endTrial(ctx, step, trial);
    const readySeconds = () => readDeviceSettings(ctx.disk).settings.main.ready_seconds;
    await step("ready", (stage) => waitUntilReady(stage, readySeconds, earliest(ctx)));
    device = await step("preinit", (stage) => {
      const entered = scene.enter(preinit(stage));
      const { failed } = entered.state;
      if (failed !== undefined) scene.note({ takenBack: failed });
      return entered;
    });
    if (wasTakenBack) await scene.runFailed(AbortSignal.timeout(FAILED_HOOKS_MS), "of a run that died");
    if (!device.settings.main.enabled) return { outcome: ended("off", "switched off in the settings") };
    const known = device;
    const modules = plugins.modules.filter((module) => isModuleOn(known.settings, module));
    for (const idle of idleChoices(known.settings, plugins.modules)) ctx.log("warning", idle);
    const found = await withRetries(
      async () => {
        judged = undefined;
        // Whoever was never confirmed, or is to look at everything, will fetch: what that needs is loaded while the name servers are asked.
        if (ctx.choices.isForced || known.state.confirmed === undefined)
          whileWaiting(async () => known.http.prepare?.());
        const source = await step("geturi", (stage) => getUri(stage, known, plugins.resolvers, scene.offered));
        // Only on a first run is it known beforehand that the manifest will be news; what asks the server is loaded while it is connected to.
        if (known.state.confirmed === undefined)
          known.http.expect?.(source.base.text, mostRequests(known.settings, modules));
        judged = source;
        const beacon = unchangedByBeacon(ctx, known, source, modules);
        if (beacon) return beacon;
        const { fetchTree } = await import("./stages/fetch.ts");
        return await step("fetch", async (stage) => {
          begun = undefined;
          const fetched = await fetchTree(stage, known, source, modules, {
            asked: (isLargeComing) => whileWaiting(isLargeComing ? rehearse : loadChange),
            smallCame(arrived, coming) {
              if (mayPlanAhead(known, modules)) begun = startPlan(stage, known, arrived, modules, coming);
            },
          });
          if (fetched.kind === "tree") scene.bring(fetched.brought);
          return fetched;
        });
      },
      retrying(ctx, known),
    );
    if (found.kind !== "tree") release(ctx, found.source);
    if (found.kind !== "tree") {
      const outcome = ended(found.kind, `${found.told}${heldBack(known.state.confirmed)}`);
      const again = found.kind === "waiting" ? found.seconds : undefined;
      return { outcome: again === undefined ? outcome : { ...outcome, again } };
    }

    const {
      carryOutWhatHolds,
      factsOf,
      isEmptyPlan,
      planChanges,
      refuseCircle,
      rememberConfirmed,
      settleSoftware,
      writeFirmware,
    } = await import("./change-device.ts");
    const plan = await step("validate", async (stage) => {
      const made = await planChanges(stage, known, found, modules, undefined, await begun);
      scene.note(factsOf(made));
      refuseCircle(ctx, made);
      return made;
    });
    judged = undefined;
    release(ctx, found.source);
    // Nothing more is asked over these: a server that allows an address so many must not take the probe for one too many.
    known.http.close().catch(() => undefined);
    if (ctx.choices.isDry)
      return { outcome: { ...ended("planned", "nothing was changed"), plan, findings: plan.findings } };
    if (plan.firmware !== undefined) {
      await writeFirmware(step, known, plan.firmware);
      return { outcome: { ...ended("flashing", `firmware ${plan.firmware.revision}`), plan, findings: plan.findings } };
    }
    if (isEmptyPlan(plan)) {
      rememberConfirmed(ctx, known, plan);
      await settleSoftware(ctx, known, plan.software);
      scene.note({ outcome: { result: "recorded", exit: "provisioned" } });
      await scene.run("done", ctx.signal);
      return {
        outcome: {
          ...ended("recorded", `the device already is what the tree says${heldBack(plan)}`),
          plan,
          findings: plan.findings,
        },
      };
    }
    // Until its probes are answered a trial has nothing else to do.
    const ending: Step = (name, work) => {
      if (name === "confirm") whileWaiting(async () => ctx.board.planned?.(plan));
      return step(name, work);
    };
    const carried = await carryOutWhatHolds(ctx, ending, known, plan, {
      plan: (now, left) => step("validate", (stage) => planChanges(stage, now, found, modules, left)),
      planWithPackages: (stage, now) => planChanges(stage, now, found, modules),
      undoHooks: () => scene.runFailed(AbortSignal.timeout(FAILED_HOOKS_MS)),
    });
    if (carried.isRebooting) {
      const told = `to confirm after it: ${carried.plan.reboots.join("; ")}`;
      return { outcome: { ...ended("rebooting", told), plan: carried.plan, findings: carried.plan.findings } };
    }
    const pass = outcomeOf(carried);
    const { result, exit, generation } = pass.outcome;
    scene.note({
      ...factsOf(carried.plan),
      outcome: { result, exit, ...(generation === undefined ? {} : { generation }) },
    });
    await scene.run("done", ctx.signal);
    return pass;
  } catch (thrown) {
    const error = asProvisionError(thrown);
    if (judged) quarantine(ctx, judged, error);
    const takenBack = takenBackIn(ctx);
    scene.note({ error, ...(takenBack === undefined ? {} : { takenBack }) });
    await scene.runFailed(AbortSignal.timeout(FAILED_HOOKS_MS));
    await device?.http.close(); // what it began to spool goes
    throw error;
  } finally {
    // Nobody waits for it: a process that ends closes all it has.
    setImmediate(() => void device?.http.close().catch(() => undefined));
  }
}

/** Once what was just begun has asked its questions, and before the first answer: loading code takes the processor, answers the network. */
function whileWaiting(load: () => Promise<unknown>): void {
  setImmediate(() => setImmediate(() => void load().catch(() => undefined))); // what needs it loads it again, and says what is wrong
}

/** A device that was never confirmed holds nothing back, and no hook may change what the plan looks at. */
function mayPlanAhead({ state }: Device, modules: readonly Module[]): boolean {
  return (
    state.confirmed === undefined &&
    modules.every(({ hooks, isWatching }) => isWatching || !(hooks?.fetch || hooks?.validate))
  );
}

/** Whatever is wrong is found again, and told, where all is planned. */
async function startPlan(
  ...[ctx, device, arrived, modules, coming]: Parameters<typeof planAhead>
): Promise<Begun | undefined> {
  try {
    return await (await import("./change-device.ts")).planAhead(ctx, device, arrived, modules, coming);
  } catch {
    return undefined;
  }
}

async function loadChange(): Promise<void> {
  await import("./change-device.ts");
  process.getBuiltinModule("node:child_process"); // a trial starts its watcher, and `sync`
}

/** What is large is nearly always an archive. */
async function rehearse(): Promise<void> {
  await loadChange();
  await (await import("./tree/archive-rehearsal.ts")).rehearseArchive();
}

/** By now: a failure may just have been counted. What cannot be read is nothing to tell. */
function takenBackIn(ctx: RunContext): RunFacts["takenBack"] {
  try {
    return readState(ctx.disk).failed;
  } catch {
    return undefined;
  }
}

const FAILED_HOOKS_MS = 30_000;

function ended(result: Outcome["result"], told: string): Outcome {
  return { exit: "provisioned", result, told, findings: [] };
}

/** What the plan that holds came to, the whole one or a part. */
function outcomeOf({ generation, plan }: CarriedOut): Pass {
  const told = generation === undefined ? "packages only" : `generation ${generation}${heldBack(plan)}`;
  const findings = [...plan.findings, ...plan.left.map(asFinding)];
  const isPart = plan.left.length > 0;
  const outcome: Outcome = {
    ...(isPart
      ? ({ exit: "rolled-back", result: "partial" } as const)
      : ({ exit: "provisioned", result: "changed" } as const)),
    told,
    plan,
    ...(generation === undefined ? {} : { generation }),
    findings,
  };
  return plan.unsettled === undefined ? { outcome } : { outcome, unsettled: plan.unsettled };
}

function asFinding(left: LeftPart): Finding {
  return { code: "PARTLY_CONFIRMED", severity: "error", message: `left out: ${toldLeft([left])}` };
}

function heldBack(of: { readonly left?: readonly LeftPart[] } | undefined): string {
  return of?.left && of.left.length > 0 ? `, without ${toldLeft(of.left)}` : "";
}

function earliest(ctx: RunContext): number {
  return timeFloor({ state: { floor: readFloor(ctx.disk) }, facts: { built: ctx.readBuildDate() } });
}

function retrying(ctx: RunContext, { settings }: Device): Parameters<typeof withRetries>[1] {
  return {
    tries: settings.main.tries,
    minSeconds: settings.main.retry_seconds,
    maxSeconds: Math.max(settings.main.retry_seconds, 60),
    signal: ctx.signal,
    clock: ctx.clock,
    onWait: (error, seconds) => ctx.log("warning", `${error.code}: ${error.message}; again in ${seconds.toFixed(1)} s`),
  };
}
