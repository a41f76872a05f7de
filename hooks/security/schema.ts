/** The section of /etc/config/beesip that defends the exchange. `docs/security.md` is compared with this table. */
import { choice, flag, list, number, text, type ValuesOf } from "../_options.ts";
import { faultOfFile, faultOfFriend, faultOfMail, faultOfUri } from "./checks.ts";

export const SECURITY = {
  enabled: flag(false, "Whether anything of this is done at all."),
  allow: list(
    [],
    "Addresses and networks that are never banned, besides gateways and the device itself.",
    faultOfFriend,
  ),
  ban_time: number(
    120,
    0,
    604_800,
    "Seconds of a first ban. `0` bans nobody: what would have been banned is logged and reported, as a honeypot does it.",
  ),
  ban_time_max: number(86_400, 1, 604_800, "Seconds of the longest ban that the follower gives."),
  ban_factor: number(
    4,
    1,
    100,
    "How many times longer than the one before the follower's next ban of the same source is.",
  ),
  bans_per_minute: number(60, 1, 6000, "Most bans that the follower gives in a minute."),
  scope: choice(
    ["sip", "all"],
    "sip",
    "What a banned source cannot reach: SIP's ports, or the device and what is behind it altogether.",
  ),
  kernel_rate: number(
    50,
    0,
    100_000,
    "SIP packets a second from one source that the kernel lets pass; whoever sends more is banned. `0` counts nothing there.",
  ),
  kernel_burst: number(50, 1, 100_000, "SIP packets at once that it lets pass beyond that."),
  prefix6: choice(
    ["128", "64"],
    "128",
    "What counts as one source in IPv6 for the kernel: an address, or its /64, of which an attacker has all addresses and your phones may have some.",
  ),
  pike_density: number(30, 2, 100_000, "SIP requests of one source within `pike_unit` that Kamailio takes."),
  pike_unit: number(2, 1, 3600, "Seconds that Kamailio counts them over."),
  register_limit: number(
    10,
    1,
    10_000,
    "How often a minute a phone may log in as the same number with the right password; more is a phone gone wild.",
  ),
  failed_limit: number(10, 1, 10_000, "How many wrong passwords a minute one source may try."),
  register_rate: number(
    200,
    0,
    100_000,
    "Logins a second that Kamailio looks at, of all who are not banned, together; the others have to ask again. `0` is no bound.",
  ),
  ban_private: flag(
    false,
    "Whether the follower bans private addresses, too, as phones of the house have them; the kernel and Kamailio do in any case.",
  ),
  guard: flag(
    true,
    "Whether the follower `uciprov guard` runs, which reads logs and bans in the kernel what is found there.",
  ),
  ids: choice(
    ["none", "snort3", "eve"],
    "none",
    "Whose alerts it reads: none, Snort 3's `alert_json`, or Suricata's `eve.json`.",
  ),
  ids_file: text(
    "Where these alerts are; else `/var/log/alert_json.txt` or `/var/log/suricata/eve.json`.",
    faultOfFile,
  ),
  report_mail: text("Who is told by mail of each incident (by `sendmail`, of `msmtp`).", faultOfMail),
  report_url: text("Where each incident is posted to, as JSON.", faultOfUri),
};

export type SecuritySection = ValuesOf<typeof SECURITY>;
