/** A scratch root whose shell is busybox ash with busybox's own tools, as near to a device as a laptop comes. */
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Commands, Log } from "../../src/api.ts";
import { runToEnd } from "../../src/host/commands.ts";
import { openDisk } from "../../src/host/disk.ts";
import type { ShellDoor } from "../../src/shell-modules.ts";

const BUSYBOX = ["/bin/busybox", "/usr/bin/busybox"].find((path) => spawnSync(path, ["true"]).status === 0);

/** Why tests that need busybox cannot run here, or undefined. With UCIPROV_REQUIRE_REAL=1 that is an error instead. */
export const noAsh: string | undefined = BUSYBOX === undefined ? "busybox is not installed" : undefined;
if (noAsh !== undefined && process.env["UCIPROV_REQUIRE_REAL"] === "1") throw new Error(noAsh);

export interface AshRoot {
  readonly root: string;
  readonly door: ShellDoor;
  readonly logged: string[];
  /** Writes a module and says where it lies on the device. */
  module(name: string, text: string, folder?: string): string;
  remove(): void;
}

export function ashRoot(): AshRoot {
  const root = mkdtempSync(join(tmpdir(), "uciprov-ash-"));
  const bin = join(root, "bin");
  for (const folder of ["bin", "etc", "lib", "usr/lib", "tmp", "etc/uciprov/modules.d", "usr/lib/uciprov/modules.d"]) {
    mkdirSync(join(root, folder), { recursive: true, mode: 0o755 });
  }
  cpSync("openwrt-package/files/lib/uciprov", join(root, "lib/uciprov"), { recursive: true });
  for (const applet of appletsOf(BUSYBOX ?? "")) symlinkSync(BUSYBOX ?? "", join(bin, applet));
  const logged: string[] = [];
  const log: Log = (level, message) => void logged.push(`${level} ${message}`);
  const commands: Commands = {
    has: (name) => name === "sh",
    // The path holds busybox's tools alone, so that a module that needs more fails here as on a device.
    run: (name, args, how) => runToEnd(join(bin, name), args, { ...how, env: { ...how.env, PATH: bin } }),
  };
  return {
    root,
    door: { disk: openDisk(root), commands, log },
    logged,
    module(name, text, folder = "/etc/uciprov/modules.d") {
      const path = `${folder}/${name}`;
      writeFileSync(join(root, path), text);
      chmodSync(join(root, path), 0o644);
      return path;
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}

/** What busybox has elsewhere and not in a default OpenWrt image. (openwrt/openwrt: package/utils/busybox/Config-defaults.in) */
const NOT_ON_DEVICES = new Set(
  (
    "base64 chpasswd diff hostname install nohup nproc od patch pkill realpath sha1sum sha512sum split stat su telnet " +
    "timeout unzip watch whoami xxd xz"
  ).split(" "),
);

function appletsOf(busybox: string): string[] {
  return (
    spawnSync(busybox, ["--list"], { encoding: "utf8" })
      .stdout?.split("\n")
      .filter((name) => name !== "" && !NOT_ON_DEVICES.has(name)) ?? []
  );
}
