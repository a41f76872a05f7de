import { expect, test } from "vitest";
import { readFacts } from "../../src/host/facts.ts";
import { memoryFiles } from "../helpers/memory-files.ts";

const RELEASE = [
  "DISTRIB_ID='OpenWrt'",
  "DISTRIB_RELEASE='24.10.7'",
  "DISTRIB_REVISION='r28900-0123456789'",
  "DISTRIB_TARGET='ath79/generic'",
  "DISTRIB_ARCH='mips_24kc'",
  "DISTRIB_DESCRIPTION='OpenWrt 24.10.7 r28900-0123456789'",
  "",
].join("\n");

test("a device knows itself by the files where OpenWrt keeps it", () => {
  const facts = readFacts(
    memoryFiles({
      "/etc/openwrt_release": RELEASE,
      "/usr/lib/os-release": 'OPENWRT_BUILD_DATE="1750000000"\nNAME="OpenWrt"\n',
      "/tmp/sysinfo/board_name": "tplink,archer-c7-v2\n",
      "/tmp/sysinfo/model": "TP-Link Archer C7 v2\n",
      "/etc/config/system": "config system\n\toption hostname 'attic'\n",
      "/etc/board.json": JSON.stringify({ network: { lan: { macaddr: "02-00-5E-10-00-07" } } }),
    }),
  );
  expect(facts).toEqual({
    mac: "02005e100007",
    hostname: "attic",
    serial: undefined,
    board: "tplink,archer-c7-v2",
    model: "TP-Link Archer C7 v2",
    target: "ath79/generic",
    arch: "mips_24kc",
    distro: "OpenWrt",
    release: "24.10.7",
    revision: "r28900-0123456789",
    built: 1_750_000_000,
  });
});

test("the label's address wins, and an address of zeros is none", () => {
  const board = { system: { label_macaddr: "00:00:00:00:00:00" }, network: { wan: { macaddr: "02:00:00:00:00:09" } } };
  const facts = readFacts(memoryFiles({ "/etc/board.json": JSON.stringify(board) }));
  expect(facts.mac).toBe("020000000009");
  const labelled = { ...board, system: { label_macaddr: "02:00:00:00:00:01" } };
  expect(readFacts(memoryFiles({ "/etc/board.json": JSON.stringify(labelled) })).mac).toBe("020000000001");
});

test("without board.json the first interface that has an address counts", () => {
  const facts = readFacts(
    memoryFiles({
      "/sys/class/net/lo/address": "00:00:00:00:00:00\n",
      "/sys/class/net/eth0/address": "02:aa:bb:cc:dd:ee\n",
    }),
  );
  expect(facts.mac).toBe("02aabbccddee");
});

test("a bare root is still a device, with OpenWrt's own fallbacks", () => {
  expect(readFacts(memoryFiles({}))).toMatchObject({
    mac: undefined,
    hostname: "OpenWrt",
    board: "generic",
    target: "unknown/unknown",
    release: "unknown",
    built: undefined,
  });
});

test.each([
  ["board.json is no JSON", { "/etc/board.json": "{" }],
  ["board.json holds other types", { "/etc/board.json": '{"model":[],"network":{"lan":7},"system":null}' }],
  ["the system package cannot be parsed", { "/etc/config/system": "config system\n\toption hostname 'x\n" }],
  ["the release file holds odd lines", { "/etc/openwrt_release": "[x]\nDISTRIB_ID\n=\n;\n" }],
])("%s: facts fall back and nothing throws", (_, files) => {
  expect(readFacts(memoryFiles(files))).toMatchObject({ hostname: "OpenWrt", board: "generic", distro: "OpenWrt" });
});

test("a serial number with control characters or of absurd length is none", () => {
  const serial = (text: string) => readFacts(memoryFiles({ "/proc/device-tree/serial-number": text })).serial;
  expect(serial("SN-42\0")).toBe("SN-42");
  expect(serial("a\u0007b")).toBeUndefined();
  expect(serial("x".repeat(200))).toBeUndefined();
});
