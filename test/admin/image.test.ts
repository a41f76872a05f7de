import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeAuthority } from "../../src/admin/certificates.ts";
import { layOut } from "../../src/admin/image/lay-out.ts";
import { parseTargetFile } from "../../src/admin/image/target-file.ts";
import { asProvisionError } from "../../src/errors.ts";
import { readSettings } from "../../src/settings.ts";
import { fromText } from "../../src/uci/bytes.ts";
import { makeSection } from "../../src/uci/model.ts";
import { parsePackage } from "../../src/uci/parse.ts";
import { printConfig } from "../../src/uci/print.ts";
import { program } from "../helpers/scenario.ts";

const TARGETS = resolve("fixtures/targets");
const BASE = { release: "24.10.7", target: "x86/64", profile: "generic" };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "uciprov-image-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

type Values = Readonly<Record<string, string | readonly string[]>>;

/** A target file as a program would write it. */
function target(image: Values, own: Readonly<Record<string, Values>> = {}): Uint8Array {
  const sections = [
    makeSection("image", undefined, { ...BASE, ...image }),
    ...Object.entries(own).map(([name, options]) => makeSection("uciprov", name, options)),
  ];
  return printConfig({ name: fromText("x"), sections });
}

const parse = (bytes: Uint8Array) => parseTargetFile(bytes, { file: "x.target" });

function refused(act: () => unknown): string[] {
  try {
    act();
  } catch (thrown) {
    const { code, message, findings } = asProvisionError(thrown);
    return [code, ...(findings.length > 0 ? findings.map((finding) => finding.message) : [message])];
  }
  return ["accepted"];
}

function uciprov(...words: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program(), "image", ...words], { encoding: "utf8" });
  return { status, stdout, stderr };
}

test("the fixture becomes a tree of files and one line for an ImageBuilder", () => {
  const out = join(folder, "out");
  const { status, stdout, stderr } = uciprov(join(TARGETS, "attic-x86.target"), "--out", out);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout).toBe(
    `# in the ImageBuilder of OpenWrt 24.10.7 for x86/64; 3 files lie in ${out}\n` +
      `make image 'PROFILE=generic' 'PACKAGES=uciprov luci-app-uciprov -ppp' 'FILES=${out}' 'EXTRA_IMAGE_NAME=attic' 'ROOTFS_PARTSIZE=512' 'DISABLED_SERVICES=odhcpd'\n`,
  );
  const key = readdirSync(join(out, "etc/uciprov/keys"));
  expect(key).toEqual([expect.stringMatching(/^[0-9a-f]{16}$/)]);
  const modes = [
    "etc/config/uciprov",
    "etc/uciprov",
    "etc/uciprov/keys",
    `etc/uciprov/keys/${key[0]}`,
    "etc/uciprov/modules.d/20-led.sh",
  ];
  expect(modes.map((path) => (statSync(join(out, path)).mode & 0o777).toString(8))).toEqual([
    "600",
    "700",
    "700",
    "644",
    "644",
  ]);
  const config = readFileSync(join(out, "etc/config/uciprov"), "utf8");
  expect(config).not.toContain("config image");
  const { settings } = readSettings(parsePackage(config, { name: "uciprov" }));
  expect([settings.main.trust, settings.dns.name, settings.macros, settings.resources[0]?.uri]).toEqual([
    "signed",
    "provdomain.example",
    [{ name: "site", value: "attic" }],
    "{base_uri}/images/{target}{fd}.bin",
  ]);
});

test("the line means the same to a shell and to make", () => {
  const out = join(folder, "out+1,2=3@4");
  const { stdout } = uciprov(join(TARGETS, "attic-x86.target"), "--out", out);
  const makefile = "image:\n\t@printf '%s\\n' '$(PROFILE)' '$(PACKAGES)' '$(FILES)' '$(ROOTFS_PARTSIZE)'\n";
  writeFileSync(join(folder, "Makefile"), makefile);
  const told = execFileSync("sh", ["-c", stdout], { cwd: folder, encoding: "utf8" });
  expect(told.trim().split("\n")).toEqual(["generic", "uciprov luci-app-uciprov -ppp", out, "512"]);
});

