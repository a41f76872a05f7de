import type { Clock } from "../api.ts";

/** What came while nobody listened, each kind once however often it came; whoever waits for it is woken. */
export interface Inbox<T> {
  put(event: T): void;
  take(): readonly T[];
  /** Ends a wait without an event. */
  wake(): void;
  /** Until something is put, or `ms` have passed; at once if something is there. */
  wait(clock: Clock, ms: number): Promise<void>;
}

export function openInbox<T>(): Inbox<T> {
  const events = new Set<T>();
  let waiting: AbortController | undefined;
  return {
    put(event) {
      events.add(event);
      waiting?.abort();
    },
    take() {
      const taken = [...events];
      events.clear();
      return taken;
    },
    wake: () => waiting?.abort(),
    async wait(clock, ms) {
      if (events.size > 0 || ms <= 0) return;
      waiting = new AbortController();
      try {
        await clock.sleep(ms, waiting.signal);
      } catch (thrown) {
        if (!waiting.signal.aborted) throw thrown;
      } finally {
        waiting = undefined;
      }
    },
  };
}
