/** The files that phones fetch when they start, by vendor: names, keys and syntax as their makers document them (docs/pbx.md). */
import { isIPv6 } from "node:net";
import { ProvisionError } from "../../src/api.ts";
import { macOf } from "../_checks.ts";
import type { Exchange } from "./exchange.ts";
import type { Phone } from "./schema.ts";
import { element, printXml } from "./xml.ts";

export interface PhoneFile {
  readonly name: string;
  readonly text: string;
}

/** One number on one phone. */
interface Line {
  readonly number: string;
  readonly name: string;
  readonly secret: string;
}

/** The phones' files, and for vendors whose phones first ask by model, one that leads to those by MAC. */
export function renderPhones(exchange: Exchange): readonly PhoneFile[] {
  const files = exchange.phones.flatMap((phone) => RENDERERS[phone.vendor](exchange, phone, linesOf(exchange, phone)));
  return [...new Map(files.map((one) => [one.name, one])).values()];
}

/** Lines that a file has room for: Grandstream's further accounts have numbers that differ by model; the others' are counted by the phone. */
export const MOST_LINES: Readonly<Record<Phone["vendor"], number>> = {
  yealink: 16,
  grandstream: 3,
  snom: 12,
  cisco: 12,
};

type Renderer = (exchange: Exchange, phone: Phone, lines: readonly Line[]) => readonly PhoneFile[];

const RENDERERS: Readonly<Record<Phone["vendor"], Renderer>> = { yealink, grandstream, snom, cisco };

function linesOf({ extensions }: Exchange, phone: Phone): readonly Line[] {
  return phone.extension.flatMap((number) =>
    extensions
      .filter((one) => one.number === number)
      .map(({ name, secret }) => ({ number, name: name ?? number, secret })),
  );
}

function macIn(phone: Phone): string {
  return macOf(phone.mac) ?? "";
}

/** `<mac>.cfg`: a first line that is the format's version, then `key = value`. */
function yealink(exchange: Exchange, phone: Phone, lines: readonly Line[]): readonly PhoneFile[] {
  const pairs = lines.flatMap(({ number, name, secret }, at): readonly (readonly [string, string])[] => {
    const account = `account.${at + 1}`;
    return [
      [`${account}.enable`, "1"],
      [`${account}.label`, name],
      [`${account}.display_name`, name],
      [`${account}.user_name`, number],
      [`${account}.auth_name`, number],
      [`${account}.password`, secret],
      [`${account}.sip_server.1.address`, exchange.domain],
      [`${account}.sip_server.1.port`, "5060"],
      [`${account}.sip_server.1.transport_type`, "0"],
      [`${account}.outbound_proxy_enable`, "1"],
      [`${account}.outbound_proxy.1.address`, exchange.address],
      [`${account}.outbound_proxy.1.port`, "5060"],
    ];
  });
  const text = pairs.map(([key, value]) => `${key} = ${keyValue(value)}\n`).join("");
  return [{ name: `${macIn(phone)}.cfg`, text: `#!version:1.0.0.1\n${text}` }];
}

/** A value that ends with its line: anything but controls, without spaces at its ends. */
function keyValue(value: string): string {
  if (/[\u0000-\u001f\u007f]/.test(value) || value !== value.trim()) {
    throw new ProvisionError(
      "PLAN_INVALID",
      "a phone's key = value file cannot hold a control character, or a space at an end",
    );
  }
  return value;
}

/** `cfg<mac>.xml` with P-values; those of the first three accounts, which is what all models have. */
const GRANDSTREAM = [
  { on: 271, account: 270, server: 47, proxy: 48, user: 35, auth: 36, password: 34, name: 3 },
  { on: 401, account: 417, server: 402, proxy: 403, user: 404, auth: 405, password: 406, name: 407 },
  { on: 501, account: 517, server: 502, proxy: 503, user: 504, auth: 505, password: 506, name: 507 },
] as const;

function grandstream(exchange: Exchange, phone: Phone, lines: readonly Line[]): readonly PhoneFile[] {
  const values = lines.slice(0, GRANDSTREAM.length).flatMap(({ number, name, secret }, at) => {
    const p = GRANDSTREAM[at] ?? GRANDSTREAM[0];
    return [
      [p.on, "1"],
      [p.account, name],
      [p.server, exchange.domain],
      [p.proxy, addressInUri(exchange)],
      [p.user, number],
      [p.auth, number],
      [p.password, secret],
      [p.name, name],
    ] as const;
  });
  const config = element(
    "config",
    values.map(([key, value]) => element(`P${key}`, value)),
    { version: "1" },
  );
  const root = element("gs_provision", [element("mac", macIn(phone)), config], { version: "1" });
  return [{ name: `cfg${macIn(phone)}.xml`, text: printXml(root) }];
}

/** `snom<model>-<MAC>.htm`, which a Snom asks for on its own. */
function snom(exchange: Exchange, phone: Phone, lines: readonly Line[]): readonly PhoneFile[] {
  const settings = lines.flatMap(({ number, name, secret }, at) => {
    const idx = { idx: String(at + 1), perm: "" };
    return [
      element("user_active", "on", idx),
      element("user_realname", name, idx),
      element("user_name", number, idx),
      element("user_host", exchange.domain, idx),
      element("user_pname", number, idx),
      element("user_pass", secret, idx),
      element("user_outbound", addressInUri(exchange), idx),
    ];
  });
  const root = element("settings", [element("phone-settings", settings)]);
  const name = `snom${phone.model ?? ""}-${macIn(phone).toUpperCase()}.htm`;
  return [{ name, text: printXml(root) }];
}

/** `spa<mac>.cfg`; a phone out of its box asks for `spa<model>.cfg`, which leads there. */
function cisco(exchange: Exchange, phone: Phone, lines: readonly Line[]): readonly PhoneFile[] {
  const settings = lines.flatMap(({ number, name, secret }, at) => {
    const line = at + 1;
    return [
      element(`Line_Enable_${line}_`, "Yes"),
      element(`Proxy_${line}_`, exchange.domain),
      element(`Outbound_Proxy_${line}_`, addressInUri(exchange)),
      element(`Use_Outbound_Proxy_${line}_`, "Yes"),
      element(`Display_Name_${line}_`, name),
      element(`User_ID_${line}_`, number),
      element(`Use_Auth_ID_${line}_`, "Yes"),
      element(`Auth_ID_${line}_`, number),
      element(`Password_${line}_`, secret),
    ];
  });
  const own = element("flat-profile", [...settings, element("Resync_Periodic", "3600")]);
  const files = [{ name: `spa${macIn(phone)}.cfg`, text: printXml(own) }];
  if (phone.model === undefined) return files;
  const leading = element("flat-profile", [
    element("Profile_Rule", provisioningUri(exchange, "spa$MA.cfg")),
    element("Resync_Periodic", "3600"),
  ]);
  return [...files, { name: `spa${phone.model}.cfg`, text: printXml(leading) }];
}

/** Where phones find their files. */
export function provisioningUri({ pbx, address }: Pick<Exchange, "pbx" | "address">, name = ""): string {
  const host = isIPv6(address) ? `[${address}]` : address;
  return pbx.provision === "http" ? `http://${host}/prov/${name}` : `tftp://${host}/${name}`;
}

function addressInUri({ address }: Exchange): string {
  return isIPv6(address) ? `[${address}]` : address;
}
