import { createHash, X509Certificate } from "node:crypto";
import { ProvisionError } from "../../errors.ts";
import { template } from "../../macros.ts";
import { parseUri, redactUri } from "../../uri.ts";
import { domainName } from "../domain-name.ts";

/** What is to be announced. */
export interface Announcement {
  /** The provisioning URI, macros and all; http or https. */
  readonly uri: string;
  /** The devices' domain: the record stands at `_uciprov.` below it. */
  readonly domain: string;
  /** Serial of the tree, if devices are to see from the record alone that nothing has changed. */
  readonly serial?: number;
  /** The server's certificate in PEM, for the TLSA record. */
  readonly certificate?: string;
}

/** One way to announce it: lines ready to be pasted, and where. */
export interface Recipe {
  readonly name: string;
  /** Where the lines belong. */
  readonly where: string;
  readonly text: string;
}

/** Private use (RFC 3942 leaves 224 to 254 to sites), and the SZTP redirect lists of RFC 8572, section 8. */
const OPTION = { text: 224, redirect4: 143, redirect6: 136 } as const;
const TYPE = { txt: 16, tlsa: 52 } as const;
/** What `option oui` and `option subtype` of the lldp settings are when nobody sets them. */
const LLDP = { oui: "02,75,4b", subtype: 1 } as const;
/** A TLV holds 511 bytes, four of them OUI and subtype (IEEE 802.1AB, 8.6). */
const MOST_LLDP = 507;
/** One character string of a TXT record (RFC 1035, 3.3). */
const MOST_STRING = 255;

/**
 * Every way a network can tell devices where the tree is, in the words of the daemon that says it. USAGE for what one of them cannot hold:
 * characters no URI has, a URI too long for a TXT string, a name that is no host's.
 */
export function recipes(announcement: Announcement): readonly Recipe[] {
  check(announcement);
  const { uri, domain } = announcement;
  const name = `_uciprov.${domain}`;
  const strings = [`provuri=${uri}`, ...(announcement.serial === undefined ? [] : [`serial=${announcement.serial}`])];
  return [
    ...txt(name, strings),
    ...dhcp(uri),
    lldp(uri),
    ...(announcement.certificate === undefined ? [] : tlsa(uri, announcement.certificate)),
  ];
}

