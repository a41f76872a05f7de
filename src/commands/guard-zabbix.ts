/** What Zabbix is told of the guard: how it is, for the agent's keys, and each incident, as an event. */
import type { Clock, Disk } from "../api.ts";
import { asciiJson, type Incident } from "../guard/incident.ts";
import type { Status } from "../guard/status.ts";
import { letEnd } from "../last-words.ts";
import { isAsked, writeMonitor } from "../zabbix/agent-files.ts";
import type { Sender } from "../zabbix/sender.ts";

export interface ZabbixTeller {
  status(status: Status): void;
  incident(incident: Incident): void;
}

/** Milliseconds after which a server that was away is tried again. */
const AGAIN = 60_000;

/** Incidents wait until the next status, which comes within seconds of them. */
export function openTeller(disk: Disk, clock: Clock, sender: Sender, signal: AbortSignal): ZabbixTeller {
  let notBefore = 0;
  return {
    status({ at, table, bans, incidents, spared }) {
      if (isAsked(disk)) {
        writeMonitor(disk, {
          "guard.time": Math.floor(Date.parse(at) / 1000),
          "guard.table": table,
          "guard.bans": bans.active,
          "guard.incidents": incidents.total,
          "guard.spared": spared,
        });
      }
      if (clock.elapsed() < notBefore) return;
      notBefore = Number.POSITIVE_INFINITY;
      const wait = (waiting: number) => {
        notBefore = waiting > 0 ? clock.elapsed() + AGAIN : 0;
      };
      // The guard waits for nobody; only the program's end does.
      letEnd(
        sender.deliver(signal).then(
          ({ waiting }) => wait(waiting),
          () => wait(1),
        ),
      );
    },
    incident: (incident) => sender.put([{ key: "guard.incident", value: asciiJson(incident) }]),
  };
}