test("with --json the same as one object, and without --out beside the target file", () => {
  writeFileSync(join(folder, "lab.target"), target({}, { static: { base_uri: "https://tree.example/{board}" } }));
  const { stdout } = uciprov(join(folder, "lab.target"), "--json");
  expect(JSON.parse(stdout)).toEqual({
    exit: "provisioned",
    out: join(folder, "lab.files"),
    files: ["/etc/config/uciprov"],
    make: ["image", "PROFILE=generic", "PACKAGES=uciprov", `FILES=${join(folder, "lab.files")}`],
    warnings: [],
  });
});

test("a folder that is not empty stays as it is", () => {
  writeFileSync(join(folder, "mine"), "mine");
  const { status, stderr } = uciprov(join(TARGETS, "attic-x86.target"), "--out", folder);
  expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringContaining("not empty") });
  expect(readdirSync(folder)).toEqual(["mine"]);
});

test("a place that an ImageBuilder would cut at its blank is refused before anything is written", () => {
  const out = join(folder, "a b");
  expect(uciprov(join(TARGETS, "attic-x86.target"), "--out", out).status).toBe(2);
  expect(existsSync(out)).toBe(false);
});

test.each<[string, Values, string]>([
  ["a profile with a shell's words", { profile: "generic; id" }, 'image.profile: "generic; id" cannot be one'],
  ["a profile with make's", { profile: "$(shell id)" }, "image.profile"],
  ["a package with an option of opkg", { package: ["--force-overwrite"] }, "image.package"],
  ["a package with a quote", { package: ["a'b"] }, "image.package"],
  ["a target that climbs", { target: "../x86" }, "image.target"],
  ["a release that is none", { release: "latest" }, "image.release"],
  ["a size that is none", { rootfs_size: "1G" }, "image.rootfs_size"],
  ["a service that is a path", { disable: ["../../bin/sh"] }, "image.disable"],
  ["a name with a line end", { name: "a\nb" }, "image.name"],
  ["an option nobody knows", { profil: "x" }, "image.profil is no option of an image"],
])("%s is refused", (_, image, told) => {
  const [code, ...messages] = refused(() => parse(target(image)));
  expect(code).toBe("TARGET_INVALID");
  expect(messages).toEqual([expect.stringContaining(told)]);
});

test("all faults are told at once, the device's own settings among them", () => {
  const bytes = target(
    { profile: "", release: "x" },
    { main: { trust: "maybe" }, static: { base_uri: "https://a/{mac" } },
  );
  const messages = refused(() => parse(bytes));
  expect(messages).toEqual([
    "TARGET_INVALID",
    expect.stringContaining("image.release"),
    "image.profile is missing",
    expect.stringContaining("main.trust"),
  ]);
  expect(refused(() => parse(target({}, { static: { base_uri: "https://a/{mac" } })))).toEqual([
    "TARGET_INVALID",
    expect.stringContaining("static.base_uri"),
  ]);
});

test("an image that nobody could provision is refused: signed, with fewer keys than must sign", () => {
  const own = { main: { trust: "signed", threshold: "2" } };
  expect(refused(() => parse(target({ key: ["a"] }, own)))).toEqual([
    "TARGET_INVALID",
    expect.stringContaining("1 keys"),
  ]);
  expect(refused(() => parse(target({ key: ["a", "b"] }, own)))).toEqual(["accepted"]);
});

test.each([
  ["no section for the image", "config uciprov 'main'\n", "TARGET_INVALID"],
  ["two of them", "config image\n\toption release '24.10'\nconfig image\n", "TARGET_INVALID"],
  ["another package's section", "config image\nconfig interface 'lan'\n", "TARGET_INVALID"],
  ["no UCI", "release = 24.10\n", "UCI_INVALID"],
  ["nothing", "", "TARGET_INVALID"],
])("%s is refused", (_, text, code) => {
  expect(refused(() => parse(Buffer.from(text)))[0]).toBe(code);
});

