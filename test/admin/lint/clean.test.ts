import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { tar } from "../../helpers/tar.ts";
import { USE_CASES } from "../../helpers/use-case.ts";
import { lintScene, type TreeContent, told } from "./scene.ts";

const FIRST_LIGHT = "fixtures/trees/first-light";

function folderContent(folder: string): TreeContent {
  return Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]));
}

/** The tree as the scenarios publish it. */
function firstLight(): TreeContent {
  const overlay = tar(
    { name: "etc/banner", body: readFileSync(`${FIRST_LIGHT}/overlay/etc/banner`) },
    {
      name: "etc/profile.d/fleet.sh",
      body: readFileSync(`${FIRST_LIGHT}/overlay/etc/profile.d/fleet.sh`),
      mode: 0o755,
    },
  );
  return { ...folderContent(`${FIRST_LIGHT}/files`), "overlay.tar.gz": gzipSync(overlay) };
}

test("the fixture tree has no finding at all, with and without an inventory", async () => {
  const inventory = 'mac,board\n02005e100001,"example,router-one"\n02005e100002,"example,router-one"\n';
  expect((await lintScene({ tree: firstLight() })).map(told)).toEqual([]);
  expect((await lintScene({ tree: firstLight(), inventory })).map(told)).toEqual([]);
});

test.each(USE_CASES.map(({ tree }) => tree))("the tree of the use case %s has no finding at all", async (name) => {
  const tree = folderContent(`fixtures/trees/${name}/files`);
  expect((await lintScene({ tree })).map(told)).toEqual([]);
  expect((await lintScene({ tree, inventory: "mac\n02005e100001\n" })).map(told)).toEqual([]);
});

test("the factory configurations of twelve boards have no finding at all, with and without an inventory", async () => {
  const tree = folderContent("fixtures/factory");
  const boards = Object.keys(tree).flatMap((name) => (name.endsWith(".uci") ? [name.slice(0, -".uci".length)] : []));
  expect(boards).toHaveLength(12);
  const lines = boards.map((board, i) => `02005e1000${i.toString().padStart(2, "0")},"${board}"`);
  expect((await lintScene({ tree })).map(told)).toEqual([]);
  expect((await lintScene({ tree, inventory: `mac,board\n${lines.join("\n")}\n` })).map(told)).toEqual([]);
});

test("what is said one layer at a time is not judged as if it were whole", async () => {
  const tree = {
    "default.uci": "package wireless\n\nconfig wifi-device 'radio0'\n\toption channel 'auto'\n\toption txpower '20'\n",
    "acme-r1.uci": "package network\n\nconfig interface 'wan'\n\toption username 'u'\n\toption ipaddr '192.0.2.1'\n",
    // Protocols that nobody here knows have options that nobody here knows.
    "acme-r2.uci":
      "package network\n\nconfig interface 'mesh'\n\toption proto 'batadv'\n\toption routing_algo 'BATMAN_IV'\n",
    "acme-r3.uci": "package acme\n\nconfig thing\n\toption whatever 'x'\n",
  };
  expect((await lintScene({ tree })).map(told)).toEqual([]);
});

test("what OpenWrt reads since 24.10 and since 25.12 is known", async () => {
  const tree = {
    "default.uci": `package dhcp

config dnsmasq
	option address_as_local '1'

config dnsrr 'uciprov_txt'
	option rrname '_uciprov.fleet.example'
	option rrnumber '16'
	option hexdata '01:61'

config dhcp 'lan'
	option ipv6_only_preferred '300'

package dropbear

config dropbear 'main'
	option RemotePortForward '0'
	option MaxSessionDuration '3600'

package wireless

config wifi-iface 'guest'
	option owe_transition '1'
	list venue_name 'eng:Yard'
	option wpa_ptk_rekey '600'
`,
  };
  expect((await lintScene({ tree })).map(told)).toEqual([]);
});

test("the files of a first boot, of a new hostname and of resources that the tree adds itself are reachable", async () => {
  const tree = {
    "default-fd.uci": "",
    "default.uci":
      "package uciprov\n\nconfig resource 'floor'\n\toption module 'uci'\n\toption uri '{base_uri}/floors/{floor}.uci'\n",
    "02005e100001.uci": "package system\n\nconfig system\n\toption hostname 'gate'\n",
    "gate.uci": "package system\n\nconfig system\n\toption timezone 'UTC'\n",
    "floors/3.uci": "",
    "README.md": "for colleagues",
  };
  expect((await lintScene({ tree, inventory: "mac,floor\n02005e100001,3\n" })).map(told)).toEqual([]);
});

