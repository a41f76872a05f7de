/** Which sides media goes between where this device relays it: interfaces of the planned /etc/config/network, and who is inside. */
import { isIP, isIPv4 } from "node:net";
import { optionList, optionText, type PlanContext, type UciSection } from "../../src/api.ts";
import { faultOfNetwork } from "../_checks.ts";
import type { Relay } from "./rtpengine.ts";
import type { PbxSection } from "./schema.ts";

type Tell = (place: string, wrong: string) => void;

/** Undefined if media flows directly, or something is wrong, which is told. */
export function relayOf(context: PlanContext, pbx: PbxSection, tell: Tell): Relay | undefined {
  if (pbx.media === "direct") return undefined;
  const place = "beesip.pbx.media";
  if (pbx.role !== "proxy") {
    tell(place, `is for role \`proxy\`: in role \`${pbx.role}\` Asterisk relays media anyway`);
    return undefined;
  }
  const [inside, outside, ...more] = pbx.interface;
  if (inside === undefined || more.length > 0) {
    tell(
      "beesip.pbx.interface",
      "names more than two interfaces, and media is relayed between an inner and an outer one",
    );
    return undefined;
  }
  const names = outside === undefined ? [inside] : [inside, outside];
  const ends = names.flatMap((name) => {
    const section = interfaceOf(context, name);
    const end = section === undefined ? undefined : endOf(section, name);
    if (end === undefined) tell(place, `needs network.${name}, and that has no address or device to take`);
    return end === undefined ? [] : [{ name, end }];
  });
  const networks = [...new Set([...networksOf(interfaceOf(context, inside)), ...pbx.local_net.map(withBits)])];
  if (outside !== undefined && networks.length === 0) {
    tell("beesip.pbx.local_net", `is needed to tell who is inside, since network.${inside} has no static address`);
  }
  return { inside, outside, ends, networks };
}

function interfaceOf(context: PlanContext, name: string): UciSection | undefined {
  return context.uci("network")?.sections.find((one) => one.type === "interface" && one.name === name);
}

/** A static address, else the network device, whose addresses rtpengine looks up as it starts. */
function endOf(section: UciSection, name: string): string | undefined {
  const proto = optionText(section, "proto");
  const address = optionList(section, "ipaddr")[0]?.split("/")[0];
  if (proto === "static" && address !== undefined && isIPv4(address)) return address;
  // netifd makes a device of its own for what is dialled: PROTO-NAME.
  const device = isDialled(proto)
    ? `${proto}-${name}`
    : (optionText(section, "device") ?? optionText(section, "ifname"));
  return device !== undefined && /^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$/.test(device) ? device : undefined;
}

function isDialled(proto: string | undefined): boolean {
  return proto !== undefined && ["pppoe", "pppoa", "ppp", "3g", "pptp", "l2tp"].includes(proto);
}

/** `option ipaddr` with `option netmask`, or ADDRESS/BITS. */
function networksOf(section: UciSection | undefined): readonly string[] {
  if (section === undefined || optionText(section, "proto") !== "static") return [];
  const mask = bitsOf(optionText(section, "netmask") ?? "");
  const own = optionList(section, "ipaddr").map((one) =>
    one.includes("/") || mask === undefined ? one : `${one}/${mask}`,
  );
  return own.filter((one) => one.includes("/") && faultOfNetwork(one) === undefined);
}

/** `255.255.255.0` as 24; undefined if it is no mask. */
function bitsOf(mask: string): number | undefined {
  if (!isIPv4(mask)) return undefined;
  const bits = mask
    .split(".")
    .map((part) => Number(part).toString(2).padStart(8, "0"))
    .join("");
  return /^1*0*$/.test(bits) ? bits.replaceAll("0", "").length : undefined;
}

function withBits(network: string): string {
  return network.includes("/") ? network : `${network}/${isIP(network) === 4 ? 32 : 128}`;
}
