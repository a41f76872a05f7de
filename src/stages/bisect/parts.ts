/**
 * The parts of a plan that stand or fall together when a configuration has cut the device off: a UCI package, the packages that make up its
 * network, or the files of one module. Pure.
 */
import type { LeftPart } from "../../left-part.ts";
import type { FilePlan, PackagePlan } from "../../plan.ts";
import type { ServicePlan } from "../../services.ts";

const NETWORK = "network";

/** They name each other's sections, so that half of them is worse than none; any of them can cut a device off. */
const NETWORK_PACKAGES: ReadonlySet<string> = new Set([
  ...[
    "network",
    "wireless",
    "firewall",
    "dhcp",
    "mwan3",
    "pbr",
    "sqm",
    "qos",
    "nft-qos",
    "openvpn",
    "ipsec",
    "swanctl",
  ],
  ...["https-dns-proxy", "stubby", "unbound", "banip", "batman-adv", "babeld", "olsrd", "bird", "frr", "travelmate"],
]);

/** Files that what is above reads, or that act on interfaces, routes, names and filters themselves. */
const NETWORK_PATHS =
  /^\/(?:etc\/(?:firewall\.|nftables\.d\/|hotplug\.d\/(?:iface|net|dhcp|firewall|wireless|ieee80211)\/|hosts$|resolv\.conf|dnsmasq|sysctl|ppp\/|hostapd|wpa_supplicant|rc\.local$|iproute2\/|udhcpc\.user|openvpn\/|swanctl\/|ipsec)|usr\/share\/nftables\.d\/|lib\/(?:netifd|wifi)\/)/;

export function partOfPackage(name: string): string {
  return NETWORK_PACKAGES.has(name) ? NETWORK : `uci ${name}`;
}

/** What makes interfaces, names and filters true; any other service is switched with all others. */
const NETWORK_SERVICES: ReadonlySet<string> = new Set([
  ...NETWORK_PACKAGES,
  ...[
    "dnsmasq",
    "odhcpd",
    "odhcp6c",
    "wpad",
    "hostapd",
    "wpa_supplicant",
    "sysctl",
    "umdns",
    "wireguard",
    "strongswan",
  ],
]);

export function partOfService(name: string): string {
  return NETWORK_SERVICES.has(name) ? NETWORK : "services";
}

export function partOfPath(path: string, module: string): string {
  const service = /^\/etc\/rc\.d\/[SK][0-9]+(.+)$/.exec(path)?.[1];
  if (service !== undefined) return partOfService(service);
  return NETWORK_PATHS.test(path) ? NETWORK : `files ${module}`;
}

/** What a plan changes, before it is known what harms. */
interface Changed {
  readonly packages: readonly PackagePlan[];
  readonly files: readonly FilePlan[];
  readonly services: readonly Pick<ServicePlan, "name">[];
}

/** The parts of a plan, the likeliest to cut a device off first. */
export function partsOf({ packages, files, services }: Changed): readonly string[] {
  const all = [
    ...packages.map(({ name }) => partOfPackage(name)),
    ...files.map(({ path, origin }) => partOfPath(path, origin.module)),
    ...services.map(({ name }) => partOfService(name)),
  ];
  return [...new Set(all)].sort((a, b) => suspicion(b) - suspicion(a) || (a < b ? -1 : 1));
}

function suspicion(part: string): number {
  if (part === NETWORK) return 2;
  return part.startsWith("uci ") ? 0 : 1;
}

/**
 * With what cannot do without them: a part that sets an option to the name of a section which one of these adds leans on it (a firewall's
 * zone, an interface), and so on.
 */
export function withDependents(parts: readonly string[], plan: Changed): readonly string[] {
  const left = new Set(parts);
  for (let size = 0; size !== left.size; ) {
    size = left.size;
    const added = new Set(
      plan.packages.filter(({ name }) => left.has(partOfPackage(name))).flatMap(({ diff }) => addedSections(diff)),
    );
    for (const { name, diff } of plan.packages) if (leansOn(diff, added)) left.add(partOfPackage(name));
  }
  return [...left];
}

type Diff = PackagePlan["diff"];

function addedSections({ sections }: Diff): readonly string[] {
  return sections.flatMap(({ change, section }) => (change === "added" && !section.startsWith("@") ? [section] : []));
}

function leansOn({ sections }: Diff, added: ReadonlySet<string>): boolean {
  const values = sections.flatMap(({ options }) => options.flatMap(({ after }) => after ?? []));
  return values.some((value) => value.split(/\s+/).some((word) => added.has(word)));
}

const MOST_NAMES = 40;

/** What the device remembers, and people are told, of parts that stay out of this plan. */
export function leftParts(parts: readonly string[], { packages, files, services }: Changed): readonly LeftPart[] {
  return parts.map((part) => {
    const names = [
      ...packages.filter(({ name }) => partOfPackage(name) === part).flatMap(({ name, diff }) => namesIn(name, diff)),
      ...files.filter(({ path, origin }) => partOfPath(path, origin.module) === part).map(({ path }) => path),
      ...services.filter(({ name }) => partOfService(name) === part).map(({ name }) => `service ${name}`),
    ];
    return { part, names: names.slice(0, MOST_NAMES), more: Math.max(0, names.length - MOST_NAMES) };
  });
}

function namesIn(name: string, { sections }: Diff): readonly string[] {
  return sections.flatMap(({ section, options }) =>
    options.length === 0 ? [`${name}.${section}`] : options.map(({ option }) => `${name}.${section}.${option}`),
  );
}
