/** What texts for a Zabbix agent must look like. Each gives the reason why not, or undefined. */
import { isIPv6 } from "node:net";
import { faultOfHost, faultOfNetwork } from "../_checks.ts";
import { show } from "../_options.ts";

/** Who may ask: an address, a network or a DNS name (`Server=` of zabbix_agentd.conf). */
export function faultOfAsker(text: string): string | undefined {
  return faultOfNetwork(text) === undefined || faultOfHost(text) === undefined
    ? undefined
    : `${show(text)} is no address, network or host name`;
}

/** `HOST`, `HOST:PORT`, an IPv6 address, or `[IPV6]:PORT`. */
export function faultOfServer(text: string): string | undefined {
  return serverOf(text) === undefined ? `${show(text)} is no HOST or HOST:PORT ([ADDRESS]:PORT for IPv6)` : undefined;
}

/** Where a server takes what agents and senders bring; 10051 if no port is said. */
export interface Server {
  readonly host: string;
  readonly port: number;
}

export function serverOf(text: string): Server | undefined {
  if (faultOfHost(text) === undefined) return { host: text, port: 10_051 };
  const [, inBrackets, plain = "", digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  const isHost = inBrackets === undefined ? faultOfHost(plain) === undefined : isIPv6(inBrackets);
  return isHost && port >= 1 && port <= 65_535 ? { host: inBrackets ?? plain, port } : undefined;
}

/** A host's name as Zabbix 6.0 and 7.0 take it: letters, digits, spaces, dots, `_` and `-`, 128 at most. */
export function faultOfHostName(text: string): string | undefined {
  return /^[0-9A-Za-z._-](?:[0-9A-Za-z ._-]{0,126}[0-9A-Za-z._-])?$/.test(text)
    ? undefined
    : `${show(text)} is no Zabbix host name: 1 to 128 letters, digits, spaces, \`.\`, \`_\`, \`-\``;
}

/** What the agent finds its name by: one of its own keys. `system.run` would be a program of the tree's choice. */
export function faultOfItem(text: string): string | undefined {
  const isKey = /^[0-9A-Za-z._-]{1,64}(?:\[[0-9A-Za-z._/, -]{0,128}\])?$/.test(text);
  return isKey && !text.startsWith("system.run") ? undefined : `${show(text)} is no key such as \`system.hostname\``;
}

/** 255 characters are what Zabbix 6.0 takes. */
export function faultOfMetadata(text: string): string | undefined {
  return text.length > 255 ? "is longer than 255 characters" : faultOfConfText(text);
}

/** 128 characters (HOST_TLS_PSK_IDENTITY_LEN of Zabbix). */
export function faultOfIdentity(text: string): string | undefined {
  if (text === "") return "is empty";
  return text.length > 128 ? "is longer than 128 characters" : faultOfConfText(text);
}

/** 128 to 2048 bits as hex digits, as TLSPSKFile holds them. The value is not told. */
export function faultOfPsk(text: string): string | undefined {
  return /^(?:[0-9A-Fa-f]{2}){16,256}$/.test(text) ? undefined : "is not 32 to 512 hex digits";
}

/** The name of an authority or a server in a certificate, as openssl prints it (RFC 4514). */
export function faultOfDistinguishedName(text: string): string | undefined {
  if (text === "") return "is empty";
  return text.length > 1024 ? "is longer than 1024 characters" : faultOfConfText(text);
}

/** A file of the device. */
export function faultOfPath(text: string): string | undefined {
  const segments = text.split("/").slice(1);
  const isPath =
    text.startsWith("/") &&
    text.length <= 255 &&
    segments.every((segment) => /^[0-9A-Za-z._+@-]{1,100}$/.test(segment) && segment !== "." && segment !== "..");
  return isPath ? undefined : `${show(text)} is no path of a file such as /etc/beesip/zabbix.psk`;
}

/** A line's end ends the value, and the reader takes blanks off its ends (zabbix/zabbix: src/libs/zbxconf/cfg.c). */
function faultOfConfText(text: string): string | undefined {
  if (/[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufffd\ufffe\uffff]/.test(text))
    return "holds a control character or no proper text";
  if (/[\ud800-\udfff]/u.test(text)) return "is no proper Unicode";
  return text !== text.trim() ? "begins or ends with a space" : undefined;
}
