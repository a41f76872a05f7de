import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import lldp from "../../resolvers/lldp.ts";
import type { Commands } from "../../src/api.ts";
import { aContext } from "../resolvers/context.ts";
import { type Host, type TwoHosts, twoHosts, whyNoHosts } from "./netns.ts";

const missing = whyNoHosts("lldpd", "lldpcli", "unshare");
if (missing) console.warn(`skipped: LLDP between two hosts (${missing})`);

describe.skipIf(missing)("lldpd on both ends of the cable", () => {
  let net: TwoHosts;

  // Anew for each test and each try: a lldpd has been seen that sent one announcement and never another.
  beforeEach(async () => {
    net = twoHosts();
    const hosts = Object.entries({ prov: net.prov, dev: net.dev });
    for (const [, host] of hosts) await cableIsIn(host);
    for (const [name, host] of hosts) startLldpd(host, `${net.folder}/${name}.sock`);
    await configure("lldp", "tx-interval", "1");
  });

  afterEach(() => net?.close());

  async function cableIsIn(host: Host) {
    for (let tries = 0; tries < 100; tries++) {
      const { stdout } = await host.run("cat", ["/sys/class/net/eth0/operstate"]);
      if (stdout.trim() === "up") return;
      await sleep(100);
    }
    throw new Error("eth0 does not come up");
  }

  function startLldpd(host: Host, socket: string) {
    const enter = `mount -t tmpfs none /run; mkdir -p /run/lldpd; chown _lldpd /run/lldpd; exec lldpd -d -u ${socket}`;
    host.start("unshare", ["-m", "sh", "-c", enter]);
  }

  async function configure(...args: string[]) {
    for (let tries = 0; tries < 300; tries++) {
      const { status } = await net.prov.run("lldpcli", ["-u", `${net.folder}/prov.sock`, "configure", ...args]);
      if (status === 0) return;
      await sleep(100);
    }
    throw new Error(`lldpcli configure ${args.join(" ")} failed`);
  }

  /** The device's lldpcli, asking the device's lldpd. */
  const commands: Commands = {
    has: () => true,
    async run(name, args) {
      const { status, stdout, stderr } = await net.dev.run(name, ["-u", `${net.folder}/dev.sock`, ...args]);
      return { status, stdout, stderr, signal: null, timedOut: false };
    },
  };

  const uri = "https://cfg.fleet.example/{mac}/";
  const options = { "lldp.interface": ["eth0"], "lldp.timeout": "30" };

  test("the provider's organisation TLV is awaited and becomes the device's URI", async () => {
    const hex = (Buffer.from(uri).toString("hex").match(/../g) ?? []).join(",");
    await configure("lldp", "custom-tlv", "oui", "02,75,4b", "subtype", "1", "oui-info", hex);
    const evidence = await lldp.resolve(aContext({ commands, options }));
    expect(evidence).toMatchObject({ uri: { text: uri }, evidence: "none", told: "LLDP neighbour on eth0" });
  });

  test("its system description does, too", async () => {
    await configure("system", "description", "edge switch provuri=https://described.example/");
    const heard = async () =>
      (await lldp.resolve(aContext({ commands, options: { ...options, "lldp.subtype": "7" } })))?.uri.text;
    let last = await heard();
    for (let tries = 0; tries < 150 && last === undefined; tries++) {
      await sleep(200);
      last = await heard();
    }
    expect(last).toBe("https://described.example/");
  });
});
