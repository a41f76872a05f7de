import { ProvisionError } from "../errors.ts";

/** A name server: a literal address, with zone for a link-local one (`fe80::1%eth0`), and its port. */
export interface NameServer {
  readonly address: string;
  readonly family: 4 | 6;
  readonly port: number;
}

/** Servers asked in one exchange; the C libraries take three. */
const MAX_SERVERS = 4;

/**
 * Name servers as settings and resolv.conf write them, `address` or, as dnsmasq has it, `address#port`; repeated ones
 * and those after the fourth are left out. SETTINGS_INVALID if one is no address, or there is none.
 */
export function readServers(texts: readonly string[], defaultPort: number): NameServer[] {
  const byText = new Map(texts.map((text) => readServer(text, defaultPort)).map((one) => [serverText(one), one]));
  if (byText.size === 0) throw new ProvisionError("SETTINGS_INVALID", "no name server is known");
  return [...byText.values()].slice(0, MAX_SERVERS);
}

function readServer(text: string, defaultPort: number): NameServer {
  const [address = "", portText, more] = text.split("#");
  const port = portText === undefined ? defaultPort : /^\d{1,5}$/.test(portText) ? Number(portText) : 0;
  const family = isIpv4(address) ? 4 : process.getBuiltinModule("node:net").isIP(address);
  if ((family !== 4 && family !== 6) || more !== undefined || port < 1 || port > 65_535) {
    throw new ProvisionError("SETTINGS_INVALID", `${JSON.stringify(text)} is no name server: address or address#port`);
  }
  return { address, family, port };
}

/** The usual case, without loading node:net and the streams that it needs. */
function isIpv4(text: string): boolean {
  const numbers = text.split(".");
  return (
    numbers.length === 4 && numbers.every((one) => Number(one) >= 0 && Number(one) < 256 && `${Number(one)}` === one)
  );
}

/** A server as people read it. */
export function serverText({ address, port }: NameServer): string {
  return port === 53 ? address : `${address}#${port}`;
}
