import type { RunContext } from "../context.ts";
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

/** Stages them again, before what came meanwhile. Harmless if there are none. */
export function restoreDeltas(ctx: RunContext): void {
  for (const name of ctx.disk.list(ASIDE)) {
    const [aside, staged] = [`${ASIDE}/${name}`, `${DELTAS}/${name}`];
    const later = ctx.disk.readBytes(staged, LIMIT);
    if (later !== undefined && later.length > 0) {
      const both = Buffer.concat([ctx.disk.readBytes(aside, LIMIT) ?? new Uint8Array(), later]);
      const joined = `${ASIDE}/.${name}.joined`;
      if (ctx.disk.stat(joined)) ctx.disk.unlink(joined);
      ctx.disk.writeNew(joined, both, { mode: 0o600 });
      ctx.disk.rename(joined, staged);
      ctx.disk.unlink(aside);
    } else {
      makeFolder(ctx.disk, DELTAS, 0o700);
      ctx.disk.rename(aside, staged);
    }
  }
}
