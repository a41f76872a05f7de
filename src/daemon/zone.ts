import type { Files } from "../api.ts";
import { optionText, sectionsOfType } from "../uci/model.ts";
import { parsePackage } from "../uci/parse.ts";
import { type Offset, parsePosixZone } from "./posix-zone.ts";

/** The device's local time. Node's own is UTC on OpenWrt: it reads neither /etc/TZ nor these settings. */
export interface Zone {
  /** For the log. */
  readonly name: string;
  readonly offset: Offset;
}

const CONFIG = "/etc/config/system";

/**
 * `zonename` of `config system` where this Node knows the zones of the world, else its `timezone`, else UTC. What is
 * wrong there never keeps a device from being provisioned.
 */
export function readZone(files: Files): Zone {
  const { zonename, timezone } = readSystem(files);
  const named = zonename === undefined ? undefined : namedZone(zonename.replaceAll(" ", "_"));
  if (named !== undefined) return { name: zonename ?? "", offset: named };
  const offset = timezone === undefined ? undefined : parsePosixZone(timezone);
  return offset === undefined ? { name: "UTC", offset: () => 0 } : { name: timezone ?? "", offset };
}

/** Minutes of local time from 1970-01-01 00:00 at `moment`, milliseconds since then in UTC. */
export function localMinute(zone: Zone, moment: number): number {
  return Math.floor((moment / 1000 + zone.offset(moment)) / 60);
}

function readSystem(files: Files): { zonename: string | undefined; timezone: string | undefined } {
  try {
    const bytes = files.readBytes(CONFIG);
    const system = bytes && sectionsOfType(parsePackage(bytes, { name: "system", file: CONFIG }), "system")[0];
    return { zonename: system && optionText(system, "zonename"), timezone: system && optionText(system, "timezone") };
  } catch {
    return { zonename: undefined, timezone: undefined };
  }
}

/** Undefined without Intl (Node can be built so), without the zone, or if its offset is told in another form. */
function namedZone(name: string): Offset | undefined {
  if (typeof Intl === "undefined") return undefined;
  try {
    const format = new Intl.DateTimeFormat("en-US", { timeZone: name, timeZoneName: "longOffset" });
    const offset: Offset = (moment) => {
      const told = format.formatToParts(moment).find(({ type }) => type === "timeZoneName")?.value ?? "";
      const [, sign, hours = "0", minutes = "0", seconds = "0"] =
        /^GMT(?:([+-])(\d{2}):(\d{2})(?::(\d{2}))?)?$/.exec(told) ?? [];
      return (sign === "-" ? -1 : 1) * (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds));
    };
    offset(0);
    return offset;
  } catch {
    return undefined;
  }
}
