import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
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
import { afterAll, beforeAll, expect, test } from "vitest";
import { noAsh } from "../helpers/ash.ts";

const IPK = "uciprov_0.1.0-r1_all.ipk";
const LUCI = "luci-app-uciprov_0.1.0-r1_all.ipk";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "uciprov-ipk-"));
  for (const name of ["once", "twice"]) pack(name, "1700000000");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function pack(name: string, date: string): void {
  const env = { ...process.env, SOURCE_DATE_EPOCH: date };
  execFileSync(process.execPath, ["scripts/package.mjs", join(folder, name)], { env, stdio: "pipe" });
}

const digest = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");

/** As busybox's tar, which a device has, unpacks it; the listing with modes and owners. */
function unpack(archive: string, to: string): string[] {
  mkdirSync(to, { recursive: true });
  const list = execFileSync("busybox", ["tar", "-tvzf", archive], { encoding: "utf8" });
  execFileSync("busybox", ["tar", "-xzf", archive, "-C", to]);
  return list.trim().split("\n");
}

/** The package's three members, and what is in them. */
function open(ipk: string, name: string) {
  const at = join(folder, `open-${name}`);
  const outer = unpack(join(folder, "once", ipk), at);
  return {
    outer,
    data: unpack(join(at, "data.tar.gz"), join(at, "data")),
    meta: unpack(join(at, "control.tar.gz"), join(at, "control")),
    root: join(at, "data"),
    control: join(at, "control"),
    binary: readFileSync(join(at, "debian-binary"), "utf8"),
  };
}

const named = (list: readonly string[]) => list.map((line) => line.split(/\s+/).at(-1) ?? "");

test("the same sources give the same bytes, and the date in them is the one that was asked for", () => {
  for (const name of [IPK, LUCI]) expect(digest(join(folder, "once", name))).toBe(digest(join(folder, "twice", name)));
  pack("later", "1700000001");
  expect(digest(join(folder, "later", IPK))).not.toBe(digest(join(folder, "once", IPK)));
});

test.each(["abc", "-5", "1.5", "99999999999999"])(
  "a date that is none, %s, makes no package that nobody can unpack",
  (date) => {
    expect(() => pack("none", date)).toThrow(`SOURCE_DATE_EPOCH=${date} is no number of seconds`);
    expect(existsSync(join(folder, "none"))).toBe(false);
  },
);

test.skipIf(!existsSync(".git"))("an empty date is none that was asked for: the commit's stands", () => {
  pack("empty", "");
  const { stdout } = spawnSync("tar", ["-tvzf", join(folder, "empty", IPK)], { encoding: "utf8" });
  expect(stdout).not.toContain("1970-");
});

test("what an editor left among the device's files is not packed: a device would run it", () => {
  const at = join(folder, "checkout");
  for (const name of ["openwrt-package", "scripts", "dist"]) cpSync(name, join(at, name), { recursive: true });
  writeFileSync(join(at, "openwrt-package/files/etc/uci-defaults/90-uciprov~"), "");
  const { status, stderr } = spawnSync(process.execPath, ["scripts/package.mjs"], { cwd: at, encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining("90-uciprov~ is an editor's") });
});

test.skipIf(noAsh)("it is an .ipk: a gzipped tar of three members, all of root, with the fields opkg wants", () => {
  const { outer, data, meta, binary, control, root } = open(IPK, "uciprov");
  expect(named(outer)).toEqual(["./debian-binary", "./data.tar.gz", "./control.tar.gz"]);
  expect(binary).toBe("2.0\n");
  expect([...outer, ...data, ...meta].filter((line) => !/ root\/root | 0\/0 /.test(line))).toEqual([]);
  const fields = readFileSync(join(control, "control"), "utf8");
  expect(fields).toMatch(/^Package: uciprov\nVersion: 0\.1\.0-r1\nDepends: node, ca-bundle\nLicense: Apache-2\.0\n/);
  expect(fields).toMatch(/^Architecture: all$/m);
  expect(fields).toMatch(/\nDescription: \S.*\n$/);
  expect(readFileSync(join(control, "conffiles"), "utf8")).toBe("/etc/config/uciprov\n");
  expect(named(meta).sort()).toEqual(
    ["./", "./conffiles", "./control", "./postinst", "./postinst-pkg", "./prerm", "./prerm-pkg"].sort(),
  );
  const modes = [
    "/usr/bin/uciprov",
    "/etc/init.d/uciprov",
    "/etc/config/uciprov",
    "/etc/uciprov",
    "/usr/lib/uciprov/uciprov.cjs",
  ];
  expect(modes.map((path) => (statSync(join(root, path)).mode & 0o777).toString(8))).toEqual([
    "755",
    "755",
    "600",
    "700",
    "644",
  ]);
});

