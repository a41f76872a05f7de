import type { UciOption, UciSection } from "./model.ts";

/*
 * When two sections of different files are "the same one" (docs/uci.md has this as a table):
 *   named      by name;
 *   anonymous  as the only one of its type, for the types below;
 *              else by type and the option `name`, the n-th with the n-th where several share it;
 *              else by type and equal content, again the n-th with the n-th.
 */

/** `package.type` of which a device has one anonymous section, so that it needs no other identity. */
export const ONLY_ONES: ReadonlySet<string> = new Set([
  "dhcp.dnsmasq",
  "dhcp.odhcpd",
  "dropbear.dropbear",
  "firewall.defaults",
  "fstab.global",
  "igmpproxy.igmpproxy",
  "lldpd.lldpd",
  "network.globals",
  "nlbwmon.nlbwmon",
  "openssh.openssh",
  "qos.interface",
  "rpcd.rpcd",
  "snmpd.agent",
  "snmpd.system",
  "system.system",
  "upnpd.upnpd",
  "vnstat.vnstat",
  "watchcat.watchcat",
]);

/** How an anonymous section is told from others of its type, before the number that tells equal ones apart. */
export function anonymousIdentity(section: UciSection): string {
  const name = section.options.find((option) => option.name === "name")?.value;
  if (typeof name === "string" && name !== "") return `@${section.type} name=${name}`;
  return contentIdentity(section);
}

/** Equal for sections of equal type and content, and practically only for those. */
export function contentIdentity(section: UciSection): string {
  return `@${section.type} ~${digest(section.options)}`;
}

/** The identity of every section in a list: unique in it, and found again in another list. */
export function sectionKeys(pkg: string, sections: readonly UciSection[]): string[] {
  const ofType = countBy(sections, (section) => section.type);
  const numbered = numbering();
  return sections.map((section) => {
    if (section.name !== undefined) return numbered(`=${section.name}`);
    const isOnly = ofType.get(section.type) === 1 && ONLY_ONES.has(`${pkg}.${section.type}`);
    return isOnly ? `@${section.type}` : numbered(anonymousIdentity(section));
  });
}

/** How people write a section: its name, or `@type[index]`. */
export function sectionLabels(sections: readonly UciSection[]): string[] {
  const next = new Map<string, number>();
  return sections.map(({ type, name }) => {
    const index = next.get(type) ?? 0;
    next.set(type, index + 1);
    return name ?? `@${type}[${index}]`;
  });
}

/** The first to come keeps its identity, the second gets `#2` and so on. */
export function numbering(): (identity: string) => string {
  const seen = new Map<string, number>();
  return (identity) => {
    const number = (seen.get(identity) ?? 0) + 1;
    seen.set(identity, number);
    return number === 1 ? identity : `${identity}#${number}`;
  };
}

export function countBy<T>(things: Iterable<T>, keyOf: (thing: T) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const thing of things) counts.set(keyOf(thing), (counts.get(keyOf(thing)) ?? 0) + 1);
  return counts;
}

/** 64 bits of FNV-1a in two halves with different starts: not secret, merely unlikely to collide. */
function digest(options: readonly UciOption[]): string {
  let a = 0x811c9dc5;
  let b = 0x9747b28c;
  const add = (text: string, kind: number) => {
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      a = Math.imul(a ^ code, 0x01000193);
      b = Math.imul(b ^ code, 0x01000193) + 0x2545f491;
    }
    // Ends what was added, so that moving a letter from one part to the next gives another digest.
    a = Math.imul(a ^ (0x100 + kind), 0x01000193);
    b = Math.imul(b ^ (0x100 + kind), 0x01000193) + 0x2545f491;
  };
  for (const { name, value } of options) {
    add(name, 0);
    if (typeof value === "string") add(value, 1);
    else for (const item of value) add(item, 2);
  }
  return hex(a) + hex(b);
}

function hex(number: number): string {
  return (number >>> 0).toString(16).padStart(8, "0");
}
