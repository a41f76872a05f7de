import type { StageName } from "../api.ts";
import type { Board, Plugins, RunContext } from "../context.ts";
import { asProvisionError, type ProvisionError } from "../errors.ts";
import { openStatus } from "../host/board.ts";
import { leaveWasmAsStarted } from "../host/http/baseline-wasm.ts";
import { takeLock } from "../host/lock.ts";
import { openProcesses } from "../host/processes.ts";
import { errorFacts } from "../messages.ts";
import { MODULE_FOLDERS } from "../module-files.ts";
import { AGENT_FILE, SENDER_FILE } from "../monitor-keys.ts";
import type { Plan } from "../plan.ts";
import { type Outcome, provision } from "../provision.ts";
import { plugins } from "../registry.ts";
import { readState } from "../state.ts";
import { TX } from "../transaction/layout.ts";
import type { Command, Invocation } from "./command.ts";
import { openRun } from "./open-run.ts";

/** One run, top to bottom. */
export const run: Command = async (invocation) => (await runOnce(invocation)).exit;

/** The same, for whoever has to know more of its end; what it came to stands in the status file as well. */
export async function runOnce(invocation: Invocation): Promise<Pick<Outcome, "exit" | "again">> {
  passOverSignals();
  const bare = openRun(invocation);
  const isOpen = bare.disk.stat(TX.journal) !== undefined; // maybe a trial that only a run can confirm
  if (invocation.flags.isFirstOnly && !isOpen && readState(bare.disk).confirmed) {
    const told = "a generation is confirmed already: nothing to do";
    await report(invocation, { exit: "provisioned", result: "unchanged", told, findings: [] });
    return { exit: "provisioned" };
  }
  const release = takeLock(bare.disk, openProcesses());
  const status = openStatus(bare.disk, () => bare.clock.now());
  const words = sayings(invocation);
  try {
    const ctx = openRun(invocation, { board: { ...both(status, shown(invocation)), planned: words } });
    const outcome = await provision(ctx, await allPlugins(ctx));
    status.close({
      exit: outcome.exit,
      result: outcome.result,
      told: outcome.told,
      ...(await planned(outcome, words)),
    });
    await tellWatchers(ctx, outcome);
    await report(invocation, outcome, words);
    if (outcome.result === "unchanged") {
      leaveWasmAsStarted();
      invocation.keepCode();
    }
    return outcome;
  } catch (thrown) {
    const error = asProvisionError(thrown);
    status.close({ exit: error.exit, result: "failed", error: errorFacts(error) });
    await tellWatchers(bare, error);
    throw error;
  } finally {
    release();
  }
}

/** What would change, without changing it. The lock keeps it from a run's spool, and from a trial's half-way state. */
export const plan: Command = async (invocation) => {
  const ctx = openRun({ ...invocation, flags: { ...invocation.flags, isForced: true } }, { isDry: true });
  const release = takeLock(ctx.disk, openProcesses());
  try {
    const outcome = await provision(ctx, await allPlugins(ctx));
    await report(invocation, outcome);
    return outcome.exit;
  } finally {
    release();
  }
};

/**
 * SIGHUP and SIGUSR2 ask a daemon for what is going on here already; and a terminal that is gone may be gone because a run reloaded the network, which
 * is no reason to die half way.
 */
export function passOverSignals(): void {
  for (const signal of ["SIGHUP", "SIGUSR2"] as const) {
    if (process.listenerCount(signal) === 0) process.on(signal, () => undefined);
  }
}

/** Where a Zabbix server watches the device; elsewhere nothing of it is loaded. A hook would not do: `done` is not for the runs that change nothing. */
async function tellWatchers(ctx: RunContext, end: Outcome | ProvisionError): Promise<void> {
  const isWatched = [AGENT_FILE, SENDER_FILE].some((path) => ctx.disk.stat(path) !== undefined);
  if (isWatched && !ctx.choices.isDry) (await import("../monitor.ts")).tellRun(ctx, end);
}

/** With the modules that lie on the device; what loads them is loaded only if there are any. */
async function allPlugins(ctx: RunContext): Promise<Plugins> {
  if (MODULE_FOLDERS.every((folder) => ctx.disk.list(folder).length === 0)) return plugins;
  const { loadDeviceModules } = await import("../device-modules.ts");
  const { modules } = await loadDeviceModules(ctx, plugins.modules, ctx.signal);
  return { ...plugins, modules };
}

/** What is said of a plan: to the status file, and to whoever reads along. */
interface Sayings {
  readonly facts: Record<string, unknown>;
  readonly text: string;
}

type Say = (plan: Plan) => Promise<Sayings>;

/** Said once for each plan: whoever waits for the network asks beforehand. */
function sayings({ flags, paint }: Invocation, showsSecrets = false): Say {
  const said = new WeakMap<Plan, Promise<Sayings>>();
  const say: Say = async (made) => {
    const { planFacts, tellPlan } = await import("./tell-plan.ts");
    return {
      facts: planFacts(made, { showsSecrets }),
      text: flags.isJson || flags.isQuiet ? "" : tellPlan(made, paint, flags),
    };
  };
  return (made) => {
    const known = said.get(made) ?? say(made);
    said.set(made, known);
    return known;
  };
}

async function report(invocation: Invocation, outcome: Outcome, say: Say = sayings(invocation)): Promise<void> {
  const { flags, paint, print } = invocation;
  const { exit, result, told, plan: made } = outcome;
  if (flags.isJson) {
    const facts = await planned(outcome, flags.showsSecrets ? sayings(invocation, true) : say);
    print(JSON.stringify({ exit, result, told, ...facts }));
    return;
  }
  if (made && !flags.isQuiet) print(`${(await say(made)).text}\n`);
  print(`${result === "partial" ? paint.bad(result) : paint.good(result)}: ${told}`);
}

async function planned({ plan: made, generation }: Outcome, say: Say): Promise<Record<string, unknown>> {
  return {
    ...(generation === undefined ? {} : { generation }),
    ...(made && made.left.length > 0 ? { left: made.left } : {}),
    ...(made ? { plan: (await say(made)).facts } : {}),
  };
}

function both(one: Board, other: Board): Board {
  return {
    stageBegins(stage) {
      one.stageBegins(stage);
      other.stageBegins(stage);
    },
    stageEnds(stage, milliseconds, error) {
      one.stageEnds(stage, milliseconds, error);
      other.stageEnds(stage, milliseconds, error);
    },
  };
}

/** A line a stage, once it has ended. */
function shown({ flags, paint, tell }: Invocation): Board {
  const line = (stage: StageName, milliseconds: number, error?: ProvisionError) => {
    const mark = error ? paint.bad("✗") : paint.good("✓");
    const took = paint.quiet(
      `${milliseconds < 1000 ? milliseconds.toFixed(0).padStart(5) : `${(milliseconds / 1000).toFixed(1)}k`.padStart(5)} ms`,
    );
    tell(`${mark} ${stage.padEnd(10)}${took}${error ? `  ${paint.bad(error.code)}` : ""}`);
  };
  return { stageBegins: () => undefined, stageEnds: flags.isQuiet || flags.isJson ? () => undefined : line };
}
