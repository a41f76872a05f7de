import type { RunContext } from "../context.ts";
import { asProvisionError } from "../errors.ts";

/** In RAM: after a boot the first check is a full one. */
const CHECKED = "/var/run/uciprov/checked.json";
const DAY = 86_400;

/** The last time the tree itself was looked at. */
interface FullCheck {
  /** Seconds since boot: a wall clock may jump a year when NTP comes. */
  readonly at: number;
  /** What the source's beacon said then. */
  readonly beacon: string | undefined;
  /** Of the tree that was found. */
  readonly digest: string;
}

/** Notes that the tree with this digest was found, while the beacon said this. */
export function noteFullCheck(ctx: RunContext, found: Omit<FullCheck, "at">): void {
  const next = `${CHECKED}.new`;
  const check: FullCheck = { at: ctx.clock.sinceBoot(), ...found };
  try {
    if (ctx.disk.stat(next)) ctx.disk.unlink(next);
    ctx.disk.writeNew(next, Buffer.from(`${JSON.stringify(check)}\n`), { mode: 0o644 });
    ctx.disk.rename(next, CHECKED);
  } catch (thrown) {
    ctx.log("debug", `the check is not noted, the next one will be full: ${asProvisionError(thrown).message}`);
  }
}

/** Whether somebody found this tree, at this beacon, within a day. */
export function wasChecked(ctx: RunContext, beacon: string, digest: string): boolean {
  const check = readCheck(ctx);
  const age = ctx.clock.sinceBoot() - (check?.at ?? Number.NaN);
  return age >= 0 && age < DAY && check?.beacon === beacon && check.digest === digest;
}

function readCheck(ctx: RunContext): FullCheck | undefined {
  try {
    const check: unknown = JSON.parse(ctx.disk.read(CHECKED, 4096) ?? "null");
    if (typeof check !== "object" || check === null) return undefined;
    const { at, beacon, digest } = Object.fromEntries(Object.entries(check));
    return typeof at === "number" && typeof beacon === "string" && typeof digest === "string"
      ? { at, beacon, digest }
      : undefined;
  } catch {
    return undefined;
  }
}
