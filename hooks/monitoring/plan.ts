import {
  AGENT_FILE,
  AGENT_KEYS,
  type Change,
  expandText,
  file,
  MONITOR_FOLDER,
  makeSection,
  type Origin,
  type PlanContext,
  ProvisionError,
  SENDER_FILE,
  service,
  template,
  uci,
} from "../../src/api.ts";
import { placedSections, readOptions } from "../_options.ts";
import { plannedMacros } from "../_planned-name.ts";
import { commaList, fileParameter, type Parameter, printAgentConf } from "./agent-conf.ts";
import { faultOfHostName, faultOfIdentity, faultOfMetadata, serverOf } from "./checks.ts";
import { MONITORING, type Monitoring } from "./schema.ts";

const FILE = "/etc/config/beesip";
const PLACE = "beesip.monitoring";
const ORIGIN: Origin = { module: "monitoring" };
const FROM_UCI: Origin = { module: "monitoring", uri: FILE };

/** The package's own settings, which include the folder of ours at their end: a value that is said twice is the last one's. */
const PACKAGE_CONF = "/etc/zabbix_agentd.conf";
const GROUP = "zabbix-agent";
const PSK = "/etc/beesip/zabbix.psk";
const KEY = "/etc/beesip/zabbix.key";

/** The agent's settings and its switch, and where events go. */
export function planMonitoring(context: PlanContext): readonly Change[] {
  const wanted = readWanted(context);
  if (wanted === undefined) return [];
  const key = wanted.monitoring.psk;
  const isAsked = wanted.monitoring.zabbix_server.length + wanted.monitoring.zabbix_server_active.length > 0;
  const hasAgent = isAsked && isInstalled(context);
  return [
    ...(hasAgent ? agent(context, wanted) : []),
    // The group is there with the agent.
    ...(key === undefined
      ? []
      : [file(PSK, `${key}\n`, { mode: 0o640, ...(hasAgent ? { group: GROUP } : {}), origin: FROM_UCI })]),
    ...ownKey(wanted, hasAgent),
    ...senderFile(wanted),
  ];
}

/** `certs` gives the key to root alone, and the agent has given up root's rights when it reads it. */
function ownKey({ pem }: Wanted, hasAgent: boolean): readonly Change[] {
  if (pem === undefined) return [];
  return [file(KEY, pem.text, { mode: 0o640, ...(hasAgent ? { group: GROUP } : {}), origin: pem.origin })];
}

function agent(context: PlanContext, wanted: Wanted): readonly Change[] {
  noteOtherSettings(context);
  const { ca_file, cert_file, key_file } = wanted.monitoring;
  const proofs = wanted.monitoring.tls === "cert" ? [cert_file, key_file ?? KEY, ca_file ?? []].flat() : [PSK];
  const paths = [AGENT_FILE, ...proofs, "/etc/config/zabbix_agentd"];
  return [
    file(AGENT_FILE, printAgentConf(parametersOf(wanted)), { mode: 0o644, origin: FROM_UCI }),
    ...switchedOn(context),
    // procd watches the package's file alone, and the agent does not read its settings anew.
    service("zabbix_agentd", { boot: "enabled", run: "started", onChange: { paths, act: "restart" } }, ORIGIN),
  ];
}

/** The section with its macros in place. */
interface Wanted {
  readonly monitoring: Monitoring;
  readonly hostname: string;
  readonly metadata: string | undefined;
  readonly identity: string | undefined;
  readonly pskFile: string | undefined;
  /** The device's key that the tree holds, if it is the one to take. */
  readonly pem: { readonly text: string; readonly origin: Origin } | undefined;
}

type Tell = (option: string, wrong: string, severity?: "error" | "warning") => void;

