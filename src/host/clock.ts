import { uptime } from "node:os";
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../api.ts";
import { ProvisionError } from "../errors.ts";

export const clock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  sinceBoot: () => uptime(),
  async sleep(ms, signal) {
    try {
      await sleep(ms, undefined, { signal });
    } catch (cause) {
      throw new ProvisionError("STOPPED", "asked to stop while waiting", { cause });
    }
  },
};
