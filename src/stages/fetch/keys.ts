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
    const text = ctx.disk.read(path, 4096) ?? "";
    try {
      const key = parsePublicKey(text);
      if (key.fingerprint === name) keys.set(name, key);
      else
        ctx.log("warning", `${path} holds key ${key.fingerprint}: a key file is named for its key, so it is left out`);
    } catch (thrown) {
      const why = /^RWRCSw/m.test(text) // `EdBK` in base64
        ? "it is a secret key, with which whoever reads it signs trees: take it off, and let another replace it"
        : asProvisionError(thrown).message;
      ctx.log("warning", `${path} is left out: ${why}`);
    }
  }
  return keys;
}
