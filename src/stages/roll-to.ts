import { randomBytes } from "node:crypto";
import type { Files } from "../api.ts";
import type { RunContext } from "../context.ts";
import { ProvisionError } from "../errors.ts";
import { sha256 } from "../sha256.ts";
import { printFailed, readState, STATE } from "../state.ts";
import { applyActions } from "../transaction/apply.ts";
import { confirmTransaction } from "../transaction/confirm.ts";
import { filesAfter } from "../transaction/files-after.ts";
import { listedPaths, listGenerations, undoTo } from "../transaction/generations.ts";
import { TX } from "../transaction/layout.ts";
import type { Action } from "../transaction/order.ts";
import { prepare } from "../transaction/prepare.ts";
import { forget, rollBack } from "../transaction/roll-back.ts";
import { runningFirmware } from "../transaction/running-firmware.ts";
import { diffPackages } from "../uci/diff.ts";
import { parsePackage } from "../uci/parse.ts";
import { printConfig } from "../uci/print.ts";
import { settle } from "../uci/settle.ts";
import { undoActs } from "./apply.ts";
import { noteFailure } from "./failed-tree.ts";
import { restoreDeltas, setDeltasAside } from "./foreign-deltas.ts";
import { keepBy } from "./keep.ts";
import { BY_HAND, MOST_ATTEMPTS } from "./most-attempts.ts";
import { readDeviceSettings } from "./preinit.ts";
import { recoverDevice } from "./recover.ts";
import type { OpenTrial } from "./recover-transaction.ts";
import { reload } from "./reload.ts";
import { actForGeneration, servicesOfGeneration } from "./services-of-generation.ts";
import { OURS } from "./validate/packages.ts";
import { rebootReasons } from "./validate/reboots.ts";

const WATCH = 60;
const REBOOT_DEADLINE = 30_000;

export interface WentBack {
  readonly number: number;
  readonly paths: readonly string[];
  /** Why the device has to be started anew, for the caller to do (`restart`); services are left alone until then. */
  readonly reboots: readonly string[];
}

/**
 * Puts the device back to a generation (0: before the first; none given: the one before the newest), as a transaction of its own. The confirmed
 * tree counts as bad until it changes, so that the next run does not undo it; or that of a trial which has come through its reboot: it goes first, and with no generation
 * given only it does. A person has decided, so no probe does: it holds at once, before the reboot if it takes one.
 * GENERATION_UNKNOWN if it is not kept any more.
 */
export async function rollBackTo(ctx: RunContext, wanted: number | undefined): Promise<WentBack> {
  const trial = await recoverDevice(ctx);
  const known = listGenerations(ctx.disk).map((one) => one.number);
  const [newest = 0] = known;
  const number = wanted ?? (trial === undefined ? newest - 1 : newest);
  const isHere = trial !== undefined && number === newest;
  if (!isHere && !(number >= Math.min(...known) - 1 && number < newest)) {
    throw new ProvisionError(
      "GENERATION_UNKNOWN",
      known.length === 0
        ? "no generation is kept"
        : `generation ${number} cannot be gone back to; kept are ${known.join(", ")}`,
    );
  }
  const ended = trial && (await endTrial(ctx, trial, number));
  if (ended && isHere) return ended;
  const { settings } = readDeviceSettings(ctx.disk);
  const state = readState(ctx.disk);
  const actions = undoTo(ctx.disk, number).flatMap((action) =>
    isKey(action.path) ? [] : [withTrustOfNow(ctx, action)],
  );
  const packages = actions.flatMap(({ path }) => /^\/etc\/config\/([^/]+)$/.exec(path)?.[1] ?? []);
  const digest = state.confirmed?.digest;
  const failed = digest === undefined || ended ? [] : [markBad(digest, number)];
  const now = Math.floor(ctx.clock.now() / 1000);
  const changed = new Set(actions.map(({ path }) => path));
  const after = filesAfter(ctx.disk, actions);
  const then = readState(after).owned.services ?? {};
  const services = await servicesOfGeneration(ctx, after, state.owned.services ?? {}, then, changed);
  const reboots = [...(ended?.reboots ?? []), ...rebootsFor(ctx, after, packages, actions)];
  const prepared = await prepare(
    ctx,
    {
      id: `${now.toString(36)}-${randomBytes(4).toString("hex")}`,
      actions,
      onConfirm: failed,
      packages,
      services: undoActs(services),
      tree: { uri: `rollback:${number}`, name: "rollback" },
      windowSeconds: WATCH,
      firmware: runningFirmware(ctx.disk),
      rebootAllowed: false,
      attempt: 1,
      at: now,
      up: Math.max(0, Math.floor(ctx.clock.sinceBoot())),
    },
    async () => undefined,
  );
  if (prepared.kind === "nothing") return ended ?? { number, paths: [], reboots: [] };
  setDeltasAside(ctx, packages);
  try {
    ctx.startWatcher(WATCH);
    applyActions(ctx, prepared);
    if (reboots.length === 0) {
      await reload(ctx, settings, packages);
      await actForGeneration(ctx, settings, services);
    }
    await confirmTransaction(ctx, prepared.journal.id, () => true, keepBy(settings));
  } finally {
    restoreDeltas(ctx);
  }
  return { number, paths: [...changed], reboots };
}