test("macros of the devices' settings and of the tree's own are macros like the inventory's, and wrong settings in a tree are told", async () => {
  const resource = "config resource 'rooms'\n\toption module 'uci'\n\toption uri '{base_uri}/{floor}-{site}.uci'\n";
  const own = `package uciprov\n\nconfig macro 'floor'\n\toption value '3'\n\n${resource}`;
  const scene = { tree: { "default.uci": own, "3-brno.uci": "" }, inventory: "mac\n02005e100001\n" };
  expect((await lintScene(scene)).map(told)).toEqual([
    expect.stringContaining("warning unreachable 3-brno.uci"),
    expect.stringContaining("error macro-missing fleet.csv:2 resource rooms, {base_uri}/{floor}-{site}.uci: "),
  ]);
  const settings = "config macro 'site'\n\toption value 'brno'\n";
  expect((await lintScene({ ...scene, settings })).map(told)).toEqual([]);
  const wrong = "package uciprov\n\nconfig uciprov 'main'\n\toption tries 'many'\n";
  expect((await lintScene({ tree: { "default.uci": wrong } })).map(told)).toEqual([
    expect.stringContaining("error uci-wrong-type default.uci:4:2 uciprov.main.tries: "),
  ]);
});

test("an image that says nothing of itself is a note, unless MANIFEST says what it is", async () => {
  const tree = {
    "image.bin": "no trailer",
    MANIFEST: `# uciprov-manifest 1\n# image image.bin target=x86/64 revision=r1\n${"0".repeat(64)}  image.bin\n`,
  };
  const rules = async (content: TreeContent) =>
    (await lintScene({ tree: content })).map(({ rule, level }) => `${level} ${rule}`);
  expect(await rules({ "image.bin": tree["image.bin"] })).toEqual(["note image"]);
  expect(await rules(tree)).toEqual(["warning signature", "error manifest-outdated"]);
});

test("with --verbose, options are told that lose on some devices only", async () => {
  const tree = {
    "default.uci": "package network\n\nconfig interface 'lan'\n\toption mtu '1400'\n",
    "02005e100001.uci": "package network\n\nconfig interface 'lan'\n\toption mtu '1500'\n",
  };
  const scene = { tree, inventory: "mac\n02005e100001\n02005e100002\n" };
  expect(await lintScene(scene)).toEqual([]);
  expect((await lintScene({ ...scene, isVerbose: true })).map(told)).toEqual([
    "note layer-shadowed default.uci:4:2 network.lan.mtu loses on 1 of 2 devices to 02005e100001.uci",
  ]);
});

test("1,000 devices with a file each and more layers are looked at", async () => {
  const macs = Array.from({ length: 1000 }, (_, i) => (0x02005e000000 + i).toString(16).padStart(12, "0"));
  const shared = "package network\n\nconfig interface 'lan'\n\toption proto 'static'\n\toption ipaddr '192.0.2.1'\n";
  const own = Object.fromEntries(
    macs.map((mac, i) => [`${mac}.uci`, `package system\n\nconfig system\n\toption hostname 'h${i}'\n`]),
  );
  const tree = {
    "default.uci": shared,
    "acme-r1.uci": shared,
    "acme-r2.uci": shared,
    services: "cron enabled\n",
    ...own,
  };
  const inventory = `mac,board\n${macs.map((mac, i) => `${mac},acme-r${1 + (i % 2)}`).join("\n")}\n`;
  expect((await lintScene({ tree, inventory })).map(told)).toEqual([]);
}, 60_000);

test("whatever a UCI file holds, it is looked at to its end or told as one that cannot be read", async () => {
  const word = fc.constantFrom(
    "config",
    "option",
    "list",
    "package",
    "'",
    '"',
    "\\",
    "\n",
    "\t",
    " ",
    ";",
    "#",
    "lan",
    "interface",
    "network",
  );
  await fc.assert(
    fc.asyncProperty(fc.array(word, { maxLength: 40 }), async (words) => {
      const findings = await lintScene({ tree: { "default.uci": `package network\n${words.join(" ")}` } });
      for (const { line, byte } of findings) expect([line ?? 1, byte ?? 1].every((number) => number >= 1)).toBe(true);
    }),
    { numRuns: 150 },
  );
});
