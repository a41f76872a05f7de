/** /var/run/beesip/guard.json: how the guard is doing, for monitoring and for `uciprov guard --status`. docs/guard.md has the fields. */

import type { TableState } from "./firewall.ts";
import type { Kind } from "./guard-file.ts";
import type { Incident } from "./incident.ts";

/** The reasons that are counted by name; those beyond are `other`. */
const MOST_REASONS = 64;

export interface SourceCounts {
  readonly kind: Kind;
  /** Undefined: the system's log. */
  readonly path?: string;
  state: "following" | "absent";
  lines: number;
  events: number;
  /** Lines that look like ours and are not whole, or are too long. */
  odd: number;
  /** Alerts that do not say which side is at fault. */
  unclear: number;
}

/** Counts since the guard was started. */
export interface Counts {
  readonly since: string;
  incidents: number;
  readonly byReason: Map<string, number>;
  bans: number;
  spared: number;
  capped: number;
  last: Incident | undefined;
}

export function noCounts(since: string): Counts {
  return { since, incidents: 0, byReason: new Map(), bans: 0, spared: 0, capped: 0, last: undefined };
}

export function countIncident(counts: Counts, incident: Incident): void {
  const { byReason } = counts;
  const named = `${incident.kind}:${incident.reason}`;
  const reason = byReason.has(named) || byReason.size < MOST_REASONS ? named : "other";
  byReason.set(reason, (byReason.get(reason) ?? 0) + 1);
  counts.incidents++;
  if (incident.action === "spared") counts.spared++;
  else if (incident.action !== "told") counts.bans++;
  counts.last = incident;
}

/** The file's content. */
export interface Status {
  readonly version: 1;
  readonly at: string;
  readonly since: string;
  readonly applies: boolean;
  readonly table: TableState;
  readonly bans: {
    /** In the kernel's sets, whoever put them there; what we know of where the kernel cannot be asked. */
    readonly active: number;
    readonly total: number;
    readonly waiting: number;
  };
  readonly incidents: { readonly total: number; readonly byReason: Readonly<Record<string, number>> };
  readonly spared: number;
  readonly capped: number;
  readonly reports: { readonly waiting: number; readonly sent: number; readonly dropped: number };
  readonly mails: { readonly sent: number; readonly failed: number };
  readonly sources: readonly SourceCounts[];
  readonly last: Incident | null;
}

export function tellStatus(status: Status): string {
  const { bans, incidents, reports, mails, last } = status;
  const reasons = Object.entries(incidents.byReason).sort(([, a], [, b]) => b - a);
  return [
    `${status.applies ? `table ${status.table}` : "nobody is banned here"}, as of ${status.at}, since ${status.since}`,
    `bans      ${bans.active} active, ${bans.total} made${bans.waiting > 0 ? `, ${bans.waiting} waiting` : ""}`,
    `incidents ${incidents.total}, of these ${status.spared} spared; ${status.capped} events over the cap`,
    ...reasons.map(([reason, count]) => `  ${String(count).padStart(7)} ${reason}`),
    `reports   ${reports.sent} sent, ${reports.waiting} waiting, ${reports.dropped} dropped; mails ${mails.sent} sent, ${mails.failed} failed`,
    ...status.sources.map(
      (one) =>
        `source    ${one.kind} ${one.path ?? "syslog"}: ${one.state}, ${one.lines} lines, ${one.events} events, ${one.odd} odd, ${one.unclear} unclear`,
    ),
    ...(last === null ? [] : [`last      ${last.at} ${last.source} ${last.action}: ${last.kind} ${last.reason}`]),
  ].join("\n");
}

/** Whether this is what a guard of this version wrote: the file is root's, so its kind is not in doubt, only its age. */
export function isStatus(value: unknown): value is Status {
  return (
    typeof value === "object" &&
    value !== null &&
    "version" in value &&
    value.version === 1 &&
    "bans" in value &&
    "incidents" in value &&
    "sources" in value
  );
}
