import { optionText, type UciPackage } from "./uci/model.ts";

/** The hostname a parsed `system` package gives the device (OpenWrt base-files/etc/init.d/system); its default is `OpenWrt`. */
export function hostnameIn(system: UciPackage | undefined): string {
  const section = system?.sections.find((one) => one.type === "system");
  return (section && optionText(section, "hostname")) || "OpenWrt";
}
