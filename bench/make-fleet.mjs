import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Writes a made-up fleet into `folder`: `inventory.csv` with so many devices, and two versions of their tree, six layers deep: all, site, model group, board,
 * host name (one in fifty), MAC (four in five: a manifest has 1 MiB). The new version changes a channel for all, a network for one site, and the host-name layer of every hundredth device.
 */
export function makeFleet(folder, count) {
  const rows = ["mac,hostname,board,model,site,group"];
  for (const version of ["before", "after"]) mkdirSync(join(folder, version), { recursive: true });
  const put = (version, name, text) => writeFileSync(join(folder, version, name), text);
  for (let n = 0; n < count; n++) {
    const mac = (0x02_00_00_00_00_00 + n).toString(16).padStart(12, "0");
    const board = `acme,r${n % 8}`;
    rows.push(`${mac},ap-${n},"${board}",Acme R${n % 8},site-${n % 40},group-${n % 5}`);
    for (const version of ["before", "after"]) {
      const channel = version === "after" && n % 100 === 0 ? "\toption txpower '17'\n" : "";
      if (n % 50 === 0)
        put(
          version,
          `ap-${n}.uci`,
          `package system\n\nconfig system\n\toption hostname 'ap-${n}'\n\npackage wireless\n\nconfig wifi-device 'radio1'\n\toption type 'mac80211'\n${channel}`,
        );
      if (n % 5 > 0)
        put(
          version,
          `${mac}.uci`,
          `package network\n\nconfig interface 'lan'\n\toption ipaddr '10.${(n >> 8) & 255}.${n & 255}.1'\n`,
        );
    }
  }
  for (const version of ["before", "after"]) {
    const isAfter = version === "after";
    put(version, "default.uci", defaults(isAfter ? "6" : "1"));
    for (let site = 0; site < 40; site++) {
      const dns = isAfter && site === 3 ? "192.0.2.99" : `192.0.2.${site}`;
      put(version, `site-${site}.uci`, `package network\n\nconfig interface 'lan'\n\tlist dns '${dns}'\n`);
    }
    for (let group = 0; group < 5; group++)
      put(
        version,
        `group-${group}.uci`,
        `package system\n\nconfig timeserver 'ntp'\n\tlist server 'ntp${group}.example.net'\n`,
      );
    for (let board = 0; board < 8; board++)
      put(
        version,
        `acme,r${board}.uci`,
        `package wireless\n\nconfig wifi-device 'radio0'\n\toption htmode 'HE${20 + board}'\n`,
      );
  }
  writeFileSync(join(folder, "inventory.csv"), `${rows.join("\n")}\n`);
  const layer = (name) => `config resource '${name}'\n\toption module 'uci'\n\toption uri '{base_uri}/{${name}}.uci'\n`;
  mkdirSync(join(folder, "root/etc/config"), { recursive: true });
  writeFileSync(join(folder, "root/etc/config/uciprov"), `${layer("site")}\n${layer("group")}`);
}

function defaults(channel) {
  const rules = Array.from(
    { length: 20 },
    (_, n) =>
      `config rule\n\toption name 'rule-${n}'\n\toption src 'wan'\n\toption proto 'tcp'\n\toption dest_port '${1000 + n}'\n\toption target 'ACCEPT'\n`,
  );
  return [
    "package system\n\nconfig system\n\toption timezone 'CET-1CEST'\n",
    "package network\n\nconfig interface 'lan'\n\toption proto 'static'\n\toption netmask '255.255.255.0'\n\nconfig interface 'wan'\n\toption proto 'dhcp'\n",
    `package wireless\n\nconfig wifi-device 'radio0'\n\toption channel '${channel}'\n\toption country 'DE'\n\nconfig wifi-iface 'default_radio0'\n\toption ssid 'fleet'\n\toption encryption 'sae'\n\toption key 'a secret of the fleet'\n`,
    `package firewall\n\n${rules.join("\n")}`,
    "package dhcp\n\nconfig dnsmasq\n\toption domain 'lan'\n\nconfig dhcp 'lan'\n\toption interface 'lan'\n\toption start '100'\n\toption limit '150'\n",
  ].join("\n");
}
