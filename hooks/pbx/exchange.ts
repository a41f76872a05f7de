/** The exchange as it shall be: sections of the planned /etc/config/beesip and the gateway list, checked one by one and against each other. */
import { isIP, isIPv6 } from "node:net";
import { optionList, optionText, type PlanContext, type UciPackage } from "../../src/api.ts";
import { faultOfAddress, macOf } from "../_checks.ts";
import type { GatewayList } from "../_gateway-list.ts";
import { GATEWAY, type Gateway, ROUTE, type Route } from "../_gateway-schema.ts";
import { type OptionTable, placedSections, readOptions, show, type ValuesOf } from "../_options.ts";
import { relayOf } from "./media-relay.ts";
import { ownPrefix } from "./numbers.ts";
import { MOST_LINES } from "./phones.ts";
import type { Relay } from "./rtpengine.ts";
import { EXTENSION, type Extension, PBX, type PbxSection, PHONE, type Phone } from "./schema.ts";

/** A route with the gateways that can take its calls, in order. */
export interface Trunk {
  readonly route: Route;
  readonly gateways: readonly Gateway[];
}

export interface Exchange {
  readonly pbx: PbxSection;
  /** The device's address for SIP. */
  readonly address: string;
  /** SIP domain and realm. */
  readonly domain: string;
  readonly extensions: readonly Extension[];
  readonly phones: readonly Phone[];
  /** All that are enabled. */
  readonly gateways: readonly Gateway[];
  readonly trunks: readonly Trunk[];
  /** How media goes through the device if Kamailio alone is the exchange and it is to. */
  readonly relay: Relay | undefined;
  /** Whether the device has the usual authorities in one file, `CA_BUNDLE`. */
  readonly hasBundle: boolean;
  /** Whether Kamailio can read the extensions from a file of their own, `DB_TEXT`. */
  readonly hasTableFile: boolean;
}

/** Where OpenWrt's package ca-bundle puts it. */
export const CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt";
/** Where OpenWrt's package kamailio-mod-db-text puts it. */
export const DB_TEXT = "/usr/lib/kamailio/modules/db_text.so";

/** Where the exchange is described. */
const FILE = "/etc/config/beesip";
const MOST = { extension: 2000, phone: 2000, gateway: 1000, route: 10_000 } as const;

/** Undefined if a fault stands in the way; all faults are findings then. */
export function readExchange(context: PlanContext, list: GatewayList): Exchange | undefined {
  const config = context.uci("beesip") ?? { name: "beesip", sections: [] };
  const faults = { count: 0 };
  const counting: PlanContext = {
    ...context,
    finding: (severity, ...rest) => {
      if (severity === "error") faults.count++;
      context.finding(severity, ...rest);
    },
  };
  const tell = (place: string, wrong: string, severity: "error" | "warning" = "error") =>
    counting.finding(severity, "PLAN_INVALID", `${place} ${wrong}`, { file: FILE, option: place });

  const pbx = readAll(counting, config, "pbx", PBX)[0]?.values;
  const extensions = readAll(counting, config, "extension", EXTENSION);
  const phones = readAll(counting, config, "phone", PHONE);
  const gateways = readAll(counting, config, "gateway", GATEWAY);
  const routes = readAll(counting, config, "route", ROUTE);
  noteDoubles(extensions, "number", ({ number }) => number, tell);
  noteDoubles(phones, "mac", ({ mac }) => macOf(mac) ?? mac, tell);
  noteDoubles(gateways, "id", ({ id }) => id, tell);
  noteDoubles(routes, "prefix", ({ prefix }) => prefix, tell);
  for (const { values, place } of extensions) {
    if (values.secret === values.number)
      tell(`${place}.secret`, "is the number itself: anybody would try that first", "warning");
  }
  for (const { values, place } of phones) {
    for (const number of values.extension) {
      if (!extensions.some((one) => one.values.number === number))
        tell(`${place}.extension`, `${number} is no extension`);
    }
    if (values.extension.length === 0) tell(`${place}.extension`, "is missing: the phone has no number");
  }
  for (const one of phones) notePhone(one, tell);
  for (const { values, place } of gateways) checkGateway(values, place, tell);
  if (pbx === undefined) return undefined;

  const allGateways = withListed(
    gateways.map(({ values }) => values),
    list.gateways,
    ({ id }) => id,
  );
  const allRoutes = withListed(
    routes.map(({ values }) => values),
    list.routes,
    ({ prefix }) => prefix,
  );
  checkPbx(pbx, allRoutes, tell);
  const inService = allGateways.filter(({ enabled }) => enabled);
  if (pbx.role !== "b2bua") noteUnknownSources(inService, tell);
  for (const { id, match } of inService) {
    if (match.some((one) => one.endsWith("/0")))
      tell(`gateway ${id}`, "has a network of the whole world in `match`: everybody counts as this gateway", "warning");
  }
  if (pbx.role === "proxy") checkProxy(inService, tell);
  const hasBundle = context.files.stat(CA_BUNDLE) !== undefined;
  if (pbx.role !== "proxy" && !hasBundle) noteBundle(inService, tell);
  const relay = relayOf(counting, pbx, tell);
  const address = pbx.address ?? addressOf(counting, pbx, tell);
  if (address !== undefined && isIPv6(address) && pbx.domain === undefined) {
    tell("beesip.pbx.domain", "is not set, and an IPv6 address cannot stand for it");
  }
  if (pbx.role === "proxy" && address !== undefined) noteFamilies(inService, address, tell);
  const known = new Map(inService.map((one) => [one.id, one]));
  const trunks = allRoutes.flatMap((route) =>
    trunkOf(
      route,
      known,
      pbx,
      extensions.map(({ values }) => values.number),
      tell,
    ),
  );
  if (faults.count > 0 || address === undefined) return undefined;
  return {
    pbx,
    address,
    domain: pbx.domain ?? address,
    extensions: extensions.map(({ values }) => values),
    phones: phones.map(({ values }) => values),
    gateways: [...known.values()],
    trunks,
    relay,
    hasBundle,
    hasTableFile: context.files.stat(DB_TEXT) !== undefined,
  };
}

