import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeAuthority } from "../../src/admin/certificates.ts";
import { packOverlay } from "../../src/admin/demo-bed.ts";
import type { Ended } from "./netns.ts";
import { whyNoHosts } from "./netns.ts";
import {
  bootedDevice,
  contents,
  type Device,
  filesBelow,
  type Image,
  makeImage,
  type Options,
  snapshot,
  until,
} from "./setup-device.ts";
import { FAILING_DNS, nameOf, type Provider, startProvider, unplugged } from "./setup-provider.ts";

const missing = whyNoHosts("dnsmasq", "nginx", "unbound", "unshare", "nsenter", "busybox");
if (missing) console.warn(`skipped: failures between two hosts (${missing})`);

describe.skipIf(missing)("when real peers fail", () => {
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

  test.each<[string, Options, string, number]>([
    ["dnsmasq knows no such name", { dns: { name: nameOf("good").replace("good", "nowhere") } }, "NO_URI", 3],
    ["unbound fails", { dns: { name: nameOf("good"), server: [FAILING_DNS] } }, "DNS_FAILED", 8],
    ["no name server is there", { dns: { server: ["192.0.2.9"], timeout: "2" } }, "DNS_TIMEOUT", 8],
    ["nothing listens", { dns: { name: nameOf("nobody") } }, "CONNECT_FAILED", 8],
    ["nginx closes without a word", { dns: { name: nameOf("closing") } }, "CONNECT_FAILED", 8],
    ["nginx is busy", { dns: { name: nameOf("busy") } }, "HTTP_UNAVAILABLE", 8],
    ["nginx leads in a circle", { dns: { name: nameOf("loop") } }, "REDIRECT_LOOP", 5],
    ["nginx leads from https to http", { dns: { name: nameOf("insecure") } }, "REDIRECT_INSECURE", 4],
    ["the certificate is another server's", { dns: { name: nameOf("misnamed") } }, "TLS_NAME", 4],
    ["the certificate has expired", { dns: { name: nameOf("expired") } }, "TLS_EXPIRED", 4],
    ["the device knows no CA of the server's", { main: { tries: "1" } }, "TLS_UNTRUSTED", 4],
    [
      "the device knows another CA of the same name",
      { main: { ca: ["/tmp/other.pem"], tries: "1" } },
      "TLS_UNTRUSTED",
      4,
    ],
  ])("%s: told apart, and nothing is written", async (_, options, code, status) => {
    await withDevice(options, async (device) => {
      writeFileSync(join(device.ram, "other.pem"), makeAuthority("Fleet CA").cert);
      const before = snapshot(device.upper);
      const ended = await device.run(["run", "--json"]);
      expect(toldBy(ended), ended.stdout + ended.stderr).toEqual({ code, status });
      expect(snapshot(device.upper)).toEqual(before);
      expect(filesBelow(device.upper)).toEqual([]);
    });
  });

  test("Retry-After of a busy nginx is obeyed before the second try", async () => {
    await withDevice(
      { main: { ca: ["/etc/uciprov/ca.pem"], tries: "2", retry_seconds: "0" }, dns: { name: nameOf("busy") } },
      async (device) => {
        const ended = await device.run(["run", "--json"]);
        expect(toldBy(ended)).toEqual({ code: "HTTP_UNAVAILABLE", status: 8 });
        const times = provider.noted().filter(({ path }) => path === "/busy/tree/MANIFEST");
        expect(times).toHaveLength(2);
        const [first, second] = times.map(({ at }) => at);
        expect((second ?? 0) - (first ?? 0)).toBeGreaterThanOrEqual(2000);
      },
    );
  });

  test("a cable pulled in the middle of the overlay: nothing is written, and the next run completes", async () => {
    await publishMore(provider, 2);
    const limits = { connect_seconds: "2", idle_seconds: "2" };
    await withDevice({ dns: { name: nameOf("slow") }, limits }, async (device) => {
      const before = snapshot(device.upper);
      const running = device.run(["run", "--json"]);
      await until(() => provider.noted().some(({ path }) => path === "/slow/tree/default.uci"));
      await sleep(1000); // the overlay, asked for at the same time, takes six seconds
      await unplugged(provider.net, 4500);
      const ended = await running;
      expect(["HTTP_TIMEOUT", "TRUNCATED", "CONNECT_FAILED", "DNS_TIMEOUT"]).toContain(toldBy(ended).code);
      expect(ended.status).toBe(8);
      expect(snapshot(device.upper)).toEqual(before);

      const next = await device.run(["run"]);
      expect(next, next.stderr).toMatchObject({ status: 0, stdout: expect.stringContaining("changed: generation 1") });
      expect(filesBelow(device.upper)).toContain("etc/many/0");
    });
  });

  test("a server that dies after it has served everything: the new configuration is taken back", async () => {
    await publishMore(provider, 3);
    await withDevice({ confirm: { window: "5" } }, async (device) => {
      const before = contents(device);
      let stopping: Promise<void> | undefined;
      const ended = await device.run(["run"], {
        onStderr: (text) => {
          if (text.includes("fetch ")) stopping ??= provider.stopWeb();
        },
      });
      await stopping;
      await provider.startWeb();
      expect(ended, ended.stderr).toMatchObject({ status: 6, stderr: expect.stringContaining("NOT_CONFIRMED") });
      expect(ended.stderr).toMatch(/apply +\d/);
      expect(contents(device)).toEqual(before);
    });
  });
});

function toldBy({ status, stdout }: Ended): { code: unknown; status: number | null } {
  const told: unknown = JSON.parse(stdout);
  const error = typeof told === "object" && told !== null && "error" in told ? told.error : undefined;
  return { code: typeof error === "object" && error !== null && "code" in error ? error.code : undefined, status };
}

/** An overlay that takes some seconds over the slow way, and some moments to land. */
async function publishMore(provider: Provider, serial: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "uciprov-overlay-"));
  mkdirSync(join(folder, "etc/many"), { recursive: true });
  for (let index = 0; index < 400; index++) writeFileSync(join(folder, `etc/many/${index}`), randomBytes(1500));
  await packOverlay(folder, join(provider.tree, "overlay.tar.gz"));
  rmSync(folder, { recursive: true });
  provider.publish(serial);
}
