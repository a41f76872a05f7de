import type { RunContext } from "../context.ts";
import type { Settings } from "../settings.ts";

const DEADLINE = 60_000;

/**
 * Lets procd reload the services of these packages and no others: a `config.change` event for each, as `reload_config` sends it (openwrt
 * package/system/procd/files/reload_config); `reload_config` itself then notes the new state, so that its next caller sees no difference.
 * Gives back whether anything was asked to reload. A failure is told and no more: the probes decide.
 */
export async function reload(ctx: RunContext, settings: Settings, packages: readonly string[]): Promise<boolean> {
  if (packages.length === 0) return false;
  if (!settings.main.reload || !ctx.commands.has("reload_config")) {
    ctx.log("info", `not reloaded here: ${packages.join(", ")}`);
    return false;
  }
  const result = await ctx.commands.run("reload_config", [], { deadline: DEADLINE, signal: ctx.signal });
  if (result.status === 0) ctx.log("info", `reloaded: ${packages.join(", ")}`);
  else ctx.log("warning", `reload_config ended with ${result.status ?? result.signal}: ${result.stderr.trim()}`);
  return true;
}
