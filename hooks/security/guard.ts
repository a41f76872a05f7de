/** What the follower `uciprov guard` is told: where to look, whom to leave alone, how long to ban. Version 1; `src/guard/` reads it. */
import type { Defence } from "./defence.ts";
import { TABLE } from "./nft.ts";

export const GUARD = "/etc/beesip/guard.json";

const ALERTS = { snort3: "/var/log/alert_json.txt", eve: "/var/log/suricata/eve.json" } as const;
/** What it takes (`src/guard/guard-file.ts`). */
const MOST = { allow: 1024, own: 256 } as const;
/** Where nobody is banned, repeats are merged over this time. */
const QUIET_SECONDS = 120;

type Source =
  | { readonly kind: "kamailio" | "asterisk"; readonly from: "syslog" }
  | { readonly kind: "snort3" | "eve"; readonly from: "file"; readonly path: string };

/** Undefined if there is nothing to follow. */
export function renderGuard({ section, programs, gateways, own }: Defence): string | undefined {
  const { ids } = section;
  const sources: readonly Source[] = [
    ...programs.map((kind) => ({ kind, from: "syslog" }) as const),
    ...(ids === "none" ? [] : [{ kind: ids, from: "file", path: section.ids_file ?? ALERTS[ids] } as const]),
  ];
  if (!section.guard || sources.length === 0) return undefined;
  const isBanning = section.ban_time > 0;
  const report = {
    ...(section.report_mail === undefined ? {} : { mail: section.report_mail }),
    ...(section.report_url === undefined ? {} : { uri: section.report_url }),
  };
  const all = {
    version: 1,
    table: TABLE,
    apply: isBanning,
    sources,
    // In the kernel all of them come before any ban.
    allow: [...new Set([...section.allow, ...gateways])].slice(0, MOST.allow),
    own: own.slice(0, MOST.own),
    ban: {
      seconds: isBanning ? section.ban_time : Math.min(QUIET_SECONDS, section.ban_time_max),
      max: section.ban_time_max,
      factor: section.ban_factor,
      perMinute: section.bans_per_minute,
      private: section.ban_private,
    },
    ...(Object.keys(report).length === 0 ? {} : { report }),
  };
  return `${JSON.stringify(all, undefined, 2)}\n`;
}
