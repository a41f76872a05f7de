import type { Clock } from "./api.ts";
import { ProvisionError } from "./errors.ts";

export interface Retrying {
  /** How often the task runs at most, the first time included. */
  readonly tries: number;
  /** Longest pause before the second try; the next ones double. */
  readonly minSeconds: number;
  /** Longest pause of all. */
  readonly maxSeconds: number;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** In [0, 1); Math.random if not given. */
  readonly random?: () => number;
  /** Told before each pause. */
  onWait?(error: ProvisionError, seconds: number): void;
}

/**
 * Runs `task` again while it fails with an error that may pass (`mayRetry`), with full jitter: each pause is drawn from the whole range up to
 * its bound, so that a fleet that lost its server together does not come back together (AWS Architecture Blog, "Exponential Backoff And Jitter").
 * The server's Retry-After is the least pause; one beyond `maxSeconds` ends the tries, for waiting less would disobey it: the error says when, for
 * whoever schedules runs. The last error is thrown as it is; STOPPED when the signal fires.
 */
export async function withRetries<T>(task: (attempt: number) => Promise<T>, how: Retrying): Promise<T> {
  const once = async (attempt: number): Promise<T> => {
    if (how.signal.aborted) throw new ProvisionError("STOPPED", "asked to stop", { cause: how.signal.reason });
    return task(attempt);
  };
  let first: unknown;
  try {
    return await once(1);
  } catch (thrown) {
    first = thrown;
  }
  // Most runs do not need it.
  const { default: pRetry } = await import("p-retry");
  return pRetry((attempt) => (attempt === 1 ? Promise.reject(first) : once(attempt)), {
    retries: how.tries - 1,
    // Its own pauses are none: they know neither full jitter nor our clock.
    minTimeout: 0,
    maxTimeout: 0,
    async shouldRetry({ error, attemptNumber }) {
      if (!(error instanceof ProvisionError) || !error.mayRetry) return false;
      const seconds = pause(error, attemptNumber, how);
      if (seconds === undefined) return false;
      how.onWait?.(error, seconds);
      await how.clock.sleep(seconds * 1000, how.signal);
      return true;
    },
  });
}

/** Seconds to wait after this failed attempt (the first is 1); undefined: longer than this run waits. */
function pause(error: ProvisionError, attempt: number, how: Retrying): number | undefined {
  const random = how.random ?? Math.random;
  const bound = Math.min(how.maxSeconds, how.minSeconds * 2 ** (attempt - 1));
  const least = error.retryAfter;
  if (least === undefined) return random() * bound;
  if (least > how.maxSeconds) return undefined;
  return least + random() * Math.min(how.minSeconds, how.maxSeconds - least);
}
