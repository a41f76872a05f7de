import type { RunContext } from "../context.ts";
import { makeFolder } from "../ram-folder.ts";
import { readSettings, type Settings } from "../settings.ts";
import { readState } from "../state.ts";
import { recover } from "../transaction/recover.ts";
import { forget } from "../transaction/roll-back.ts";
import { noteFailure } from "./failed-tree.ts";
import { SPOOL } from "./fetch/resources.ts";
import { restoreDeltas } from "./foreign-deltas.ts";
import { keepBy } from "./keep.ts";
import { readDeviceSettings } from "./preinit.ts";
import { reload } from "./reload.ts";

/**
 * Brings an unfinished transaction to its end before anything else is looked at. Normally `recover.sh` did so at boot; what only Node does is
 * made up for here: the attempt is counted, a decided confirmation finished, other people's changes given back.
 */
export async function recoverDevice(ctx: RunContext): Promise<void> {
  const settings = settingsOrDefaults(ctx);
  const recovered = await recover(ctx, { firmware: ctx.readFacts().revision, keep: keepBy(settings) });
  restoreDeltas(ctx);
  emptySpool(ctx);
  if (recovered.kind === "rolled-back") {
    ctx.log("error", `tree ${recovered.tree.uri} was taken back: ${recovered.reason} (attempt ${recovered.attempt})`);
    noteFailure(ctx, readState(ctx.disk), recovered.tree, recovered.reason);
    forget(ctx);
    await reload(ctx, settings, recovered.packages);
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

function emptySpool(ctx: RunContext): void {
  makeFolder(ctx.disk, SPOOL, 0o700);
  for (const name of ctx.disk.list(SPOOL)) ctx.disk.unlink(`${SPOOL}/${name}`);
}
