import { execFileSync, type SpawnSyncReturns, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openHost } from "../../src/host/host.ts";
import { plugins } from "../../src/registry.ts";
import { readSettings } from "../../src/settings.ts";
import { preinit } from "../../src/stages/preinit.ts";
import { parsePackage } from "../../src/uci/parse.ts";
import { program } from "../helpers/scenario.ts";

const FEED = "openwrt-package/uciprov";
const SETTINGS = "openwrt-package/files/etc/config/uciprov";
const KCONFIG = readFileSync(join(FEED, "Config.in"), "utf8");
const MAKEFILE = readFileSync(join(FEED, "Makefile"), "utf8");
const AWK = readFileSync(join(FEED, "default-config.awk"), "utf8");
const hasKconfig = spawnSync("kconfig-conf", ["--version"]).error === undefined;

interface Choice {
  readonly name: string;
  readonly type: string;
  readonly initial: string;
  readonly dependsOn: string | undefined;
}

/** The symbols of Config.in, in order. */
const SYMBOLS: readonly Choice[] = KCONFIG.split(/^config /m)
  .slice(1)
  .map((block) => {
    const initial = /^\tdefault (.*)$/m.exec(block)?.[1] ?? "";
    return {
      name: /^\w+/.exec(block)?.[0] ?? "",
      type: /^\t(bool|string|int) "/m.exec(block)?.[1] ?? "",
      initial: initial.replace(/^"(.*)"$/, "$1"),
      dependsOn: /^\tdepends on (\w+)$/m.exec(block)?.[1],
    };
  });
const PROTOCOLS = ["STATIC", "HTTPS", "DNSSEC", "DNS", "DHCP", "LLDP"] as const;
const SILENT = { stageBegins: () => undefined, stageEnds: () => undefined };
const NEVER = new AbortController().signal;
const TRUST = ["authentic", "signed", "any"] as const;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "uciprov-feed-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** .config as kconfig writes it: symbols whose condition does not hold are not in it. */
function dotConfig(chosen: Readonly<Record<string, string>>): string {
  const chosenOf = (symbol: Choice) => chosen[symbol.name] ?? symbol.initial;
  const lines = SYMBOLS.filter(({ dependsOn }) => {
    const on = SYMBOLS.find(({ name }) => name === dependsOn);
    return on === undefined || chosenOf(on) === "y";
  }).map((symbol) => {
    const value = chosenOf(symbol);
    if (symbol.type === "bool") return value === "y" ? `CONFIG_${symbol.name}=y` : `# CONFIG_${symbol.name} is not set`;
    return `CONFIG_${symbol.name}=${symbol.type === "int" ? value : `"${value.replaceAll(/["\\]/g, "\\$&")}"`}`;
  });
  return `CONFIG_TARGET_x86=y\n${lines.join("\n")}\nCONFIG_PACKAGE_uciprov=y\n`;
}

function render(config: string): { readonly status: number | null; readonly text: string; readonly told: string } {
  writeFileSync(join(folder, ".config"), config);
  const args = ["-f", join(FEED, "default-config.awk"), join(folder, ".config"), SETTINGS];
  const { status, stdout, stderr } = spawnSync("awk", args, { encoding: "utf8", env: { PATH: "/usr/bin:/bin" } });
  return { status, text: stdout, told: stderr };
}

function settingsOf(chosen: Readonly<Record<string, string>>) {
  const { status, text } = render(dotConfig(chosen));
  expect(status).toBe(0);
  const { settings, findings } = readSettings(parsePackage(text, { name: "uciprov" }));
  expect(findings).toEqual([]);
  return { settings, text };
}

