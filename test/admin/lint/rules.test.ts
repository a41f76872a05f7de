import { generateKeyPairSync } from "node:crypto";
import { readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeAuthority } from "../../../src/admin/certificates.ts";
import { RULES, type RuleName } from "../../../src/admin/lint/rules.ts";
import { signTree } from "../../../src/admin/sign-tree.ts";
import { generateKeyPair, printPublicKey, printSecretKey } from "../../../src/tree/keys.ts";
import { tarGz } from "../../helpers/tar.ts";
import { type LintScene, lintScene, NOW, told } from "./scene.ts";

const PEM = generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" });
const OLD_CA = makeAuthority("Fleet CA", {
  notBefore: new Date("2020-01-01T00:00:00Z"),
  notAfter: new Date("2021-01-01T00:00:00Z"),
}).cert;
const [OURS, THEIRS] = [generateKeyPair(), generateKeyPair()];
const lan = (options: string): string => `package network\n\nconfig interface 'lan'\n${options}`;
const DEVICE = "mac,board\n02005e100001,acme-r1\n";

/** Signs what lies there; `damage` comes after it. */
const signed =
  (expires: number, damage: (folder: string) => void = () => undefined, key = OURS) =>
  (folder: string) => {
    signTree(folder, { tree: "fleet", serial: 1, date: NOW - 1000, expires }, [key.secretKey]);
    damage(folder);
  };
const LATER = NOW + 365 * 86_400_000;