function readWanted(context: PlanContext): Wanted | undefined {
  let isRight = true;
  const tell: Tell = (option, wrong, severity = "error") => {
    if (severity === "error") isRight = false;
    context.finding(severity, "PLAN_INVALID", `${PLACE}.${option} ${wrong}`, {
      file: FILE,
      option: `${PLACE}.${option}`,
    });
  };
  const config = context.uci("beesip") ?? { name: "beesip", sections: [] };
  const [placed, other] = placedSections(config, "monitoring");
  if (placed === undefined) return undefined;
  if (other !== undefined) {
    context.finding("error", "PLAN_INVALID", `${other.place} is a second section \`monitoring\`: 1 is allowed`, {
      file: FILE,
    });
    return undefined;
  }
  const monitoring = readOptions(context, placed.section, placed.place, MONITORING);
  if (monitoring === undefined) return undefined;
  const macros = plannedMacros(context);
  const filled = (option: "hostname" | "metadata" | "psk_identity", faultOf: (text: string) => string | undefined) => {
    const given = monitoring[option];
    if (given === undefined) return undefined;
    try {
      const { text } = expandText(template(given), macros);
      const wrong = faultOf(text);
      if (wrong !== undefined) tell(option, wrong);
      return text;
    } catch (thrown) {
      if (!(thrown instanceof ProvisionError)) throw thrown;
      tell(option, `cannot be filled in: ${thrown.message}`);
      return undefined;
    }
  };
  const hostname = filled("hostname", faultOfHostName) ?? "";
  const metadata = filled("metadata", faultOfMetadata);
  const identity = filled("psk_identity", faultOfIdentity);
  checkServers(monitoring, tell);
  checkProofs(context, monitoring, tell);
  const pskFile = monitoring.psk === undefined ? monitoring.psk_file : PSK;
  const pem = monitoring.tls === "cert" && monitoring.key_file === undefined ? keyOfTree(context, tell) : undefined;
  return isRight ? { monitoring, hostname, metadata, identity, pskFile, pem } : undefined;
}

/** Whether it is a key, and of which certificate, is for `certs` to say. */
function keyOfTree(context: PlanContext, tell: Tell): Wanted["pem"] {
  const resource = context.resource("client");
  const found = /^-----BEGIN ([A-Z ]*PRIVATE KEY)-----\n[A-Za-z0-9+/=\n]*?^-----END \1-----$/m.exec(
    (context.text("client") ?? "").replaceAll("\r\n", "\n"),
  );
  if (resource !== undefined && found !== null)
    return { text: `${found[0]}\n`, origin: { ...resource.origin, ...ORIGIN } };
  tell("key_file", "is not set, and the tree has no certs/{mac}.pem with a key for this device");
  return undefined;
}

/** The line that a list becomes must fit (`Server=` of 2000 bytes); far more than anybody has. */
const MOST_SERVERS = 16;

function checkServers(monitoring: Monitoring, tell: Tell): void {
  for (const option of ["zabbix_server", "zabbix_server_active", "zabbix_trapper", "listen"] as const) {
    const servers = monitoring[option];
    if (servers.length > MOST_SERVERS) tell(option, `has ${servers.length} values: ${MOST_SERVERS} are allowed`);
    // An agent does not start with a server twice, however it is written.
    const same = servers.map((one) => JSON.stringify(serverOf(one) ?? one).toLowerCase());
    const double = servers.find((_, at) => same.indexOf(same[at] ?? "") !== at);
    if (double !== undefined) tell(option, `has ${double} twice`);
  }
  const { zabbix_server, zabbix_server_active, zabbix_trapper, events, hostname_item } = monitoring;
  if (zabbix_server.length + zabbix_server_active.length + zabbix_trapper.length === 0)
    tell(
      "zabbix_server",
      "is missing, as are zabbix_server_active and zabbix_trapper: nobody would hear of the device",
    );
  if (events && hostname_item !== undefined && zabbix_trapper.length > 0)
    tell(
      "zabbix_trapper",
      "is sent nothing while hostname_item is set, as only the agent knows the host's name",
      "warning",
    );
}

function checkProofs(
  context: PlanContext,
  { tls, psk, psk_file, psk_identity, ...section }: Monitoring,
  tell: Tell,
): void {
  const isThere = (path: string) => context.files.stat(path) !== undefined;
  if (tls === "psk") {
    if (psk_identity === undefined) tell("psk_identity", "is missing");
    if (psk === undefined && psk_file === undefined) tell("psk", "is missing, as is psk_file");
    if (psk !== undefined && psk_file !== undefined) tell("psk_file", "is there as well as psk: one of them");
    if (psk_file !== undefined && !isThere(psk_file))
      tell("psk_file", `${psk_file} is not there yet: the agent will not start before it is`, "warning");
  } else if (psk !== undefined || psk_file !== undefined || psk_identity !== undefined) {
    tell("tls", "is not `psk`, though a shared key is set", "warning");
  }
  if (tls === "cert" && section.ca_file === undefined) tell("ca_file", "is missing");
}

