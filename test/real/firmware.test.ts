import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { withMetadata } from "../tree/image.ts";
import { whyNoHosts } from "./netns.ts";
import { bootedDevice, contents, type Device, type Image, makeImage, type Options, until } from "./setup-device.ts";
import { type Provider, plugIn, startProvider } from "./setup-provider.ts";

const missing = whyNoHosts("dnsmasq", "nginx", "unbound", "unshare", "nsenter", "busybox");
if (missing) console.warn(`skipped: firmware and reboots inside a device (${missing})`);

const OLD = "r28900-demo";
const NEW = "r29100-demo";
const TARGET = "mediatek/filogic";
const IMAGE = withMetadata(Buffer.alloc(400_000, 9), {
  supported_devices: ["example,router-one"],
  version: { dist: "OpenWrt", version: "24.10.9", revision: NEW, target: TARGET, board: "router-one" },
});
/** What procd does to everybody. */
const ENDS_NODE = 'for p in /proc/[0-9]*; do ! grep -qs uciprov.cjs $p/cmdline || kill -TERM "${p#/proc/}"; done\n';
/** What sysupgrade hears of it. */
const ENDS_ALL = `${ENDS_NODE}sleep 1; echo 'Command failed: ubus call system sysupgrade (Connection failed)'; exit 1\n`;
/** The new image: other words of itself, and of the flash what the list of `-l` names. */
const WRITES = `sed -i s/${OLD}/${NEW}/ /etc/openwrt_release; rm -rf /lib/uciprov/tx\n${ENDS_ALL}`;

