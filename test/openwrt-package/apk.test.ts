import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { inflateRawSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { noAsh } from "../helpers/ash.ts";

const APK = "uciprov-0.1.0-r1.apk";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "uciprov-apk-"));
  for (const name of ["once", "twice"]) {
    const env = { ...process.env, SOURCE_DATE_EPOCH: "1700000000" };
    execFileSync(process.execPath, ["scripts/package.mjs", join(folder, name)], { env, stdio: "pipe" });
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Without its compression, which apk-tools leaves to zlib. */
function unpacked(file: Uint8Array): Buffer {
  expect(Buffer.from(file.subarray(0, 4)).toString("latin1")).toBe("ADBd");
  return inflateRawSync(file.subarray(4));
}

const TINY = {
  info: {
    name: "tiny",
    version: "1.2-r3",
    description: "A package to compare with",
    arch: "noarch",
    license: "MIT",
    origin: "tiny",
    maintainer: "Nobody",
    url: "https://h.example/",
    depends: ["zlib", "bash", "zlib"],
    provides: ["tiny-any"],
    tags: ["a:b=c"],
  },
  scripts: { "post-install": `#!/bin/sh\n# ${"a".repeat(300)}\nexit 0\n` },
  folders: [
    { path: "/usr/bin", mode: 0o755 },
    { path: "/etc", mode: 0o755 },
    { path: "/", mode: 0o755 },
    { path: "/etc/private", mode: 0o700 },
    { path: "/usr", mode: 0o755 },
  ],
  files: [
    { path: "/usr/bin/tool", mode: 0o755, text: "#!/bin/sh\nexit 0\n" },
    { path: "/etc/zz", mode: 0o644, text: "option x\n" },
    { path: "/etc/empty", mode: 0o644, text: "" },
    { path: "/usr/bin/data", mode: 0o644, text: "x".repeat(400) },
    { path: "/etc/private/key", mode: 0o600, text: "k" },
  ],
  date: 1_700_000_000,
};

function made(described: typeof TINY): Buffer {
  const words = `
    import { apk } from ${JSON.stringify(pathToFileURL("scripts/apk.mjs").href)};
    const told = JSON.parse(process.argv[1]);
    process.stdout.write(apk({ ...told, files: told.files.map((one) => ({ ...one, bytes: Buffer.from(one.text) })) }));`;
  const args = ["--input-type=module", "-e", words, JSON.stringify(described)];
  return unpacked(execFileSync(process.execPath, args));
}

test("the bytes are those of apk-tools' own mkpkg, with small and with large values", () => {
  expect(made(TINY).equals(readFileSync("fixtures/packages/tiny.apk"))).toBe(true);
  const large = { ...TINY.scripts, "pre-deinstall": `#!/bin/sh\n# ${"b".repeat(70_000)}\nexit 0\n` };
  const bytes = made({ ...TINY, scripts: large });
  const digest = createHash("sha256").update(bytes).digest("hex");
  expect(digest).toBe("965d38eda1579699a19b43591a7bb11e7b768929875c835283518a3160e80652");
});

test("the same sources give the same bytes", () => {
  const [once, twice] = ["once", "twice"].map((name) => readFileSync(join(folder, name, APK)));
  expect(once?.equals(twice ?? Buffer.of())).toBe(true);
});

test("it holds what the .ipk holds, with the same modes, and the lists that a device of 25.12 reads", () => {
  const { paths } = openApk(unpacked(readFileSync(join(folder, "once", APK))));
  const listed = execFileSync("tar", ["-xzOf", join(folder, "once/uciprov_0.1.0-r1_all.ipk"), "./data.tar.gz"]);
  const ofIpk = execFileSync("tar", ["-tvzf", "-"], { input: listed, encoding: "utf8" })
    .trim()
    .split("\n")
    .map((line) => line.split(/\s+/))
    .map(([mode = "", , , , , path = ""]) => [path.replace(/^\.\/?/, "").replace(/\/$/, ""), octal(mode)]);
  const own = ["lib/apk", "lib/apk/packages"].map((path) => [path, 0o755]);
  const lists = ["conffiles", "conffiles_static", "list"].map((what) => [`lib/apk/packages/uciprov.${what}`, 0o644]);
  const byName = (list: (string | number)[][]) => list.map((one) => one.join(" ")).sort();
  expect(byName(paths.map(({ path, mode }) => [path, mode]))).toEqual(byName([...ofIpk, ...own, ...lists]));
  const text = (what: string) => paths.find(({ path }) => path === `lib/apk/packages/uciprov.${what}`)?.text;
  expect(text("conffiles")).toBe("/etc/config/uciprov\n");
  const settings = createHash("sha256").update(readFileSync("openwrt-package/files/etc/config/uciprov")).digest("hex");
  expect(text("conffiles_static")).toBe(`/etc/config/uciprov ${settings}\n`);
  expect(text("list")).toContain("\n/etc/init.d/uciprov\n");
});

test.skipIf(noAsh)(
  "its scripts run under ash: the device's own functions, told which package, then the package's words",
  () => {
    const { scripts } = openApk(unpacked(readFileSync(join(folder, "once", APK))));
    const root = join(folder, "device");
    mkdirSync(join(root, "lib"), { recursive: true });
    const told = (what: string) => `${what}() { echo "${what} $pkgname $PKG_UPGRADE $root"; }\n`;
    writeFileSync(
      join(root, "lib/functions.sh"),
      ["add_group_and_user", "default_postinst", "default_prerm"].map(told).join(""),
    );
    const run = (script: string) => {
      const file = join(folder, script);
      writeFileSync(file, scripts.get(script) ?? "");
      return spawnSync("busybox", ["ash", file], { env: { PATH: "/bin", IPKG_INSTROOT: root }, encoding: "utf8" })
        .stdout;
    };
    expect(run("post-install")).toBe(`add_group_and_user uciprov  ${root}\ndefault_postinst uciprov  ${root}\n`);
    expect(run("post-upgrade")).toBe(`add_group_and_user uciprov 1 ${root}\ndefault_postinst uciprov 1 ${root}\n`);
    expect(run("pre-deinstall")).toBe(`default_prerm uciprov  ${root}\n`);
  },
);

interface Packed {
  readonly path: string;
  readonly mode: number;
  readonly text?: string;
}

/** Reads the format by its description (apk-v3(5)), knowing nothing of how it was written. */
function openApk(file: Buffer): { paths: Packed[]; scripts: ReadonlyMap<string, string> } {
  expect(file.subarray(0, 8).toString("latin1")).toBe("ADB.pckg");
  const blocks: Buffer[] = [];
  for (let at = 8; at < file.length; ) {
    const size = file.readUInt32LE(at) & 0x3fffffff;
    blocks.push(file.subarray(at + 4, at + size));
    at += Math.ceil(size / 8) * 8;
  }
  const [db = Buffer.of(), ...data] = blocks;
  const place = (value: number) => value & 0x0fffffff;
  const slots = (value: number): number[] =>
    value === 0
      ? []
      : Array.from({ length: db.readUInt32LE(place(value)) - 1 }, (_, i) =>
          db.readUInt32LE(place(value) + 4 * (i + 1)),
        );
  const blob = (value = 0): string => {
    const width = { 8: 1, 9: 2, 10: 4 }[value >>> 28];
    if (width === undefined) return "";
    const at = place(value) + width;
    return db.subarray(at, at + db.readUIntLE(place(value), width)).toString("utf8");
  };
  const modeOf = (acl = 0) => place(slots(acl)[0] ?? 0);
  const bodies = new Map(
    data.map((one) => [`${one.readUInt32LE(0)}:${one.readUInt32LE(4)}`, one.subarray(8).toString("utf8")]),
  );
  const [, folders = 0, scripts = 0] = slots(db.readUInt32LE(4));
  const paths = slots(folders).flatMap((folder, i) => {
    const [name, acl, files = 0] = slots(folder);
    const inside = slots(files).map((one, j) => {
      const [called, access] = slots(one);
      const path = blob(name) === "" ? blob(called) : `${blob(name)}/${blob(called)}`;
      return { path, mode: modeOf(access), text: bodies.get(`${i + 1}:${j + 1}`) ?? "" };
    });
    return [{ path: blob(name), mode: modeOf(acl) }, ...inside];
  });
  const names = [
    "trigger",
    "pre-install",
    "post-install",
    "pre-deinstall",
    "post-deinstall",
    "pre-upgrade",
    "post-upgrade",
  ];
  return { paths, scripts: new Map(slots(scripts).map((value, i) => [names[i] ?? "", blob(value)])) };
}

/** `rwxr-xr-x` as a number. */
function octal(mode: string): number {
  return [...mode.slice(1)].reduce((sum, letter) => sum * 2 + (letter === "-" ? 0 : 1), 0);
}