test("every symbol has a type and a default, is one that the build watches, and is one that decides something", () => {
  expect(SYMBOLS.length).toBeGreaterThan(30);
  const names = SYMBOLS.map(({ name }) => name);
  const inChoice = [
    "UCIPROV_TRUST_AUTHENTIC",
    "UCIPROV_TRUST_SIGNED",
    "UCIPROV_TRUST_ANY",
    "UCIPROV_BY_DAEMON",
    "UCIPROV_BY_CROND",
  ];
  expect(SYMBOLS.filter(({ type }) => type === "")).toEqual([]);
  expect(
    names.filter(
      (name) =>
        !inChoice.includes(name) && !new RegExp(`^config ${name}\n.*\n(?:\t.*\n)*\tdefault `, "m").test(KCONFIG),
    ),
  ).toEqual([]);
  const watched = [
    ...(/^PKG_CONFIG_DEPENDS:=(?:.*\\\n)*.*$/m.exec(MAKEFILE)?.[0] ?? "").matchAll(/CONFIG_(UCIPROV_\w+)/g),
  ].map(([, name]) => name);
  expect(watched.sort()).toEqual([...names].sort());
  const numbered = (name: string) => name.replace(/_\d$/, "_");
  const used = (name: string) =>
    AWK.includes(`"${numbered(name.replace("UCIPROV_", ""))}`) || MAKEFILE.includes(`$(CONFIG_${name})`);
  // The first of each choice is what holds when the others do not.
  expect(names.filter((name) => !used(name))).toEqual(["UCIPROV_TRUST_AUTHENTIC", "UCIPROV_BY_DAEMON"]);
});

test("both packages have the program's version", () => {
  const { version } = JSON.parse(readFileSync("package.json", "utf8"));
  for (const name of ["uciprov", "luci-app-uciprov"]) {
    expect(readFileSync(`openwrt-package/${name}/Makefile`, "utf8")).toContain(`\nPKG_VERSION:=${version}\n`);
  }
});

test("the URIs that menuconfig shows are the modules' own", () => {
  const own = new Map(
    plugins.modules.flatMap(({ resources = {} }) =>
      Object.entries(resources).map(([name, { uri }]) => [name, typeof uri === "string" ? uri : ""] as const),
    ),
  );
  const shown = SYMBOLS.filter(({ name }) => name.startsWith("UCIPROV_URI_")).map(
    ({ name, initial }) => [name.replace("UCIPROV_URI_", "").toLowerCase(), initial] as const,
  );
  expect(shown.length).toBe(9);
  for (const [name, uri] of shown) {
    expect(AWK).toContain(`resource("${name}", "URI_${name.toUpperCase()}", "${uri}")`);
    if (own.has(name)) expect([name, uri]).toEqual([name, own.get(name)]);
  }
  expect(shown.filter(([name]) => own.has(name)).length).toBeGreaterThan(5);
});

test("what nobody chose otherwise is the settings as shipped, but for LLDP, which no build has by itself", () => {
  const { text } = settingsOf({});
  expect(text).toBe(readFileSync(SETTINGS, "utf8").replace("config uciprov 'lldp'\n", "$&\toption enabled '0'\n"));
});

test("every combination of protocols, trust and schedule gives settings that `uciprov macros` lives with", () => {
  const root = join(folder, "root");
  mkdirSync(join(root, "etc/config"), { recursive: true });
  for (let bits = 0; bits < 2 ** PROTOCOLS.length; bits++) {
    for (const trust of TRUST) {
      const isOn = (name: (typeof PROTOCOLS)[number]) => ((bits >> PROTOCOLS.indexOf(name)) & 1) === 1;
      const by = bits % 2 === 0 ? "crond" : "daemon";
      const { settings, text } = settingsOf({
        ...Object.fromEntries(PROTOCOLS.map((name) => [`UCIPROV_USE_${name}`, isOn(name) ? "y" : "n"])),
        [`UCIPROV_TRUST_${trust.toUpperCase()}`]: "y",
        [`UCIPROV_BY_${by.toUpperCase()}`]: "y",
        UCIPROV_BASE_URI: "https://tree.example/{board}",
        UCIPROV_HTTPS_URI: "https://lookup.example/{serial}",
        UCIPROV_DNSSEC_NAME: "_uciprov.signed.example",
        UCIPROV_DNS_NAME: "provdomain.example",
        UCIPROV_MACRO_1: `site=${trust}-${bits}`,
      });
      expect({
        STATIC: settings.static.base_uri,
        HTTPS: settings.https.uri,
        DNSSEC: settings.dnssec.name,
        DNS: settings.dns.enabled,
        DHCP: settings.dhcp.enabled,
        LLDP: settings.lldp.enabled,
        trust: settings.main.trust,
        by: settings.schedule.by,
      }).toEqual({
        STATIC: isOn("STATIC") ? "https://tree.example/{board}" : undefined,
        HTTPS: isOn("HTTPS") ? "https://lookup.example/{serial}" : undefined,
        DNSSEC: isOn("DNSSEC") ? "_uciprov.signed.example" : undefined,
        DNS: isOn("DNS"),
        DHCP: isOn("DHCP"),
        LLDP: isOn("LLDP"),
        trust,
        by,
      });
      writeFileSync(join(root, "etc/config/uciprov"), text);
      expect(siteOf(root, bits % 32 === 0)).toBe(`${trust}-${bits}`);
    }
  }
});

