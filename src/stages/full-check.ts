import type { RunContext } from "../context.ts";

/** In RAM: after a boot the first check is a full one. The second number is of the clock that never steps. */
const CHECKED = "/var/run/uciprov/checked";
const DAY = 86_400;

/** Notes that the tree itself was looked at just now. */
export function noteFullCheck(ctx: RunContext): void {
  const next = `${CHECKED}.new`;
  if (ctx.disk.stat(next)) ctx.disk.unlink(next);
  ctx.disk.writeNew(next, Buffer.from(`${uptime(ctx)}\n`), { mode: 0o644 });
  ctx.disk.rename(next, CHECKED);
}

export function checkedWithinDay(ctx: RunContext): boolean {
  const checked = Number(ctx.disk.read(CHECKED, 64) ?? Number.NaN);
  const now = uptime(ctx);
  return checked <= now && now - checked < DAY;
}

/** Seconds since boot: a wall clock may jump a year when NTP comes. */
function uptime(ctx: RunContext): number {
  return ctx.clock.sinceBoot();
}
