/** What no change may touch, whatever module asks for it: also one that root itself put on the device. */
import { mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { file, remove, symlink } from "../../src/api.ts";
import type { PathChange } from "../../src/changes.ts";
import { ProvisionError } from "../../src/errors.ts";
import { openDisk } from "../../src/host/disk.ts";
import { holdBack } from "../../src/stages/bisect/hold.ts";
import { planFiles } from "../../src/stages/validate/files.ts";
import { aDevice, aRunContext } from "../helpers/run-context.ts";

const origin = { module: "evil" };

/** Codes of the findings, or of the error, that the plan ends with. */
function codesOf(...changes: readonly PathChange[]): readonly string[] {
  const root = mkdtempSync(join(tmpdir(), "uciprov-forbidden-"));
  mkdirSync(join(root, "etc/uciprov/keys"), { recursive: true });
  mkdirSync(join(root, "lib/uciprov/tx"), { recursive: true });
  mkdirSync(join(root, "etc/config"));
  writeFileSync(join(root, "etc/config/uciprov"), "\n");
  symlinkSync("uciprov", join(root, "etc/alias"));
  symlinkSync("/", join(root, "etc/all"));
  mkdirSync(join(root, "etc/crontabs"));
  writeFileSync(join(root, "etc/crontabs/root"), "0 1 * * * mine\n*/30 * * * * uciprov run # uciprov\n");
  symlinkSync("crontabs", join(root, "etc/spool"));
  const ctx = aRunContext({ disk: openDisk(root) });
  try {
    const planned = planFiles(ctx, aDevice(), changes, holdBack([]));
    expect(planned.findings.length === 0 || planned.actions.length === 0).toBe(true);
    return planned.findings.map(({ code }) => code);
  } catch (thrown) {
    return [thrown instanceof ProvisionError ? thrown.code : String(thrown)];
  }
}

describe.each([
  "/etc/uciprov/keys/0123456789abcdef",
  "/etc/uciprov/state/owner.json",
  "/etc/uciprov/modules.d/50-evil.sh",
  "/etc/config/uciprov",
  "/lib/uciprov/recover.sh",
  "/lib/uciprov/tx/journal",
  "/etc/rc.d/S05uciprov-recover",
  "/usr/lib/uciprov/uciprov.cjs",
])("%s", (path) => {
  test.each([
    ["by its name", path],
    ["through the device's own link to the root", `/etc/all${path}`],
    ["through two of them", `/etc/all/etc/all${path}`],
  ])("is refused %s: written, linked, removed", (_, named) => {
    expect(codesOf(file(named, "evil", { origin }))).toEqual(["PATH_FORBIDDEN"]);
    expect(codesOf(file(named, "evil", { origin, shared: true }))).toEqual(["PATH_FORBIDDEN"]);
    expect(codesOf(symlink(named, "/etc/banner", origin))).toEqual(["PATH_FORBIDDEN"]);
    expect(codesOf(remove(named, origin))).toEqual(["PATH_FORBIDDEN"]);
  });

  test.each([path.replace("/", "//"), path.replace("/", "/./"), path.replace("/", "/etc/../")])(
    "is refused as %s, too",
    (odd) => expect(["PATH_FORBIDDEN", "ARCHIVE_UNSAFE"]).toContain(codesOf(file(odd, "evil", { origin }))[0]),
  );

  test("is no link's target", () => {
    expect(codesOf(symlink("/etc/way", path, origin))).toEqual(["PATH_FORBIDDEN"]);
    expect(codesOf(symlink("/etc/way", `..${path}`, origin))).toEqual(["PATH_FORBIDDEN"]);
    expect(codesOf(symlink("/etc/way", `all${path}`, origin))).toEqual(["PATH_FORBIDDEN"]);
  });
});

test("a link of another name to uciprov's folder is no way in, and none is made", () => {
  expect(codesOf(file("/etc/alias/keys/0123456789abcdef", "evil", { origin }))).toEqual(["PATH_FORBIDDEN"]);
  expect(codesOf(remove("/etc/alias/keys/0123456789abcdef", origin))).toEqual(["PATH_FORBIDDEN"]);
  expect(codesOf(symlink("/etc/way", "alias", origin))).toEqual(["PATH_FORBIDDEN"]);
});

test("what is nobody's to forbid is planned", () => {
  expect(codesOf(file("/etc/banner", "hello", { origin }))).toEqual([]);
  expect(codesOf(file("/etc/all/etc/banner", "hello", { origin }))).toEqual([]);
  expect(codesOf(symlink("/etc/way", "/tmp/resolv.conf", origin))).toEqual([]);
});

test("what recover.sh calls, as the documents list it, is neither exchanged nor taken away", () => {
  const docs = readFileSync(join(import.meta.dirname, "../../docs/transaction.md"), "utf8");
  const listed =
    /tools of a default OpenWrt image \(`cp -dp ([a-z ]+)`; `fsync`, `logger`/.exec(docs)?.[1]?.split(" ") ?? [];
  expect(listed.length).toBeGreaterThan(8);
  for (const tool of ["cp", ...listed, "fsync", "logger", "ubus"]) {
    for (const folder of ["/bin", "/usr/bin", "/sbin", "/usr/sbin"]) {
      expect(codesOf(file(`${folder}/${tool}`, "evil", { origin }))).toEqual(["PATH_FORBIDDEN"]);
      expect(codesOf(remove(`${folder}/${tool}`, origin))).toEqual(["PATH_FORBIDDEN"]);
    }
  }
});

describe("root's crontab, in which uciprov's line lies", () => {
  const CRONTAB = "/etc/crontabs/root";
  test("is no link, is not reached by another name, and is no longer than what is looked at", () => {
    expect(codesOf(symlink(CRONTAB, "/dev/null", origin))).toEqual(["PATH_FORBIDDEN"]);
    for (const named of ["/etc/spool/root", "/etc/all/etc/crontabs/root"]) {
      expect(codesOf(file(named, "theirs\n", { origin }))).toEqual(["PATH_FORBIDDEN"]);
      expect(codesOf(remove(named, origin))).toEqual(["PATH_FORBIDDEN"]);
    }
    expect(codesOf(file(CRONTAB, "# long\n".repeat(50_000), { origin }))).toEqual(["PATH_FORBIDDEN"]);
  });

  test("is a tree's to write by its name", () => {
    expect(codesOf(file(CRONTAB, "0 4 * * * theirs\n", { origin }))).toEqual([]);
    expect(codesOf(symlink("/etc/crontabs/other", "root", origin))).toEqual([]);
  });
});

describe("a mode that a module in JavaScript gives a file", () => {
  test.each([0o4755, 0o2755, 0o1777, 0o100_644, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])(
    "%d is refused",
    (mode) => {
      expect(codesOf(file("/usr/bin/su", "#!/bin/sh\n", { mode, origin }))).toEqual(["PATH_FORBIDDEN"]);
    },
  );

  test.each([0, 0o600, 0o755, 0o777])("%d is not", (mode) => {
    expect(codesOf(file("/usr/bin/su", "#!/bin/sh\n", { mode, origin }))).toEqual([]);
  });
});
