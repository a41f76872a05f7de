/**
 * Whose turn it is: a tree of many devices need not reach all of them at once. Each device draws its moment from who it is and from the tree's serial, so that
 * nobody has to coordinate anything, a second look gives the same answer, and other devices go first the next time.
 * (After Gluon's autoupdater, freifunk-gluon/packages: admin/autoupdater/src/autoupdater.c, which throws dice instead.)
 */
import { createHash } from "node:crypto";

/** `# rollout`: hours over which devices take this serial, or `hold`: whoever has not taken it waits for another one. */
export type Rollout = number | "hold";

/** Thirty days: who waits longer misses what he should know. */
export const LONGEST_ROLLOUT = 720;

const HOUR = 3_600_000;

/** What the turn depends on besides the tree. */
export interface InLine {
  /** Who the device is, the same at every look: its MAC, else its serial number, else its name. */
  readonly identity: string;
  /** Hours the device's own settings say; undefined: as the tree says. */
  readonly ownHours: number | undefined;
}

export type Turn =
  /** Milliseconds since 1970; undefined: there was nothing to wait for. */
  | { readonly isDue: true; readonly at: number | undefined; readonly hours: number }
  /** `at` undefined: by the clock nobody can say when, or it is held. `left`: milliseconds until then, by whatever clock; undefined: it is held. */
  | {
      readonly isDue: false;
      readonly at: number | undefined;
      readonly left: number | undefined;
      readonly hours: Rollout;
    };

export interface RolloutOf {
  readonly tree: string;
  readonly serial: number | undefined;
  /** Milliseconds since 1970. */
  readonly date: number | undefined;
  readonly rollout?: Rollout | undefined;
}

/**
 * The device's turn to take this manifest. `hold` in the tree keeps everybody, 0 in the tree lets everybody; else the device's own hours count, then
 * the tree's; without either, or without a date to count from, it is due. The moment is `# date` and the device's share of the hours. A clock that is not
 * proven right, or stands before the date, is not asked: then the time since boot counts for the time since the date.
 */
export function turnOf(
  manifest: RolloutOf,
  device: InLine,
  time: { readonly now: number; readonly isClockProven: boolean; readonly sinceBoot: number },
): Turn {
  if (manifest.rollout === "hold") return { isDue: false, at: undefined, left: undefined, hours: "hold" };
  const hours = manifest.rollout === 0 ? 0 : (device.ownHours ?? manifest.rollout ?? 0);
  if (hours === 0 || manifest.date === undefined) return { isDue: true, at: undefined, hours };
  const wait = placeInLine(manifest, device.identity) * hours * HOUR;
  const at = manifest.date + Math.ceil(wait / 1000) * 1000;
  const isByClock = time.isClockProven && time.now >= manifest.date;
  const left = isByClock ? at - time.now : wait - time.sinceBoot * 1000;
  return left <= 0 ? { isDue: true, at, hours } : { isDue: false, at: isByClock ? at : undefined, left, hours };
}

/** In [0, 1), evenly spread over devices, another one for every serial. */
export function placeInLine({ tree, serial }: Pick<RolloutOf, "tree" | "serial">, identity: string): number {
  const digest = createHash("sha256")
    .update(JSON.stringify(["uciprov rollout", tree, serial ?? null, identity]))
    .digest();
  return digest.readUIntBE(0, 6) / 2 ** 48;
}
