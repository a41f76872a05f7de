/** What Zabbix is told of the probe: how it is, for the agent's keys, and each round's numbers, a trapper item a partner. */
import type { Disk } from "../api.ts";
import { isAsked, writeMonitor } from "../zabbix/agent-files.ts";
import type { NewValue } from "../zabbix/sender.ts";
import type { Link, Status } from "./values.ts";

export function leaveStatus(disk: Disk, { round, measured, failed, waiting, dropped, trouble }: Status): void {
  if (!isAsked(disk)) return;
  writeMonitor(disk, {
    "probe.round": round,
    "probe.measured": measured,
    "probe.failed": failed,
    "probe.waiting": waiting,
    "probe.dropped": dropped,
    "probe.trouble": trouble === "" ? "NONE" : trouble,
  });
}

export function leaveLinks(disk: Disk, links: readonly Link[]): void {
  if (!isAsked(disk)) return;
  const ratings = links.flatMap(({ mos }) => mos ?? []);
  writeMonitor(disk, {
    "probe.mos_min": ratings.length === 0 ? undefined : rounded(Math.min(...ratings)),
    "probe.partners": JSON.stringify(links.map(({ partner }) => ({ "{#PARTNER}": partner }))),
  });
}

/** A round's numbers by the keys of `TRAPPER_KEYS`, at the time the round began. */
export function valuesOf(links: readonly Link[]): readonly NewValue[] {
  return links.flatMap(({ partner, state, round, mos, loss, jitter, rtt }) => {
    const numbers = { mos, loss: loss === undefined ? undefined : loss * 100, jitter, rtt };
    const value = (what: string, text: string) => ({ key: `probe.${what}[${partner}]`, value: text, at: round * 1000 });
    return [
      value("state", state),
      ...Object.entries(numbers).flatMap(([what, number]) =>
        number === undefined ? [] : [value(what, rounded(number))],
      ),
    ];
  });
}

function rounded(number: number): string {
  return String(Math.round(number * 1000) / 1000);
}
