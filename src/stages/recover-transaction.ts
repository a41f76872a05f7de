import type { RunContext } from "../context.ts";
import { readSettings, type Settings } from "../settings.ts";
import { readState } from "../state.ts";
import { recover } from "../transaction/recover.ts";
import { forget } from "../transaction/roll-back.ts";
import { noteFailure } from "./failed-tree.ts";
import { keepBy } from "./keep.ts";
import { readDeviceSettings } from "./preinit.ts";
import { reload } from "./reload.ts";
import { undoServices } from "./service-acts.ts";

/**
 * Brings an open transaction to its end. Normally `recover.sh` did so at boot; what only Node does is made up for here: the attempt is counted, a
 * decided confirmation finished.
 */
export async function recoverTransaction(ctx: RunContext): Promise<void> {
  const settings = settingsOrDefaults(ctx);
  const recovered = await recover(ctx, { firmware: ctx.readFacts().revision, keep: keepBy(settings) });
  if (recovered.kind === "rolled-back") {
    ctx.log("error", `tree ${recovered.tree.uri} was taken back: ${recovered.reason} (attempt ${recovered.attempt})`);
    noteFailure(ctx, readState(ctx.disk), recovered.tree, recovered.reason);
    forget(ctx);
    await reload(ctx, settings, recovered.packages);
    await undoServices(ctx, settings, recovered.services);
  }
  if (recovered.kind === "discarded") ctx.log("warning", `an unfinished transaction was dropped: ${recovered.reason}`);
  if (recovered.kind === "finished-confirm") ctx.log("info", `generation ${recovered.generation} is confirmed`);
}

/** Recovery must work whatever an unfinished transaction left in the settings. */
function settingsOrDefaults(ctx: RunContext): Settings {
  try {
    return readDeviceSettings(ctx.disk).settings;
  } catch {
    return readSettings(undefined).settings;
  }
}
