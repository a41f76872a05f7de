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
import { type Provider, plugIn, startProvider } from "./setup-provider.ts";

const missing = whyNoHosts("dnsmasq", "nginx", "unbound", "unshare", "nsenter", "busybox");
if (missing) console.warn(`skipped: rolling back inside a device (${missing})`);

/** Longest wait for the watcher: the shortest window, its margin, its steps of two seconds, and a slow machine. */
const WATCHER_ACTS = 70_000;

describe.skipIf(missing)("inside a device, with its own shell and commands", () => {
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
    bootedDevice(image, provider, options, act);

  test("a configuration that cuts the device off is taken back, and the services are told so", async () => {
    await withDevice({ confirm: { window: "6", settle: "1", bisect: "0" } }, async (device) => {
      // What a wrong /etc/config/network does when netifd reloads it, and the old one when it comes back.
      const isNew = "grep -q 10.20.0.1 /etc/config/network";
      writeFileSync(
        join(device.ram, "on-reload"),
        `if ${isNew}; then ip link set eth0 down; else ip link set eth0 up; fi\n`,
      );
      const before = contents(device);
      const ended = await device.runInside(["run"]);
      plugIn(provider.net);
      expect(ended, ended.stderr).toMatchObject({ status: 6, stderr: expect.stringContaining("NOT_CONFIRMED") });
      expect(contents(device)).toEqual(before);
      expect(reloads(device)).toBe(2);
      await until(() => device.processes().length === 0);

      const again = await device.runInside(["status", "--json"]);
      expect(again).toMatchObject({ status: 0 });
      expect(again.stdout).toContain("NOT_CONFIRMED");
    });
  });

  test("Node killed during the trial: the watcher takes it back without Node, and the next run knows", async () => {
    await withDevice({ confirm: { window: "5", settle: "600" } }, async (device) => {
      const before = contents(device);
      const running = device.runInside(["run"]);
      const journal = join(device.upper, "lib/uciprov/tx/journal");
      await until(() => existsSync(journal) && /^state=trial$/m.test(readFileSync(journal, "utf8")));
      await until(() => reloads(device) > 0);
      device.kill("uciprov.cjs");
      await running;
      expect(contents(device)).not.toEqual(before);
      expect(device.processes().filter((name) => name.includes("recover.sh watch"))).toHaveLength(1);

      await until(() => /^state=rolled-back$/m.test(readFileSync(journal, "utf8")), WATCHER_ACTS);
      await until(() => device.processes().length === 0);
      expect(contents(device)).toEqual(before);
      expect(reloads(device)).toBe(2);

      const settings = join(device.seen, "etc/config/uciprov");
      writeFileSync(settings, readFileSync(settings, "utf8").replace("settle '600'", "settle '1'"));
      const next = await device.runInside(["run"]);
      expect(next, next.stderr).toMatchObject({ status: 0, stdout: expect.stringContaining("changed: generation 1") });
      expect(next.stderr).toContain("not confirmed within 35 seconds");
    });
  });
});
