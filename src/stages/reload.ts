import { createHash } from "node:crypto";
import type { RunContext } from "../context.ts";
import type { Settings } from "../settings.ts";

const DEADLINE = 60_000;
const SHOWN_LIMIT = 16_777_216;
/** What `reload_config` compares with: a line `MD5  /var/run/config.check/NAME` for each package it has seen. In RAM. */
const BASELINE = "/var/run/config.md5";
const CHECKED = "/var/run/config.check";

/**
 * Lets procd reload the services of these packages and no others: the `config.change` event that `reload_config` sends for each package whose
 * `uci show` differs from its baseline (openwrt/openwrt package/system/procd/files/reload_config). It is not called itself, since it would also
 * reload what somebody else has edited and not reloaded yet, and says nothing of a package it has never seen; its baseline is brought up to date for
 * ours, so that its next caller sees no difference. Gives back whether anything was asked to reload. A failure is told and no more: the probes decide.
 */
export async function reload(ctx: RunContext, settings: Settings, packages: readonly string[]): Promise<boolean> {
  if (packages.length === 0) return false;
  if (!settings.main.reload || !ctx.commands.has("ubus")) {
    ctx.log("info", `not reloaded here: ${packages.join(", ")}`);
    return false;
  }
  await bringBaselineUpToDate(ctx, packages);
  const how = { deadline: DEADLINE, signal: ctx.signal };
  // Our own service comes last: it looks whether a trial is open, and waits for its end.
  for (const name of [...packages].sort((a, b) => Number(a === "uciprov") - Number(b === "uciprov"))) {
    const event = JSON.stringify({ type: "config.change", data: { package: name } });
    const result = await ctx.commands.run("ubus", ["call", "service", "event", event], how);
    if (result.status === 0) ctx.log("info", `reloaded: ${name}`);
    else
      ctx.log(
        "warning",
        `telling procd of ${name} ended with ${result.status ?? result.signal}: ${result.stderr.trim()}`,
      );
  }
  return true;
}

async function bringBaselineUpToDate(ctx: RunContext, packages: readonly string[]): Promise<void> {
  const text = ctx.disk.read(BASELINE);
  if (text === undefined || !ctx.commands.has("uci")) return;
  const lines = text
    .split("\n")
    .filter((line) => line !== "" && !packages.some((name) => line.endsWith(` ${CHECKED}/${name}`)));
  for (const name of packages) {
    if (ctx.disk.stat(`/etc/config/${name}`) === undefined) continue;
    const shown = await ctx.commands.run("uci", ["show", name], {
      deadline: DEADLINE,
      signal: ctx.signal,
      limit: SHOWN_LIMIT,
    });
    lines.push(`${createHash("md5").update(shown.stdout).digest("hex")}  ${CHECKED}/${name}`);
  }
  const fresh = `${BASELINE}.uciprov`;
  if (ctx.disk.stat(fresh) !== undefined) ctx.disk.unlink(fresh);
  ctx.disk.writeNew(fresh, Buffer.from(`${lines.join("\n")}\n`), { mode: 0o644 });
  ctx.disk.rename(fresh, BASELINE);
}