/** What `uciprov macros` says of {site}; by the program itself now and then, else by what it consists of. */
function siteOf(root: string, isByProgram: boolean): unknown {
  if (!isByProgram) {
    const ctx = openHost(root, {
      choices: { isForced: false, isDry: true },
      board: SILENT,
      log: () => undefined,
      signal: NEVER,
    });
    return preinit(ctx).macros.get("site")?.value;
  }
  const told = execFileSync(process.execPath, [program(), "macros", "--json", "--root", root], { encoding: "utf8" });
  return JSON.parse(told).site?.value;
}

test("whatever stands in a string, it arrives as it is and adds nothing else", () => {
  const odd = fc.string({ unit: fc.constantFrom(..."'\"\\#$`;{}&|% a\u00e9\u4e16"), minLength: 1 });
  fc.assert(
    fc.property(odd, odd, (name, value) => {
      const { settings } = settingsOf({
        UCIPROV_DNS_NAME: name,
        UCIPROV_MACRO_2: `note=${value}`,
        UCIPROV_URI_IMAGE: value,
      });
      expect(settings.dns.name).toBe(name);
      expect(settings.macros).toEqual([{ name: "note", value }]);
      expect(settings.resources.map((one) => [one.name, one.uri])).toEqual([["image", value]]);
    }),
    { numRuns: 60 },
  );
});

test("a resource can be left out, a threshold raised, hosts allowed, an authority named", () => {
  const { settings } = settingsOf({
    UCIPROV_URI_OVERLAY: "",
    UCIPROV_THRESHOLD: "2",
    UCIPROV_ALLOWED_HOSTS: "a.example  b.example",
    UCIPROV_CA: "/somewhere/ca.pem",
    UCIPROV_CRON: "@daily",
  });
  expect(settings.resources).toMatchObject([{ name: "overlay", isEnabled: false }]);
  expect([settings.main.threshold, settings.main.allowed_host, settings.main.ca, settings.schedule.cron]).toEqual([
    2,
    ["a.example", "b.example"],
    ["/etc/uciprov/ca.pem"],
    "@daily",
  ]);
});

test.each(["no-equals", "=x", "Upper=x", "1a=x", "a b=x"])("a macro that is none ends the build: %s", (text) => {
  const { status, told } = render(dotConfig({ UCIPROV_MACRO_3: text }));
  expect({ status, told }).toEqual({ status: 1, told: expect.stringContaining(text) });
});

test("a protocol without its URI or name is told, and finds nothing", () => {
  const { status, told } = render(dotConfig({ UCIPROV_USE_STATIC: "y" }));
  expect({ status, told }).toEqual({ status: 0, told: expect.stringContaining("UCIPROV_BASE_URI is empty") });
});

