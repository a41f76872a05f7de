import type { DeviceFacts } from "../../api.ts";
import type { Device, RunContext } from "../../context.ts";
import type { Manifest } from "../../tree/manifest.ts";
import { printInstant } from "../../tree/manifest-headers.ts";
import { turnOf } from "../../tree/rollout.ts";
import type { KeyRollover } from "../../tree/rollover.ts";
import { mayAskClock, timeFloor } from "../time-floor.ts";

/** A tree that is good, and not for this device yet. */
export interface Wait {
  /** Why, in words. */
  readonly told: string;
  /** Seconds until its turn; undefined: nobody's turn comes, the tree is held. */
  readonly seconds: number | undefined;
}

/**
 * Why this device does not take the tree yet: others have their turn before it (`# rollout`, `option rollout`). Undefined: nothing keeps it. A first boot never
 * waits, nor does a device that would miss a change of keys or of the tree's name, without which the next tree would be a stranger's. While it
 * waits it stays what it is, and remembers nothing of the new serial: what it waits for is believed when it is taken, not before.
 */
export function whyWait(
  ctx: RunContext,
  device: Device,
  manifest: Manifest | undefined,
  keyChange: KeyRollover | undefined,
): Wait | undefined {
  const { confirmed } = device.state;
  if (manifest === undefined || confirmed === undefined || confirmed.digest === manifest.sha256) return undefined;
  const isUrgent = keyChange !== undefined || manifest.successor !== undefined;
  if (isUrgent && manifest.rollout !== "hold") return undefined;
  const time = {
    now: ctx.clock.now(),
    isClockProven: mayAskClock(ctx, timeFloor(device)),
    sinceBoot: ctx.clock.sinceBoot(),
  };
  const turn = turnOf(manifest, inLine(device), time);
  if (turn.isDue) return undefined;
  const serial = manifest.serial === undefined ? "the new tree" : `serial ${manifest.serial}`;
  if (turn.hours === "hold") {
    return { told: `${serial} is held: nobody takes it, the confirmed tree stays`, seconds: undefined };
  }
  const until =
    turn.at === undefined ? "without a right clock, counting from its boot" : `until ${printInstant(turn.at)}`;
  const line = `${serial} is rolled out over ${turn.hours} h`;
  const told = `${line}: this device waits for its turn ${until}, the confirmed tree stays`;
  return { told, seconds: turn.left === undefined ? undefined : Math.ceil(turn.left / 1000) };
}

/** Who the device is in the line, and what it says of its own. */
export function inLine({ facts, settings }: { readonly facts: DeviceFacts; readonly settings: Device["settings"] }) {
  return { identity: facts.mac ?? facts.serial ?? facts.hostname, ownHours: settings.main.rollout };
}
