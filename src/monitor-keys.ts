/** What a Zabbix server can know of a device by uciprov. `docs/monitoring.md` and the template there are compared with these tables. */

/** A file for each key of the agent: `{folder}/{key}`, in RAM, readable by all, since the agent is not root. Nothing secret belongs there. */
export const MONITOR_FOLDER = "/var/run/beesip/monitor";

/** Where events go and how, as the module `monitoring` leaves it for whoever has some to send. */
export const SENDER_FILE = "/etc/beesip/sender.json";

/** The agent's settings that the module `monitoring` writes. */
export const AGENT_FILE = "/etc/zabbix_agentd.conf.d/beesip.conf";

interface MonitorKey {
  readonly value: "whole number" | "number" | "seconds since 1970" | "text" | "JSON for discovery";
  readonly meaning: string;
}

/** What the agent is asked for; it prints the file. */
export const AGENT_KEYS = {
  "uciprov.result": {
    value: "text",
    meaning:
      "What the last run came to: `changed`, `unchanged`, `recorded`, `partial`, `waiting`, `flashing`, `rebooting`, `off`, or `failed`.",
  },
  "uciprov.exit": { value: "text", meaning: "The name of its exit status, as in `--json`." },
  "uciprov.error": { value: "text", meaning: "The code of its failure, as in errors.md; `NONE` if it ended well." },
  "uciprov.failures": {
    value: "whole number",
    meaning: "Runs since boot that failed since the last one that did not.",
  },
  "uciprov.time": { value: "seconds since 1970", meaning: "When the last run ended, by the device's clock." },
  "uciprov.generation": { value: "whole number", meaning: "The generation that is confirmed; 0 before the first." },
  "uciprov.confirmed": { value: "seconds since 1970", meaning: "When it was confirmed; 0 before the first." },
  "uciprov.tree": { value: "text", meaning: "The name of its tree, without a name its URI." },
  "uciprov.serial": { value: "whole number", meaning: "The tree's serial number; 0 if it has none." },
  "uciprov.left": {
    value: "whole number",
    meaning: "Parts of the tree that are left out, since the device was cut off with them.",
  },
  "uciprov.drift": {
    value: "whole number",
    meaning: "What others changed of what the tree says, as the last run that looked at all of it found.",
  },
  "guard.time": { value: "seconds since 1970", meaning: "When the guard last told how it is: once a minute at least." },
  "guard.table": { value: "text", meaning: "How it stands with the kernel's table: `ok`, or why not, as in guard.md." },
  "guard.bans": { value: "whole number", meaning: "Addresses that are banned now." },
  "guard.incidents": { value: "whole number", meaning: "Incidents since the guard was started." },
  "guard.spared": { value: "whole number", meaning: "Of these, ones whose source may not be banned." },
  "probe.round": { value: "seconds since 1970", meaning: "When the last round of calls began." },
  "probe.measured": { value: "whole number", meaning: "Links it measured." },
  "probe.failed": { value: "whole number", meaning: "Links it did not." },
  "probe.mos_min": { value: "number", meaning: "The MOS of its worst link, as docs/probe.md says how." },
  "probe.waiting": { value: "whole number", meaning: "Results that wait for the collector." },
  "probe.dropped": {
    value: "whole number",
    meaning: "Results and recordings that were dropped for want of room, since boot.",
  },
  "probe.trouble": { value: "text", meaning: "What went wrong last and has not gone right since; `NONE` if nothing." },
  "probe.partners": {
    value: "JSON for discovery",
    meaning: "Partners of the last round as `{#PARTNER}`, for an item each of what is sent below.",
  },
} as const satisfies Readonly<Record<string, MonitorKey>>;

/** What is sent to trapper items, as it happens. PARTNER stands for a partner's name. */
export const TRAPPER_KEYS = {
  "uciprov.event": {
    value: "text",
    meaning: "A run came to another end than the one before: `RESULT EXIT ERROR generation=N`.",
  },
  "guard.incident": { value: "text", meaning: "Somebody attacks: the incident as JSON, with the fields of guard.md." },
  "probe.state[PARTNER]": {
    value: "text",
    meaning: "What became of a round's call to and from a partner: `measured`, or why not.",
  },
  "probe.mos[PARTNER]": { value: "number", meaning: "How a call from there sounds, 1 to 4.5." },
  "probe.loss[PARTNER]": { value: "number", meaning: "Packets that were lost on the way here, in percent." },
  "probe.jitter[PARTNER]": { value: "number", meaning: "Jitter of what came, in milliseconds." },
  "probe.rtt[PARTNER]": { value: "number", meaning: "Milliseconds there and back." },
} as const satisfies Readonly<Record<string, MonitorKey>>;

export type AgentKey = keyof typeof AGENT_KEYS;
export type TrapperKey = keyof typeof TRAPPER_KEYS;
