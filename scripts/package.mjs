import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

/**
 * node scripts/package.mjs [FOLDER]: from dist/ and openwrt-package/, into FOLDER (build/package if none), the same bytes from the same sources:
 *
 *   uciprov_VERSION_all.ipk, luci-app-uciprov_VERSION_all.ipk   for opkg, to OpenWrt 24.10 (openwrt/openwrt: scripts/ipkg-build)
 *   feed/                                                       a feed of its own for the build system: nothing outside it is needed
 *
 * There is no .apk: its format needs apk-tools' own `apk mkpkg`, which the SDK has; docs/packager.md.
 */
const target = process.argv[2] ?? "build/package";
const SOURCES = "openwrt-package";
const date = Number(process.env.SOURCE_DATE_EPOCH ?? lastCommit());
const PRIVATE = ["/etc/uciprov", "/etc/uciprov/keys"];
const CONFIG = "/etc/config/";
/** As luci.mk gives every page: LuCI keeps the menu it has read, and rpcd the rights. */
const LUCI_POSTINST =
  '[ -n "$IPKG_INSTROOT" ] || {\n\trm -rf /tmp/luci-indexcache* /tmp/luci-modulecache/\n\tkillall -HUP rpcd 2>/dev/null\n}\nexit 0';

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
if (!existsSync("dist/uciprov.cjs")) throw new Error("there is no dist/uciprov.cjs: npm run build");

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
  const { fields, section } = readMakefile(join(SOURCES, name, "Makefile"), name);
  const data = tar(withFolders(files).map(entryOf));
  const size = files.reduce((sum, { file }) => sum + (file === undefined ? 0 : statSync(file).size), 0);
  const control = [...fields, ["Architecture", "all"], ["Installed-Size", size], ["SourceDateEpoch", date]];
  const scripts = { postinst: script("postinst"), prerm: script("prerm"), ...ownScripts(name, section) };
  const conffiles = section("conffiles");
  const meta = tar([
    folder("./"),
    text(
      "./control",
      0o644,
      `${control.map(([field, value]) => `${field}: ${value}`).join("\n")}\nDescription: ${section("description")}\n`,
    ),
    ...(conffiles === "" ? [] : [text("./conffiles", 0o644, `${conffiles}\n`)]),
    ...Object.entries(scripts).map(([script, words]) => text(`./${script}`, 0o755, words)),
  ]);
  const outer = tar([
    text("./debian-binary", 0o644, "2.0\n"),
    { path: "./data.tar.gz", mode: 0o644, bytes: zip(data) },
    { path: "./control.tar.gz", mode: 0o644, bytes: zip(meta) },
  ]);
  const version = fields.find(([field]) => field === "Version")[1];
  const file = join(target, `${name}_${version}_all.ipk`);
  writeFileSync(file, zip(outer));
  console.log(`${file}: ${statSync(file).size} bytes, ${files.length} files`);
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

/** recover.sh lies in dist/ for laptops; on a device it has its place in /lib. */
function programFiles() {
  return readdirSync("dist")
    .filter((name) => name.endsWith(".cjs") || name === "LICENSES.txt")
    .sort();
}

/** What a control file says, from the Makefile that the build system reads. */
function readMakefile(file, name) {
  const makefile = readFileSync(file, "utf8");
  const variable = (key) => new RegExp(`^\\s*${key}:=(.*)$`, "m").exec(makefile)?.[1].trim() ?? "";
  const section = (what) => {
    const body = new RegExp(`^define Package/${name}/${what}\n([^]*?)^endef$`, "m").exec(makefile)?.[1] ?? "";
    return body.replaceAll("$$", "$").trim();
  };
  const depends = (variable("DEPENDS") || variable("LUCI_DEPENDS"))
    .split(/\s+/)
    .filter((one) => /^\+[\w-]+$/.test(one));
  const description = section("description") || variable("LUCI_TITLE");
  const fields = [
    ["Package", name],
    ["Version", `${variable("PKG_VERSION")}-r${variable("PKG_RELEASE")}`],
    ["Depends", depends.map((one) => one.slice(1)).join(", ")],
    ["License", variable("PKG_LICENSE")],
    ["Section", variable("SECTION") || "luci"],
  ];
  return { fields, section: (what) => (what === "description" ? description : section(what)) };
}

/** What every OpenWrt package does: enables and starts its services, runs its uci-defaults; or stops and disables them. */
function script(what) {
  const skip = what === "postinst" ? '[ "$IPKG_NO_SCRIPT" = 1 ] && exit 0\n' : "";
  const functions = '"$IPKG_INSTROOT/lib/functions.sh"';
  return `#!/bin/sh\n${skip}[ -s ${functions} ] || exit 0\n. ${functions}\ndefault_${what} "$0" "$@"\n`;
}

/** default_postinst and default_prerm run these. */
function ownScripts(name, section) {
  const words = (what) => section(what) || (what === "postinst" && name.startsWith("luci-") ? LUCI_POSTINST : "");
  const own = ["postinst", "prerm"].map((what) => [`${what}-pkg`, words(what)]).filter(([, words]) => words !== "");
  return Object.fromEntries(own.map(([name, words]) => [name, `${words}\n`]));
}

function filesBelow(folder, prefix) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((one) => {
    const [file, path] = [join(folder, one.name), `${prefix}/${one.name}`];
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
  if (file === undefined) return folder(path === "/" ? "./" : `.${path}/`, PRIVATE.includes(path) ? 0o700 : 0o755);
  const isRun = (statSync(file).mode & 0o100) !== 0 && !path.startsWith("/usr/lib/");
  return { path: `.${path}`, mode: path.startsWith(CONFIG) ? 0o600 : isRun ? 0o755 : 0o644, bytes: readFileSync(file) };
}

function folder(path, mode = 0o755) {
  return { path, mode };
}

function text(path, mode, words) {
  return { path, mode, bytes: Buffer.from(words) };
}

/** Of root, of one date, in the order given: POSIX ustar, which busybox and opkg read. */
function tar(entries) {
  const blocks = entries.flatMap(({ path, mode, bytes = Buffer.alloc(0) }) => [
    header(path, mode, bytes.length),
    bytes,
    Buffer.alloc((512 - (bytes.length % 512)) % 512),
  ]);
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

function header(path, mode, size) {
  if (Buffer.byteLength(path) > 100) throw new Error(`${path} is too long for this archive`);
  const block = Buffer.alloc(512);
  const octal = (value, length) => `${value.toString(8).padStart(length - 1, "0")}\0`;
  block.write(path, 0);
  block.write(octal(mode, 8) + octal(0, 8) + octal(0, 8) + octal(size, 12) + octal(date, 12), 100);
  block.write(" ".repeat(8), 148);
  block.write(path.endsWith("/") ? "5" : "0", 156);
  block.write("ustar\x0000", 257);
  block.write("root", 265);
  block.write("root", 297);
  block.write(
    `${octal(
      block.reduce((sum, byte) => sum + byte, 0),
      7,
    )} `,
    148,
  );
  return block;
}

/** Neither a date nor a name is in it. */
function zip(bytes) {
  return gzipSync(bytes, { level: 9 });
}

function lastCommit() {
  try {
    return execFileSync("git", ["log", "-1", "--format=%ct"], { encoding: "utf8" }).trim();
  } catch {
    return 0;
  }
}
