import type { RunContext } from "../context.ts";
import { printFailed, printFreshness, STATE, type State } from "../state.ts";
import type { TreeName } from "../transaction/order.ts";
import { remember } from "../tree/freshness.ts";
import { MOST_ATTEMPTS } from "./most-attempts.ts";
import { writeState } from "./write-state.ts";

/**
 * Counts a tree that was taken back. Written to flash, since it must outlive the boot that the next attempt may bring. With the last attempt
 * the tree is bad, and its serial is taken as seen, with the successor that it names: nobody can offer an older one in its stead, and its owner can go on elsewhere.
 */
export function noteFailure(ctx: RunContext, state: State, tree: TreeName, reason: string): void {
  if (tree.sha256 === undefined) return;
  const attempts = state.failed?.digest === tree.sha256 ? state.failed.attempts + 1 : 1;
  writeState(ctx, STATE.failed, printFailed({ digest: tree.sha256, attempts, reason }));
  if (attempts < MOST_ATTEMPTS || tree.serial === undefined) return;
  const trees = remember(state.trees, {
    tree: tree.name ?? "",
    serial: tree.serial,
    sha256: tree.sha256,
    successor: tree.successor,
  });
  writeState(ctx, STATE.freshness, printFreshness(state.floor, trees));
}
