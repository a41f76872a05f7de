import { parse as parseIni } from "ini";
import type { DeviceFacts, Files } from "../api.ts";
import { hostnameIn } from "../hostname.ts";
import { parsePackage } from "../uci/parse.ts";

/**
 * What the device knows of itself, from the files where OpenWrt keeps it; nothing of it comes from a network. Where a file is
 * absent the word stands that OpenWrt itself falls back to.
 */
export function readFacts(files: Files): DeviceFacts {
  const release = readRelease(files, "/etc/openwrt_release");
  const osRelease = readOsRelease(files);
  const board = readBoard(files);
  return {
    mac: readMac(files, board),
    hostname: readHostname(files),
    serial: readSerial(files),
    board: line(files, "/tmp/sysinfo/board_name") ?? textAt(board, "model", "id") ?? "generic",
    model: line(files, "/tmp/sysinfo/model") ?? textAt(board, "model", "name") ?? "unknown",
    target: release["DISTRIB_TARGET"] ?? osRelease["OPENWRT_BOARD"] ?? "unknown/unknown",
    arch: release["DISTRIB_ARCH"] ?? osRelease["OPENWRT_ARCH"] ?? "unknown",
    distro: release["DISTRIB_ID"] ?? osRelease["NAME"] ?? "OpenWrt",
    release: release["DISTRIB_RELEASE"] ?? osRelease["VERSION_ID"] ?? "unknown",
    revision: release["DISTRIB_REVISION"] ?? osRelease["BUILD_ID"] ?? "unknown",
    built: builtIn(osRelease),
  };
}

/** `built` of the facts, alone: seconds since 1970. */
export function readBuildDate(files: Files): number | undefined {
  return builtIn(readOsRelease(files));
}

function readHostname(files: Files): string {
  const bytes = files.readBytes("/etc/config/system");
  try {
    return hostnameIn(bytes && parsePackage(bytes, { name: "system", file: "/etc/config/system" }));
  } catch {
    return line(files, "/proc/sys/kernel/hostname") ?? "OpenWrt";
  }
}

function readOsRelease(files: Files): Record<string, string | undefined> {
  return readRelease(files, "/usr/lib/os-release");
}

/** Shell-like NAME='VALUE' lines. `ini` turns words such as true into other types, so only texts are taken. */
function readRelease(files: Files, path: string): Record<string, string | undefined> {
  const parsed: Record<string, unknown> = parseIni(files.read(path) ?? "");
  return Object.fromEntries(
    Object.entries(parsed).flatMap(([name, value]) => (typeof value === "string" && value ? [[name, value]] : [])),
  );
}

function readBoard(files: Files): unknown {
  try {
    return JSON.parse(files.read("/etc/board.json") ?? "null");
  } catch {
    return undefined;
  }
}

/** Label first, then LAN, then WAN, then the first physical device (facts as in base-files/lib/functions/system.sh, get_mac_label). */
function readMac(files: Files, board: unknown): string | undefined {
  for (const text of addresses(files, board)) {
    const mac = plainMac(text);
    if (mac !== undefined && mac !== "000000000000") return mac;
  }
  return undefined;
}

function* addresses(files: Files, board: unknown): Generator<string | undefined> {
  yield textAt(board, "system", "label_macaddr");
  yield textAt(board, "network", "lan", "macaddr");
  yield textAt(board, "network", "wan", "macaddr");
  const address = (device: string) => line(files, `/sys/class/net/${device}/address`);
  for (const device of ["br-lan", "eth0", "eth1", "lan", "wan"]) yield address(device);
  for (const device of files.list("/sys/class/net")) yield address(device);
}

function plainMac(text: string | undefined): string | undefined {
  const digits = text?.toLowerCase().replaceAll(/[:-]/g, "");
  return digits !== undefined && /^[0-9a-f]{12}$/.test(digits) ? digits : undefined;
}

function readSerial(files: Files): string | undefined {
  const text =
    line(files, "/proc/device-tree/serial-number") ?? line(files, "/sys/class/dmi/id/product_serial") ?? undefined;
  const serial = text?.replaceAll("\0", "").trim();
  return serial && /^[\x20-\x7e]{1,128}$/.test(serial) ? serial : undefined;
}

function builtIn(osRelease: Record<string, string | undefined>): number | undefined {
  const seconds = Number(osRelease["OPENWRT_BUILD_DATE"]);
  return Number.isSafeInteger(seconds) && seconds > 0 ? seconds : undefined;
}

function line(files: Files, path: string): string | undefined {
  try {
    return files.read(path, 4096)?.split("\n")[0]?.trim() || undefined;
  } catch {
    return undefined;
  }
}

function textAt(value: unknown, ...path: string[]): string | undefined {
  let at = value;
  for (const key of path) {
    if (typeof at !== "object" || at === null) return undefined;
    at = Object.entries(at).find(([name]) => name === key)?.[1];
  }
  return typeof at === "string" && at !== "" ? at : undefined;
}
