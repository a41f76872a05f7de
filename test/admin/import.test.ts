import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Golden, splitUci } from "../../src/admin/import/split-uci.ts";
import { importBackups } from "../../src/admin/import-command.ts";
import { lintTree } from "../../src/admin/lint-tree.ts";
import { openRoot } from "../../src/admin/plan/backup.ts";
import { openPaperRun } from "../../src/admin/plan/paper-run.ts";
import { planOne } from "../../src/admin/plan/plan-one.ts";
import { openTree } from "../../src/admin/plan/tree-folder.ts";
import type { Invocation } from "../../src/commands/command.ts";
import { asProvisionError } from "../../src/errors.ts";
import { PLAIN } from "../../src/messages.ts";
import { plugins } from "../../src/registry.ts";
import { readSettings } from "../../src/settings.ts";
import { diffPackages } from "../../src/uci/diff.ts";
import { optionText, type UciPackage, type UciSection } from "../../src/uci/model.ts";
import { parseExport } from "../../src/uci/parse.ts";
import { printConfig } from "../../src/uci/print.ts";
import { settle } from "../../src/uci/settle.ts";
import { type TarEntry, tarGz } from "../helpers/tar.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "import-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFoaIcnmExWN0ZLVyDcgJUyWAUNJmd0Z7Dzk4FJjp5yf admin";

/** What a router of this board has from the factory, as an admin then set it up. */
function golden(board: string, number: number): UciPackage[] {
  const text = readFileSync(`fixtures/factory/${board}.uci`, "utf8")
    .replace("option hostname 'OpenWrt'", `option hostname 'gate-${number}'`)
    .replace("option timezone 'UTC'", "option timezone 'CET-1CEST,M3.5.0,M10.5.0/3'")
    .replace("option ipaddr '192.168.1.1'", `option ipaddr '10.0.${number}.1'`)
    .replaceAll("option encryption 'none'", `option encryption 'psk2'\n\toption key 'wifi secret ${number}'`)
    .replace(
      "package dhcp\n",
      `package dhcp\n\nconfig host\n\toption name 'printer'\n\toption ip '10.0.${number}.9'\n`,
    );
  const wireguard = `\nconfig interface 'wg0'\n\toption proto 'wireguard'\n\toption private_key 'key-${number}'\n\toption listen_port '51820'\n`;
  return parseExport(text.replace("package network\n", `package network\n${wireguard}`));
}

function backup(name: string, packages: readonly UciPackage[], more: readonly TarEntry[] = []): string {
  const path = join(folder, name);
  const config = packages.map((pkg) => ({ name: `etc/config/${pkg.name}`, body: printConfig(pkg), mode: 0o600 }));
  writeFileSync(path, tarGz(...config, ...more));
  return path;
}

/** Runs the command; what it prints as JSON, and the tree's folder. */
async function run(
  backups: readonly string[],
  options: Partial<Invocation["options"]> = {},
  into = join(folder, "tree"),
) {
  let printed = "";
  const invocation = {
    root: "/",
    words: ["import", ...backups],
    flags: { isJson: true },
    options: { key: [], into, ...options },
    signal: new AbortController().signal,
    paint: PLAIN,
    print: (text: string) => {
      printed = text;
    },
    tell: () => undefined,
  } as unknown as Invocation;
  const exit = await importBackups(invocation);
  return {
    exit,
    into,
    told: JSON.parse(printed) as {
      secrets: { layer: string; path: string }[];
      left: { path: string; isSecret: boolean }[];
    },
  };
}

/** What a plan of the tree against the backup would change. */
async function planAgainst(tree: string, source: string, mac: string, board: string) {
  const root = await openRoot(source);
  const paper = openPaperRun({ root, keyFiles: [], log: () => undefined, signal: new AbortController().signal });
  const { plan, failure } = await planOne(paper, { facts: { mac, board }, macros: {} }, openTree(tree), undefined);
  if (plan === undefined) throw failure;
  return {
    packages: plan.packages.map(({ name, diff }) => ({ name, diff })),
    files: plan.files.map(({ path }) => path),
  };
}

