import { isIPv4, isIPv6 } from "node:net";
import { ProvisionError } from "../../errors.ts";
import type { Recipe } from "./records.ts";

/**
 * What phones ask DHCP for: 66 (RFC 2132, 9.4) is what all makers read, 160 what some read first. Snom also reads 66 as a suboption of 43, which the network
 * of another maker's telephones may use for itself.
 */
const OPTION = { server: 66, alternative: 160, vendor: 43 } as const;
/** A suboption's length is one byte, and 43 holds 255 with its two bytes in front. */
const MOST = 253;

/** How DHCP servers tell phones where their files are: a folder that TFTP or a web server serves. USAGE for what no server's words can hold. */
export function phoneRecipes(uri: string): readonly Recipe[] {
  check(uri);
  const plain = Buffer.from(uri, "latin1");
  const vendor = Buffer.concat([Buffer.of(OPTION.server, plain.length), plain]).toString("hex");
  const options = [
    [OPTION.server, plain.toString("hex")],
    [OPTION.alternative, plain.toString("hex")],
    [OPTION.vendor, vendor],
  ] as const;
  const openwrt = options.map(([code, hex]) => `uci add_list dhcp.lan.dhcp_option='${code},${colons(hex)}'`);
  const isc = [
    `option uciprov-phones code ${OPTION.alternative} = string;`,
    `option tftp-server-name "${uri}";`,
    `option uciprov-phones ${colons(plain.toString("hex"))};`,
    `option vendor-encapsulated-options ${colons(vendor)};`,
  ];
  const kea = options.map(([code, hex]) => ({
    code,
    space: "dhcp4",
    data: hex.toUpperCase(),
    "csv-format": false,
    "always-send": true,
  }));
  return [
    {
      name: "phones-dnsmasq",
      where: "dnsmasq.conf",
      text: options.map(([code, hex]) => `dhcp-option=${code},${colons(hex)}`).join("\n"),
    },
    {
      name: "phones-openwrt",
      where: "the shell of an OpenWrt router that serves the phones (not of an exchange: its module does that)",
      text: [...openwrt, "uci commit dhcp", "service dnsmasq reload"].join("\n"),
    },
    { name: "phones-isc", where: "dhcpd.conf (ISC)", text: isc.join("\n") },
    {
      name: "phones-kea",
      where: '"Dhcp4" of kea-dhcp4.conf',
      text: `"option-data": ${JSON.stringify(kea, undefined, 2)}`,
    },
  ];
}

/** `tftp://ADDRESS/`, or http and https with a path; no word that a server's configuration could take for its own. */
function check(uri: string): void {
  const [, host = ""] =
    /^(?:tftp|https?):\/\/(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?\/[A-Za-z0-9._~%/-]*$/.exec(uri) ?? [];
  const isHost = host.startsWith("[") ? isIPv6(host.slice(1, -1)) : isIPv4(host) || /^[A-Za-z0-9]/.test(host);
  if (!isHost) {
    const told = JSON.stringify(uri.slice(0, 80));
    throw new ProvisionError(
      "USAGE",
      `--phones ${told} is no folder's URI, such as tftp://192.168.1.1/ or http://192.168.1.1/prov/`,
    );
  }
  if (uri.length > MOST)
    throw new ProvisionError("USAGE", `--phones is longer than the ${MOST} bytes that DHCP's option 43 has for it`);
}

function colons(hex: string): string {
  return (hex.match(/../g) ?? []).join(":");
}