describe.skipIf(missing)("inside a device whose sysupgrade and reboot are stand-ins", () => {
  let provider: Provider;
  let image: Image;
  let serial = 100;
  beforeAll(async () => {
    provider = await startProvider();
    image = makeImage();
  });
  afterAll(async () => {
    image?.remove();
    await provider?.close();
  });

  beforeEach(() => {
    rmSync(join(provider.tree, "image.bin"), { force: true });
    provider.publish(++serial);
  });

  const publishImage = () => {
    writeFileSync(join(provider.tree, "image.bin"), IMAGE);
    provider.publish(++serial, [{ path: "image.bin", target: TARGET, revision: NEW }]);
  };
  const withDevice = (options: Options, act: (device: Device) => Promise<void>) =>
    bootedDevice(image, provider, options, act);
  const says = (device: Device, name: string, text: string) => writeFileSync(join(device.ram, name), text);
  const notes = (device: Device): unknown =>
    JSON.parse(readFileSync(join(device.seen, "etc/uciprov/state/firmware.json"), "utf8"));
  const journal = (device: Device) => {
    const file = join(device.seen, "lib/uciprov/tx/journal");
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  };

  test("sysupgrade outlives the run that it ends; the next boot knows the image and brings the configuration", async () => {
    publishImage();
    await withDevice({ confirm: { settle: "1" } }, async (device) => {
      const before = contents(device);
      says(device, "on-sysupgrade", WRITES);
      const ended = await device.runInside(["run"]);
      expect(ended, ended.stderr).toMatchObject({
        status: 0,
        stdout: expect.stringContaining("flashing: firmware r29100"),
      });
      expect(notes(device)).toMatchObject({ pending: { revision: NEW, from: OLD } });
      await until(() => device.processes().length === 0);
      expect(contents(device).filter((line) => !line.startsWith("openwrt_release"))).toEqual(
        before.filter((line) => !line.startsWith("openwrt_release")),
      );

      device.boot();
      const next = await device.runInside(["run"]);
      expect(next, next.stderr).toMatchObject({ status: 0, stdout: expect.stringContaining("changed: generation 1") });
      expect(notes(device)).toMatchObject({ running: { revision: NEW }, failed: [] });
      expect(await device.runInside(["run"])).toMatchObject({ stdout: expect.stringContaining("unchanged") });
      expect(device.calls().filter((call) => /^sysupgrade \//.test(call))).toHaveLength(1);
    });
  });

  test("an image that is never written is tried twice, and then the configuration comes without it", async () => {
    publishImage();
    await withDevice({ confirm: { settle: "1" } }, async (device) => {
      says(device, "on-sysupgrade", ENDS_ALL);
      for (const _ of [1, 2]) {
        expect(await device.runInside(["run"])).toMatchObject({ status: 0 });
        device.boot();
      }
      const last = await device.runInside(["run"]);
      expect(last, last.stderr).toMatchObject({ status: 0, stdout: expect.stringContaining("changed: generation 1") });
      expect(last.stdout).toContain("tried 2 times");
      expect(device.calls().filter((call) => /^sysupgrade \//.test(call))).toHaveLength(2);
    });
  });

  const REBOOTING: Options = {
    main: { ca: ["/etc/uciprov/ca.pem"], tries: "1", reboot: ["network"] },
    confirm: { window: "8", settle: "1" },
  };

  test("a plan that reboots is confirmed by the run after the boot", async () => {
    await withDevice(REBOOTING, async (device) => {
      says(device, "on-reboot", ENDS_NODE);
      const ended = await device.runInside(["run"]);
      expect(ended, ended.stderr).toMatchObject({ status: 0, stdout: expect.stringContaining("rebooting: ") });
      expect(journal(device)).toMatch(/^state=trial$/m);
      expect(device.calls().join()).not.toContain("service event");

      device.boot();
      expect(journal(device)).toMatch(/^reboot-allowed=0$/m);
      await until(() => device.processes().filter((name) => name.includes("recover.sh watch")).length === 1);
      const next = await device.runInside(["run"]);
      expect(next, next.stderr).toMatchObject({ status: 0, stdout: expect.stringContaining("unchanged") });
      expect(next.stderr).toContain("is confirmed after its reboot");
      expect(journal(device)).toBe("");
      await until(() => device.processes().length === 0);
      expect(device.calls().filter((call) => call === "reboot")).toHaveLength(1);
    });
  });

  test("one that cuts the device off is taken back after the boot, and the device restarts with the old configuration", async () => {
    await withDevice(REBOOTING, async (device) => {
      says(device, "on-reboot", ENDS_NODE);
      const before = contents(device);
      expect(await device.runInside(["run"])).toMatchObject({ status: 0 });
      device.boot(85); // most of what a boot may take has passed
      says(device, "on-reboot", "");
      await provider.net.dev.run("ip", ["link", "set", "eth0", "down"]);
      const next = await device.runInside(["run"]);
      plugIn(provider.net);
      expect(next, next.stderr).toMatchObject({ status: 6, stderr: expect.stringContaining("NOT_CONFIRMED") });
      expect(contents(device)).toEqual(before);
      expect(device.calls().filter((call) => call === "reboot")).toHaveLength(2);
    });
  });

  test("Node never comes after the boot: the watcher of recover.sh takes it back and restarts the device", async () => {
    await withDevice(REBOOTING, async (device) => {
      says(device, "on-reboot", ENDS_NODE);
      const before = contents(device);
      expect(await device.runInside(["run"])).toMatchObject({ status: 0 });
      says(device, "on-reboot", "");
      // As it stands in the journal the window decides; nobody waits two minutes for a test.
      const script = join(device.seen, "lib/uciprov/recover.sh");
      writeFileSync(script, readFileSync(script, "utf8").replace("window + 120", "window - 4"));
      device.boot();
      await until(() => /^state=rolled-back$/m.test(journal(device)));
      await until(() => device.processes().length === 0);
      expect(contents(device)).toEqual(before);
      const calls = device.calls().filter((call) => /^(?:reboot|ubus call service event)/.test(call));
      expect([calls.at(0), calls.at(-1)]).toEqual(["reboot", "reboot"]);
      expect(calls.slice(1, -1).join()).toContain('"package":"network"');
    });
  });
});
