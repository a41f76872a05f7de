import type { RunContext } from "../context.ts";
import { asProvisionError } from "../errors.ts";
import { makeFolder, RAM_FOLDER } from "../ram-folder.ts";

/** Where `uci set` without `uci commit` lives (openwrt/uci delta.c). */
const DELTAS = "/tmp/.uci";
const ASIDE = `${RAM_FOLDER}/deltas`;
const LIMIT = 4_194_304;

/** The packages among these for which somebody has changes that are not committed yet. */
export function packagesWithDeltas(ctx: RunContext, packages: readonly string[]): readonly string[] {
  return packages.filter((name) => (ctx.disk.stat(`${DELTAS}/${name}`)?.size ?? 0) > 0);
}

/** Keeps such changes aside, since every reader of the new configuration, and the reload itself, would mix them in. */
export function setDeltasAside(ctx: RunContext, packages: readonly string[]): void {
  for (const name of packagesWithDeltas(ctx, packages)) {
    makeFolder(ctx.disk, ASIDE, 0o700);
    ctx.disk.rename(`${DELTAS}/${name}`, `${ASIDE}/${name}`);
    ctx.log("warning", `uncommitted changes of ${name} are kept aside and staged again afterwards`);
  }
}

/** All of them, whatever package they are for. */
export function setAllDeltasAside(ctx: RunContext): void {
  setDeltasAside(ctx, ctx.disk.list(DELTAS));
}

/**
 * Stages them again, before what came meanwhile. Harmless if there are none. What cannot be staged (RAM is full, say) stays aside for the next run, and is told:
 * a configuration that holds, or that went back, does so without it.
 */
export function restoreDeltas(ctx: RunContext): void {
  for (const name of ctx.disk.list(ASIDE)) {
    try {
      restoreOne(ctx, name);
    } catch (thrown) {
      ctx.log("warning", `uncommitted changes of ${name} stay in ${ASIDE}: ${asProvisionError(thrown).message}`);
    }
  }
}

function restoreOne({ disk }: RunContext, name: string): void {
  const [aside, staged] = [`${ASIDE}/${name}`, `${DELTAS}/${name}`];
  if (name.startsWith(".")) {
    disk.unlink(aside); // of a run that died while it joined two
    return;
  }
  const first = disk.readBytes(aside, LIMIT) ?? new Uint8Array();
  const later = disk.readBytes(staged, LIMIT) ?? new Uint8Array();
  if (later.length === 0) {
    makeFolder(disk, DELTAS, 0o700);
    disk.rename(aside, staged);
    return;
  }
  // Such a run may also have died between the two last steps: what is staged begins with what is aside.
  if (Buffer.compare(later.subarray(0, first.length), first) !== 0) {
    const joined = `${ASIDE}/.${name}.joined`;
    disk.writeNew(joined, Buffer.concat([first, later]), { mode: 0o600 });
    disk.rename(joined, staged);
  }
  disk.unlink(aside);
}
