import { randomBytes } from "node:crypto";
import type { Device, RunContext } from "../context.ts";
import { ProvisionError } from "../errors.ts";
import { toldLeft } from "../left-part.ts";
import type { Plan } from "../plan.ts";
import { printConfirmed, printFreshness, STATE } from "../state.ts";
import { applyActions } from "../transaction/apply.ts";
import type { Promotion, TransactionOrder } from "../transaction/order.ts";
import { prepare } from "../transaction/prepare.ts";
import { runningFirmware } from "../transaction/running-firmware.ts";
import { raiseFloor } from "../tree/freshness.ts";
import { copyArchived } from "./archived.ts";
import { confirmedBy, freshnessAfter, ownerFile } from "./confirmed-state.ts";
import { setDeltasAside } from "./foreign-deltas.ts";

/** Applied and not yet confirmed. */
export interface Trial {
  readonly id: string;
  /** On the clock that never steps, milliseconds: until then it must prove itself. */
  readonly deadline: number;
}

/** The watcher waits this much longer than we do, so that normally we act and it only finds nothing left to do. */
const WATCHER_MARGIN = 30;

/**
 * The transaction: all of the plan, or nothing. Everything is staged and flushed first; then the watcher starts, which ends the trial if this
 * process cannot; then every file lands by rename.
 */
export async function applyChanges(ctx: RunContext, device: Device, plan: Plan): Promise<Trial> {
  const window = device.settings.confirm.window;
  const order = orderOf(ctx, device, plan, window);
  const prepared = await prepare(ctx, order, copyArchived(ctx, device.settings));
  if (prepared.kind === "nothing") throw new ProvisionError("INTERNAL", "a plan with actions changes nothing");
  ctx.signal.throwIfAborted();
  setDeltasAside(ctx, order.packages);
  ctx.startWatcher(window + WATCHER_MARGIN);
  applyActions(ctx, prepared);
  return { id: order.id, deadline: ctx.clock.elapsed() + window * 1000 };
}

function orderOf(ctx: RunContext, device: Device, plan: Plan, windowSeconds: number): TransactionOrder {
  const now = Math.floor(ctx.clock.now() / 1000);
  const failed = device.state.failed?.digest === plan.download.digest ? device.state.failed.attempts : 0;
  return {
    id: `${now.toString(36)}-${randomBytes(4).toString("hex")}`,
    actions: plan.actions,
    onConfirm: promotions(ctx, device, plan),
    packages: plan.packages.map((one) => one.name),
    services: undoActs(plan.services),
    tree: treeName(ctx, plan),
    left: toldLeft(plan.left),
    windowSeconds,
    firmware: runningFirmware(ctx.disk),
    rebootAllowed: plan.reboots.length > 0,
    attempt: failed + 1,
    at: now,
    up: Math.max(0, Math.floor(ctx.clock.sinceBoot())),
  };
}

/** As the journal lists them: whoever takes the trial back, Node or the shell, then asks services to go on with the old files. */
export function undoActs(services: Plan["services"]): readonly string[] {
  return services.filter(({ byProcd }) => byProcd === undefined).map(({ name, undo }) => `${name}:${undo}`);
}

export function treeName(ctx: RunContext, { download }: Plan): TransactionOrder["tree"] {
  const { manifest, proof } = download;
  const { serial, successor } = manifest ?? {};
  return {
    uri: download.source.base.text,
    sha256: download.digest,
    ...(manifest?.tree ? { name: manifest.tree } : {}),
    ...(serial === undefined ? {} : { serial }),
    ...(successor === undefined ? {} : { successor }),
    ...(manifest?.date === undefined ? {} : { date: raiseFloor(0, manifest, ctx.clock.now(), proof.isClockProven) }),
    ...(proof.by === "lab" ? { isLab: true } : {}),
  };
}

/** What becomes true with the confirmation, and not before: the confirmed tree, its owner, its serial. */
export function promotions(ctx: RunContext, device: Device, plan: Plan): readonly Promotion[] {
  const { floor, trees } = freshnessAfter(device.state, treeName(ctx, plan));
  const owner = ownerFile(plan);
  return [
    { path: STATE.freshness, bytes: printFreshness(floor, trees) },
    ...(owner === undefined ? [] : [{ path: STATE.owner, bytes: owner }]),
    { path: STATE.confirmed, bytes: printConfirmed(confirmedBy(ctx, device, plan)) },
  ];
}
