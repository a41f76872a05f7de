import { uptime } from "node:os";
import type { Clock } from "../api.ts";
import { ProvisionError } from "../errors.ts";

export const clock: Clock = {
  now: () => Date.now(),
  elapsed: () => Number(process.hrtime.bigint() / 1000n) / 1000,
  sinceBoot: () => uptime(),
  async sleep(ms, signal) {
    try {
      // Not loaded by a run that never waits.
      await process.getBuiltinModule("node:timers/promises").setTimeout(ms, undefined, { signal });
    } catch (cause) {
      throw new ProvisionError("STOPPED", "asked to stop while waiting", { cause });
    }
  },
};
