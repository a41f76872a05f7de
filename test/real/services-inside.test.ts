/**
 * Services and packages inside a device, with its own shell: a procd and an opkg of a few lines of shell that do and print what the real ones
 * do (facts of their sources, lies included), init scripts that really run, and the watcher when Node is dead.
 */
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { whyNoHosts } from "./netns.ts";
import { bootedDevice, type Device, type Image, makeImage, type Options, until } from "./setup-device.ts";
import { type Provider, startProvider } from "./setup-provider.ts";

const missing = whyNoHosts("dnsmasq", "nginx", "unbound", "unshare", "nsenter", "busybox");
if (missing) console.warn(`skipped: services inside a device (${missing})`);

const WATCHER_ACTS = 70_000;
const REPOSITORY = new URL("../../", import.meta.url).pathname;
const QUICK: Options = { confirm: { window: "6", settle: "1", bisect: "0" } };

/** The PBX of a tree, as a module author writes it. */
const MODULE = `
uciprov_uri pbx '{base_uri}/pbx.conf'
uciprov_hook_add plan pbx_plan
pbx_plan() {
	uciprov_fetch pbx "$UCIPROV_WORK/conf" || return 0
	uciprov_package pbx
	uciprov_file /etc/pbx/main.conf "$UCIPROV_WORK/conf" 0640 :pbx
	uciprov_service pbx enabled
	uciprov_service pbx started
	uciprov_service pbx reload /etc/pbx/
}
`;

/** Notes how it was called and with which configuration; what \`broken\` stands in does not run, whatever the status says. */
const INIT = `#!/bin/sh
START=60
STOP=10
USE_PROCD=1
echo "pbx $1 $(cat /etc/pbx/main.conf)" >>/tmp/calls
case $1 in
stop) rm -f /tmp/running.pbx ;;
*) if grep -q broken /etc/pbx/main.conf; then rm -f /tmp/running.pbx; else touch /tmp/running.pbx; fi ;;
esac
exit 0
`;

const UBUS = `#!/bin/sh
case "$*" in
'call service list'*)
	if [ -e /tmp/running.pbx ]; then echo '{"pbx":{"instances":{"instance1":{"running":true,"pid":77}}}}'
	else echo '{"pbx":{"instances":{"instance1":{"running":false,"exit_code":1}}}}'; fi ;;
*) echo '{"interface":[{"interface":"loopback","up":true},{"interface":"wan","up":true}]}' ;;
esac
`;

const OPKG = `#!/bin/sh
echo "opkg $*" >>/tmp/calls
status=/usr/lib/opkg/status
case "$*" in
update) echo 'Updated list of available packages in /var/opkg-lists/base' ;;
'--noaction install pbx') echo 'Installing pbx (1.0-r1) to root...' ;;
'info pbx') printf 'Package: pbx\\nInstalled-Size: 20480\\n' ;;
'install pbx')
	echo 'Installing pbx (1.0-r1) to root...'
	printf 'Package: pbx\\nDepends: libc\\nStatus: install user installed\\n\\n' >>$status
	echo 'pbx:x:385:' >>/etc/group
	mkdir -p /etc/pbx /etc/init.d
	echo default >/etc/pbx/main.conf
	cp /tmp/pbx.init /etc/init.d/pbx ;;
'--noaction remove pbx') echo 'Removing package pbx from root...' ;;
'remove pbx')
	echo 'Removing package pbx from root...'
	printf 'Package: libc\\nStatus: install ok installed\\n\\n' >$status
	rm -f /etc/init.d/pbx /etc/pbx/main.conf ;;
*) echo 'No packages removed.'; exit 0 ;;
esac
`;

