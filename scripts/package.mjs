import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { apk } from "./apk.mjs";
import { ipk } from "./ipk.mjs";
import { programFiles } from "./program-files.mjs";

/**
 * node scripts/package.mjs [FOLDER]: from dist/ and openwrt-package/, into FOLDER (build/package if none), the same bytes from the same sources:
 *
 *   uciprov_VERSION_all.ipk, luci-app-uciprov_VERSION_all.ipk   for opkg, to OpenWrt 24.10 (openwrt/openwrt: scripts/ipkg-build)
 *   uciprov-VERSION.apk, luci-app-uciprov-VERSION.apk           for apk, from 25.12 on (openwrt/openwrt: include/package-pack.mk)
 *   feed/                                                       a feed of its own for the build system: nothing outside it is needed
 */
const target = process.argv[2] ?? "build/package";
const SOURCES = "openwrt-package";
const date = dateOfAll(process.env.SOURCE_DATE_EPOCH);
const PRIVATE = ["/etc/uciprov", "/etc/uciprov/keys"];
const CONFIG = "/etc/config/";
/** As luci.mk gives every page: LuCI keeps the menu it has read, and rpcd the rights. */
const LUCI_POSTINST =
  '[ -n "$IPKG_INSTROOT" ] || {\n\trm -rf /tmp/luci-indexcache* /tmp/luci-modulecache/\n\tkillall -HUP rpcd 2>/dev/null\n}\nexit 0';

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });

writePackage("uciprov", [
  ...filesBelow(join(SOURCES, "files"), ""),
  ...["/etc/uciprov", "/etc/uciprov/keys"].map((path) => ({ path })),
  ...programFiles().map((name) => ({ path: `/usr/lib/uciprov/${name}`, file: join("dist", name) })),
]);
writePackage("luci-app-uciprov", [
  ...filesBelow(join(SOURCES, "luci-app-uciprov/root"), ""),
  ...filesBelow(join(SOURCES, "luci-app-uciprov/htdocs"), "/www"),
]);
writeFeed(join(target, "feed"));

function writePackage(name, files) {
  const made = {
    ...readMakefile(join(SOURCES, name, "Makefile"), name),
    entries: withFolders(files).map(entryOf),
    date,
  };
  for (const [file, bytes] of [
    [`${name}_${made.version}_all.ipk`, ipk({ ...made, script: ipkScript })],
    [`${name}-${made.version}.apk`, apkOf(made)],
  ]) {
    writeFileSync(join(target, file), bytes);
    console.log(`${join(target, file)}: ${bytes.length} bytes, ${files.length} files`);
  }
}

/** What the build system puts into an .apk beside the files: lists that a device's scripts and sysupgrade read. */
function apkOf(made) {
  const { name, version, entries, description, license, depends, section, own } = made;
  const at = (what) => `/lib/apk/packages/${name}.${what}`;
  const list = (what, lines) => ({
    path: at(what),
    mode: 0o644,
    bytes: Buffer.from(lines.map((one) => `${one}\n`).join("")),
  });
  const files = entries.filter(({ bytes }) => bytes !== undefined);
  const kept = own.conffiles.split("\n").filter((path) => path !== "");
  const sums = kept.map((path) => `${path} ${sha256(files.find((one) => one.path === path)?.bytes ?? "")}`);
  const lists = [
    list("list", files.map(({ path }) => path).sort()),
    ...(kept.length === 0 ? [] : [list("conffiles", kept), list("conffiles_static", sums)]),
  ];
  const folders = ["/lib", "/lib/apk", "/lib/apk/packages"].map((path) => ({ path, mode: 0o755 }));
  const known = new Set(entries.map(({ path }) => path));
  return apk({
    info: {
      ...{ name, version, description, license, depends },
      arch: "noarch",
      origin: name,
      maintainer: made.maintainer,
      provides: [`${name}-any`],
      tags: [`openwrt:section=${section}`],
    },
    scripts: apkScripts(name, own),
    folders: [...entries.filter(({ bytes }) => bytes === undefined), ...folders.filter(({ path }) => !known.has(path))],
    files: [...files, ...lists],
    date,
  });
}

