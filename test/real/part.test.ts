/** A firewall of the tree that really cuts the provider off, between two hosts: the device holds all the rest, and is reachable at the end. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { whyNoHosts } from "./netns.ts";
import {
  bootedDevice,
  contents,
  type Device,
  type Image,
  makeImage,
  type Options,
  reloads,
  until,
} from "./setup-device.ts";
import { type Provider, startProvider } from "./setup-provider.ts";

const missing = whyNoHosts("dnsmasq", "nginx", "unbound", "unshare", "nsenter", "busybox");
if (missing) console.warn(`skipped: holding what works of a tree (${missing})`);

const WATCHER_ACTS = 70_000;
/** What fw4 does with the tree's rule, once it reloads: from there on nothing of the provider's comes through. */
const FIREWALL = `
ip route del blackhole 192.0.2.1/32 2>/dev/null
ip -6 route del blackhole 2001:db8:1::1/128 2>/dev/null
if grep -q Allow-SSH-from-office /etc/config/firewall; then
	ip route add blackhole 192.0.2.1/32
	ip -6 route add blackhole 2001:db8:1::1/128
fi
true
`;

describe.skipIf(missing)("a tree whose firewall cuts the device off", () => {
  let provider: Provider;
  let image: Image;
  beforeAll(async () => {
    provider = await startProvider();
    image = makeImage();
  });
  afterAll(async () => {
    image?.remove();
    await provider?.close();
  });

  const withDevice = (options: Options, act: (device: Device) => Promise<void>) =>
    bootedDevice(image, provider, options, async (device) => {
      writeFileSync(join(device.ram, "on-reload"), FIREWALL);
      try {
        await act(device);
      } finally {
        await provider.net.dev.run("ip", ["route", "del", "blackhole", "192.0.2.1/32"]);
        await provider.net.dev.run("ip", ["-6", "route", "del", "blackhole", "2001:db8:1::1/128"]);
      }
    });
  const seen = (device: Device, path: string) => readFileSync(join(device.seen, path), "utf8");
  const isReachable = async () =>
    (await provider.net.dev.run("bash", ["-c", "exec 3<>/dev/tcp/192.0.2.1/443"])).status === 0;

  test("holds without the network's part, and the provider is reachable at the end", { timeout: 120_000 }, async () => {
    await withDevice({ confirm: { window: "6", settle: "1" } }, async (device) => {
      const ended = await device.runInside(["run", "--json"]);
      expect(ended, ended.stderr).toMatchObject({ status: 6 });
      expect(JSON.parse(ended.stdout)).toMatchObject({ result: "partial", generation: 1, left: [{ part: "network" }] });
      expect(ended.stdout).toContain("firewall.");
      expect(await isReachable()).toBe(true);
      expect(seen(device, "etc/config/firewall")).not.toContain("Allow-SSH-from-office");
      expect(seen(device, "etc/config/system")).toContain("attic");
      expect(seen(device, "etc/config/dropbear")).toContain("RootPasswordAuth");
      // The whole, its way back, the part.
      expect(reloads(device)).toBe(3);
      await until(() => device.processes().length === 0);
      const again = await device.runInside(["run", "--json"]);
      expect(JSON.parse(again.stdout)).toMatchObject({ result: "unchanged" });
    });
  });

  test("Node killed during the trial of a part: the watcher takes that back, too", { timeout: 180_000 }, async () => {
    await withDevice({ confirm: { window: "6", settle: "4" } }, async (device) => {
      const before = contents(device);
      const running = device.runInside(["run"]);
      const journal = join(device.upper, "lib/uciprov/tx/journal");
      const state = () => (existsSync(journal) ? readFileSync(journal, "utf8") : "");
      await until(() => reloads(device) === 3);
      await until(() => /^state=trial$/m.test(state()));
      device.kill("uciprov.cjs");
      await running;
      expect(contents(device)).not.toEqual(before);
      await until(() => /^state=rolled-back$/m.test(state()), WATCHER_ACTS);
      await until(() => device.processes().length === 0);
      expect(contents(device)).toEqual(before);
      expect(await isReachable()).toBe(true);
      const next = await device.runInside(["run", "--json"]);
      expect(JSON.parse(next.stdout), next.stderr).toMatchObject({ result: "partial", left: [{ part: "network" }] });
      expect(await isReachable()).toBe(true);
    });
  });
});