/** What OpenWrt's own files do with ours, and no more. (openwrt/openwrt: include/package-pack.mk, which expands an install section twice) */
const RULES = `
INCLUDE_DIR:=$(TOPDIR)/include
PKG_BUILD_DIR=$(TOPDIR)/build
CP:=cp -fpR
INSTALL_DIR:=install -d -m0755
INSTALL_CONF:=install -m0600
INSTALL_DATA:=install -m0644
qstrip=$(strip $(subst ",,$(1)))
include $(TOPDIR)/.config
`;
const PACKAGE = `
define BuildPackage
$(eval $(Package/$(1)))
fields:
	@printf '%s\\n' '$(PKGARCH)' '$(DEPENDS)' '$(TITLE)'
	@printf '%s\\n' '$(subst ',,$(Package/$(1)/config))'
install:
	$$(Build/Prepare)
	$$(Build/Compile)
	mkdir -p $(TOPDIR)/root
	$(call Package/$(1)/install,$$(TOPDIR)/root)
endef
`;

/** OpenWrt's build tree, as far as our Makefile sees it: runs make on a feed, with these choices. */
function buildTree(feed: string, config: string): (target: string) => SpawnSyncReturns<string> {
  const top = join(folder, "top");
  rmSync(top, { recursive: true, force: true });
  for (const [name, text] of [
    ["rules.mk", RULES],
    ["include/package.mk", PACKAGE],
    [".config", config],
  ] as const) {
    mkdirSync(dirname(join(top, name)), { recursive: true });
    writeFileSync(join(top, name), text);
  }
  return (target) =>
    spawnSync("make", ["-s", "-C", feed, `TOPDIR=${top}`, "SOURCE=feeds/uciprov/uciprov", target], {
      encoding: "utf8",
      env: { PATH: "/usr/bin:/bin", LC_ALL: "C" },
    });
}

const PUBLIC = `untrusted comment: a key\nRW${"a".repeat(54)}\n`;
const SECRET = `untrusted comment: a key\nRWRC${"a".repeat(136)}\n`;

test.each([
  ["a folder that is not there", {}, "no public key in"],
  ["a folder without keys", { "key.pub": PUBLIC }, "no public key in"],
  ["a secret key under a public one's name", { "0123456789abcdef": SECRET }, "0123456789abcdef is no public key"],
])("%s ends the build: an image without its keys, or with more than those, must not be made", (_, files, told) => {
  const keys = join(folder, "keys to refuse");
  rmSync(keys, { recursive: true, force: true });
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(keys, { recursive: true });
    writeFileSync(join(keys, name), text);
  }
  const { status, stderr } = buildTree(FEED, dotConfig({ UCIPROV_KEYS: keys }))("install");
  expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringContaining(told) });
});

test("fewer keys than must sign end the build where nothing else counts", () => {
  const keys = join(folder, "too few keys");
  mkdirSync(keys);
  const chosen = { UCIPROV_KEYS: keys, UCIPROV_THRESHOLD: "2", UCIPROV_TRUST_SIGNED: "y" };
  const install = () => {
    const { status, stderr } = buildTree(FEED, dotConfig(chosen))("install");
    return { status, stderr };
  };
  writeFileSync(join(keys, "0123456789abcdef"), PUBLIC);
  expect(install()).toEqual({ status: 2, stderr: expect.stringContaining("1 keys in") });
  writeFileSync(join(keys, "0123456789abcdee"), PUBLIC);
  expect(install()).toEqual({ status: 0, stderr: "" });
});

test.each([
  ["with a private key in it", "-----BEGIN CERTIFICATE-----\n-----BEGIN EC PRIVATE KEY-----\n", "holds a private key"],
  ["that no connection would read", "\x30\x82\x01\x0aDER", "is no certificate in PEM"],
])("an authority's file %s ends the build", (_, text, told) => {
  const file = join(folder, "refused.pem");
  writeFileSync(file, text);
  const { status, stderr } = buildTree(FEED, dotConfig({ UCIPROV_CA: file }))("install");
  expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringContaining(told) });
});

