import { describe, expect, test } from "vitest";
import { exchange, PROGRAMS, plan, section } from "./scene.ts";

const NETWORK = `
config interface 'lan'
	option proto 'static'
	option ipaddr '192.168.1.1'
	option netmask '255.255.255.0'

config interface 'office'
	option proto 'static'
	list ipaddr '10.1.0.1/16'

config interface 'wan'
	option proto 'dhcp'
	option device 'eth1'

config interface 'dsl'
	option proto 'pppoe'
	option device 'eth1.7'

config interface 'odd'
	option proto 'dhcp'
	option device '@wan;port-min = 1'
`;
const relaying = async (options: Readonly<Record<string, string | readonly string[]>>) => {
  const beesip = exchange(
    { role: "proxy", media: "relay", ...options },
    section("extension", { number: "101", secret: "one" }),
  );
  const { told, files, changes } = await plan(beesip, {
    uci: { beesip, network: NETWORK },
    device: { ...PROGRAMS, "/etc/init.d/rtpengine": "#!/bin/sh\n" },
  });
  const conf = files.get("/etc/rtpengine/rtpengine.conf") ?? "";
  return {
    told,
    changes,
    cfg: files.get("/etc/kamailio/kamailio.cfg") ?? "",
    option: (name: string) => new RegExp(`^${name} = (.*)$`, "m").exec(conf)?.[1],
    inside: [
      ...(files.get("/etc/kamailio/kamailio.cfg") ?? "").matchAll(/is_in_subnet\("\$var\(party\)", "([^"]+)"\)/g),
    ].map(([, network]) => network),
  };
};

describe("media through the device", () => {
  test("between the addresses and devices of the two interfaces, on the ports of the exchange", async () => {
    const { told, option, inside, changes } = await relaying({
      interface: ["lan", "wan"],
      rtp_start: "20000",
      rtp_end: "20400",
    });
    expect(told).toEqual([]);
    expect(option("interface")).toBe("lan/192.168.1.1;wan/eth1");
    expect([option("port-min"), option("port-max"), option("listen-ng")]).toEqual(["20000", "20400", "127.0.0.1:2223"]);
    expect(inside).toEqual(["192.168.1.1/24"]);
    expect(changes).toContainEqual(
      expect.objectContaining({ kind: "service", name: "rtpengine", boot: "enabled", run: "started" }),
    );
  });

  test.each([
    [["office", "wan"], "office/10.1.0.1;wan/eth1", ["10.1.0.1/16"]],
    [["lan", "dsl"], "lan/192.168.1.1;dsl/pppoe-dsl", ["192.168.1.1/24"]],
    [["lan"], "lan/192.168.1.1", []],
  ])("interfaces %j are %s", async (interfaces, wanted, networks) => {
    const { told, option, inside } = await relaying({ interface: interfaces });
    expect({ told, ends: option("interface"), inside }).toEqual({ told: [], ends: wanted, inside: networks });
  });

  test("networks that are said to be inside count, too", async () => {
    const { inside } = await relaying({ interface: ["wan", "dsl"], local_net: ["10.0.0.0/8", "2001:db8::1"] });
    expect(inside).toEqual(["10.0.0.0/8", "2001:db8::1/128"]);
  });

  test.each<[string, Readonly<Record<string, string | readonly string[]>>, RegExp]>([
    ["role b2bua, whose Asterisk relays anyway", { role: "b2bua" }, /beesip\.pbx\.media.*Asterisk relays/],
    ["role both", { role: "both" }, /beesip\.pbx\.media.*Asterisk relays/],
    ["three interfaces", { interface: ["lan", "wan", "office"] }, /beesip\.pbx\.interface.*more than two/],
    ["an interface that is not there", { interface: ["lan", "nowhere"] }, /beesip\.pbx\.media.*network\.nowhere/],
    ["a device that is no name", { interface: ["lan", "odd"] }, /beesip\.pbx\.media.*network\.odd/],
    ["nobody known to be inside", { interface: ["wan", "lan"] }, /beesip\.pbx\.local_net.*network\.wan/],
  ])("%s is refused", async (_, options, wanted) => {
    const { told, changes } = await relaying(options);
    expect(told).toEqual([expect.stringMatching(wanted)]);
    expect(changes).toEqual([]);
  });

  test("directly, Kamailio's file says nothing of it", async () => {
    const { cfg, option } = await relaying({ media: "direct", interface: ["lan", "wan"] });
    expect(cfg).not.toMatch(/rtpengine|MEDIA/);
    expect(option("interface")).toBeUndefined();
  });
});
