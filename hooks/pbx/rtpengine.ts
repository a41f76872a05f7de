/** rtpengine's file: where it is told what to do, and on which addresses and ports media goes through it. */
import { isIP } from "node:net";
import { ProvisionError } from "../../src/api.ts";
import type { PbxSection } from "./schema.ts";

export const RTPENGINE_CONF = "/etc/rtpengine/rtpengine.conf";
/** Its package's own instance reads this section of the file. */
export const SECTION = "rtpengine";
/** Where Kamailio tells it; nobody else can reach it. */
export const CONTROL = "127.0.0.1:2223";

/** How media goes through the device. */
export interface Relay {
  /** Logical interface of the inner side; of the outer one, too, if it is another. */
  readonly inside: string;
  readonly outside: string | undefined;
  /** Addresses or network devices, by logical interface. */
  readonly ends: readonly { readonly name: string; readonly end: string }[];
  /** Who is inside, as ADDRESS/BITS. */
  readonly networks: readonly string[];
}

export function renderRtpengine({ ends }: Relay, { rtp_start, rtp_end }: PbxSection): string {
  const lines = [
    "# Made by uciprov from /etc/config/beesip; changes here are lost.",
    `[${SECTION}]`,
    // The kernel's module is a package of its own; without it a table is an error in the log and nothing else.
    "table = -1",
    `interface = ${ends.map(({ name, end }) => `${name}/${plainEnd(end)}`).join(";")}`,
    `listen-ng = ${CONTROL}`,
    `port-min = ${rtp_start}`,
    `port-max = ${rtp_end}`,
    // Seconds without media until a call is forgotten; a call on hold is silent for long.
    "timeout = 60",
    "silent-timeout = 3600",
    // Seconds that ports of a call that ended stay taken, for what is still under way.
    "delete-delay = 3",
    // Expedited forwarding, as phones mark their media.
    "tos = 184",
    "num-threads = 2",
    "log-level = 5",
    "log-facility = daemon",
  ];
  return `${lines.join("\n")}\n`;
}

function plainEnd(end: string): string {
  if (isIP(end) !== 0 || /^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$/.test(end)) return end;
  throw new ProvisionError("PLAN_INVALID", `rtpengine's file cannot hold ${JSON.stringify(end)} as an interface`);
}