interface Placed<T> {
  readonly values: T;
  readonly place: string;
}

type Tell = (place: string, wrong: string, severity?: "error" | "warning") => void;

function readAll<T extends OptionTable>(
  context: PlanContext,
  config: UciPackage,
  type: string,
  table: T,
): readonly Placed<ValuesOf<T>>[] {
  const sections = placedSections(config, type);
  const most = type in MOST ? MOST[type as keyof typeof MOST] : 1;
  if (sections.length > most) {
    context.finding("error", "PLAN_INVALID", `${sections.length} sections \`${type}\`: ${most} are allowed`, {
      file: FILE,
    });
    return [];
  }
  return sections.flatMap(({ section, place }) => {
    const values = readOptions(context, section, place, table);
    return values === undefined ? [] : [{ values, place }];
  });
}

function noteDoubles<T>(all: readonly Placed<T>[], option: string, keyOf: (one: T) => string, tell: Tell): void {
  const first = new Map<string, string>();
  for (const { values, place } of all) {
    const key = keyOf(values);
    const before = first.get(key);
    if (before === undefined) first.set(key, place);
    else tell(`${place}.${option}`, `is ${show(key)}, which ${before} is already`);
  }
}

/** UCI wins where both have it; the list's others follow. */
function withListed<T>(own: readonly T[], listed: readonly T[], keyOf: (one: T) => string): readonly T[] {
  const mine = new Set(own.map(keyOf));
  return [...own, ...listed.filter((one) => !mine.has(keyOf(one)))];
}

/** What a phone's maker wants, and what the phone cannot do. */
function notePhone({ values: { vendor, model, extension }, place }: Placed<Phone>, tell: Tell): void {
  if (model === undefined && (vendor === "snom" || vendor === "cisco"))
    tell(`${place}.model`, `is missing: a phone of this maker asks for its file by its model`, "warning");
  const most = MOST_LINES[vendor];
  if (extension.length > most)
    tell(`${place}.extension`, `has ${extension.length} numbers, and a file for this maker holds ${most}`, "warning");
  if (new Set(extension).size < extension.length) tell(`${place}.extension`, "has a number twice");
}

function checkGateway(gateway: Gateway, place: string, tell: Tell): void {
  if ((gateway.username === undefined) !== (gateway.password === undefined)) {
    tell(place, "has one of username and password, and needs both or none");
  }
  if (gateway.register && gateway.username === undefined) tell(`${place}.register`, "needs username and password");
}

