import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { whyNoHosts } from "./netns.ts";
import {
  bootedDevice,
  type Device,
  filesBelow,
  type Image,
  makeImage,
  type Options,
  snapshot,
  until,
} from "./setup-device.ts";
import { DOMAIN, type Provider, startProvider } from "./setup-provider.ts";
import { changesBelow, straceTo } from "./setup-strace.ts";

const missing = whyNoHosts("dnsmasq", "nginx", "unbound", "unshare", "nsenter", "strace", "busybox");
if (missing) console.warn(`skipped: provisioning between two hosts (${missing})`);

const AFTERWARDS = new URL("../../fixtures/trees/first-light/device/", import.meta.url).pathname;

describe.skipIf(missing)("a device finds, fetches and applies its configuration from dnsmasq and nginx", () => {
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

  const requests = () => provider.noted().map(({ path, status }) => `${path} ${status}`);

  test("the first run leaves exactly the expected files, the second asks once and writes nothing", async () => {
    await withDevice({}, async (device) => {
      const trace = join(provider.net.folder, "trace");
      const first = await device.run(["run"], { through: straceTo(trace) });
      expect(first, first.stderr).toMatchObject({ status: 0 });
      expect(requests()).toContain("/tree/MANIFEST 200");
      expectAfterwards(device);
      // The same look at a run that does change something, so that seeing nothing below means something.
      const landed = changesBelow(readFileSync(trace, "utf8"), device.root);
      for (const call of ["rename", "openat", "write", "fchmod"]) {
        expect(
          landed.some((line) => line.includes(` ${call}`)),
          call,
        ).toBe(true);
      }

      const before = snapshot(device.upper);
      const second = await device.run(["run"], { through: straceTo(trace) });
      expect(second, second.stderr).toMatchObject({ status: 0, stdout: expect.stringContaining("unchanged") });
      expect(requests()).toEqual(["/tree/MANIFEST 304"]);
      expect(changesBelow(readFileSync(trace, "utf8"), device.root)).toEqual([]);
      expect(snapshot(device.upper)).toEqual(before);
      expect(device.calls()).toEqual([]);
    });
  });

  test("over IPv6 alone, name server and web server", async () => {
    await withDevice({ dns: { name: `ipv6.${DOMAIN}`, server: ["2001:db8:1::1"] } }, async (device) => {
      const first = await device.run(["run"]);
      expect(first, first.stderr).toMatchObject({ status: 0 });
      expectAfterwards(device);
    });
  });

  test("from a server that would compress everything", async () => {
    await withDevice({ dns: { name: `gzip.${DOMAIN}` } }, async (device) => {
      const first = await device.run(["run"]);
      expect(first, first.stderr).toMatchObject({ status: 0 });
      expectAfterwards(device);
      requests();
      const second = await device.run(["run"]);
      expect(second).toMatchObject({ status: 0, stdout: expect.stringContaining("unchanged") });
      expect(requests()).toEqual(["/gzip/tree/MANIFEST 304"]);
    });
  });

  test("a beacon in the TXT record saves the second run its request, and the write", async () => {
    await withDevice({ dns: { name: `beacon.${DOMAIN}` } }, async (device) => {
      const first = await device.run(["run"]);
      expect(first, first.stderr).toMatchObject({ status: 0 });
      expect(requests()).not.toEqual([]);
      const before = snapshot(device.upper);
      const second = await device.run(["run"]);
      expect(second, second.stderr).toMatchObject({ status: 0, stdout: expect.stringContaining("beacon") });
      expect(requests()).toEqual([]);
      expect(snapshot(device.upper)).toEqual(before);
    });
  });

  test("as root of its own device it reloads once, waits for the proof, and leaves no process; then never again", async () => {
    await withDevice({ confirm: { settle: "1" } }, async (device) => {
      const first = await device.runInside(["run"]);
      expect(first, first.stderr).toMatchObject({
        status: 0,
        stdout: expect.stringContaining("changed: generation 1"),
      });
      expectAfterwards(device);
      const told = device.calls().filter(isNoQuestion);
      expect(told.map((call) => /"package":"(.*?)"/.exec(call)?.[1])).toEqual([
        "dropbear",
        "firewall",
        "network",
        "system",
        "wireless",
      ]);
      expect(device.calls().length).toBeGreaterThan(told.length);
      await until(() => device.processes().length === 0);

      const before = snapshot(device.upper);
      const second = await device.runInside(["run"]);
      expect(second, second.stderr).toMatchObject({ status: 0, stdout: expect.stringContaining("unchanged") });
      expect(device.calls().filter(isNoQuestion)).toEqual(told);
      expect(snapshot(device.upper)).toEqual(before);
      expect(device.processes()).toEqual([]);
    });
  });

  function expectAfterwards(device: Device): void {
    const wanted = filesBelow(AFTERWARDS);
    const found = filesBelow(device.upper);
    const ours = (name: string) => name.startsWith("etc/uciprov/state/") || name.startsWith("lib/uciprov/tx/");
    expect(found.filter((name) => !ours(name))).toEqual(wanted);
    expect(found.filter(ours)).toContain("etc/uciprov/state/confirmed.json");
    for (const name of wanted) {
      expect(readFileSync(join(device.upper, name), "utf8"), name).toBe(readFileSync(join(AFTERWARDS, name), "utf8"));
    }
    expect(statSync(join(device.upper, "etc/dropbear/authorized_keys")).mode & 0o777).toBe(0o600);
    expect(statSync(join(device.upper, "etc/profile.d/fleet.sh")).mode & 0o777).toBe(0o644);
  }
});

/** `ubus call … dump` asks and touches nothing. */
function isNoQuestion(call: string): boolean {
  return call !== "ubus -S -t 5 call network.interface dump";
}
