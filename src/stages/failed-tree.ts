import type { RunContext } from "../context.ts";
import { printFailed, printFreshness, readState, STATE, type State } from "../state.ts";
import { unlinkIfThere } from "../transaction/folders.ts";
import type { TreeName } from "../transaction/order.ts";
import { freshnessAfter } from "./confirmed-state.ts";
import { BY_HAND, FREE_STOPS, MOST_ATTEMPTS, STOPPED } from "./most-attempts.ts";
import { writeState } from "./write-state.ts";

/**
 * Counts a tree that was taken back, unless that was since somebody asked the run to stop. Written to flash, since it must outlive the boot that the next attempt may bring.
 * With the last attempt the tree is bad, and what it says of its age is taken as seen, with the successor that it names, as if it had been confirmed: nobody can offer an older
 * one in its stead, and its owner can go on elsewhere.
 */
export function noteFailure(ctx: RunContext, state: State, tree: TreeName, reason: string): void {
  if (tree.sha256 === undefined) return;
  const before = state.failed?.digest === tree.sha256 ? state.failed : undefined;
  const wasStopped = reason.startsWith(STOPPED);
  const stops = (before?.stops ?? 0) + Number(wasStopped);
  const counted = (before?.attempts ?? 0) + Number(!wasStopped || stops > FREE_STOPS);
  const attempts = reason.startsWith(BY_HAND) ? MOST_ATTEMPTS : counted;
  // First: no power cut leaves a tree bad, and so never looked at again, whose age does not count.
  if (attempts >= MOST_ATTEMPTS) noteAge(ctx, state, tree);
  writeState(ctx, STATE.failed, printFailed({ digest: tree.sha256, attempts, stops: stops || undefined, reason }));
}

function noteAge(ctx: RunContext, state: State, tree: TreeName): void {
  const { floor, trees } = freshnessAfter(state, tree);
  if (floor === state.floor && trees === state.trees) return;
  writeState(ctx, STATE.freshness, printFreshness(floor, trees));
}

/** A tree that has proved itself, whole, begins to be counted anew: three tries that were cut short in years would make it bad, however often it held in between. */
export function forgetFailure({ disk }: RunContext): void {
  if (!disk.stat(STATE.failed)) return;
  const { failed, confirmed } = readState(disk);
  if (failed !== undefined && failed.digest === confirmed?.digest && confirmed.left === undefined)
    unlinkIfThere(disk, STATE.failed);
}