/** Settings for a program that is not there help nobody. */
function isInstalled(context: PlanContext): boolean {
  if (context.files.stat("/etc/init.d/zabbix_agentd") !== undefined) return true;
  const message = "zabbix_agentd is not on this device, so its part is left out until it is";
  context.finding("warning", "PLAN_INVALID", message, { file: FILE, option: `${PLACE}.enabled` });
  return false;
}

/** A person may have written a file of their own that does not include ours. */
function noteOtherSettings(context: PlanContext): void {
  const lines = context.files.read(PACKAGE_CONF)?.split("\n") ?? [];
  if (lines.some((line) => /^\s*Include=\/etc\/zabbix_agentd\.conf\.d(?:\/(?:\*\.conf)?)?\s*$/.test(line))) return;
  const message = `${PACKAGE_CONF} does not include /etc/zabbix_agentd.conf.d/*.conf: the agent would not see its settings`;
  context.finding("warning", "PLAN_INVALID", message, { file: PACKAGE_CONF });
}

function parametersOf({ monitoring, hostname, metadata, identity, pskFile }: Wanted): readonly Parameter[] {
  const { zabbix_server, zabbix_server_active, listen, listen_port, refresh, hostname_item, tls } = monitoring;
  const one = (name: string, value: string | number | undefined): Parameter[] =>
    value === undefined ? [] : [[name, String(value)]];
  const many = (name: string, values: readonly string[]): Parameter[] =>
    values.length === 0 ? [] : [[name, commaList(values)]];
  return [
    ...many("Server", zabbix_server),
    // Who may not be asked listens to nobody.
    ...(zabbix_server.length === 0
      ? one("StartAgents", 0)
      : [...many("ListenIP", listen), ...one("ListenPort", listen_port)]),
    ...many("ServerActive", zabbix_server_active),
    ...one("RefreshActiveChecks", refresh),
    ...(hostname_item === undefined ? one("Hostname", hostname) : one("HostnameItem", hostname_item)),
    ...one("HostMetadata", metadata === "" ? undefined : metadata),
    ...(tls === "none"
      ? []
      : [
          ...(zabbix_server_active.length === 0 ? [] : one("TLSConnect", tls)),
          ...(zabbix_server.length === 0 ? [] : one("TLSAccept", tls)),
        ]),
    ...(tls === "psk" ? [...one("TLSPSKIdentity", identity), ...one("TLSPSKFile", pskFile)] : []),
    ...(tls === "cert"
      ? [
          ...one("TLSCAFile", monitoring.ca_file),
          ...one("TLSCertFile", monitoring.cert_file),
          ...one("TLSKeyFile", monitoring.key_file ?? KEY),
          ...one("TLSServerCertIssuer", monitoring.server_issuer),
          ...one("TLSServerCertSubject", monitoring.server_subject),
        ]
      : []),
    ["UnsafeUserParameters", "0"],
    ...Object.keys(AGENT_KEYS).map((key) => fileParameter(key, `${MONITOR_FOLDER}/${key}`)),
  ];
}

/** Where events go: read by runs, and by whoever else has some to send. */
function senderFile({ monitoring, hostname, identity, pskFile }: Wanted): readonly Change[] {
  const { events, hostname_item, zabbix_trapper, zabbix_server_active, tls } = monitoring;
  const servers = zabbix_trapper.length > 0 ? zabbix_trapper : zabbix_server_active;
  if (!events || hostname_item !== undefined || servers.length === 0) return [];
  const proof =
    tls === "none"
      ? undefined
      : tls === "psk"
        ? { by: "psk", identity, file: pskFile }
        : {
            by: "cert",
            ca: monitoring.ca_file,
            cert: monitoring.cert_file,
            key: monitoring.key_file ?? KEY,
            issuer: monitoring.server_issuer,
            subject: monitoring.server_subject,
          };
  const content = { version: 1, host: hostname, servers: servers.flatMap((one) => serverOf(one) ?? []), proof };
  return [file(SENDER_FILE, `${JSON.stringify(content, undefined, 2)}\n`, { mode: 0o600, origin: FROM_UCI })];
}

/** OpenWrt 25.12 has a switch of its own; 24.10 starts the agent wherever its init script is enabled. */
function switchedOn(context: PlanContext): readonly Change[] {
  if (context.uci("zabbix_agentd") === undefined) return [];
  const content = { name: "zabbix_agentd", sections: [makeSection("zabbix_agentd", "general", { enabled: "1" })] };
  return [uci({ mode: "merge", content }, "zabbix_agentd", FROM_UCI)];
}