function check({ uri, domain }: Announcement): void {
  template(uri);
  if (!/^https?:\/\/[^\s/?#]+/.test(uri) || /[^\x21-\x7e]|["'\\`]/.test(uri)) {
    throw new ProvisionError("USAGE", `--base ${JSON.stringify(uri)} is no http or https URI in plain ASCII`);
  }
  try {
    parseUri(withoutMacros(uri), "--base");
  } catch (cause) {
    throw new ProvisionError("USAGE", `--base ${JSON.stringify(redactUri(uri))} is nothing that a device would go to`, {
      cause,
    });
  }
  if (Buffer.byteLength(`provuri=${uri}`) > MOST_STRING) {
    throw new ProvisionError(
      "USAGE",
      `--base is longer than the ${MOST_STRING - 8} bytes that a string of a TXT record has for it`,
    );
  }
  domainName(domain);
}

function txt(name: string, strings: readonly string[]): Recipe[] {
  const quoted = strings.map((one) => `"${one}"`);
  return [
    { name: "txt-zone", where: "a zone file (bind, knot, nsd)", text: `${name}. 300 IN TXT ${quoted.join(" ")}` },
    {
      name: "txt-dnsmasq",
      where: "dnsmasq.conf (on OpenWrt before 24.10 /etc/dnsmasq.conf; then service dnsmasq restart)",
      text: `txt-record=${name},${quoted.join(",")}`,
    },
    openwrtRecord("txt-openwrt", "uciprov_txt", name, TYPE.txt, Buffer.concat(strings.map(characterString))),
    {
      name: "name-openwrt",
      where: "the shell of a device that is to ask for this name whatever its network calls itself",
      text: [`uci set uciprov.dns=uciprov`, `uci set uciprov.dns.name='${name}'`, "uci commit uciprov"].join("\n"),
    },
  ];
}

/** RFC 1035, 3.3: its length in a byte, and then itself. */
function characterString(text: string): Uint8Array {
  return Buffer.from(`${String.fromCharCode(text.length)}${text}`, "latin1");
}

/**
 * UCI has no TXT record, but since 24.10 any record at all, its data as hex: dnsmasq's `dns-rr` (dnsmasq.init, `dhcp_dnsrr_add`). The section has a
 * name, so that the lines of the next serial replace it.
 */
function openwrtRecord(recipe: string, section: string, name: string, type: number, data: Uint8Array): Recipe {
  return {
    name: recipe,
    where: "an OpenWrt router's shell, from 24.10 on (its dnsmasq answers the LAN)",
    text: [
      `uci set dhcp.${section}=dnsrr`,
      `uci set dhcp.${section}.rrname='${name}'`,
      `uci set dhcp.${section}.rrnumber='${type}'`,
      `uci set dhcp.${section}.hexdata='${Buffer.from(data).toString("hex")}'`,
      "uci commit dhcp",
      "service dnsmasq reload",
    ].join("\n"),
  };
}

function dhcp(uri: string): Recipe[] {
  const text = Buffer.from(uri, "latin1");
  const list = Buffer.concat([Buffer.of(text.length >> 8, text.length & 0xff), text]);
  const [plain, redirect] = [text.toString("hex"), list.toString("hex")];
  const dnsmasq = [
    `dhcp-option-force=${OPTION.text},${colons(plain)}`,
    `dhcp-option-force=${OPTION.redirect4},${colons(redirect)}`,
    `dhcp-option=option6:${OPTION.redirect6},${colons(redirect)}`,
  ];
  const isc = [
    `option uciprov-uri code ${OPTION.text} = string;`,
    `option sztp-redirect code ${OPTION.redirect4} = string;`,
    `option uciprov-uri ${colons(plain)};`,
    `option sztp-redirect ${colons(redirect)};`,
  ];
  const kea = (code: number, data: string, space: string) => ({
    code,
    space,
    data: data.toUpperCase(),
    "csv-format": false,
    "always-send": true,
  });
  const kea4 = [kea(OPTION.text, plain, "dhcp4"), kea(OPTION.redirect4, redirect, "dhcp4")];
  return [
    { name: "dhcp-dnsmasq", where: "dnsmasq.conf", text: dnsmasq.join("\n") },
    {
      name: "dhcp-openwrt",
      where: "an OpenWrt router's shell (its dnsmasq serves the LAN)",
      text: [
        `uci add_list dhcp.lan.dhcp_option_force='${OPTION.text},${colons(plain)}'`,
        `uci add_list dhcp.lan.dhcp_option_force='${OPTION.redirect4},${colons(redirect)}'`,
        "uci commit dhcp",
        "service dnsmasq reload",
      ].join("\n"),
    },
    { name: "dhcp-isc", where: "dhcpd.conf (ISC)", text: isc.join("\n") },
    {
      name: "dhcp-kea",
      where: '"Dhcp4" of kea-dhcp4.conf',
      text: `"option-data": ${JSON.stringify(kea4, undefined, 2)}`,
    },
    {
      name: "dhcp6-kea",
      where: '"Dhcp6" of kea-dhcp6.conf',
      text: `"option-data": ${JSON.stringify([kea(OPTION.redirect6, redirect, "dhcp6")], undefined, 2)}`,
    },
  ];
}

/** As bytes, so that no daemon takes a comma in a URI for its own. */
function colons(hex: string): string {
  return (hex.match(/../g) ?? []).join(":");
}

function lldp(uri: string): Recipe {
  if (uri.length > MOST_LLDP)
    throw new ProvisionError("USAGE", `--base is longer than ${MOST_LLDP} bytes, LLDP's most`);
  const info = colons(Buffer.from(uri, "latin1").toString("hex")).replaceAll(":", ",");
  return {
    name: "lldp",
    where: "the shell of a switch or router that runs lldpd",
    text: `lldpcli configure lldp custom-tlv oui ${LLDP.oui} subtype ${LLDP.subtype} oui-info ${info}`,
  };
}

/** DANE-EE, the server's own key, SHA-256 (RFC 7671, 5.1): the record stays when the certificate is renewed with the same key. */
function tlsa(uri: string, certificate: string): Recipe[] {
  const { protocol, hostname, port } = new URL(withoutMacros(uri));
  if (protocol !== "https:") throw new ProvisionError("USAGE", "--certificate is for a tree over https");
  if (/[{<]/.test(uri.split("/")[2] ?? ""))
    throw new ProvisionError("USAGE", "--certificate: the host of --base has a macro");
  const owner = `_${port === "" ? 443 : port}._tcp.${hostname}`;
  const digest = createHash("sha256").update(publicKey(certificate)).digest("hex");
  const wire = Buffer.concat([Buffer.of(3, 1, 1), Buffer.from(digest, "hex")]);
  return [
    { name: "tlsa-zone", where: "the signed zone of the server", text: `${owner}. 300 IN TLSA 3 1 1 ${digest}` },
    {
      name: "tlsa-dnsmasq",
      where: "dnsmasq.conf",
      text: `dns-rr=${owner},${TYPE.tlsa},${wire.toString("hex")}`,
    },
    openwrtRecord("tlsa-openwrt", "uciprov_tlsa", owner, TYPE.tlsa, wire),
  ];
}

/** A URI with something in the place of each macro, to look at the rest of it. */
function withoutMacros(uri: string): string {
  return uri.replaceAll(/[{}<>|]/g, "x");
}

function publicKey(certificate: string): Uint8Array {
  try {
    return new X509Certificate(certificate).publicKey.export({ type: "spki", format: "der" });
  } catch (cause) {
    throw new ProvisionError("USAGE", "--certificate holds no certificate in PEM", { cause });
  }
}