test("make reads the Makefile, and what it installs is the device's files, the program and the chosen settings", () => {
  const keys = join(folder, "keys of the admin");
  mkdirSync(keys);
  for (const name of ["0123456789abcdef", "0123456789abcdef.sec", "README"]) writeFileSync(join(keys, name), PUBLIC);
  writeFileSync(join(folder, "authority.pem"), "-----BEGIN CERTIFICATE-----\n");
  const config = dotConfig({
    UCIPROV_DNS_NAME: "it's#a$name.example",
    UCIPROV_KEYS: keys,
    UCIPROV_CA: join(folder, "authority.pem"),
  });
  const make = buildTree(FEED, config);
  const fields = make("fields");
  expect({ status: fields.status, stderr: fields.stderr }).toEqual({ status: 0, stderr: "" });
  expect(fields.stdout.split("\n").slice(0, 4)).toEqual([
    "all",
    "+node +ca-bundle +UCIPROV_USE_LLDP:lldpd",
    "Zero-touch provisioning",
    `  source "feeds/uciprov/uciprov/Config.in"`,
  ]);
  const install = make("install");
  expect({ status: install.status, stderr: install.stderr }).toEqual({ status: 0, stderr: "" });
  const root = join(folder, "top/root");
  const laid = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(root.length));
  const shipped = readdirSync("openwrt-package/files", { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map(({ parentPath, name }) => `/${join(parentPath, name).slice("openwrt-package/files/".length)}`);
  expect(laid.filter((path) => !path.startsWith("/usr/lib/uciprov/")).sort()).toEqual(
    [...shipped, "/etc/uciprov/ca.pem", "/etc/uciprov/keys/0123456789abcdef"].sort(),
  );
  expect(readdirSync(join(root, "usr/lib/uciprov")).sort()).toEqual(
    readdirSync("dist")
      .filter((name) => name !== "recover.sh")
      .sort(),
  );
  const { settings } = readSettings(
    parsePackage(readFileSync(join(root, "etc/config/uciprov"), "utf8"), { name: "uciprov" }),
  );
  expect([settings.dns.name, settings.main.ca]).toEqual(["it's#a$name.example", ["/etc/uciprov/ca.pem"]]);
});

test.each([
  ["077, which nobody else can read", "go="],
  ["002, which a group can write", "g+w"],
])("a checkout under umask %s gives a package of the same modes", (_, modes) => {
  const feed = join(folder, "checkout/uciprov");
  rmSync(join(folder, "checkout"), { recursive: true, force: true });
  for (const [from, to] of [
    [FEED, feed],
    ["openwrt-package/files", join(feed, "files")],
    ["dist", join(feed, "dist")],
  ] as const)
    cpSync(from, to, { recursive: true });
  execFileSync("chmod", ["-R", modes, feed]);
  const { status, stderr } = buildTree(feed, dotConfig({}))("install");
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const root = join(folder, "top/root");
  const odd = readdirSync(root, { recursive: true, withFileTypes: true })
    .map((one) => {
      const path = join(one.parentPath, one.name);
      return `${(statSync(path).mode & 0o7777).toString(8)} ${path.slice(root.length)}`;
    })
    .filter((line) => !/^(?:755|644) /.test(line));
  expect(odd.sort()).toEqual(["600 /etc/config/uciprov", "700 /etc/uciprov", "700 /etc/uciprov/keys"]);
  expect(statSync(join(root, "etc/init.d/uciprov")).mode & 0o777).toBe(0o755);
  expect(statSync(join(root, "lib/uciprov/functions.sh")).mode & 0o777).toBe(0o644);
});

test.skipIf(!hasKconfig)("kconfig itself reads Config.in, and its defaults are those of this test", () => {
  const kconfig = join(folder, "Kconfig");
  writeFileSync(
    kconfig,
    `config PACKAGE_uciprov\n\tbool "uciprov"\n\tdefault y\n\nsource "${join(process.cwd(), FEED, "Config.in")}"\n`,
  );
  const { status, stderr } = spawnSync("kconfig-conf", ["--alldefconfig", kconfig], {
    cwd: folder,
    env: { PATH: "/usr/bin:/bin", KCONFIG_CONFIG: join(folder, "kconfig.out"), CONFIG_: "CONFIG_" },
    encoding: "utf8",
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const rendered = render(readFileSync(join(folder, "kconfig.out"), "utf8"));
  expect(rendered).toEqual(render(dotConfig({})));
});
