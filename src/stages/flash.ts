import type { Device, RunContext } from "../context.ts";
import { asProvisionError, ProvisionError } from "../errors.ts";
import { afterFailure } from "../firmware-record.ts";
import type { FirmwarePlan } from "../plan.ts";
import { RAM_FOLDER } from "../ram-folder.ts";
import { printFirmware, readFirmware, STATE } from "../state.ts";
import { readJournal } from "../transaction/journal.ts";
import { memoryAvailable } from "./memory.ts";
import { lastLine } from "./validate/firmware.ts";
import { writeState } from "./write-state.ts";

/** What sysupgrade prints, for whoever looks while it is still there. */
const OUTPUT = `${RAM_FOLDER}/sysupgrade.log`;
/** A list of files to keep; thousands of lines are nobody's configuration. */
const LIST_LIMIT = 1_048_576;
const LIST_DEADLINE = 60_000;
/** Until sysupgrade has handed over to procd: it packs the configuration before. */
const HANDS_OVER = 150_000;
/** From its end on: procd stops every service, waits for the slowest, and then ends all that is left, us too. */
const IS_ENDED = 90_000;

/** Whether an image may be written now: nothing else is open, the memory is there, and what the device remembers will outlive it. */
export async function preflightFirmware(ctx: RunContext, { size }: FirmwarePlan): Promise<void> {
  const journal = readJournal(ctx.disk);
  if (journal !== undefined && journal.state !== "rolled-back") {
    throw new ProvisionError("JOURNAL_INVALID", `no firmware is written while the transaction ${journal.id} is open`);
  }
  const free = memoryAvailable(ctx.disk);
  if (size > free) {
    throw new ProvisionError(
      "NO_SPACE",
      `to write the image ${size} more bytes must be free in RAM; there are ${free}`,
    );
  }
  await refuseForgetting(ctx);
}

/** sysupgrade keeps what its lists name and loses everything else: a device that forgot its owner would believe the next one that comes. */
async function refuseForgetting(ctx: RunContext): Promise<void> {
  const listed = await ctx.commands.run("sysupgrade", ["-l"], {
    deadline: LIST_DEADLINE,
    signal: ctx.signal,
    limit: LIST_LIMIT,
  });
  const kept = new Set(listed.stdout.split("\n").map((line) => line.trim()));
  const missing = filesToKeep(ctx).find((path) => !kept.has(path));
  if (missing === undefined) return;
  throw new ProvisionError(
    "FIRMWARE_FAILED",
    `sysupgrade would not keep ${missing}: /lib/upgrade/keep.d/uciprov has to name /etc/uciprov/`,
    { place: { file: missing } },
  );
}

function filesToKeep({ disk }: RunContext): string[] {
  const inside = [STATE.keys, STATE.folder].flatMap((folder) => disk.list(folder).map((name) => `${folder}/${name}`));
  return [...inside, "/etc/config/uciprov"].filter((path) => disk.stat(path)?.kind === "file");
}

/**
 * Starts sysupgrade, in a session of its own, and waits to be ended by it: all else is a failure, whatever it answers. Its exit status tells nothing: it ends
 * with an error while the image is being written, and with 0 when it is not. The attempt is on flash before the start.
 * FIRMWARE_FAILED: we are still there; the attempt is counted.
 */
export async function flash(ctx: RunContext, { facts }: Device, plan: FirmwarePlan): Promise<void> {
  const { sha256, target, revision, from, image } = plan;
  const before = readFirmware(ctx.disk);
  const pending = { sha256, target, revision, from, boot: ctx.processes.bootId, at: Math.floor(ctx.clock.sinceBoot()) };
  writeState(ctx, STATE.firmware, printFirmware({ ...before, pending }));
  ctx.log("warning", `writing firmware ${revision} over ${from} (try ${plan.attempt}); the device restarts by itself`);
  const failure = await whyStillHere(ctx, ctx.disk.hostPath(image));
  if (failure === undefined) return;
  writeState(ctx, STATE.firmware, printFirmware(afterFailure({ ...before, pending }, sha256, failure)));
  throw new ProvisionError("FIRMWARE_FAILED", `${facts.board} was not brought to firmware ${revision}: ${failure}`);
}

/** Undefined: we were asked to end, as everybody is who is in the way of an image. */
async function whyStillHere(ctx: RunContext, image: string): Promise<string | undefined> {
  try {
    const ended = ctx.detach("sysupgrade", [image], OUTPUT);
    const waited = ctx.clock.sleep(HANDS_OVER, ctx.signal).then(() => "silence" as const);
    waited.catch(() => undefined); // seen by whoever loses the race
    const status = await Promise.race([ended, waited]);
    await ctx.clock.sleep(IS_ENDED, ctx.signal);
    const printed = lastLine(ctx.disk.read(OUTPUT) ?? "");
    return status === "silence"
      ? `sysupgrade neither ends nor restarts the device: ${printed}`
      : `sysupgrade ended with ${status ?? "a signal"} and the device did not restart: ${printed}`;
  } catch (thrown) {
    if (ctx.signal.aborted) return undefined;
    return asProvisionError(thrown).message;
  }
}
