import type { RunContext } from "../context.ts";
import { readSettings, type Settings } from "../settings.ts";
import { readState } from "../state.ts";
import type { Journal } from "../transaction/journal.ts";
import { recover } from "../transaction/recover.ts";
import { forget } from "../transaction/roll-back.ts";
import { runningFirmware } from "../transaction/running-firmware.ts";
import { noteFailure } from "./failed-tree.ts";
import { keepBy } from "./keep.ts";
import { readDeviceSettings } from "./preinit.ts";
import { reload } from "./reload.ts";
import { undoServices } from "./service-acts.ts";

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
    noteFailure(ctx, readState(ctx.disk), recovered.tree, recovered.reason);
    forget(ctx);
    await reload(ctx, settings, recovered.packages);
    await undoServices(ctx, settings, recovered.services);
  }
  if (recovered.kind === "discarded") ctx.log("warning", `an unfinished transaction was dropped: ${recovered.reason}`);
  if (recovered.kind === "finished-confirm") ctx.log("info", `generation ${recovered.generation} is confirmed`);
  return undefined;
}

/** Recovery must work whatever an unfinished transaction left in the settings. */
function settingsOrDefaults(ctx: RunContext): Settings {
  try {
    return readDeviceSettings(ctx.disk).settings;
  } catch {
    return readSettings(undefined).settings;
  }
}