/** For each rule a tree that breaks it, and all that is to be said of that tree. */
const CASES: Readonly<Record<RuleName, readonly [LintScene, readonly string[]]>> = {
  "uci-syntax": [
    { tree: { "default.uci": "package system\n\nconfig system\n\toption hostname 'x\n" } },
    ["error uci-syntax default.uci:4:21 EOF with unterminated '"],
  ],
  "uci-unknown-section": [
    { tree: { "default.uci": "package network\n\nconfig interfaces 'lan'\n\toption x '1'\n" } },
    [
      'warning uci-unknown-section default.uci:3:1 network.lan: nobody reads sections of type "interfaces"; did you mean interface?',
    ],
  ],
  "uci-unknown-option": [
    { tree: { "default.uci": lan("\toption proto 'static'\n\toption ipadr '192.0.2.1'\n") } },
    ["warning uci-unknown-option default.uci:5:2 network.lan.ipadr: nobody reads this option; did you mean ipaddr?"],
  ],
  "uci-wrong-type": [
    { tree: { "default.uci": lan("\toption netmask '255.0.255.0'\n\tlist gateway '192.0.2.1'\n") } },
    [
      'error uci-wrong-type default.uci:4:2 network.lan.netmask is "255.0.255.0": not an IPv4 netmask',
      "error uci-wrong-type default.uci:5:2 network.lan.gateway is a list, and one value is read",
    ],
  ],
  "uci-said-twice": [
    { tree: { "default.uci": `${lan("\toption mtu '1400'\n")}\nconfig interface 'lan'\n\toption mtu '1500'\n` } },
    ["warning uci-said-twice default.uci:7:2 network.lan.mtu has another value in line 4; this one counts"],
  ],
  "layer-conflict": [
    {
      tree: {
        "default.uci": lan("\toption proto 'dhcp'\n"),
        "acme-r1.uci": "package network\n\nconfig device 'lan'\n\toption name 'eth0'\n",
      },
    },
    ['error layer-conflict acme-r1.uci:3:1 network.lan is "interface", and acme-r1.uci says "device"'],
  ],
  "layer-shadowed": [
    {
      tree: {
        "default.uci": lan("\toption mtu '1400'\n\toption metric '5'\n"),
        "acme-r1.uci": lan("\toption mtu '1500'\n\toption metric '5'\n"),
      },
      inventory: "mac,board\n02005e100001,acme-r1\n02005e100002,acme-r1\n",
    },
    ["note layer-shadowed default.uci:4:2 network.lan.mtu loses on all 2 devices to acme-r1.uci"],
  ],
  archive: [
    { tree: { "overlay.tar.gz": tarGz({ name: "etc/../../evil", body: "x" }) } },
    ["error archive overlay.tar.gz"],
  ],
  "path-forbidden": [
    { tree: { "overlay.tar.gz": tarGz({ name: "etc/uciprov/keys/0123456789abcdef", body: "x" }) } },
    ['error path-forbidden overlay.tar.gz "/etc/uciprov/keys/0123456789abcdef" may not be written by a tree'],
  ],
  content: [
    {
      tree: { services: "cron enabled\ncron maybe\n", authorized_keys: "# ours\nssh-rsa AAAA\n", "gateways.json": "{" },
    },
    [
      "error content authorized_keys:2 the line",
      "error content gateways.json this is no JSON",
      'error content services:2 "cron maybe" is not',
    ],
  ],
  "too-large": [
    { tree: { "default.uci": "#".repeat(2000) }, settings: "config uciprov 'limits'\n\toption small '1024'\n" },
    ["error too-large default.uci 2000 bytes, and devices take 1024"],
  ],
  image: [
    {
      tree: { "default.uci": "", "image.bin": damagedImage() },
      inventory: DEVICE,
    },
    ["error image image.bin"],
  ],
  "image-board": [
    { tree: { "default.uci": "", "image.bin": readFileSync("fixtures/images/compat-1.0.bin") }, inventory: DEVICE },
    ["warning image-board image.bin 1 devices of board acme-r1 would be offered this image, which is for"],
  ],
  "manifest-invalid": [
    { tree: { "default.uci": "", MANIFEST: "# uciprov-manifest 1\nnonsense\n", "MANIFEST.sig": signature() } },
    ["error manifest-invalid MANIFEST:2"],
  ],
  "manifest-outdated": [
    {
      tree: { "default.uci": "", "acme-r1.uci": "" },
      prepare: signed(LATER, (folder) => {
        writeFileSync(join(folder, "default.uci"), "# changed\n");
        renameSync(join(folder, "acme-r1.uci"), join(folder, "README"));
      }),
    },
    [
      "error manifest-outdated acme-r1.uci MANIFEST lists acme-r1.uci, which is not there",
      "error manifest-outdated default.uci default.uci has changed since MANIFEST was signed",
    ],
  ],
  "manifest-unlisted": [
    { tree: { "default.uci": "" }, prepare: signed(LATER, (folder) => writeFileSync(join(folder, "acme-r1.uci"), "")) },
    ["warning manifest-unlisted acme-r1.uci MANIFEST does not list acme-r1.uci"],
  ],
  "manifest-expiry": [
    { tree: { "default.uci": "" }, prepare: signed(NOW + 86_400_000) },
    ["warning manifest-expiry MANIFEST MANIFEST expires on 2026-11-23, in 1 days"],
  ],
  signature: [
    {
      tree: { "default.uci": "" },
      prepare: signed(
        LATER,
        (folder) => writeFileSync(join(folder, "../key.pub"), printPublicKey(OURS.publicKey)),
        THEIRS,
      ),
      keyFiles: ["KEY"],
    },
    ["error signature MANIFEST.sig signed by"],
  ],
  "certificate-expiry": [{ tree: { "certs/ca.pem": OLD_CA } }, ["error certificate-expiry certs/ca.pem:1"]],
  "secret-signing-key": [
    { tree: { "default.uci": "", "release.sec": printSecretKey(OURS.secretKey) } },
    ["error secret-signing-key release.sec a secret key that signs trees", "warning unreachable release.sec"],
  ],
  "secret-private-key": [
    {
      tree: {
        "default.uci":
          "package network\n\nconfig interface 'wg0'\n\toption proto 'wireguard'\n\toption private_key 'eEvqkSJVw/7cGUEcJXmeHiNFDLBGOz8GpScshecvNHU='\n",
        "overlay.tar.gz": tarGz({ name: "etc/ssl/uhttpd.key", body: String(PEM), mode: 0o600 }),
      },
    },
    [
      "error secret-private-key default.uci:5:2 network.wg0.private_key is the same on every device",
      "error secret-private-key overlay.tar.gz /etc/ssl/uhttpd.key is the same on every device",
    ],
  ],
  "secret-password": [
    {
      tree: {
        "default.uci":
          "package network\n\nconfig interface 'wan'\n\toption proto 'pppoe'\n\toption password 'hunter2'\n\npackage ddns\n\nconfig service 'x'\n\toption update_url 'https://me:x@a.example/'\n",
        "gateways.json": '{ "version": 1, "gateways": [\n{ "auth": { "username": "u", "password": "hunter2" } } ] }',
      },
    },
    [
      "warning secret-password default.uci:5:2 network.wan.password is for whoever fetches the tree to read",
      "warning secret-password default.uci:10:2 ddns.x.update_url is for whoever fetches the tree to read",
      "warning secret-password gateways.json:2 password is for whoever fetches the tree to read",
    ],
  ],
  "secret-mode": [
    { tree: { "overlay.tar.gz": tarGz({ name: "etc/shadow", body: "root:$1$x:1:0:99999:7:::\n", mode: 0o644 }) } },
    ["warning secret-mode overlay.tar.gz /etc/shadow has mode 0644", "warning secret-password overlay.tar.gz"],
  ],
  unreachable: [
    { tree: { "default.uci": "", "acme-r2.uci": "", "default-fd.uci": "" }, inventory: DEVICE },
    [
      "warning unreachable acme-r2.uci no device of the inventory asks for acme-r2.uci (resource board, {base_uri}/{board}{fd}.uci)",
    ],
  ],
  unconfigured: [
    { tree: { "acme-r1.uci": "" }, inventory: `${DEVICE}02005e100002,acme-r2\n02005e100003,acme-r2\n` },
    ["warning unconfigured fleet.csv:3 nothing in the tree is for 02005e100002, nor for 1 more"],
  ],
  "macro-missing": [
    {
      tree: { "default.uci": "", "brno.uci": "" },
      inventory: "mac,site\n02005e100001,brno\n02005e100002,\n",
      settings: "config resource 'site'\n\toption module 'uci'\n\toption uri '{base_uri}/{site}.uci'\n",
    },
    ["error macro-missing fleet.csv:3 resource site, {base_uri}/{site}.uci: "],
  ],
  unsettled: [
    {
      tree: { "OpenWrt.uci": "package system\n\nconfig system\n\toption hostname 'attic'\n" },
      inventory: DEVICE,
    },
    ["error unsettled fleet.csv:2 the hostname goes back and forth between"],
  ],
  "name-case": [
    { tree: { "Gate.uci": "", "gate.uci": "" } },
    ["warning name-case gate.uci gate.uci and Gate.uci differ in case only"],
  ],
  "name-invalid": [
    { tree: { "default.uci": "", "a\\b.uci": "" } },
    ['error name-invalid a\\b.uci "a\\\\b.uci": name holds a backslash'],
  ],
  "not-a-file": [
    { tree: { "default.uci": "" }, prepare: (folder) => symlinkSync("default.uci", join(folder, "acme-r1.uci")) },
    ['warning not-a-file acme-r1.uci "acme-r1.uci" is no plain file'],
  ],
};

test.each(Object.keys(RULES) as RuleName[])("%s: is found, with its place, and nothing else is", async (rule) => {
  const [scene, wanted] = CASES[rule];
  const keyFiles = scene.keyFiles === undefined ? {} : { keyFiles: [join(process.env["TMPDIR"] ?? "/tmp", "key.pub")] };
  const found = (await lintScene({ ...scene, ...keyFiles })).filter(
    ({ rule: other }) => !(other === "signature" && rule !== "signature"),
  );
  expect(found.map((finding) => told(finding).slice(0, 400))).toEqual(
    wanted.map((line) => expect.stringContaining(line)),
  );
  expect(found.map((finding) => finding.rule)).toContain(rule);
});

function damagedImage(): Uint8Array {
  const image = Buffer.from(readFileSync("fixtures/images/compat-1.0.bin"));
  image[0] = (image[0] ?? 0) ^ 0xff;
  return image;
}

function signature(): string {
  return (
    "untrusted comment: signed by key 0123456789abcdef\n" +
    Buffer.concat([Buffer.from("Ed"), Buffer.alloc(72)]).toString("base64") +
    "\n"
  );
}