/** Takes the trial back; its tree is as bad as a confirmed one that a person leaves. */
async function endTrial(ctx: RunContext, { journal, settings }: OpenTrial, number: number): Promise<WentBack> {
  const paths = listedPaths(ctx.disk, TX.undo);
  const reason = `${BY_HAND}, to generation ${number}`;
  await rollBack(ctx, reason);
  restoreDeltas(ctx);
  noteFailure(ctx, readState(ctx.disk), journal.tree, reason);
  forget(ctx);
  const reboots = unlessThereIsNone(ctx, ["the configuration that is taken back took a restart"]);
  if (reboots.length === 0) await reload(ctx, settings, journal.packages);
  return { number, paths, reboots };
}

/** What `list reboot` names, in the settings that go or in those that come back. What a module once asked a reboot for is not known any more. */
function rebootsFor(
  ctx: RunContext,
  after: Files,
  packages: readonly string[],
  actions: readonly Action[],
): readonly string[] {
  const named = [ctx.disk, after].flatMap((files) => readDeviceSettings(files).settings.main.reboot);
  const reasons = rebootReasons(
    [],
    named,
    packages.map((name) => ({ name })),
    actions,
  );
  return unlessThereIsNone(ctx, reasons);
}

function unlessThereIsNone(ctx: RunContext, reasons: readonly string[]): readonly string[] {
  if (reasons.length === 0 || ctx.commands.has("reboot")) return reasons;
  ctx.log("warning", `not restarted here: ${reasons.join("; ")}`);
  return [];
}

/** Starts the device anew with what it went back to. */
export async function restart(ctx: RunContext, { reboots }: WentBack): Promise<void> {
  if (reboots.length === 0) return;
  ctx.log("warning", `the device restarts: ${reboots.join("; ")}`);
  const asked = await ctx.commands.run("reboot", [], { deadline: REBOOT_DEADLINE, signal: ctx.signal });
  if (asked.status !== 0) ctx.log("warning", `reboot ends with ${asked.status ?? asked.signal}`);
}

/** Keys go with the owner, who is not taken back either: one that was removed had its reason, and without the new ones nobody could ever sign again. */
function isKey(path: string): boolean {
  return path.startsWith(`${STATE.keys}/`);
}

const SETTINGS = "/etc/config/uciprov";

/** Nor does whom the device believes: these settings no tree changes, so what they were in the older generation a person has changed since, and meant it. */
function withTrustOfNow({ disk }: RunContext, action: Action): Action {
  if (action.path !== SETTINGS || action.kind === "symlink") return action;
  const parse = (bytes: Uint8Array | undefined) =>
    parsePackage(bytes ?? new Uint8Array(), { name: "uciprov", file: SETTINGS });
  const then = parse(action.kind === "write" && action.content.kind === "bytes" ? action.content.bytes : undefined);
  const { desired } = settle(
    parse(disk.readBytes(SETTINGS)),
    undefined,
    [{ mode: "replace", content: then, origin: "rollback" }],
    OURS,
  );
  if (diffPackages(then, desired).change === "none") return action;
  const bytes = printConfig(desired);
  const as = action.kind === "write" ? action : { kind: "write" as const, path: SETTINGS, mode: 0o600 };
  return { ...as, content: { kind: "bytes", bytes }, size: bytes.length, sha256: sha256(bytes) };
}

function markBad(digest: string, number: number): { path: string; bytes: Uint8Array } {
  const reason = `${BY_HAND}, to generation ${number}`;
  return { path: STATE.failed, bytes: printFailed({ digest, attempts: MOST_ATTEMPTS, reason }) };
}