test.skipIf(noAsh)("the program in it runs, and the licences of what is bundled lie beside it", () => {
  const { root } = open(IPK, "run");
  const program = join(root, "usr/lib/uciprov/uciprov.cjs");
  const told = execFileSync(process.execPath, [program, "macros", "--json", "--root", root], { encoding: "utf8" });
  expect(JSON.parse(told)).toHaveProperty("fd");
  const licences = readFileSync(join(root, "usr/lib/uciprov/LICENSES.txt"), "utf8");
  const bundled = ["undici", "tar", "ini", "p-retry", "node-cron"];
  expect(
    bundled.filter((name) => !new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\([\\w.-]+\\)$`, "m").test(licences)),
  ).toEqual([]);
  // undici brings llhttp as llhttp.wasm, and does not say whose it is.
  expect(licences).toMatch(/^llhttp, .*\n\nCopyright Fedor Indutny, 2018\.\n\nPermission is hereby granted/m);
  expect(licences.split(/^-{80}$/m).filter((one) => !/copyright/i.test(one))).toEqual([]);
});

test.skipIf(noAsh)(
  "its scripts run under ash: default_postinst and default_prerm of the device, then the package's own",
  () => {
    const { control } = open(IPK, "scripts");
    const lib = join(folder, "device/lib");
    mkdirSync(lib, { recursive: true });
    writeFileSync(
      join(lib, "functions.sh"),
      'default_postinst() { echo "postinst ${1##*/} $2"; }\ndefault_prerm() { echo "prerm ${1##*/} $2"; }\n',
    );
    const run = (script: string, instroot: string, ...args: string[]) =>
      spawnSync("busybox", ["ash", join(control, script), ...args], {
        env: { PATH: "/bin", IPKG_INSTROOT: instroot },
        encoding: "utf8",
      });
    expect(run("postinst", join(folder, "device"), "configure").stdout).toBe("postinst postinst configure\n");
    expect(run("prerm", join(folder, "device"), "remove").stdout).toBe("prerm prerm remove\n");
    for (const script of ["postinst-pkg", "prerm-pkg"]) {
      const { status, stdout, stderr } = run(script, "/an/image");
      expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "", stderr: "" });
    }
  },
);

test.skipIf(noAsh)("the page's package lies where LuCI looks", () => {
  const { data, control } = open(LUCI, "luci");
  expect(named(data)).toContain("./www/luci-static/resources/view/uciprov/status.js");
  expect(named(data)).toContain("./usr/share/luci/menu.d/luci-app-uciprov.json");
  expect(readFileSync(join(control, "control"), "utf8")).toMatch(/^Depends: luci-base, uciprov$/m);
});

test.skipIf(noAsh)("LuCI shows the page as soon as its package is installed, and an image is left alone", () => {
  const { control } = open(LUCI, "luci-scripts");
  // A function, since busybox's shell prefers its own killall to one on PATH.
  const words = `killall() { echo "killall $*"; }; . ${join(control, "postinst-pkg")}`;
  const run = (instroot: string) =>
    spawnSync("busybox", ["ash", "-c", words], {
      env: { PATH: "/bin", IPKG_INSTROOT: instroot },
      encoding: "utf8",
    });
  expect(run("")).toMatchObject({ status: 0, stdout: "killall -HUP rpcd\n" });
  expect(run("/an/image")).toMatchObject({ status: 0, stdout: "" });
});

test.skipIf(noAsh)("all that was built is in it, but recover.sh, which has its place in /lib", () => {
  const { root } = open(IPK, "whole");
  const built = readdirSync("dist").filter((name) => name !== "recover.sh");
  expect(readdirSync(join(root, "usr/lib/uciprov")).sort()).toEqual(built.sort());
  expect(readdirSync(join(folder, "once/feed/uciprov/dist")).sort()).toEqual(built.sort());
});

test("the feed holds all that its Makefile names", () => {
  const names = readdirSync(join(folder, "once/feed/uciprov"));
  expect(names.sort()).toEqual(["Config.in", "Makefile", "default-config.awk", "dist", "files"]);
  expect(readdirSync(join(folder, "once/feed/uciprov/dist"))).toContain("uciprov.cjs");
});