async function lintErrors(tree: string) {
  const settings = readSettings(undefined).settings;
  const question = {
    folder: tree,
    inventory: undefined,
    settings,
    modules: plugins.modules,
    keyFiles: [],
    now: Date.now(),
    isVerbose: false,
  };
  return (await lintTree(question)).findings;
}

const BOARDS = readdirSync("fixtures/factory").flatMap((name) => (name.endsWith(".uci") ? [name.slice(0, -4)] : []));

test.each(BOARDS)(
  "a golden %s becomes a tree that is clean, and changes nothing on the router it came from",
  async (board) => {
    const source = backup("backup-gate.tar.gz", golden(board, 1), [
      { name: "etc/banner", body: "fleet\n" },
      { name: "etc/crontabs/root", body: "0 4 * * * reboot\n", mode: 0o600 },
      { name: "etc/localtime", type: "2", link: "/tmp/localtime" },
    ]);
    writeFileSync(join(folder, "facts.json"), JSON.stringify({ mac: "02:00:5e:10:00:01", board }));
    const { into } = await run([source], { device: join(folder, "facts.json") });
    expect(await lintErrors(into)).toEqual([]);
    expect(await planAgainst(into, source, "02005e100001", board)).toEqual({ packages: [], files: [] });
  },
);

test("of several routers, each is what it was, and secrets stand only in the files of one device", async () => {
  const macs = ["02005e100001", "02005e100002", "02005e100003"];
  const boards = ["linksys,wrt3200acm", "linksys,wrt3200acm", "tplink,archer-c7-v2"];
  const sources = macs.map((mac, i) =>
    backup(`${mac}.tar.gz`, golden(boards[i] ?? "", i + 1), [{ name: "etc/banner", body: "fleet\n" }]),
  );
  const inventory = join(folder, "fleet.csv");
  writeFileSync(inventory, `mac,board\n${macs.map((mac, i) => `${mac},"${boards[i]}"`).join("\n")}\n`);
  const { into, told } = await run(sources, { inventory });
  expect(readdirSync(into).sort()).toEqual(
    [
      ...macs.map((mac) => `${mac}.uci`),
      "default.uci",
      "linksys,wrt3200acm.uci",
      "overlay.tar.gz",
      "tplink,archer-c7-v2.uci",
    ].sort(),
  );
  for (const [i, source] of sources.entries())
    expect(await planAgainst(into, source, macs[i] ?? "", boards[i] ?? "")).toEqual({ packages: [], files: [] });
  for (const name of readdirSync(into).filter((one) => !macs.includes(one.slice(0, 12)) && one.endsWith(".uci")))
    expect(readFileSync(join(into, name), "utf8")).not.toMatch(/secret|key-\d|10\.0\.\d|gate-\d/);
  expect(told.secrets.map(({ layer, path }) => `${layer} ${path}`)).toContain("02005e100003 network.wg0.private_key");
  expect(await lintErrors(into)).toEqual([]);
  const common = parseExport(readFileSync(join(into, "default.uci")));
  expect(optionText(common.find(({ name }) => name === "system")?.sections[0], "timezone")).toBe(
    "CET-1CEST,M3.5.0,M10.5.0/3",
  );
});

test("keys, passwords, uciprov's own and what the firmware makes stay out, and are told", async () => {
  const key = "-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n";
  const source = backup(
    "02005e100001.tar.gz",
    parseExport("package uciprov\n\nconfig uciprov 'main'\n\toption trust 'any'\n"),
    [
      { name: "etc/shadow", body: "root:$1$x:1::::::\n", mode: 0o600 },
      { name: "etc/passwd", body: "root:x:0:0::/root:/bin/ash\n" },
      { name: "etc/dropbear/dropbear_ed25519_host_key", body: "secret", mode: 0o600 },
      { name: "etc/dropbear/authorized_keys", body: `# mine\n${KEY}\n`, mode: 0o600 },
      { name: "etc/uciprov/keys/0123456789abcdef", body: "untrusted comment: x\n" },
      { name: "etc/uciprov/state/latch", body: "x" },
      { name: "etc/some/tunnel.conf", body: `cert\n${key}` },
      { name: "etc/rc.d/S99x", type: "2", link: "../init.d/x" },
      { name: "etc/hosts", body: "127.0.0.1 localhost\n" },
    ],
  );
  const { into, told } = await run([source]);
  expect(readdirSync(into).sort()).toEqual(["authorized_keys", "overlay.tar.gz"]);
  expect(readFileSync(join(into, "authorized_keys"), "utf8")).toBe(`${KEY}\n`);
  expect((await openRoot(join(into, "overlay.tar.gz"))).list("/etc")).toEqual(["hosts"]);
  expect(
    told.left
      .filter(({ isSecret }) => isSecret)
      .map(({ path }) => path)
      .sort(),
  ).toEqual(["/etc/dropbear/dropbear_ed25519_host_key", "/etc/shadow", "/etc/some/tunnel.conf"]);
  expect(told.left.map(({ path }) => path)).toEqual(
    expect.arrayContaining([
      "/etc/config/uciprov",
      "/etc/passwd",
      "/etc/rc.d/S99x",
      "/etc/uciprov/keys/0123456789abcdef",
      "/etc/uciprov/state/latch",
    ]),
  );
});

