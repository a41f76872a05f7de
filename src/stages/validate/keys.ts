import { STATE } from "../../state.ts";
import type { Action } from "../../transaction/order.ts";
import { writeBytes } from "../../transaction/write-bytes.ts";
import { printPublicKey } from "../../tree/keys.ts";
import type { KeyRollover } from "../../tree/rollover.ts";
import type { Keys } from "../fetch/keys.ts";

/** Makes the key folder what the owner's manifest says, in the same transaction as everything else it says. */
export function keyActions(before: Keys, change: KeyRollover | undefined): readonly Action[] {
  if (change === undefined) return [];
  const added = [...change.keys.values()].filter((key) => !before.has(key.fingerprint));
  const removed = [...before.keys()].filter((fingerprint) => !change.keys.has(fingerprint));
  return [
    ...added.map((key) =>
      writeBytes(`${STATE.keys}/${key.fingerprint}`, Buffer.from(printPublicKey(key)), { mode: 0o644 }),
    ),
    ...removed.map((fingerprint): Action => ({ kind: "remove", path: `${STATE.keys}/${fingerprint}` })),
  ];
}
