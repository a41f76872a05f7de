/** The section of /etc/config/beesip that makes the device a probe of speech quality. `docs/probe.md` is compared with this table. */
import { ProvisionError, parseUri } from "../../src/api.ts";
import { faultOfHost, faultOfLabel } from "../_checks.ts";
import { flag, list, number, show, text, type ValuesOf, word } from "../_options.ts";
import { faultOfPath } from "./checks.ts";

/** Whoever listens on the way must learn neither a key nor a recording. */
function faultOfHttps(given: string): string | undefined {
  try {
    return parseUri(given, "it").scheme === "https" ? undefined : `${show(given)} is not https`;
  } catch (thrown) {
    if (!(thrown instanceof ProvisionError)) throw thrown;
    return `${show(given)} is no URI: ${thrown.message}`;
  }
}

export const PROBE = {
  enabled: flag(false, "Whether the device calls its partners and is called by them."),
  server: text(
    "The collector, such as `https://collector.example/`; else what DHCP option 225 says, if `host` allows it.",
    faultOfHttps,
  ),
  host: list(
    [],
    "Hosts that DHCP may name as collector and as place of the key, over https only. None: DHCP is not listened to.",
    faultOfHost,
  ),
  cert: word(
    "/etc/beesip/probe.crt",
    "The probe's certificate; `/etc/ssl/client.crt` is the device's own.",
    faultOfPath,
  ),
  key: word("/etc/beesip/probe.key", "And its key; `/etc/ssl/private/client.key` is the device's own.", faultOfPath),
  ca: text("File with the authorities the collector's certificate comes from; else those of uciprov.", faultOfPath),
  key_url: text(
    "Where certificate and key are fetched if they are not there, as one PEM; else what DHCP option 226 says, if `host` allows it.",
    faultOfHttps,
  ),
  name: text("What the probe calls itself on the collector's pages; else the host's name.", faultOfLabel),
  port: number(
    5060,
    1,
    65_535,
    "Port that Asterisk listens on for this, UDP and TCP, where the exchange is not on Asterisk too.",
  ),
  sample: text("A sound of one's own (WAV, 8 kHz, 16 bit, mono) instead of the one the plan names.", faultOfPath),
  concealment: flag(
    true,
    "Whether those who listen have phones that conceal losses (ITU-T G.711, appendix I), as nearly all do.",
  ),
  spool_limit_kb: number(
    4096,
    512,
    262_144,
    "Kilobytes of RAM for what waits to be uploaded; beyond, the oldest recordings go. A recording of 10 s has 160.",
  ),
};

export type Probe = ValuesOf<typeof PROBE>;
