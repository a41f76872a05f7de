/** The defence as it shall be: the section, and what the planned exchange and network say of whom to defend and whom to leave alone. */
import { isIP } from "node:net";
import { optionFlag, optionList, optionText, type PlanContext, type UciPackage } from "../../src/api.ts";
import { faultOfAddress } from "../_checks.ts";
import { type GatewayList, parseGatewayList } from "../_gateway-list.ts";
import { KEPT_GATEWAYS } from "../_gateway-resource.ts";
import { GATEWAY, type Gateway } from "../_gateway-schema.ts";
import { placedSections, readOptions } from "../_options.ts";
import { SECURITY, type SecuritySection } from "./schema.ts";

export interface Defence {
  readonly section: SecuritySection;
  /** Which programs of the exchange take SIP from anybody; none if the device is no exchange. */
  readonly programs: readonly ("kamailio" | "asterisk")[];
  /** SIP's ports here. */
  readonly ports: readonly number[];
  /** Addresses and networks of gateways. */
  readonly gateways: readonly string[];
  /** The device's own addresses, as far as its configuration tells. */
  readonly own: readonly string[];
}

const FILE = "/etc/config/beesip";

/** Undefined if a fault stands in the way; all faults are findings then. */
export function readDefence(context: PlanContext): Defence | undefined {
  const config = context.uci("beesip") ?? { name: "beesip", sections: [] };
  const found = placedSections(config, "security").find(({ section }) => section.name === "security");
  if (found === undefined) return undefined;
  const section = readOptions(context, found.section, found.place, SECURITY);
  if (section === undefined) return undefined;
  const tell = (severity: "error" | "warning", option: string, wrong: string) =>
    context.finding(severity, "PLAN_INVALID", `beesip.security.${option} ${wrong}`, {
      file: FILE,
      option: `beesip.security.${option}`,
    });
  if (section.ban_time > section.ban_time_max) {
    tell("error", "ban_time_max", "is below ban_time");
    return undefined;
  }
  if (section.ids !== "none" && !section.guard)
    tell("warning", "ids", "is read by the follower, which `guard` switches off");

  const pbx = config.sections.find(({ type, name }) => type === "pbx" && name === "pbx");
  const isExchange = optionFlag(pbx, "enabled", false);
  const role = isExchange ? (optionText(pbx, "role") ?? "b2bua") : undefined;
  const isThere = (program: string) => context.files.stat(`/etc/init.d/${program}`) !== undefined;
  const program = role === "b2bua" ? "asterisk" : "kamailio";
  const given = optionText(pbx, "address");
  return {
    section,
    programs: role !== undefined && isThere(program) ? [program] : [],
    // Behind Kamailio, Asterisk has one of its own, which gateways answer to.
    ports: [5060, 5061, ...(role === "both" ? [5080] : [])],
    gateways: isExchange ? sourcesOf(context, gatewaysOf(context, config)) : [],
    own: [
      ...new Set([
        ...(given !== undefined && faultOfAddress(given) === undefined ? [given] : []),
        ...ownAddresses(context.uci("network")),
      ]),
    ],
  };
}

/** As `pbx` takes them, which tells what is wrong with them: UCI's and the list's, UCI's where both have one. */
function gatewaysOf(context: PlanContext, config: UciPackage): readonly Gateway[] {
  const silent: PlanContext = { ...context, finding: () => {} };
  const own = placedSections(config, "gateway").flatMap(
    ({ section, place }) => readOptions(silent, section, place, GATEWAY) ?? [],
  );
  const known = new Set(own.map(({ id }) => id));
  return [...own, ...listOf(silent).gateways.filter(({ id }) => !known.has(id))].filter(({ enabled }) => enabled);
}

/** The tree's list, or the last good one if it is bad; none if the tree has none. */
function listOf(context: PlanContext): GatewayList {
  const none: GatewayList = { gateways: [], routes: [] };
  const fresh = context.text("gateways");
  if (fresh === undefined) return none;
  for (const text of [fresh, context.files.read(KEPT_GATEWAYS)]) {
    const read = text === undefined ? undefined : parseGatewayList(text, KEPT_GATEWAYS);
    if (read !== undefined && "list" in read) return read.list;
  }
  return none;
}

function sourcesOf(context: PlanContext, gateways: readonly Gateway[]): readonly string[] {
  const sources = gateways.flatMap(({ id, match, host }) => {
    if (match.length > 0) return match;
    if (isIP(host) !== 0) return [host];
    const message = `gateway ${id} has a name and no \`match\`: nobody can tell its addresses from others', so they may be banned`;
    context.finding("warning", "PLAN_INVALID", message, { file: FILE, option: `gateway ${id}` });
    return [];
  });
  return [...new Set(sources)];
}

/** Static ones; what DHCP will give cannot be known. */
function ownAddresses(network: UciPackage | undefined): readonly string[] {
  const given = (network?.sections ?? [])
    .filter(({ type }) => type === "interface")
    .flatMap((section) => [...optionList(section, "ipaddr"), ...optionList(section, "ip6addr")]);
  return given
    .flatMap((text) => text.split(/\s+/))
    .map((text) => text.split("/")[0] ?? "")
    .filter((text) => faultOfAddress(text) === undefined);
}
