/** Mail to the administrator: when one is due, and its text (RFC 5322), of printable ASCII by construction. */
import { type Incident, plain, tellIncident } from "./incident.ts";

/** Seconds that a first incident waits for others; between two mails; in which one source is told of once. */
export const PACE = { gather: 5, between: 300, perSource: 3600 } as const;
const MOST_TOLD = 100;
const MOST_WAITING = 500;
/** Sources that are remembered as told of. */
const MOST_TOLD_OF = 4096;
/** RFC 5322 §2.1.1: at most 998, better 78 characters. */
const LONGEST_LINE = 78;

/** What is waiting to be mailed. Times are seconds since boot. */
export interface MailBag {
  put(incident: Incident, now: number): void;
  /** What a mail is to tell; undefined while none is due, or one is on its way. */
  take(now: number): Letter | undefined;
  /** The mail on its way was passed on; or nobody took it: then it goes with the next one. */
  settle(isTaken: boolean): void;
  /** Until a mail is passed on, what it tells of counts as not told. */
  keep(): KeptMail;
}

export interface Letter {
  readonly incidents: readonly Incident[];
  /** How many others there were. */
  readonly more: number;
}

/** What is kept across a restart. */
export interface KeptMail {
  /** When the last mail went. */
  readonly last: number | undefined;
  /** The last incident that a mail told of, or counted. */
  readonly upTo: string | undefined;
  /** Who was told of when. */
  readonly told: readonly (readonly [source: string, at: number])[];
}

export function openMailBag(kept?: KeptMail): MailBag {
  let waiting: Incident[] = [];
  let more = 0;
  let since = 0;
  let last = kept?.last;
  let upTo = kept?.upTo;
  let newest = upTo;
  let onTheWay: { readonly letter: Letter; readonly at: number; readonly upTo: string | undefined } | undefined;
  const toldAt = new Map(kept?.told);
  return {
    put(incident, now) {
      const { source, id } = incident;
      newest = id;
      if (waiting.length === 0) since = now;
      const told = toldAt.get(source);
      const isNews =
        (told === undefined || now - told >= PACE.perSource) &&
        [...waiting, ...(onTheWay?.letter.incidents ?? [])].every((one) => one.source !== source);
      if (isNews && waiting.length < MOST_WAITING) waiting.push(incident);
      else more++;
    },
    take(now) {
      const isEarly = now - since < PACE.gather || (last !== undefined && now - last < PACE.between);
      // What is only counted goes along with what is news.
      if (waiting.length === 0 || isEarly || onTheWay !== undefined) return undefined;
      const letter = { incidents: waiting.slice(0, MOST_TOLD), more: more + Math.max(0, waiting.length - MOST_TOLD) };
      for (const [source, at] of toldAt)
        if (now - at >= PACE.perSource || toldAt.size > MOST_TOLD_OF) toldAt.delete(source);
      waiting = [];
      more = 0;
      last = now;
      onTheWay = { letter, at: now, upTo: newest };
      return letter;
    },
    settle(isTaken) {
      if (onTheWay === undefined) return;
      const { letter, at } = onTheWay;
      if (isTaken) {
        for (const { source } of letter.incidents) toldAt.set(source, at);
        upTo = onTheWay.upTo;
      } else {
        const all = [...letter.incidents, ...waiting];
        waiting = all.slice(0, MOST_WAITING);
        more += letter.more + all.length - waiting.length;
      }
      onTheWay = undefined;
    },
    keep: () => ({ last, upTo, told: [...toldAt] }),
  };
}

export interface Sender {
  readonly hostname: string;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Unique, `[A-Za-z0-9.-]`. */
  readonly id: string;
}

/** A whole message for `sendmail -t`; `to` is an address as guard.json's parser lets it through. */
export function mailText(
  to: string,
  { hostname, now, id }: Sender,
  incidents: readonly Incident[],
  more: number,
): string {
  const host = /^[A-Za-z0-9.-]{1,253}$/.test(hostname) ? hostname : "localhost";
  const sources = new Set(incidents.map(({ source }) => source)).size;
  const lines = incidents.flatMap((one) => wrapped(`${one.at}  ${tellIncident(one)}`));
  const rest =
    more > 0
      ? ["", ...wrapped(`and ${more} more, of sources that were told of within the hour or beyond ${MOST_TOLD}`)]
      : [];
  return [
    `From: uciprov guard <root@${host}>`,
    `To: ${to}`,
    `Subject: ${host}: ${sources} ${sources === 1 ? "source" : "sources"} of attacks`,
    `Date: ${new Date(now).toUTCString().replace("GMT", "+0000")}`,
    `Message-ID: <${id}@${host}>`,
    "Auto-Submitted: auto-generated",
    "MIME-Version: 1.0",
    "Content-Type: text/plain; charset=us-ascii",
    "Content-Transfer-Encoding: 7bit",
    "",
    ...lines,
    ...rest,
    "",
    ...wrapped(
      "One mail tells of a source at most once an hour; /var/run/beesip/incidents.jsonl on the device has all of the last ones.",
    ),
    "",
  ].join("\n");
}

/** Broken at blanks, words that are too long anywhere; further lines are indented, so none is a lone dot or a header. */
function wrapped(text: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of plain(text).split(" ")) {
    if (line.length + 1 + word.length > LONGEST_LINE && line.trim() !== "") {
      lines.push(line);
      line = "   ";
    }
    line = line === "" ? word : `${line} ${word}`;
    while (line.length > LONGEST_LINE) {
      lines.push(line.slice(0, LONGEST_LINE));
      line = `    ${line.slice(LONGEST_LINE)}`;
    }
  }
  return [...lines, line];
}
