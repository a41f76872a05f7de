/** One attack, as it is told: a line of JSON, a letter's entry, a paragraph of a mail. docs/guard.md has the fields. */
import type { Kind } from "./guard-file.ts";
import type { Sparing } from "./spared.ts";

/** `banned`: in the kernel. `waiting`: nft failed, it is tried again. `told`: nobody is banned here. `spared`: see `why`. */
export type Action = "banned" | "waiting" | "told" | "spared";

export interface Incident {
  readonly version: 1;
  readonly id: string;
  /** Of the decision; ISO 8601, by the device's clock. */
  readonly at: string;
  readonly source: string;
  readonly kind: Kind;
  readonly reason: string;
  readonly note?: string;
  /** Since the last incident of this source. */
  readonly events: number;
  readonly firstSeen: string;
  readonly lastSeen: string;
  /** The how manieth of this source. */
  readonly times: number;
  readonly action: Action;
  readonly why?: Sparing;
  readonly seconds?: number;
  readonly until?: string;
}

/** JSON in ASCII: a rule's or an attacker's text cannot steer the terminal of whoever looks at it. */
export function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Incidents of a text of such lines; what is none is passed over. */
export function readIncidents(text: string): Incident[] {
  return text.split("\n").flatMap((line) => {
    try {
      const value: unknown = JSON.parse(line);
      return isIncident(value) ? [value] : [];
    } catch {
      return [];
    }
  });
}

/** Ours, written by this program into a folder that is root's. */
function isIncident(value: unknown): value is Incident {
  return (
    typeof value === "object" &&
    value !== null &&
    "version" in value &&
    value.version === 1 &&
    "id" in value &&
    typeof value.id === "string" &&
    "source" in value &&
    typeof value.source === "string" &&
    "at" in value &&
    typeof value.at === "string" &&
    "reason" in value &&
    typeof value.reason === "string"
  );
}

/** In one line, for people. */
export function tellIncident(incident: Incident): string {
  const { source, kind, reason, note, events, times, action, why, seconds } = incident;
  const done = {
    banned: `banned for ${duration(seconds ?? 0)}`,
    waiting: `to be banned for ${duration(seconds ?? 0)}`,
    told: "not banned: nothing is applied here",
    spared: `spared: ${why ?? ""}`,
  }[action];
  const named = note === undefined ? reason : `${reason} (${plain(note)})`;
  return `${source} ${done}; ${kind}: ${named}, ${events} ${events === 1 ? "event" : "events"}${times > 1 ? `, time ${times}` : ""}`;
}

/** Printable ASCII; anything else is `?`. */
export function plain(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?");
}

export function duration(seconds: number): string {
  const units: readonly (readonly [number, string])[] = [
    [86_400, "d"],
    [3600, "h"],
    [60, "min"],
  ];
  const [size, unit] = units.find(([one]) => seconds >= one && seconds % one === 0) ?? [1, "s"];
  return `${Math.round(seconds / size)} ${unit}`;
}
