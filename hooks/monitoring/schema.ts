/** The sections of /etc/config/beesip that let others watch the device. `docs/monitoring.md` is compared with these tables. */
import { faultOfAddress } from "../_checks.ts";
import { choice, flag, list, number, text, type ValuesOf, word } from "../_options.ts";
import {
  faultOfAsker,
  faultOfDistinguishedName,
  faultOfItem,
  faultOfPath,
  faultOfPsk,
  faultOfServer,
} from "./checks.ts";

/** Texts with macros are checked once the macros have their values. */
const anyText = (): undefined => undefined;

export const MONITORING = {
  enabled: flag(false, "Whether a Zabbix agent runs here by these settings."),
  zabbix_server: list(
    [],
    "Who may ask the agent: addresses, networks, host names. None: it answers nobody.",
    faultOfAsker,
  ),
  zabbix_server_active: list(
    [],
    "Servers or proxies the agent itself reports to, as `HOST` or `HOST:PORT`.",
    faultOfServer,
  ),
  zabbix_trapper: list([], "Servers that are sent events; those of `zabbix_server_active` if none.", faultOfServer),
  events: flag(true, "Whether the ends of runs are sent as events, besides being there for the agent's keys."),
  hostname: word("{hostname}", "The host's name in Zabbix; macros have their values.", anyText),
  hostname_item: text(
    "Key by which the agent finds its name instead, such as `system.hostname`; no events are sent then, as nobody else knows the name.",
    faultOfItem,
  ),
  metadata: text("What autoregistration goes by; macros have their values: `beesip {board} {release}`.", anyText),
  listen: list([], "Own addresses to answer on; all if none.", faultOfAddress),
  listen_port: number(10_050, 1024, 32_767, "Port to answer on."),
  refresh: number(
    undefined,
    60,
    3600,
    "Seconds between looks for what to check actively; the agent's default if not set.",
  ),
  tls: choice(
    ["none", "psk", "cert"],
    "none",
    "How both sides prove themselves: not at all, by a shared key, by certificates. The agent then takes nothing else.",
  ),
  psk_identity: text("Name of the shared key; macros have their values. Not secret.", anyText),
  psk: text("The shared key, 32 to 512 hex digits.", faultOfPsk),
  psk_file: text("Or a file that holds it.", faultOfPath),
  ca_file: text("File with the authorities that servers' certificates come from.", faultOfPath),
  cert_file: word("/etc/ssl/client.crt", "The device's certificate.", faultOfPath),
  key_file: text(
    "And its key; if not set, a copy for the agent's group of the one that `certs/{mac}.pem` of the tree holds.",
    faultOfPath,
  ),
  server_issuer: text("Issuer that a server's certificate must have.", faultOfDistinguishedName),
  server_subject: text("Subject that a server's certificate must have.", faultOfDistinguishedName),
};

export type Monitoring = ValuesOf<typeof MONITORING>;
