/** What lies in folders that sysupgrade keeps as they were. What it does with a lease: test/real/dhcp.test.ts. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { noAsh } from "../helpers/ash.ts";

const FILES = "openwrt-package/files";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "uciprov-drop-ins-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test.each(["udhcpc", "odhcp6c"])(
  "sysupgrade puts an old drop-in of %s over a new one: it holds nothing that a version could change",
  (name) => {
    const text = readFileSync(join(FILES, `etc/${name}.user.d/uciprov`), "utf8");
    const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    expect(lines).toEqual([`[ ! -f /lib/uciprov/${name}.sh ] || . /lib/uciprov/${name}.sh`]);
    expect(readFileSync(join(FILES, `lib/uciprov/${name}.sh`), "utf8")).toContain("$folder/$INTERFACE.v");
  },
);

test.skipIf(noAsh).each(["udhcpc", "odhcp6c"])(
  "the drop-in of %s hands its event on, and does nothing on a device that has uciprov no more",
  (name) => {
    const text = readFileSync(join(FILES, `etc/${name}.user.d/uciprov`), "utf8");
    writeFileSync(join(folder, "drop-in"), text.replaceAll("/lib/uciprov", folder));
    const source = () => {
      const words = ["ash", "-c", '(. "$0" "$@"); echo "status $?"', join(folder, "drop-in"), "eth0", "a b"];
      return spawnSync("busybox", words, { env: { PATH: "/bin" }, encoding: "utf8" });
    };
    expect(source()).toMatchObject({ stdout: "status 0\n", stderr: "" });
    writeFileSync(join(folder, `${name}.sh`), "printf '<%s>' \"$@\"\n");
    expect(source()).toMatchObject({ stdout: "<eth0><a b>status 0\n", stderr: "" });
  },
);

test.skipIf(noAsh).each([
  ["udhcpc", "bound", ""],
  ["odhcp6c", "eth0", "updated"],
])("a lease that %s has before the service starts hides nothing but itself", (name, ...words) => {
  const run = join(folder, "run/uciprov");
  const text = readFileSync(join(FILES, `lib/uciprov/${name}.sh`), "utf8").replace(
    "=/var/run/uciprov/dhcp",
    `=${run}/dhcp`,
  );
  writeFileSync(join(folder, "record"), text);
  const env = { PATH: "/bin", INTERFACE: "wan", opt224: "00", OPTION_59: "00" };
  spawnSync("busybox", ["ash", "-c", 'umask 077; . "$0" "$@"', join(folder, "record"), ...words], { env });
  const modes = ["", "dhcp", `dhcp/wan.v${name === "udhcpc" ? 4 : 6}`].map(
    (path) => statSync(join(run, path)).mode & 0o777,
  );
  expect(modes).toEqual([0o755, 0o700, 0o600]);
});
