/** Incidents to whom it may concern: a server, an administrator, or nobody. */
import type { Log } from "../api.ts";
import type { Incident } from "./incident.ts";
import { type Letter, openMailBag } from "./mail.ts";
import { openReporter, type Post } from "./reporter.ts";
import type { Saved } from "./saved.ts";
import type { Status } from "./status.ts";

export interface Receivers {
  /** Absent: nobody wants to be told. */
  readonly post?: Post;
  /** Absent: nobody wants to be told. Resolves with whether a program took it. */
  readonly mail?: (letter: Letter) => Promise<boolean>;
}

export interface Telling {
  put(incident: Incident, now: number): void;
  /** Starts what is due, and returns at once. */
  tick(now: number): void;
  readonly counts: Pick<Status, "reports" | "mails">;
  /** Whether something arrived since it was last kept. */
  readonly hasNews: boolean;
  keep(): Pick<Saved, "delivered" | "mail">;
  /** Until what is on its way has arrived, or has not. */
  settled(): Promise<void>;
}

/** Goes on where `saved` says; `before` are the last incidents, some of which may not have been told. */
export function openTelling(
  { post, mail }: Receivers,
  how: { readonly newId: () => string; readonly log: Log },
  saved: Saved | undefined,
  before: readonly Incident[],
  now: number,
): Telling {
  const reporter = post && openReporter(post, { ...how, delivered: saved?.delivered });
  const bag = mail && openMailBag(saved?.mail);
  const mails = { sent: 0, failed: 0 };
  let mailing: Promise<void> | undefined;
  let hasNews = false;
  let delivered = saved?.delivered;

  const since = (id: string | undefined) => before.slice(before.findIndex((one) => one.id === id) + 1);
  if (saved !== undefined) {
    for (const one of since(saved.delivered)) reporter?.put(one);
    for (const one of since(saved.mail?.upTo)) bag?.put(one, now);
  }
  return {
    put(incident, at) {
      reporter?.put(incident);
      bag?.put(incident, at);
    },
    tick(at) {
      reporter?.tick(at);
      const letter = bag?.take(at);
      if (letter === undefined || mail === undefined) return;
      mailing = passOn(mail, letter, how.log).then((isTaken) => {
        mails[isTaken ? "sent" : "failed"]++;
        bag?.settle(isTaken);
        hasNews = true;
        mailing = undefined;
      });
    },
    get counts() {
      return { reports: reporter?.counts ?? { waiting: 0, sent: 0, dropped: 0 }, mails };
    },
    get hasNews() {
      return hasNews || (reporter !== undefined && reporter.delivered !== delivered);
    },
    keep() {
      hasNews = false;
      delivered = reporter === undefined ? saved?.delivered : reporter.delivered;
      return { delivered, mail: bag?.keep() ?? saved?.mail };
    },
    settled: async () => void (await Promise.all([reporter?.settled(), mailing])),
  };
}

/** Whether it was taken. What goes wrong with a mail ends no guard. */
async function passOn(mail: NonNullable<Receivers["mail"]>, letter: Letter, log: Log): Promise<boolean> {
  try {
    return await mail(letter);
  } catch (thrown) {
    log("error", `no mail: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
    return false;
  }
}
