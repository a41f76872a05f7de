/** What is remembered of each address: how often it offended, until when its last ban lasts, what came since. Pure; times are seconds since boot. */
import type { Ban } from "./guard-file.ts";

/** Addresses; some 300 bytes each. The kernel's sets remember the bans of those that give way. */
export const MOST_KNOWN = 4096;
/** Seconds in which a log may tell late of what came before a ban. */
const LATE = 10;

interface Entry {
  offences: number;
  /** Since when and until when it is banned, or told of once where nobody is banned. */
  since: number;
  until: number;
  lastSeen: number;
  /** Since its last offence was told, and when the first of them came. */
  events: number;
  firstSeen: number;
  /** Single failures that are no attack yet. */
  failures: number;
  failuresSince: number;
}

/** What is kept of an address across a restart. */
export interface Kept {
  readonly address: string;
  readonly offences: number;
  readonly since: number;
  readonly until: number;
  readonly lastSeen: number;
}

/** What an event comes to. */
export type Verdict =
  /** To be banned, or told of. */
  | {
      readonly kind: "offence";
      readonly seconds: number;
      readonly times: number;
      readonly events: number;
      readonly firstSeen: number;
    }
  /** Not yet an attack. */
  | { readonly kind: "counted" }
  /** Banned already. `isDoubtful`: for so long that it should have fallen silent. */
  | { readonly kind: "known"; readonly isDoubtful: boolean }
  /** One too many this minute; its next event is looked at anew. */
  | { readonly kind: "capped" };

export interface Book {
  /** `after`, `within`: how many events in how many seconds are an attack. */
  note(address: string, now: number, limit: { readonly after: number; readonly within: number }): Verdict;
  /** The kernel has a ban of this address: so long in all, so long still. */
  learn(address: string, now: number, ban: { readonly seconds: number; readonly left: number }): void;
  /** The kernel has no ban of this address after all: its next event is a new offence. */
  lapse(address: string, now: number): void;
  /** Addresses that are thought to be banned. */
  active(now: number): number;
  keep(now: number): readonly Kept[];
}

export function openBook(ban: Ban, kept: readonly Kept[] = []): Book {
  const entries = new Map<string, Entry>();
  /** When the offences of the last minute were. */
  const recent: number[] = [];
  for (const { address, ...one } of kept.slice(-MOST_KNOWN)) entries.set(address, { ...fresh(one.lastSeen), ...one });

  /** Moves it to the end: the map's order is who was seen last. */
  const entryOf = (address: string, now: number): Entry => {
    const found = entries.get(address);
    if (found !== undefined) entries.delete(address);
    else if (entries.size >= MOST_KNOWN) forgetOne(entries, now);
    const entry = found !== undefined && !isForgotten(found, now, ban) ? found : fresh(now);
    entries.set(address, entry);
    return entry;
  };

  return {
    note(address, now, { after, within }) {
      const entry = entryOf(address, now);
      if (entry.events === 0) entry.firstSeen = now;
      entry.events++;
      entry.lastSeen = now;
      if (entry.until > now) return { kind: "known", isDoubtful: now - entry.since > LATE };
      if (entry.failures === 0 || now - entry.failuresSince > within) {
        entry.failures = 0;
        entry.failuresSince = now;
      }
      entry.failures++;
      if (entry.failures < after) return { kind: "counted" };
      if (!hasRoom(recent, now, ban.perMinute)) return { kind: "capped" };
      const { events, firstSeen } = entry;
      const seconds = secondsOf(ban, entry.offences);
      Object.assign(entry, { offences: entry.offences + 1, since: now, until: now + seconds, events: 0, failures: 0 });
      return { kind: "offence", seconds, times: entry.offences, events, firstSeen };
    },
    learn(address, now, { seconds, left }) {
      const entry = entryOf(address, now);
      if (entry.until >= now + left - 1) return;
      Object.assign(entry, { since: now + left - seconds, until: now + left });
      entry.offences = Math.max(entry.offences, offencesFor(ban, seconds));
    },
    lapse(address, now) {
      const entry = entries.get(address);
      if (entry !== undefined) entry.until = Math.min(entry.until, now);
    },
    active: (now) => [...entries.values()].filter(({ until }) => until > now).length,
    keep: (now) =>
      [...entries].flatMap(([address, { offences, since, until, lastSeen, ...rest }]) =>
        offences === 0 || isForgotten({ offences, since, until, lastSeen, ...rest }, now, ban)
          ? []
          : [{ address, offences, since, until, lastSeen }],
      ),
  };
}

function fresh(now: number): Entry {
  return {
    offences: 0,
    since: now,
    until: 0,
    lastSeen: now,
    events: 0,
    firstSeen: now,
    failures: 0,
    failuresSince: now,
  };
}

/** Quiet for as long as the longest ban lasts, after its own ended. */
function isForgotten({ until, lastSeen }: Entry, now: number, ban: Ban): boolean {
  return now - Math.max(until, lastSeen) > ban.max;
}

/** One that is not banned, of those that were silent longest; else the one that was. */
function forgetOne(entries: Map<string, Entry>, now: number): void {
  let first: string | undefined;
  let looked = 0;
  for (const [address, { until }] of entries) {
    first ??= address;
    if (until <= now) {
      entries.delete(address);
      return;
    }
    if (++looked === 64) break;
  }
  if (first !== undefined) entries.delete(first);
}

function hasRoom(recent: number[], now: number, perMinute: number): boolean {
  while ((recent[0] ?? now) <= now - 60) recent.shift();
  if (recent.length >= perMinute) return false;
  recent.push(now);
  return true;
}

/** Of the ban after so many offences. */
function secondsOf({ seconds, factor, max }: Ban, offences: number): number {
  return Math.min(max, seconds * factor ** Math.min(offences, 64));
}

/** How many offences a ban of that length stands for. */
function offencesFor(ban: Ban, seconds: number): number {
  let offences = 1;
  while (offences < 20 && ban.factor > 1 && secondsOf(ban, offences - 1) < Math.min(seconds, ban.max)) offences++;
  return offences;
}
