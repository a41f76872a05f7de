import type { RunContext } from "../context.ts";
import { readState, STATE } from "../state.ts";

/**
 * Forgets the owner, the serials and failures seen; what uciprov set stays, and stays recorded. A file that cannot be read any more goes whatever
 * it is. Gives back what was there.
 */
export function forgetOwner(ctx: RunContext): readonly string[] {
  const always = [STATE.owner, STATE.freshness, STATE.failed];
  const broken = isReadable(ctx) ? [] : [STATE.confirmed, STATE.owned];
  const there = [...always, ...broken].filter((path) => ctx.disk.stat(path) !== undefined);
  for (const path of there) ctx.disk.unlink(path);
  if (there.length > 0) ctx.disk.syncDirectory(STATE.folder);
  return there;
}

function isReadable(ctx: RunContext): boolean {
  try {
    readState(ctx.disk);
    return true;
  } catch {
    return false;
  }
}
