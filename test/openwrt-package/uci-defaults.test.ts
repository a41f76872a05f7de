import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parsePackage } from "../../src/uci/parse.ts";
import { noAsh } from "../helpers/ash.ts";
import { program } from "../helpers/scenario.ts";

const SCRIPT = resolve("openwrt-package/files/etc/uci-defaults/90-uciprov");
const TEXT = readFileSync(SCRIPT, "utf8");
const V4 = "43 66 67 143 224 225 226";
const V6 = "59 136";
const hasShellcheck = spawnSync("shellcheck", ["--version"]).status === 0;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "uciprov-defaults-"));
  for (const name of ["bin", "config", "save"]) mkdirSync(join(folder, name));
  // `uci` is our own program, on the folders of this test.
  const uci = join(folder, "bin/uci");
  const words = [process.execPath, program(), "uci", "-c", join(folder, "config"), "-t", join(folder, "save")];
  writeFileSync(uci, `#!/bin/sh\nexec ${words.map((word) => `'${word}'`).join(" ")} "$@"\n`);
  chmodSync(uci, 0o755);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** `before` is what the shell does first. */
function run(before = ":"): void {
  const env = { PATH: `${join(folder, "bin")}:/usr/bin:/bin` };
  writeFileSync(join(folder, "script"), TEXT.replace("CONFIG=/etc/config", `CONFIG=${join(folder, "config")}`));
  const words = ["ash", "-c", `${before}; . ${join(folder, "script")}`];
  const { status, stdout, stderr } = spawnSync("busybox", words, { env, encoding: "utf8" });
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "", stderr: "" });
}

const config = (name: string) => readFileSync(join(folder, "config", name), "utf8");
const set = (name: string, text: string) => writeFileSync(join(folder, "config", name), text);

function reqopts(section: string): unknown {
  const { sections } = parsePackage(config("network"), { name: "network" });
  return sections.find(({ name }) => name === section)?.options.find(({ name }) => name === "reqopts")?.value;
}

const wan = (...lines: string[]) =>
  `\nconfig interface 'wan'\n\toption proto 'dhcp'\n${lines.map((line) => `\t${line}\n`).join("")}`;

test.skipIf(noAsh)("DHCP interfaces ask for what may name a tree, all others stay as they are, twice is once", () => {
  set(
    "network",
    [
      "\nconfig interface 'lan'\n\toption proto 'static'\n\toption ipaddr '192.168.1.1'\n",
      wan("option device 'wan'"),
      "\nconfig interface 'wan6'\n\toption device '@wan'\n\toption proto 'dhcpv6'\n",
      "\nconfig device\n\toption name 'dhcp'\n\toption proto 'dhcp'\n",
      "\nconfig interface 'lte'\n\toption proto 'qmi'\n\toption reqopts '1'\n",
    ].join(""),
  );
  run();
  expect(["lan", "wan", "wan6", "lte"].map(reqopts)).toEqual([undefined, V4, V6, "1"]);
  const once = config("network");
  expect(once.match(/reqopts/g)).toHaveLength(3);
  run();
  expect(config("network")).toBe(once);
});

test.skipIf(noAsh).each([
  ["other numbers", "option reqopts '125 212'", `125 212 ${V4}`],
  ["some of ours, in another order", "option reqopts '224 43'", "224 43 66 67 143 225 226"],
  ["numbers that only look like ours", "option reqopts '14 430 0x43 22'", `14 430 0x43 22 ${V4}`],
  [
    "names, which udhcpc knows since it runs with them",
    "option reqopts 'hostname timezone'",
    `hostname timezone ${V4}`,
  ],
  ["odd blanks", "option reqopts '  125\t 66  '", "125 66 43 67 143 224 225 226"],
  ["a pattern of file names", "option reqopts '* 125'", `* 125 ${V4}`],
  ["what a shell would run", "option reqopts '$(id) `id`'", `$(id) \`id\` ${V4}`],
  ["nothing in it", "option reqopts ''", V4],
  ["all of ours", `option reqopts '${V4}'`, V4],
])("an option with %s is added to", (_, line, expected) => {
  set("network", wan(line));
  run();
  expect(reqopts("wan")).toBe(expected);
  const once = config("network");
  run();
  expect(config("network")).toBe(once);
});

test.skipIf(noAsh)("a list, which netifd skips, becomes an option; names in it do not come to life", () => {
  set("network", wan("list reqopts '125'", "list reqopts 'nonsense'", "list reqopts '66 12'"));
  run();
  expect(reqopts("wan")).toBe("125 66 12 43 67 143 224 225 226");
  set("network", wan(`list reqopts '${V4}'`));
  run();
  expect(reqopts("wan")).toBe(V4);
});

test.skipIf(noAsh)("an interface without a name is served, too", () => {
  set("network", "\nconfig interface\n\toption proto 'dhcp'\n");
  run();
  expect(config("network")).toContain(`option reqopts '${V4}'`);
});

test.skipIf(noAsh)("lldpd listens at the uplink, besides where it listened before", () => {
  set("network", wan());
  set("lldpd", "\nconfig lldpd 'config'\n\tlist interface 'loopback'\n\tlist interface 'lan'\n");
  run();
  const once = config("lldpd");
  expect(once.match(/list interface '(.*)'/g)).toEqual(
    ["loopback", "lan", "wan"].map((name) => `list interface '${name}'`),
  );
  run();
  expect(config("lldpd")).toBe(once);
});

test.skipIf(noAsh)("a device without lldpd, or without any network, ends well and gets no file", () => {
  run();
  expect(["network", "lldpd"].filter((name) => existsSync(join(folder, "config", name)))).toEqual([]);
});

test.skipIf(noAsh)("a configuration that cannot be read is left alone", () => {
  set("network", "\nconfig interface 'wan\n\toption proto dhcp\n");
  run();
  expect(config("network")).toBe("\nconfig interface 'wan\n\toption proto dhcp\n");
});

test.skipIf(noAsh)("on a full disk nothing is even tried: libuci would leave an empty file, and no network", () => {
  const long = wan(...Array.from({ length: 40 }, (_, i) => `option o${i} '${"x".repeat(20)}'`));
  const lldpd = `\nconfig lldpd 'config'\n\toption lldp_description '${"x".repeat(600)}'\n`;
  set("network", long);
  set("lldpd", lldpd);
  const uci = readFileSync(join(folder, "bin/uci"), "utf8");
  writeFileSync(
    join(folder, "bin/uci"),
    uci.replace("exec", `case "$*" in *set*|*add*|*commit*) echo "$*" >>'${folder}/tried';; esac\nexec`),
  );
  run(`trap '' XFSZ; ulimit -f 1; logger() { echo "$*" >>'${folder}/logged'; }`);
  expect([config("network"), config("lldpd"), existsSync(join(folder, "tried"))]).toEqual([long, lldpd, false]);
  expect(readFileSync(join(folder, "logged"), "utf8").trim().split("\n").length).toBe(2);
  expect(readdirSync(join(folder, "config")).sort()).toEqual(["lldpd", "network"]);
});

test.skipIf(!hasShellcheck)("the script is clean by shellcheck", () => {
  const { stdout, status } = spawnSync("shellcheck", ["-s", "dash", SCRIPT], { encoding: "utf8" });
  expect({ status, stdout }).toEqual({ status: 0, stdout: "" });
});
