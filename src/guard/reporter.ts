/** Incidents on their way to whoever collects them: a bounded queue, one letter at a time, back-off. Nothing waits for it. */
import type { Log } from "../api.ts";
import type { Incident } from "./incident.ts";

/** Posts a letter; resolves with the status whatever it is, rejects without an answer. `id` is the same for the same letter. */
export type Post = (
  body: Readonly<Record<string, unknown>>,
  id: string,
) => Promise<{ readonly status: number; readonly retryAfter: number | undefined }>;

export interface Reporter {
  put(incident: Incident): void;
  /** Starts to post what waits, unless it is too early; returns at once. */
  tick(now: number): void;
  readonly counts: { readonly waiting: number; readonly sent: number; readonly dropped: number };
  /** The last incident that was delivered. */
  readonly delivered: string | undefined;
  /** Until what is being posted now has ended, however. */
  settled(): Promise<void>;
}

const MOST_WAITING = 512;
const MOST_IN_A_LETTER = 50;
/** Seconds. */
const PAUSE = { first: 5, longest: 600 } as const;

interface Letter {
  readonly id: string;
  readonly incidents: readonly Incident[];
  /** Incidents that were given up before these, since the last letter that arrived. */
  readonly lost: number;
}

export function openReporter(
  post: Post,
  how: { readonly newId: () => string; readonly log: Log; readonly delivered?: string | undefined },
): Reporter {
  const queue: Incident[] = [];
  let letter: Letter | undefined;
  let posting: Promise<void> | undefined;
  let sent = 0;
  let dropped = 0;
  let lost = 0;
  let pause = 0;
  let notBefore = 0;
  let delivered = how.delivered;

  const settle = (isDelivered: boolean, last: Incident | undefined, count: number): void => {
    if (isDelivered) sent += count;
    else dropped += count;
    lost = isDelivered ? 0 : lost + count;
    delivered = last?.id ?? delivered;
    letter = undefined;
    pause = 0;
  };
  const deliver = async (one: Letter, now: number): Promise<void> => {
    const { id, incidents } = one;
    const wait = (reason: string, retryAfter?: number): void => {
      pause = Math.min(PAUSE.longest, Math.max(PAUSE.first, pause * 2));
      notBefore = now + Math.max(pause, retryAfter ?? 0);
      how.log("warning", `reports wait for ${Math.round(notBefore - now)} s: ${reason}`);
    };
    try {
      const { status, retryAfter } = await post({ version: 1, id, lost: one.lost, incidents }, id);
      if (status === 408 || status === 429 || status >= 500) return wait(`the answer has status ${status}`, retryAfter);
      const isTaken = status >= 200 && status < 300;
      if (!isTaken)
        how.log("warning", `${incidents.length} incidents are not reported: the answer has status ${status}`);
      settle(isTaken, incidents.at(-1), incidents.length);
    } catch (thrown) {
      wait(thrown instanceof Error ? thrown.message : String(thrown));
    }
  };
  return {
    put(incident) {
      if (queue.length >= MOST_WAITING) {
        queue.shift();
        dropped++;
        lost++;
      }
      queue.push(incident);
    },
    tick(now) {
      if (posting !== undefined || now < notBefore) return;
      if (letter === undefined && queue.length > 0) {
        letter = { id: how.newId(), incidents: queue.splice(0, MOST_IN_A_LETTER), lost };
      }
      if (letter === undefined) return;
      posting = deliver(letter, now).finally(() => {
        posting = undefined;
      });
    },
    get counts() {
      return { waiting: queue.length + (letter?.incidents.length ?? 0), sent, dropped };
    },
    get delivered() {
      return delivered;
    },
    settled: async () => posting,
  };
}