describe.skipIf(missing)("services and packages inside a device", () => {
  let provider: Provider;
  let image: Image;
  let serial = 1;
  beforeAll(async () => {
    provider = await startProvider();
    image = makeImage();
  });
  afterAll(async () => {
    image?.remove();
    await provider?.close();
  });

  /** What the tree says of the PBX from now on; undefined: nothing. */
  const publish = (conf: string | undefined) => {
    const path = join(provider.tree, "pbx.conf");
    if (conf === undefined) rmSync(path, { force: true });
    else writeFileSync(path, `${conf}\n`);
    provider.publish(++serial);
  };

  const withPbx = (options: Options, act: (device: Device) => Promise<void>) =>
    bootedDevice(image, provider, options, async (device) => {
      const put = (path: string, text: string, mode = 0o644) => {
        mkdirSync(dirname(join(device.seen, path)), { recursive: true });
        rmSync(join(device.seen, path), { force: true });
        writeFileSync(join(device.seen, path), text);
        chmodSync(join(device.seen, path), mode);
      };
      put("etc/uciprov/modules.d/50-exchange.sh", MODULE, 0o600);
      for (const name of ["functions.sh", "module.sh"]) {
        copyFileSync(
          join(REPOSITORY, "openwrt-package/files/lib/uciprov", name),
          join(device.seen, "lib/uciprov", name),
        );
      }
      put("bin/ubus", UBUS, 0o755);
      put("bin/opkg", OPKG, 0o755);
      put("usr/lib/opkg/status", "Package: libc\nStatus: install ok installed\n\n");
      put("etc/group", "root:x:0:\n");
      writeFileSync(join(device.ram, "pbx.init"), INIT, { mode: 0o755 });
      chmodSync(join(device.ram, "pbx.init"), 0o755);
      await act(device);
    });

  const calls = (device: Device) => device.calls().filter((call) => /^(?:pbx|opkg) /.test(call));
  const conf = (device: Device) => join(device.seen, "etc/pbx/main.conf");

  test("brings the package, the file with its group, the service; then only what changed; then all of it goes", async () => {
    await withPbx(QUICK, async (device) => {
      publish("one");
      const planned = await device.runInside(["plan"]);
      expect(planned.stdout).toContain(
        "package pbx: install, because the tree names it (before anything else changes)",
      );
      expect(calls(device)).toEqual([]);

      const first = await device.runInside(["run"]);
      expect(first, first.stderr).toMatchObject({ status: 0 });
      expect(readFileSync(conf(device), "utf8")).toBe("one\n");
      expect(statSync(conf(device))).toMatchObject({ gid: 385, uid: 0 });
      expect(existsSync(join(device.seen, "etc/rc.d/S60pbx"))).toBe(true);
      expect(calls(device)).toEqual([
        ...["opkg update", "opkg --noaction install pbx", "opkg info pbx", "opkg install pbx", "pbx start one"],
      ]);

      const second = await device.runInside(["run", "--force"]);
      expect(second, second.stderr).toMatchObject({ status: 0, stdout: expect.stringContaining("already is") });
      expect(calls(device)).toHaveLength(5);

      publish("two");
      const told = await device.runInside(["plan"]);
      expect(told.stdout).toContain("service pbx: reload, because /etc/pbx/main.conf changes");
      expect((await device.runInside(["run"])).status).toBe(0);
      expect(calls(device).slice(5)).toEqual(["pbx reload two"]);

      const back = await device.runInside(["rollback"]);
      expect(back, back.stderr).toMatchObject({ status: 0 });
      expect(calls(device).slice(6)).toEqual(["pbx reload one"]);

      publish(undefined);
      const last = await device.runInside(["run"]);
      expect(last, last.stderr).toMatchObject({ status: 0 });
      expect(calls(device).slice(7)).toEqual(["pbx stop default", "opkg --noaction remove pbx", "opkg remove pbx"]);
      expect(existsSync(conf(device))).toBe(false);
      expect(existsSync(join(device.seen, "etc/rc.d/S60pbx"))).toBe(false);
      expect((await device.runInside(["run", "--force"])).stdout).toContain("already is");
      expect(calls(device)).toHaveLength(10);
    });
  });

  test("a service that says 0 and is dead: the old file comes back, and it is asked again with that", async () => {
    await withPbx(QUICK, async (device) => {
      publish("one");
      expect((await device.runInside(["run"])).status).toBe(0);
      publish("broken");
      const ended = await device.runInside(["run"]);
      expect(ended, ended.stderr).toMatchObject({ status: 6, stderr: expect.stringContaining("SERVICE_FAILED") });
      expect(calls(device).slice(5)).toEqual(["pbx reload broken", "pbx reload one"]);
      expect(readFileSync(conf(device), "utf8")).toBe("one\n");
      expect(existsSync(join(device.ram, "running.pbx"))).toBe(true);
    });
  });

  test("Node killed in the trial: the watcher reloads the service with the old file, once", async () => {
    await withPbx({ confirm: { window: "5", settle: "1", bisect: "0" } }, async (device) => {
      publish("one");
      expect((await device.runInside(["run"])).status).toBe(0);
      const settings = join(device.seen, "etc/config/uciprov");
      const set = (from: string, to: string) =>
        writeFileSync(settings, readFileSync(settings, "utf8").replace(from, to));
      set("settle '1'", "settle '600'");
      publish("two");
      const running = device.runInside(["run"]);
      await until(() => calls(device).includes("pbx reload two"));
      device.kill("uciprov.cjs");
      await running;
      const journal = join(device.upper, "lib/uciprov/tx/journal");
      expect(readFileSync(journal, "utf8")).toMatch(/^services=pbx:reload$/m);
      await until(() => calls(device).includes("pbx reload one"), WATCHER_ACTS);
      await until(() => device.processes().length === 0);
      expect(readFileSync(journal, "utf8")).toMatch(/^services=$/m);
      expect(readFileSync(conf(device), "utf8")).toBe("one\n");

      set("settle '600'", "settle '1'");
      const next = await device.runInside(["run"]);
      expect(next, next.stderr).toMatchObject({ status: 0 });
      expect(calls(device).slice(5)).toEqual(["pbx reload two", "pbx reload one", "pbx reload two"]);
    });
  });
});
