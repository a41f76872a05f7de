import type { Files } from "./api.ts";

/** The C libraries take three; a list that is longer is a mistake or an attack. */
const MAX_SERVERS = 4;

/**
 * The name servers the device uses: those of /etc/resolv.conf (127.0.0.1 once dnsmasq runs), then those the network
 * gave it, which still answer when dnsmasq does not (OpenWrt: package/network/services/dnsmasq/files/dnsmasq.init).
 */
export function deviceNameServers(files: Files): string[] {
  const texts = [files.read("/etc/resolv.conf"), files.read("/tmp/resolv.conf.d/resolv.conf.auto")];
  return [...new Set(texts.flatMap((text) => readResolvConf(text ?? "")))].slice(0, MAX_SERVERS);
}

/** The addresses of resolv.conf(5)'s `nameserver` lines. */
function readResolvConf(text: string): string[] {
  return text
    .split("\n")
    .flatMap((line) => /^nameserver[ \t]+([0-9a-fA-F.:]+(?:%[\w.-]+)?)(?:[ \t]|$)/.exec(line)?.[1] ?? []);
}
