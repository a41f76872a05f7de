import { isSecretOption, withoutUriSecrets } from "../../uci/diff.ts";
import { ONLY_ONES } from "../../uci/identity.ts";
import type { UciSection, UciValue } from "../../uci/model.ts";

/** Whose an option is, whatever other routers say: one device's, all of one board's, or nobody's in particular. */
export type Owner = "device" | "board" | "anybody";

/** Addresses of interfaces, and what else makes a device this one. */
const OF_A_DEVICE: Readonly<Record<string, readonly string[]>> = {
  network: [
    "macaddr",
    "ipaddr",
    "ip6addr",
    "ip6prefix",
    "ip6ifaceid",
    "gateway",
    "ip6gw",
    "ula_prefix",
    "hostname",
    "clientid",
    "addresses",
  ],
  wireless: ["macaddr", "nasid", "ownip", "mobility_domain"],
  system: ["hostname", "description", "notes"],
};

/** Sections, and options of others, that tell what the hardware is like. */
const SECTIONS_OF_A_BOARD: ReadonlySet<string> = new Set([
  "network.device",
  "network.switch",
  "network.switch_vlan",
  "network.switch_port",
  "network.bridge-vlan",
  "network.atm-bridge",
  "network.dsl",
  "system.led",
  "system.gpio_switch",
  "system.rssid",
]);
const OPTIONS_OF_A_BOARD: ReadonlySet<string> = new Set([
  "network.interface.device",
  "network.interface.ifname",
  "system.system.compat_version",
  ...["type", "path", "phy", "band", "hwmode", "htmode", "channel", "radio"].map(
    (name) => `wireless.wifi-device.${name}`,
  ),
]);

export function ownerOf(pkg: string, { type, name: section }: UciSection, option: string, value: UciValue): Owner {
  if (isSecret(option, value)) return "device";
  if (pkg === "network" && section === "loopback") return "anybody";
  if (OF_A_DEVICE[pkg]?.includes(option) === true) return "device";
  if (SECTIONS_OF_A_BOARD.has(`${pkg}.${type}`) || OPTIONS_OF_A_BOARD.has(`${pkg}.${type}.${option}`)) return "board";
  return "anybody";
}

/** A password or key itself: no path to one, no switch, no hint where rpcd finds it (`$p$root`). */
export function isSecret(option: string, value: UciValue): boolean {
  if ([value].flat().some((one) => withoutUriSecrets(one) !== one)) return true;
  if (option === "gpio_pin" || !isSecretOption(option)) return false;
  return [value]
    .flat()
    .some((one) => !/^(?:\/|\$p\$|[01]$|on$|off$|yes$|no$|true$|false$|none$)/i.test(one) && one !== "");
}

/**
 * Whether the section can be said in parts, one here and one there: by its name, or as the only one of its type. Any other is the same one only with all it
 * holds (src/uci/identity.ts), so it goes into one layer whole.
 */
export function isDivisible(pkg: string, { name, type }: UciSection, ofType: number): boolean {
  return name !== undefined || (ofType === 1 && ONLY_ONES.has(`${pkg}.${type}`));
}