function checkPbx(pbx: PbxSection, routes: readonly Route[], tell: Tell): void {
  if ((pbx.domain ?? "").length > 127)
    tell("beesip.pbx.domain", "is longer than 127 characters, which is all that Asterisk holds");
  if (pbx.national_prefix === pbx.international_prefix)
    tell("beesip.pbx.national_prefix", "is the international one, too: nobody could tell which is meant");
  if (pbx.rtp_end <= pbx.rtp_start) tell("beesip.pbx.rtp_end", "is not above rtp_start");
  if (pbx.country_code?.startsWith("0")) tell("beesip.pbx.country_code", "begins with 0, as no country code does");
  if (pbx.area_code !== undefined && pbx.country_code === undefined) tell("beesip.pbx.area_code", "needs country_code");
  if (`${pbx.country_code ?? ""}${pbx.area_code ?? ""}`.length > 13)
    tell("beesip.pbx.area_code", "leaves no room for a number");
  if (routes.length > 0 && pbx.country_code === undefined) {
    tell("beesip.pbx.country_code", "is not set: national numbers cannot be dialled", "warning");
  }
}

/** Kamailio would not start while a name in its conditions is not found: it goes by addresses alone. */
function noteUnknownSources(gateways: readonly Gateway[], tell: Tell): void {
  for (const { id, host, match } of gateways) {
    if (match.length > 0 || isIP(host) !== 0) continue;
    tell(`gateway ${id}`, "has a name and no `match`: calls from it are not taken", "warning");
  }
}

function noteBundle(gateways: readonly Gateway[], tell: Tell): void {
  const id = gateways.find(({ transport }) => transport === "tls")?.id;
  if (id === undefined) return;
  const wrong = `speaks TLS, and ${CA_BUNDLE} is not on this device (package ca-bundle): only authorities of the tree (certs/ca.pem) are believed`;
  tell(`gateway ${id}`, wrong, "warning");
}

/** What Kamailio alone cannot do. */
function checkProxy(gateways: readonly Gateway[], tell: Tell): void {
  for (const { id, transport, username, srtp, max_calls } of gateways) {
    const place = `gateway ${id}`;
    if (username !== undefined)
      tell(place, "wants a login, which only Asterisk can answer: take role `both` or `b2bua`");
    if (transport === "tls") tell(place, "speaks TLS, which only Asterisk does here: take role `both` or `b2bua`");
    if (srtp !== "none") tell(place, "wants SRTP, which only Asterisk does: take role `both` or `b2bua`");
    if (max_calls !== undefined) tell(place, "has max_calls, which a proxy does not count", "warning");
  }
}

/** Kamailio has no socket to send from where it does not listen, and leaves such a gateway out with a line in its log. */
function noteFamilies(gateways: readonly Gateway[], address: string, tell: Tell): void {
  if (isIPv6(address)) return;
  for (const { id, host } of gateways)
    if (isIPv6(host))
      tell(
        `gateway ${id}`,
        "has an IPv6 address, and with an IPv4 one in beesip.pbx.address Kamailio speaks IPv4 alone: no call goes there",
        "warning",
      );
}

function trunkOf(
  route: Route,
  known: ReadonlyMap<string, Gateway>,
  pbx: PbxSection,
  extensions: readonly string[],
  tell: Tell,
): readonly Trunk[] {
  const place = `route ${route.prefix}`;
  const own = ownPrefix(pbx);
  if (own !== undefined && route.prefix.startsWith(own)) {
    tell(place, "is this exchange's own: calls there stay here", "warning");
    return [];
  }
  if (extensions.includes(route.prefix)) tell(place, "is an extension, which wins", "warning");
  if (route.min_digits !== undefined && route.min_digits > route.max_digits)
    tell(place, "has min_digits above max_digits");
  const missing = route.gateway.filter((id) => !known.has(id));
  if (missing.length > 0) tell(place, `names ${missing.map(show).join(", ")}, no gateway in service`, "warning");
  const gateways = [...new Set(route.gateway)].flatMap((id) => known.get(id) ?? []);
  if (gateways.length > 0) return [{ route, gateways }];
  tell(place, "has no gateway in service and is left out", "warning");
  return [];
}

/** The first static address of the first interface, as netifd's `option ipaddr` or `list ipaddr` has it, with or without `/BITS`. */
function addressOf(context: PlanContext, pbx: PbxSection, tell: Tell): string | undefined {
  const name = pbx.interface[0] ?? "";
  const section = context.uci("network")?.sections.find((one) => one.type === "interface" && one.name === name);
  const given = optionList(section, "ipaddr")[0]?.split("/")[0];
  if (optionText(section, "proto") === "static" && given !== undefined && faultOfAddress(given) === undefined)
    return given;
  tell("beesip.pbx.address", `is not set, and network.${name} has no static address to take`);
  return undefined;
}
