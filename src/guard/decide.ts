/** A sighting → an incident, or nothing new. */
import type { Clock } from "../api.ts";
import type { Address } from "./address.ts";
import type { Book } from "./book.ts";
import type { Guard, Source } from "./guard-file.ts";
import type { Action, Incident } from "./incident.ts";
import type { Sighting } from "./log-lines.ts";
import { type Surroundings, whySpared } from "./spared.ts";

/** What is to be told, and whether the kernel is to be asked for a ban first. */
export type Decision =
  | { readonly kind: "incident"; readonly address: Address; readonly incident: Incident; readonly bans: boolean }
  | { readonly kind: "doubtful"; readonly address: Address }
  | { readonly kind: "capped" }
  | undefined;

export interface Deciding {
  readonly guard: Guard;
  /** Offenders; those that are spared have a book of their own, so that they are told of at the same pace. */
  readonly book: Book;
  readonly sparedBook: Book;
  readonly clock: Pick<Clock, "now" | "sinceBoot">;
  readonly newId: () => string;
}

export function decide(sighting: Sighting, source: Source, at: Surroundings, how: Deciding): Decision {
  const { guard, clock } = how;
  const { address, reason, note } = sighting;
  const why = whySpared(address, guard, at);
  // Nobody's address says nothing of anybody.
  if (why === "no-host") return undefined;
  const now = clock.sinceBoot();
  const verdict = (why === undefined ? how.book : how.sparedBook).note(address.text, now, source);
  if (verdict.kind === "counted") return undefined;
  if (verdict.kind === "capped") return { kind: "capped" };
  const bans = why === undefined && guard.applies;
  if (verdict.kind === "known") return verdict.isDoubtful && bans ? { kind: "doubtful", address } : undefined;
  const { seconds, times, events, firstSeen } = verdict;
  const date = (sinceBoot: number) => new Date(clock.now() + (sinceBoot - now) * 1000).toISOString();
  const action: Action = why !== undefined ? "spared" : bans ? "waiting" : "told";
  return {
    kind: "incident",
    address,
    bans,
    incident: {
      version: 1,
      id: how.newId(),
      at: date(now),
      source: address.text,
      kind: source.kind,
      reason,
      ...(note === undefined ? {} : { note }),
      events,
      firstSeen: date(firstSeen),
      lastSeen: date(now),
      times,
      action,
      ...(why === undefined ? {} : { why }),
      ...(bans ? { seconds, until: date(now + seconds) } : {}),
    },
  };
}
