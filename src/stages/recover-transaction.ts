import type { RunContext } from "../context.ts";
import { asProvisionError } from "../errors.ts";
import { readSettings, type Settings } from "../settings.ts";
import { readState } from "../state.ts";
import type { Journal } from "../transaction/journal.ts";
import { recover } from "../transaction/recover.ts";
import { forget, type RolledBack } from "../transaction/roll-back.ts";
import { runningFirmware } from "../transaction/running-firmware.ts";
import { noteFailure } from "./failed-tree.ts";
import { keepBy } from "./keep.ts";
import { readDeviceSettings } from "./preinit.ts";
import { reload } from "./reload.ts";
import { longEnoughFor } from "./roll-back.ts";
import { undoServices } from "./service-acts.ts";

const RELOAD_DEADLINE = 120_000;

/** A plan that rebooted, after its reboot: it proves itself now, or is taken back. */
export interface OpenTrial {
  readonly journal: Journal;
  readonly settings: Settings;
}

/**
 * Brings an open transaction to its end. Normally `recover.sh` did so at boot; what only Node does is made up for here: the attempt is counted, a
 * decided confirmation finished. A trial that was let pass its reboot stays open.
 */
export async function recoverTransaction(ctx: RunContext): Promise<OpenTrial | undefined> {
  const settings = settingsOrDefaults(ctx);
  const recovered = await recover(ctx, { firmware: runningFirmware(ctx.disk), keep: keepBy(settings) });
  if (recovered.kind === "trial-in-progress-after-reboot") return { journal: recovered.journal, settings };
  if (recovered.kind === "rolled-back") {
    ctx.log("error", `tree ${recovered.tree.uri} was taken back: ${recovered.reason} (attempt ${recovered.attempt})`);
    await goOnWithOld(ctx, settings, recovered);
    // Until here the journal tells the next run what is still to be done, should this one die.
    noteFailure(ctx, readState(ctx.disk), recovered.tree, recovered.reason);
    forget(ctx);
  }
  if (recovered.kind === "discarded") ctx.log("warning", `an unfinished transaction was dropped: ${recovered.reason}`);
  if (recovered.kind === "finished-confirm") ctx.log("info", `generation ${recovered.generation} is confirmed`);
  return undefined;
}

/** Even a run that was asked to stop finishes this; what hangs is left behind, or no run would ever get further. */
async function goOnWithOld(ctx: RunContext, settings: Settings, { packages, services }: RolledBack): Promise<void> {
  try {
    await reload({ ...ctx, signal: AbortSignal.timeout(RELOAD_DEADLINE) }, settings, packages);
    await undoServices({ ...ctx, signal: longEnoughFor(services) }, settings, services);
  } catch (thrown) {
    ctx.log(
      "error",
      `not all services know yet that the old configuration is back: ${asProvisionError(thrown).message}`,
    );
  }
}

/** Recovery must work whatever an unfinished transaction left in the settings. */
function settingsOrDefaults(ctx: RunContext): Settings {
  try {
    return readDeviceSettings(ctx.disk).settings;
  } catch {
    return readSettings(undefined).settings;
  }
}
