import { isDeepStrictEqual } from "node:util";
import type { Device, RunContext } from "../context.ts";
import type { Plan } from "../plan.ts";
import type { Confirmed, State } from "../state.ts";
import type { TreeName } from "../transaction/order.ts";
import { remember } from "../tree/freshness.ts";
import { printLatch } from "../trust.ts";

/**
 * What the device will know of the tree that this plan makes true. If it knows just that, it also keeps the time: a tree without a manifest is looked at as
 * a whole at every run, and none of them is to write to the flash.
 */
export function confirmedBy(ctx: RunContext, { state }: Device, plan: Plan): Confirmed {
  const fresh = freshlyConfirmed(ctx, plan);
  if (state.confirmed === undefined) return fresh; // a first run need not load what compares
  const same = { ...fresh, at: state.confirmed.at };
  return isDeepStrictEqual(same, state.confirmed) ? same : fresh;
}

function freshlyConfirmed(ctx: RunContext, { download, inputsAfter, left }: Plan): Confirmed {
  return {
    base: download.source.base.text,
    resolver: download.source.resolver,
    tree: download.manifest?.tree ?? "",
    serial: download.manifest?.serial,
    digest: download.digest,
    etag: download.etag,
    modified: download.modified,
    expires: download.manifest?.expires,
    inputs: inputsAfter,
    at: Math.floor(ctx.clock.now() / 1000),
    ...(left.length === 0 ? {} : { left }),
  };
}

/** With a tree that is confirmed, or bad. Serial and time floor go up only, and never by what a laboratory tree says. */
export function freshnessAfter({ floor, trees }: State, tree: TreeName): Pick<State, "floor" | "trees"> {
  const { name = "", serial, sha256 = "", successor, date = 0, isLab } = tree;
  if (isLab) return { floor, trees };
  return { floor: Math.max(floor, date), trees: remember(trees, { tree: name, serial, sha256, successor }) };
}

/** The owner's file, where this tree writes one down: by what accepted it, or by the keys it names next. */
export function ownerFile(plan: Plan): Uint8Array | undefined {
  const { keyChange, proof } = plan.download;
  if (keyChange !== undefined) return Buffer.from(printLatch({ kind: "keys", ...keyChange.owner }));
  return proof.latch === undefined ? undefined : Buffer.from(printLatch(proof.latch));
}