test("a file that routers do not share is left out and told; one with a long or foreign name is packed all the same", async () => {
  const name = `etc/${"long/".repeat(24)}ž`;
  const files = (text: string): TarEntry[] => [
    { name: "etc/hosts", body: text },
    { name: "etc/banner", body: "x" },
  ];
  const sources = ["02005e100001", "02005e100002"].map((mac, i) => backup(`${mac}.tar.gz`, [], files(`${i}`)));
  const { into, told } = await run(sources);
  expect((await openRoot(join(into, "overlay.tar.gz"))).list("/etc")).toEqual(["banner"]);
  expect(told.left.map(({ path }) => path)).toEqual(["/etc/hosts", "/etc/hosts"]);

  const root = join(folder, "root");
  mkdirSync(join(root, name, ".."), { recursive: true });
  writeFileSync(join(root, name), "long");
  const again = await run([root], { mac: "02005e100003" }, join(folder, "tree2"));
  expect((await openRoot(join(again.into, "overlay.tar.gz"))).read(`/${name}`)).toBe("long");
});

test.each([
  ["ARCHIVE_UNSAFE", tarGz({ name: "etc/../../outside", body: "x" })],
  ["ARCHIVE_UNSAFE", tarGz({ name: "etc/x", type: "2", link: "/etc" }, { name: "etc/x/y", body: "x" })],
  ["ARCHIVE_INVALID", Buffer.from("no archive at all")],
  ["ARCHIVE_INVALID", tarGz({ name: "etc/banner", body: "x".repeat(5000) }).subarray(0, 60)],
  ["UCI_INVALID", tarGz({ name: "etc/config/network", body: "config interface 'lan\n" })],
])("a backup that is %s makes no tree", async (code, bytes) => {
  const source = join(folder, "02005e100001.tar.gz");
  writeFileSync(source, bytes);
  const thrown = await run([source]).catch(asProvisionError);
  expect(thrown).toMatchObject({ code });
  expect(existsSync(join(folder, "tree"))).toBe(false);
});

test("without a MAC address, with a folder that holds something, or with one device twice it is wrong use", async () => {
  const source = backup("backup.tar.gz", parseExport("package system\n\nconfig system\n\toption hostname 'x'\n"));
  await expect(run([source])).rejects.toMatchObject({ code: "USAGE", message: expect.stringContaining("MAC address") });
  await expect(run([source], { mac: "02005e100001" }, folder)).rejects.toMatchObject({ code: "USAGE" });
  const twin = backup("02-00-5e-10-00-01.tar.gz", []);
  await expect(run([twin, backup("02005e100001.tar.gz", [])])).rejects.toMatchObject({
    code: "USAGE",
    message: expect.stringContaining("same device"),
  });
});

const rule = (port: string, ...more: { name: string; value: string }[]): UciSection => ({
  type: "rule",
  name: undefined,
  options: [{ name: "name", value: "Allow" }, { name: "dest_port", value: port }, ...more],
});
const password = { name: "password", value: "x" };

