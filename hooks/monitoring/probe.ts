import {
  type Change,
  file,
  makeSection,
  type Origin,
  optionFlag,
  optionText,
  type PlanContext,
  PROBE_FILE,
  type ProbeConfig,
  service,
  uci,
} from "../../src/api.ts";
import { placedSections, readOptions } from "../_options.ts";
import { plannedName } from "../_planned-name.ts";
import { renderAlone, renderBeside } from "./probe-asterisk.ts";
import { PROBE, type Probe } from "./probe-schema.ts";

const FILE = "/etc/config/beesip";
const PLACE = "beesip.probe";
const ORIGIN: Origin = { module: "monitoring" };
const FROM_UCI: Origin = { module: "monitoring", uri: FILE };
/** Runs `uciprov probe` while the file is there. */
const SERVICE = "beesip-probe";
/** Where the exchange's Asterisk listens: behind Kamailio, or for phones itself (docs/pbx.md). */
const EXCHANGE_PORTS: Readonly<Record<string, number>> = { both: 5080, b2bua: 5060 };

/** The device as a probe of speech quality: what Asterisk needs, and what `uciprov probe` is told. */
export function planProbe(context: PlanContext): readonly Change[] {
  const probe = readProbe(context);
  if (probe === undefined || isMissing(context)) return [];
  const exchange = exchangePort(context);
  const files = [...renderBeside(), ...(exchange === undefined ? renderAlone(probe.port) : [])];
  const paths = (isReloadable: boolean) =>
    files.filter((one) => one.isReloadable === isReloadable).map(({ path }) => path);
  return [
    file(PROBE_FILE, `${JSON.stringify(configOf(context, probe, exchange ?? probe.port), undefined, 1)}\n`, {
      mode: 0o600,
      origin: FROM_UCI,
    }),
    ...files.map(({ path, text }) => file(path, text, { mode: 0o640, group: "asterisk", origin: FROM_UCI })),
    uci(
      {
        mode: "merge",
        content: { name: "asterisk", sections: [makeSection("asterisk", "general", { enabled: "1" })] },
      },
      "asterisk",
      FROM_UCI,
    ),
    service("asterisk", { boot: "enabled", run: "started", onChange: { paths: paths(true), act: "reload" } }, ORIGIN),
    service("asterisk", { onChange: { paths: paths(false), act: "restart" } }, ORIGIN),
    service(SERVICE, { boot: "enabled", run: "started", onChange: { paths: [PROBE_FILE], act: "restart" } }, ORIGIN),
  ];
}

function readProbe(context: PlanContext): Probe | undefined {
  const config = context.uci("beesip") ?? { name: "beesip", sections: [] };
  const [placed, other] = placedSections(config, "probe");
  if (placed === undefined) return undefined;
  if (other !== undefined) {
    context.finding("error", "PLAN_INVALID", `${other.place} is a second section \`probe\`: 1 is allowed`, {
      file: FILE,
    });
    return undefined;
  }
  const probe = readOptions(context, placed.section, placed.place, PROBE);
  if (probe === undefined) return undefined;
  if (probe.server === undefined && probe.host.length === 0) {
    tell(context, "error", "server", "is missing, and without `host` DHCP may not name one");
    return undefined;
  }
  const role = roleOf(context);
  if (role === "proxy" && probe.port === 5060) {
    tell(context, "error", "port", "is 5060, where Kamailio listens: say another one, such as 5062");
    return undefined;
  }
  if (role !== undefined && role !== "proxy" && probe.port !== PROBE.port.read([]))
    tell(context, "warning", "port", "is not used: the exchange's Asterisk listens where the exchange says");
  return probe;
}

function tell(context: PlanContext, severity: "error" | "warning", option: string, wrong: string): void {
  const place = `${PLACE}.${option}`;
  context.finding(severity, "PLAN_INVALID", `${place} ${wrong}`, { file: FILE, option: place });
}

/** The role of the exchange on this device, if there is one. */
function roleOf(context: PlanContext): string | undefined {
  const section = context.uci("beesip")?.sections.find((one) => one.type === "pbx" && one.name === "pbx");
  return optionFlag(section, "enabled", false) ? ((section && optionText(section, "role")) ?? "b2bua") : undefined;
}

/** Where the exchange's Asterisk listens; undefined: the exchange has none, and all of Asterisk is ours. */
function exchangePort(context: PlanContext): number | undefined {
  return EXCHANGE_PORTS[roleOf(context) ?? ""];
}

function isMissing(context: PlanContext): boolean {
  if (context.files.stat("/etc/init.d/asterisk") !== undefined) return false;
  tell(context, "warning", "enabled", "is set, and asterisk is not on this device: the probe waits until it is");
  return true;
}

function configOf(context: PlanContext, probe: Probe, port: number): ProbeConfig {
  return {
    version: 1,
    ...(probe.server === undefined ? {} : { server: probe.server }),
    hosts: probe.host,
    ...(probe.key_url === undefined ? {} : { keyUrl: probe.key_url }),
    cert: probe.cert,
    key: probe.key,
    ...(probe.ca === undefined ? {} : { ca: probe.ca }),
    ...(probe.sample === undefined ? {} : { sample: probe.sample }),
    name: probe.name ?? plannedName(context).slice(0, 64),
    port,
    spoolBytes: probe.spool_limit_kb * 1024,
    conceals: probe.concealment,
  };
}
