import { randomBytes } from "node:crypto";
import type { RunContext } from "../context.ts";
import { ProvisionError } from "../errors.ts";
import { printFailed, readState, STATE } from "../state.ts";
import { applyActions } from "../transaction/apply.ts";
import { confirmTransaction } from "../transaction/confirm.ts";
import { listGenerations, undoTo } from "../transaction/generations.ts";
import { prepare } from "../transaction/prepare.ts";
import { keepBy } from "./keep.ts";
import { BY_HAND, MOST_ATTEMPTS } from "./most-attempts.ts";
import { readDeviceSettings } from "./preinit.ts";
import { recoverDevice } from "./recover.ts";
import { reload } from "./reload.ts";
import { actForGeneration } from "./services-of-generation.ts";

const WATCH = 60;

/**
 * Puts the device back to a generation (0: before the first; none given: the one before the newest), as a transaction of its own. The confirmed
 * tree counts as bad until it changes, so that the next run does not undo it. GENERATION_UNKNOWN if it is not kept any more.
 */
export async function rollBackTo(
  ctx: RunContext,
  wanted: number | undefined,
): Promise<{ number: number; paths: readonly string[] }> {
  await recoverDevice(ctx);
  const { settings } = readDeviceSettings(ctx.disk);
  const state = readState(ctx.disk);
  const number = wanted ?? newest(ctx) - 1;
  const known = listGenerations(ctx.disk).map((one) => one.number);
  const isReachable = number >= Math.min(...known) - 1 && number < Math.max(...known);
  if (!isReachable) {
    throw new ProvisionError(
      "GENERATION_UNKNOWN",
      `generation ${number} cannot be gone back to; kept are ${known.join(", ") || "none"}`,
    );
  }
  const actions = undoTo(ctx.disk, number).filter(({ path }) => !isKey(path));
  const packages = actions.flatMap(({ path }) => /^\/etc\/config\/([^/]+)$/.exec(path)?.[1] ?? []);
  const digest = state.confirmed?.digest;
  const failed = digest === undefined ? [] : [markBad(digest, number)];
  const now = Math.floor(ctx.clock.now() / 1000);
  const prepared = await prepare(
    ctx,
    {
      id: `${now.toString(36)}-${randomBytes(4).toString("hex")}`,
      actions,
      onConfirm: failed,
      packages,
      tree: { uri: `rollback:${number}`, name: "rollback" },
      windowSeconds: WATCH,
      firmware: ctx.readFacts().revision,
      rebootAllowed: false,
      attempt: 1,
      at: now,
    },
    async () => undefined,
  );
  if (prepared.kind === "nothing") return { number, paths: [] };
  ctx.startWatcher(WATCH);
  applyActions(ctx, prepared);
  await reload(ctx, settings, packages);
  const then = readState(ctx.disk).owned.services ?? {};
  await actForGeneration(ctx, settings, state.owned.services ?? {}, then, new Set(actions.map(({ path }) => path)));
  await confirmTransaction(ctx, prepared.journal.id, () => true, keepBy(settings));
  return { number, paths: actions.map(({ path }) => path) };
}

/** Keys go with the owner, who is not taken back either: one that was removed had its reason, and without the new ones nobody could ever sign again. */
function isKey(path: string): boolean {
  return path.startsWith(`${STATE.keys}/`);
}

function newest(ctx: RunContext): number {
  const [first] = listGenerations(ctx.disk);
  if (first === undefined) throw new ProvisionError("GENERATION_UNKNOWN", "no generation is kept");
  return first.number;
}

function markBad(digest: string, number: number): { path: string; bytes: Uint8Array } {
  const reason = `${BY_HAND}, to generation ${number}`;
  return { path: STATE.failed, bytes: printFailed({ digest, attempts: MOST_ATTEMPTS, reason }) };
}