test("whatever a device's settings hold, they arrive as they are", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(..."'\"\\#$` \té;&"), minLength: 1, maxLength: 30 }), (text) => {
      const out = mkdtempSync(join(folder, "o-"));
      layOut(parse(target({}, { dns: { name: text } })), folder, out);
      const config = readFileSync(join(out, "etc/config/uciprov"));
      expect(readSettings(parsePackage(config, { name: "uciprov" })).settings.dns.name).toBe(text);
    }),
    { numRuns: 50 },
  );
});

test("an authority goes in and is believed; a private key, and what is no certificate, do not", () => {
  const { cert } = makeAuthority("a provider");
  writeFileSync(join(folder, "our ca.pem"), cert);
  writeFileSync(join(folder, "both.pem"), `${cert}-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n`);
  writeFileSync(join(folder, "none.pem"), "none");
  const out = join(folder, "out");
  layOut(parse(target({ ca: ["our ca.pem"] }, { main: { ca: ["/etc/ssl/other.pem"] } })), folder, out);
  expect(readFileSync(join(out, "etc/uciprov/ca/our_ca.pem"), "utf8")).toBe(cert);
  const { settings } = readSettings(parsePackage(readFileSync(join(out, "etc/config/uciprov")), { name: "uciprov" }));
  expect(settings.main.ca).toEqual(["/etc/ssl/other.pem", "/etc/uciprov/ca/our_ca.pem"]);
  const der = Buffer.from(cert.replaceAll(/-----.*-----|\n/g, ""), "base64");
  writeFileSync(join(folder, "ca.der"), der);
  writeFileSync(join(folder, "cut.pem"), `${cert}${cert.replace(/\nM.*\n/, "\n")}`);
  writeFileSync(join(folder, "two.pem"), `# ours\r\n${cert}\n${cert}`);
  layOut(parse(target({ ca: ["two.pem"] })), folder, join(folder, "out-two"));
  for (const [name, told] of [
    ["both.pem", "private key"],
    ["ca.der", "no certificate in PEM"],
    ["cut.pem", "no certificate in PEM"],
    ["none.pem", "no certificate"],
  ] as const) {
    const found = refused(() => layOut(parse(target({ ca: [name] })), folder, join(folder, `out-${name}`)));
    expect(found).toEqual(["TARGET_INVALID", expect.stringContaining(told)]);
  }
});

test("a secret key is no key for a device, and a file that is not there is named", () => {
  execFileSync(process.execPath, [program(), "keys", "generate", folder]);
  const secret = readdirSync(folder).find((name) => name.endsWith(".sec")) ?? "";
  expect(refused(() => layOut(parse(target({ key: [secret] })), folder, join(folder, "o1")))[0]).toBe("KEY_INVALID");
  const [code, message] = refused(() => layOut(parse(target({ key: ["absent"] })), folder, join(folder, "o2")));
  expect([code, message]).toEqual(["FILE_UNREADABLE", expect.stringContaining("absent")]);
});

test("folders are laid over the tree with links and modes, and the program in them asks for Node instead of its package", () => {
  const files = join(folder, "program");
  mkdirSync(join(files, "usr/lib/uciprov"), { recursive: true });
  mkdirSync(join(files, "etc/init.d"), { recursive: true });
  writeFileSync(join(files, "usr/lib/uciprov/uciprov.cjs"), "");
  writeFileSync(join(files, "etc/init.d/uciprov"), "", { mode: 0o755 });
  symlinkSync("/nowhere", join(files, "etc/link"));
  writeFileSync(join(folder, "x.target"), target({ files: ["program"] }));
  const { make } = JSON.parse(uciprov(join(folder, "x.target"), "--json").stdout);
  expect(make).toContain("PACKAGES=node ca-bundle");
  expect(statSync(join(folder, "x.files/etc/init.d/uciprov")).mode & 0o777).toBe(0o755);
});

