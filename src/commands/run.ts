import type { StageName } from "../api.ts";
import type { Board } from "../context.ts";
import { asProvisionError, type ProvisionError } from "../errors.ts";
import { openStatus } from "../host/board.ts";
import { takeLock } from "../host/lock.ts";
import { openProcesses } from "../host/processes.ts";
import { errorFacts } from "../messages.ts";
import { type Outcome, provision } from "../provision.ts";
import { plugins } from "../registry.ts";
import { readState } from "../state.ts";
import type { Command, Invocation } from "./command.ts";
import { openRun } from "./open-run.ts";
import { planFacts, tellPlan } from "./tell-plan.ts";

/** One run, top to bottom; what it came to stands in the status file as well. */
export const run: Command = {
  name: "run",
  form: "run [--first-only] [--force] [--dry-run]",
  meaning: "find, fetch, prove, plan, apply and confirm once",
  async run(invocation) {
    const bare = openRun(invocation);
    if (invocation.flags.isFirstOnly && readState(bare.disk).confirmed) {
      invocation.tell(invocation.paint.quiet("a generation is confirmed already: nothing to do"));
      return "provisioned";
    }
    const release = takeLock(bare.disk, openProcesses());
    const status = openStatus(bare.disk, () => bare.clock.now());
    try {
      const outcome = await provision(openRun(invocation, { board: both(status, shown(invocation)) }), plugins);
      status.close({ exit: outcome.exit, result: outcome.result, told: outcome.told, ...planned(outcome) });
      report(invocation, outcome);
      return outcome.exit;
    } catch (thrown) {
      const error = asProvisionError(thrown);
      status.close({ exit: error.exit, result: "failed", error: errorFacts(error) });
      throw error;
    } finally {
      release();
    }
  },
};

/** What would change, without changing it. */
export const plan: Command = {
  name: "plan",
  form: "plan [--show-secrets]",
  meaning: "show what a run would change, and who says so; change nothing",
  async run(invocation) {
    const ctx = openRun({ ...invocation, flags: { ...invocation.flags, isForced: true } }, { isDry: true });
    const outcome = await provision(ctx, plugins);
    report(invocation, outcome);
    return outcome.exit;
  },
};

function report(invocation: Invocation, outcome: Outcome): void {
  const { flags, paint } = invocation;
  if (flags.isJson) {
    const { result, told, exit } = outcome;
    invocation.print(
      JSON.stringify({ exit, result, told, ...(outcome.plan ? { plan: planFacts(outcome.plan, flags) } : {}) }),
    );
    return;
  }
  if (outcome.plan && !flags.isQuiet) invocation.print(`${tellPlan(outcome.plan, paint, flags)}\n`);
  invocation.print(`${paint.good(outcome.result)}: ${outcome.told}`);
}

function planned({ plan: made, generation }: Outcome): Record<string, unknown> {
  return {
    ...(generation === undefined ? {} : { generation }),
    ...(made === undefined ? {} : { plan: planFacts(made, { showsSecrets: false }) }),
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