test.each([
  ["one router more", [[rule("1"), rule("2")], [rule("1")]]],
  [
    "a secret in the second",
    [
      [rule("1"), rule("3", password)],
      [rule("1"), rule("2")],
    ],
  ],
  [
    "a secret in the first",
    [
      [rule("4", password), rule("2")],
      [rule("1"), rule("2")],
    ],
  ],
])("of sections that share a name the second stays the second: %s", (_, routers) => {
  const goldens = routers.map(
    (sections, i): Golden => ({ device: `device-${i}`, board: undefined, packages: [{ name: "firewall", sections }] }),
  );
  const { layers } = splitUci(goldens);
  for (const { device, packages } of goldens) {
    const chain = ["default", device].flatMap((origin) => {
      const content = layers.get(origin)?.[0];
      return content === undefined ? [] : [{ mode: "merge" as const, content, origin }];
    });
    expect(settle(undefined, undefined, chain, []).desired.sections).toEqual(packages[0]?.sections);
  }
  expect(JSON.stringify(layers.get("default") ?? [])).not.toContain("password");
});

/** Routers with few names and values, so that they share much. */
const option = fc.constantFrom("proto", "device", "macaddr", "password", "mtu", "name", "ports");
const value = fc.oneof(
  fc.constantFrom("a", "b", "02:00:00:00:00:01"),
  fc.array(fc.constantFrom("x", "y"), { minLength: 1, maxLength: 2 }),
);
const section = fc.record({
  type: fc.constantFrom("interface", "device", "rule"),
  name: fc.option(fc.constantFrom("lan", "wan", "loopback"), { nil: undefined }),
  options: fc.uniqueArray(fc.record({ name: option, value }), { selector: ({ name }) => name, maxLength: 4 }),
});
const pkg = (name: string) =>
  fc
    .uniqueArray(section, { selector: ({ name: own }) => own ?? Symbol("anonymous"), maxLength: 5 })
    .map((sections): UciPackage => ({ name, sections }));
const router = fc.tuple(pkg("network"), pkg("system"), fc.constantFrom("board-1", "board-2", undefined));

test("whatever routers hold, their layers change nothing on them, and make the same of a device that has nothing", () => {
  fc.assert(
    fc.property(fc.array(router, { minLength: 1, maxLength: 4 }), (routers) => {
      const goldens = routers.map(
        ([network, system, board], i): Golden => ({
          device: `device-${i}`,
          board,
          packages: [network, system].filter(({ sections }) => sections.length > 0),
        }),
      );
      const { layers } = splitUci(goldens);
      for (const { device, board, packages } of goldens) {
        for (const own of packages) {
          const chain = ["default", board ?? "", device].flatMap((origin) => {
            const content = layers.get(origin)?.find(({ name }) => name === own.name);
            return content === undefined ? [] : [{ mode: "merge" as const, content, origin }];
          });
          expect(diffPackages(own, settle(own, undefined, chain, []).desired).change).toBe("none");
          const fresh = settle(undefined, undefined, chain, []).desired;
          expect(
            fresh.sections
              .filter(({ name }) => name !== undefined)
              .map(({ name }) => name)
              .sort(),
          ).toEqual(own.sections.flatMap(({ name }) => name ?? []).sort());
        }
      }
      for (const [layer, all] of layers) {
        if (layer.startsWith("device-")) continue;
        const names = all.flatMap(({ sections }) => sections.flatMap(({ options }) => options.map(({ name }) => name)));
        expect(names).not.toContain("password");
      }
    }),
    { numRuns: 400 },
  );
});

test("a URI with a password or token in it is one device's own, as every secret is", async () => {
  const body =
    "config service 'x'\n\toption domain 'd.example'\n\toption update_url 'https://a.example/?token=hunter2'\n";
  const { into, told } = await run([backup("02005e100001.tar.gz", [], [{ name: "etc/config/ddns", body }])]);
  expect(readFileSync(join(into, "default.uci"), "utf8")).not.toContain("hunter2");
  expect(readFileSync(join(into, "02005e100001.uci"), "utf8")).toContain("hunter2");
  expect(told.secrets.map(({ path }) => path)).toEqual(["ddns.x.update_url"]);
  // This machine has other users, too.
  expect(statSync(join(into, "02005e100001.uci")).mode & 0o777).toBe(0o600);
  expect(statSync(join(into, "default.uci")).mode & 0o044).toBe(0o044);
});