function apkScripts(name, own) {
  const body = (script) => script.replace(/^#!.*\n/, "");
  const begin = `[ -s "$IPKG_INSTROOT/lib/functions.sh" ] || exit 0\n. "$IPKG_INSTROOT/lib/functions.sh"\nexport root="$IPKG_INSTROOT" pkgname="${name}"\n`;
  const install = `[ "$IPKG_NO_SCRIPT" = 1 ] && exit 0\n${begin}add_group_and_user\ndefault_postinst\n${body(own.postinst)}`;
  return {
    "post-install": `#!/bin/sh\n${install}`,
    "post-upgrade": `#!/bin/sh\nexport PKG_UPGRADE=1\n${install}`,
    "pre-deinstall": `#!/bin/sh\n${begin}default_prerm\n${body(own.prerm)}`,
  };
}

/** All that the build system needs, in one folder: `src-link uciprov FOLDER` in feeds.conf. */
function writeFeed(feed) {
  for (const name of ["uciprov", "luci-app-uciprov"])
    cpSync(join(SOURCES, name), join(feed, name), { recursive: true });
  cpSync(join(SOURCES, "files"), join(feed, "uciprov/files"), { recursive: true });
  mkdirSync(join(feed, "uciprov/dist"));
  for (const name of programFiles()) cpSync(join("dist", name), join(feed, "uciprov/dist", name));
  console.log(`${feed}: for feeds.conf`);
}

/** What a package says of itself, from the Makefile that the build system reads. */
function readMakefile(file, name) {
  const makefile = readFileSync(file, "utf8");
  const variable = (key) => new RegExp(`^\\s*${key}:=(.*)$`, "m").exec(makefile)?.[1].trim() ?? "";
  const block = (what) => {
    const body = new RegExp(`^define Package/${name}/${what}\n([^]*?)^endef$`, "m").exec(makefile)?.[1] ?? "";
    return body.replaceAll("$$", "$").trim();
  };
  const lines = (text) => (text === "" ? "" : `${text}\n`);
  const depends = (variable("DEPENDS") || variable("LUCI_DEPENDS"))
    .split(/\s+/)
    .filter((one) => /^\+[\w-]+$/.test(one));
  return {
    name,
    version: `${variable("PKG_VERSION")}-r${variable("PKG_RELEASE")}`,
    description: block("description") || variable("LUCI_TITLE"),
    depends: depends.map((one) => one.slice(1)),
    license: variable("PKG_LICENSE"),
    maintainer: variable("PKG_MAINTAINER") || variable("LUCI_MAINTAINER"),
    section: variable("SECTION") || "luci",
    own: {
      postinst: lines(block("postinst") || (name.startsWith("luci-") ? LUCI_POSTINST : "")),
      prerm: lines(block("prerm")),
      conffiles: lines(block("conffiles")),
    },
  };
}

/** What every OpenWrt package does: enables and starts its services, runs its uci-defaults; or stops and disables them, and then `PACKAGE.postinst-pkg`. */
function ipkScript(what) {
  const skip = what === "postinst" ? '[ "$IPKG_NO_SCRIPT" = 1 ] && exit 0\n' : "";
  const functions = '"$IPKG_INSTROOT/lib/functions.sh"';
  return `#!/bin/sh\n${skip}[ -s ${functions} ] || exit 0\n. ${functions}\ndefault_${what} "$0" "$@"\n`;
}

function filesBelow(folder, prefix) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((one) => {
    const [file, path] = [join(folder, one.name), `${prefix}/${one.name}`];
    // On a device everything in uci-defaults and init.d is run, whatever it is called.
    if (/^\.|~$|\.(?:orig|rej|bak|swp)$/.test(one.name)) throw new Error(`${file} is an editor's, and would be packed`);
    return one.isDirectory() ? filesBelow(file, path) : [{ path, file }];
  });
}

/** With every folder on the way, each before what is in it. */
function withFolders(files) {
  const all = new Map(files.map((one) => [one.path, one]));
  for (const { path } of files) {
    for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
      const above = path.slice(0, at);
      if (!all.has(above)) all.set(above, { path: above });
    }
  }
  return [{ path: "/" }, ...[...all.values()].sort((a, b) => (a.path < b.path ? -1 : 1))];
}

/** Git keeps of a mode only whether something can be run. */
function entryOf({ path, file }) {
  if (file === undefined) return { path, mode: PRIVATE.includes(path) ? 0o700 : 0o755 };
  const isRun = (statSync(file).mode & 0o100) !== 0 && !path.startsWith("/usr/lib/");
  return { path, mode: path.startsWith(CONFIG) ? 0o600 : isRun ? 0o755 : 0o644, bytes: readFileSync(file) };
}

function sha256(bytes) {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Seconds since 1970; whatever is no such number would stand in every header as it is, and no tar would read it. */
function dateOfAll(asked) {
  const seconds = asked || String(lastCommit());
  if (!/^\d{1,10}$/.test(seconds)) throw new Error(`SOURCE_DATE_EPOCH=${seconds} is no number of seconds`);
  return Number(seconds);
}

function lastCommit() {
  try {
    return execFileSync("git", ["log", "-1", "--format=%ct"], { encoding: "utf8" }).trim();
  } catch {
    return 0;
  }
}
