import type { HookPoint, StageName } from "./api.ts";
import type { RunContext } from "./context.ts";
import { asProvisionError, ProvisionError } from "./errors.ts";
import { STAGES, type Stage } from "./stages/table.ts";

/** Runs the hooks that stand at a point. */
export type RunHooks = (point: HookPoint, signal: AbortSignal) => Promise<void>;

/** Runs one stage. */
export type Step = <T>(name: StageName, work: Work<T>) => Promise<T>;

/** A stage's work, under the stage's own deadline. */
type Work<T> = (context: RunContext) => Promise<T> | T;

/**
 * What surrounds every stage: the deadline, the hooks where the table says so, the board, and a failure that knows its stage. What is
 * special about a stage is in that stage's file.
 */
export function stepper(ctx: RunContext, runHooks: RunHooks): Step {
  return async (name, work) => {
    const stage = stageOf(name);
    const began = ctx.clock.elapsed();
    ctx.board.stageBegins(name);
    try {
      const made = await bounded(ctx, stage, runHooks, work);
      ctx.board.stageEnds(name, ctx.clock.elapsed() - began);
      return made;
    } catch (thrown) {
      const error = asProvisionError(thrown);
      ctx.board.stageEnds(name, ctx.clock.elapsed() - began, error);
      throw error;
    }
  };
}

async function bounded<T>(ctx: RunContext, stage: Stage, runHooks: RunHooks, work: Work<T>): Promise<T> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), stage.deadline * 1000);
  const signal = AbortSignal.any([ctx.signal, late.signal]);
  try {
    if (signal.aborted) throw new ProvisionError("STOPPED", `asked to stop before ${stage.name}`);
    const point = stage.hooks && hookPoint(stage.name);
    if (point && stage.hooks === "before") await runHooks(point, signal);
    const made = await work({ ...ctx, signal });
    if (point && stage.hooks === "after") await runHooks(point, signal);
    return made;
  } catch (cause) {
    if (late.signal.aborted && !ctx.signal.aborted) {
      throw new ProvisionError("NOT_READY", `${stage.name} took more than ${stage.deadline} s`, { cause });
    }
    if (ctx.signal.aborted && !isTold(cause)) {
      throw new ProvisionError("STOPPED", `asked to stop during ${stage.name}`, { cause });
    }
    throw cause;
  } finally {
    clearTimeout(timer);
  }
}

/** Whatever a stage was waiting for fails in its own way when the run is stopped: only what would be the same without that is told as it is. */
function isTold(thrown: unknown): boolean {
  return thrown instanceof ProvisionError && !thrown.mayRetry && thrown.code !== "INTERNAL";
}

function hookPoint(name: StageName): HookPoint | undefined {
  return name === "recover" || name === "ready" ? undefined : name;
}

function stageOf(name: StageName): Stage {
  const stage = STAGES.find((one) => one.name === name);
  if (stage === undefined) throw new ProvisionError("INTERNAL", `no stage ${name}`);
  return stage;
}
