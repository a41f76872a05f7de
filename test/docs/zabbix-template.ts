/** docs/zabbix-template.yaml, made from the tables of keys: a template as Zabbix 6.0 and later import it. */
import { createHash } from "node:crypto";
import { AGENT_KEYS, TRAPPER_KEYS } from "../../src/monitor-keys.ts";

const TEMPLATE = "uciprov";
/** A group that every server brings, by its own uuid: an import under another one would rename that for all templates. */
const GROUP = { uuid: "36bff6c29af64692839d077febfc7079", name: "Templates/Network devices" };

type Yaml = string | readonly Yaml[] | { readonly [name: string]: Yaml | undefined };

interface Trigger {
  readonly name: string;
  readonly priority: "INFO" | "WARNING" | "AVERAGE";
  /** `ITEM` stands for `/TEMPLATE/KEY`. */
  readonly expression: string;
}

const MACROS: Readonly<Record<string, string>> = {
  "{$UCIPROV.FAILURES}": "3",
  "{$UCIPROV.AGE}": "1d",
  "{$GUARD.AGE}": "10m",
  "{$GUARD.GONE}": "7d",
  "{$PROBE.MOS}": "3.6",
  "{$PROBE.GONE}": "2d",
};

/**
 * Told at a time that is long ago, or not at all: only `nodata` is looked at while no value comes, and where an item is not supported, where every other function
 * is unknown. (`unknown or 1` is a problem, `unknown and 0` is none.)
 */
const silent = (age: string) => `fuzzytime(ITEM,${age})=0 or nodata(ITEM,${age})=1`;

/** Only until it is gone for long: a problem of an item without values stays open for ever otherwise. */
const untilGone = (problem: string, age: string) => `${problem} and nodata(ITEM,${age})=0`;

const TRIGGERS: Readonly<Partial<Record<keyof typeof AGENT_KEYS | keyof typeof TRAPPER_KEYS, Trigger>>> = {
  "uciprov.failures": {
    name: "Provisioning fails",
    priority: "WARNING",
    expression: "last(ITEM)>={$UCIPROV.FAILURES}",
  },
  "uciprov.time": {
    name: "No run has ended for long",
    priority: "AVERAGE",
    expression: silent("{$UCIPROV.AGE}"),
  },
  "uciprov.left": { name: "The tree holds in part only", priority: "WARNING", expression: "last(ITEM)>0" },
  "uciprov.drift": { name: "Somebody changed what the tree says", priority: "INFO", expression: "last(ITEM)>0" },
  "guard.time": {
    name: "The guard says nothing",
    priority: "AVERAGE",
    expression: untilGone(`(${silent("{$GUARD.AGE}")})`, "{$GUARD.GONE}"),
  },
  "guard.table": {
    name: "The guard cannot ban",
    priority: "AVERAGE",
    expression: untilGone('(last(ITEM)="failed" or last(ITEM)="missing")', "{$GUARD.GONE}"),
  },
  "probe.failed": {
    name: "Calls to partners fail",
    priority: "WARNING",
    expression: untilGone("last(ITEM)>0", "{$PROBE.GONE}"),
  },
  "probe.mos[PARTNER]": {
    name: "Calls from {#PARTNER} sound bad",
    priority: "WARNING",
    expression: untilGone("max(ITEM,#2)<{$PROBE.MOS}", "{$PROBE.GONE}"),
  },
};

/** The template's text. */
export function zabbixTemplate(): string {
  const isOfPartner = (key: string) => key.endsWith("[PARTNER]");
  const agent = Object.entries(AGENT_KEYS).filter(([, { value }]) => value !== "JSON for discovery");
  const trappers = Object.entries(TRAPPER_KEYS);
  const rules = Object.entries(AGENT_KEYS).filter(([, { value }]) => value === "JSON for discovery");
  return print({
    zabbix_export: {
      version: "6.0",
      date: "2026-11-28T00:00:00Z",
      groups: [GROUP],
      templates: [
        {
          uuid: uuid("template"),
          template: TEMPLATE,
          name: TEMPLATE,
          description:
            "Devices that uciprov provisions, and what its guard and its probe see. The agent's items are active: `zabbix_server_active` must name this server.",
          groups: [{ name: GROUP.name }],
          items: [
            ...agent.map(([key, about]) => ({ ...item(key, about), type: "ZABBIX_ACTIVE", delay: "1m" })),
            ...trappers
              .filter(([key]) => !isOfPartner(key))
              .map(([key, about]) => ({ ...item(key, about), type: "TRAP", delay: "0" })),
          ],
          discovery_rules: rules.map(([key, { meaning }]) => ({
            uuid: uuid(key),
            name: key,
            type: "ZABBIX_ACTIVE",
            key,
            delay: "5m",
            description: meaning,
            item_prototypes: trappers
              .filter(([name]) => isOfPartner(name))
              .map(([name, about]) => ({ ...item(name, about), type: "TRAP", delay: "0" })),
          })),
          macros: Object.entries(MACROS).map(([macro, value]) => ({ macro, value })),
        },
      ],
    },
  });
}

function item(
  key: string,
  { value, meaning }: { readonly value: string; readonly meaning: string },
): Record<string, Yaml | undefined> {
  const named = key.replace("PARTNER", "{#PARTNER}");
  const trigger = TRIGGERS[key as keyof typeof TRIGGERS];
  const isText = value === "text";
  return {
    uuid: uuid(key),
    name: named,
    key: named,
    value_type: isText ? "TEXT" : value === "number" ? "FLOAT" : "UNSIGNED",
    ...(isText ? { trends: "0" } : {}),
    ...(value === "seconds since 1970" ? { units: "unixtime" } : {}),
    description: meaning.replaceAll("`", "'"),
    ...(trigger === undefined
      ? {}
      : { [named === key ? "triggers" : "trigger_prototypes"]: [triggerOf(key, named, trigger)] }),
  };
}

function triggerOf(key: string, named: string, { name, priority, expression }: Trigger): Yaml {
  return {
    uuid: uuid(`trigger ${key}`),
    expression: expression.replaceAll("ITEM", `/${TEMPLATE}/${named}`),
    name,
    priority,
  };
}

/** The same each time, in the form of a version 4 that an import asks for. */
function uuid(of: string): string {
  const digits = createHash("sha256").update(`uciprov ${of}`).digest("hex").slice(0, 32);
  return `${digits.slice(0, 12)}4${digits.slice(13, 16)}8${digits.slice(17)}`;
}

function print(value: Yaml, indent = ""): string {
  if (typeof value === "string") return `'${value.replaceAll("'", "''")}'\n`;
  if (Array.isArray(value))
    return value.map((one: Yaml) => `${indent}- ${print(one, `${indent}  `).trimStart()}`).join("");
  return Object.entries(value)
    .flatMap(([name, one]) =>
      one === undefined
        ? []
        : [`${indent}${quoted(name)}:${typeof one === "string" ? " " : "\n"}${print(one, `${indent}  `)}`],
    )
    .join("");
}

function quoted(name: string): string {
  return /^[a-z_]+$/.test(name) ? name : `'${name}'`;
}
