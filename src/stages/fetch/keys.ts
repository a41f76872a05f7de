import type { RunContext } from "../../context.ts";
import { asProvisionError } from "../../errors.ts";
import { STATE } from "../../state.ts";
import { type PublicKey, parsePublicKey } from "../../tree/keys.ts";

export type Keys = ReadonlyMap<string, PublicKey>;

/**
 * The keys the device holds. As for usign, a file's name is its key's fingerprint; one that is not, or that is no key, is left out and
 * told: it must neither count nor keep the good ones from counting.
 */
export function readKeys(ctx: RunContext): Keys {
  const keys = new Map<string, PublicKey>();
  for (const name of ctx.disk.list(STATE.keys)) {
    const path = `${STATE.keys}/${name}`;
    try {
      const key = parsePublicKey(ctx.disk.read(path, 4096) ?? "");
      if (key.fingerprint === name) keys.set(name, key);
      else
        ctx.log("warning", `${path} holds key ${key.fingerprint}: a key file is named for its key, so it is left out`);
    } catch (thrown) {
      ctx.log("warning", `${path} is left out: ${asProvisionError(thrown).message}`);
    }
  }
  return keys;
}
