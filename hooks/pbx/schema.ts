/** The sections of /etc/config/beesip that make a telephone exchange, but for gateways and routes. `docs/pbx.md` is compared with these tables. */

import {
  faultOfAddress,
  faultOfHost,
  faultOfInterface,
  faultOfLabel,
  faultOfMac,
  faultOfName,
  faultOfNetwork,
  faultOfSecret,
} from "../_checks.ts";
import { choice, flag, list, needed, number, text, type ValuesOf, word } from "../_options.ts";
import { faultOfCodec, faultOfDigits, faultOfExtension, faultOfModel } from "../_pbx-checks.ts";

export const VENDORS = ["yealink", "grandstream", "snom", "cisco"] as const;

export const PBX = {
  enabled: flag(false, "Whether the device is an exchange at all."),
  role: choice(
    ["b2bua", "proxy", "both", "trap"],
    "b2bua",
    "`b2bua`: Asterisk. `proxy`: Kamailio, which forwards. `both`: Kamailio in front, Asterisk behind it. `trap`: a honeypot.",
  ),
  interface: list(
    ["lan"],
    "Logical interfaces that Kamailio listens on; phones are told the first one's address.",
    faultOfInterface,
  ),
  address: text("The device's own address for SIP; else the first interface's, if that is static.", faultOfAddress),
  domain: text("SIP domain, and realm of passwords; else the address.", faultOfName),
  country_code: text("Country code without `+`; national numbers need it.", faultOfDigits),
  area_code: text(
    "What follows the country code in this exchange's own numbers: +COUNTRY AREA EXTENSION. Calls there never leave by a trunk.",
    faultOfDigits,
  ),
  national_prefix: text(
    "What is dialled before a national number, such as `0`; none in many countries.",
    faultOfDigits,
  ),
  national_digits: number(9, 3, 14, "Digits of a national number where no national prefix is dialled."),
  international_prefix: word("00", "What is dialled for an international number, as `+` is.", faultOfDigits),
  codec: list(["alaw", "ulaw"], "Codecs, the best first.", faultOfCodec),
  rtp_start: number(10_000, 1024, 65_000, "First UDP port of media."),
  rtp_end: number(10_400, 1025, 65_535, "Last UDP port of media."),
  ring_seconds: number(60, 5, 600, "How long a phone rings, and how long a gateway may take to answer."),
  external_address: text("Address to tell peers outside `local_net`, behind somebody's NAT.", faultOfHost),
  local_net: list([], "Networks that are not outside.", faultOfNetwork),
  media: choice(
    ["direct", "relay"],
    "direct",
    "Role `proxy` only: whether media flows directly between phone and gateway, or through this device, by rtpengine.",
  ),
  provision: choice(
    ["tftp", "http", "none"],
    "tftp",
    "How phones get their files: dnsmasq's TFTP, the device's web server (any host in its reach can read them), or not at all.",
  ),
  dhcp: flag(true, "Whether DHCP options 66 and 160 of the first interface tell phones where their files are."),
};

export const EXTENSION = {
  number: needed("What is dialled, and what the phone logs in as.", faultOfExtension),
  name: text("Name that is shown.", faultOfLabel),
  secret: needed("The phone's password.", faultOfSecret),
  contacts: number(2, 1, 10, "How many phones may be this number at once."),
};

export const PHONE = {
  mac: needed("The phone's MAC address.", faultOfMac),
  vendor: choice(VENDORS, "yealink", "Who made it."),
  model: text(
    "Its model as the maker writes it: Snom (`D785`) and Cisco (`504G`) need it to find their files.",
    faultOfModel,
  ),
  extension: list([], "Its numbers, line by line.", faultOfExtension),
};

export type PbxSection = ValuesOf<typeof PBX>;
export type Extension = ValuesOf<typeof EXTENSION>;
export type Phone = ValuesOf<typeof PHONE>;