test("a folder that others may not enter is none that they may in the image, nor is what several lay over one another", () => {
  for (const [name, mode] of [
    ["first/root/.ssh", 0o700],
    ["first/etc/uciprov", 0o755],
    ["first/srv", 0o777],
    ["second/srv", 0o750],
    ["second/root/.ssh", 0o755],
  ] as const) {
    mkdirSync(join(folder, name), { recursive: true });
    chmodSync(join(folder, name), mode);
  }
  const out = join(folder, "out");
  layOut(parse(target({ files: ["first", "second"] })), folder, out);
  const mode = (path: string) => (statSync(join(out, path)).mode & 0o7777).toString(8);
  expect(["root", "root/.ssh", "etc/uciprov", "srv"].map(mode)).toEqual(["755", "700", "700", "750"]);
});

test("a secret key that signs trees is in no image, wherever a folder has it", () => {
  mkdirSync(join(folder, "over/etc/uciprov/keys"), { recursive: true });
  execFileSync(process.execPath, [program(), "keys", "generate", join(folder, "over/etc/uciprov/keys")]);
  const found = refused(() => layOut(parse(target({ files: ["over"] })), folder, join(folder, "out")));
  expect(found).toEqual(["TARGET_INVALID", expect.stringMatching(/\.sec is a secret key that signs trees/)]);
});

test.each(["-uciprov", "-node"])("an image without %s would be none of uciprov's", (name) => {
  expect(refused(() => parse(target({ package: ["luci-app-uciprov", name] })))).toEqual([
    "TARGET_INVALID",
    expect.stringContaining(name),
  ]);
});

test("two things that want one place are refused: a folder does not replace the settings by accident", () => {
  mkdirSync(join(folder, "over/etc/config"), { recursive: true });
  writeFileSync(join(folder, "over/etc/config/uciprov"), "");
  const found = refused(() => layOut(parse(target({ files: ["over"] })), folder, join(folder, "out")));
  expect(found).toEqual(["TARGET_INVALID", "two things want to be /etc/config/uciprov"]);
});

test.each([
  ["a link", (path: string) => symlinkSync("/tmp", path)],
  ["a file", (path: string) => writeFileSync(path, "x")],
])("%s where a folder has to be is refused like any other conflict", (_, make) => {
  mkdirSync(join(folder, "over/etc"), { recursive: true });
  make(join(folder, "over/etc/config"));
  const found = refused(() => layOut(parse(target({ files: ["over"] })), folder, join(folder, "out")));
  expect(found).toEqual(["TARGET_INVALID", "/etc/config is to be a folder, and something else"]);
});

test("a folder that holds the target file itself is refused, and not laid into itself without end", () => {
  mkdirSync(join(folder, "etc"));
  const found = refused(() => layOut(parse(target({ files: ["."] })), folder, join(folder, "out")));
  expect(found).toEqual(["TARGET_INVALID", expect.stringMatching(/is laid out right now.*choose --out$/)]);
  expect(readdirSync(folder)).toEqual(["etc"]);
});

test("a file without an end is not read to it", () => {
  const { status, stderr } = uciprov("/dev/zero", "--out", join(folder, "out"));
  expect([status, stderr]).toEqual([5, expect.stringContaining("/dev/zero has more than 1048576 bytes")]);
});

test("releases are numbers, candidates and snapshots, those of a branch among them", () => {
  for (const release of ["24.10.7", "25.12.0-rc1", "24.10-SNAPSHOT", "SNAPSHOT"])
    expect(parse(target({ release })).wish.release).toBe(release);
});

test("what could not be laid out whole leaves nothing behind", () => {
  writeFileSync(join(folder, "none.pem"), "none");
  const before = readdirSync(folder);
  refused(() => layOut(parse(target({ ca: ["none.pem"] })), folder, join(folder, "out")));
  expect(readdirSync(folder)).toEqual(before);
});

test("nothing is written through a link that a folder brings", () => {
  const outside = join(folder, "outside");
  mkdirSync(outside);
  for (const name of ["first", "second"]) mkdirSync(join(folder, name));
  symlinkSync(outside, join(folder, "first/etc-link"));
  mkdirSync(join(folder, "second/etc-link"));
  writeFileSync(join(folder, "second/etc-link/file"), "x");
  const found = refused(() => layOut(parse(target({ files: ["first", "second"] })), folder, join(folder, "out")));
  expect(found[0]).toBe("TARGET_INVALID");
  expect(readdirSync(outside)).toEqual([]);
});
