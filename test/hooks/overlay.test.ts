import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import overlay from "../../hooks/overlay.ts";
import type { Change, Finding } from "../../src/api.ts";
import { openDisk } from "../../src/host/disk.ts";
import { keepsModuleContract } from "../contract/module.ts";
import { planScene, type Scene } from "../helpers/plan-context.ts";
import { type TarEntry, tarGz } from "../helpers/tar.ts";
import { ATTACKS } from "../tree/archive-attacks.ts";

const bannerOnly = tarGz({ name: "etc/banner", body: "hello\n" });

keepsModuleContract(
  overlay,
  () => planScene({ module: "overlay" }),
  () => planScene({ module: "overlay", tree: { overlay: bannerOnly } }),
);

async function plan(
  entries: readonly (TarEntry | Uint8Array)[],
  more: Partial<Scene> = {},
): Promise<{ changes: readonly Change[]; findings: Finding[]; codes: string[] }> {
  const { context, findings } = planScene({ module: "overlay", tree: { overlay: tarGz(...entries) }, ...more });
  const changes = (await overlay.plan?.(context)) ?? [];
  return { changes, findings, codes: findings.map((finding) => `${finding.severity} ${finding.code}`) };
}

describe("an overlay becomes changes", () => {
  test("files, links and deletions, each with its origin", async () => {
    const { changes, findings } = await plan([
      { name: "./", type: "5" },
      { name: "./etc/banner", body: "hello\n", mode: 0o755 },
      { name: "./etc/link", type: "2", link: "banner" },
      { name: "./etc/.wh.motd" },
    ]);
    const origin = (detail: string) => ({ module: "overlay", uri: "https://cfg.example/overlay", detail });
    expect(findings).toEqual([]);
    expect(changes).toEqual([
      {
        kind: "file",
        path: "/etc/banner",
        content: { kind: "bytes", bytes: Uint8Array.from(Buffer.from("hello\n")), isUntold: true },
        size: 6,
        sha256: createHash("sha256").update("hello\n").digest("hex"),
        mode: 0o755,
        shared: false,
        origin: origin("/etc/banner"),
      },
      { kind: "symlink", path: "/etc/link", target: "banner", origin: origin("/etc/link") },
      { kind: "remove", path: "/etc/motd", origin: origin("/etc/motd") },
    ]);
  });

  test.each([
    ["that fit into 2 MiB together are at hand", 2_097_152 - 6, "bytes"],
    ["of more lie in the archive, all of them", 2_097_152 - 5, "archived"],
  ])("files %s", async (_what, size, kind) => {
    const { changes } = await plan([
      { name: "srv/small", body: "hello\n" },
      { name: "srv/large", body: randomBytes(size) },
    ]);
    expect(changes.map((change) => (change.kind === "file" ? change.content.kind : change.kind))).toEqual([kind, kind]);
  });

  test.each([0, 2_100_000])("a file of /etc/config is the UCI package that it is, %d bytes beside it", async (more) => {
    const { changes } = await plan([
      { name: "srv/large", body: randomBytes(more) },
      { name: "etc/config/system", body: "config system\n\toption hostname 'r1'\n" },
    ]);
    const content = { sections: [{ type: "system", options: [{ name: "hostname", value: "r1" }] }] };
    expect(changes[0]).toMatchObject({ kind: "uci", package: "system", layer: { mode: "replace", content } });
  });

  test("a file of /etc/config is the UCI package that it is", async () => {
    const { changes, findings } = await plan([
      { name: "etc/config/system", body: "config system\n\toption hostname 'r1'\n" },
      { name: "etc/banner", body: "x" },
    ]);
    expect(findings).toEqual([]);
    expect(changes).toMatchObject([
      {
        kind: "uci",
        package: "system",
        layer: {
          mode: "replace",
          content: { sections: [{ type: "system", options: [{ name: "hostname", value: "r1" }] }] },
        },
      },
      { kind: "file", path: "/etc/banner" },
    ]);
  });

  test("a package that does not parse is a finding with its line", async () => {
    const { changes, findings } = await plan([
      { name: "etc/config/system", body: "config system\n\toption hostname 'r1\n" },
    ]);
    expect(changes).toEqual([]);
    expect(findings).toMatchObject([{ severity: "error", code: "UCI_INVALID" }]);
    expect(findings[0]?.place?.line).toBeGreaterThanOrEqual(1);
    expect(findings[0]?.place?.file).toContain("/etc/config/system");
  });

  test("an empty folder is told, and not made", async () => {
    const { changes, codes } = await plan([
      { name: "etc/", type: "5" },
      { name: "etc/empty/", type: "5" },
      { name: "etc/full/", type: "5" },
      { name: "etc/full/file" },
    ]);
    expect(changes).toMatchObject([{ path: "/etc/full/file" }]);
    expect(codes).toEqual(["warning PLAN_INVALID"]);
  });
});

describe("what no tree may do is a finding, and no change", () => {
  test.each(ATTACKS.filter((attack) => !attack.title.includes("1001") && !attack.title.includes("limit unpacked")))(
    "$title",
    async ({ bytes, code }) => {
      const { context, findings } = planScene({ module: "overlay", tree: { overlay: bytes } });
      const changes = (await overlay.plan?.(context)) ?? [];
      expect(changes).toEqual([]);
      expect(findings).toMatchObject([{ severity: "error", code, place: { file: "https://cfg.example/overlay" } }]);
    },
  );

  const forbidden = [
    "etc/uciprov/keys/0123456789abcdef",
    "etc/uciprov/state/owner.json",
    "etc/uciprov/modules.d/10-mine",
    "etc/config/uciprov",
    "lib/uciprov/tx/journal",
    "lib/uciprov/recover.sh",
    "usr/lib/uciprov/uciprov.cjs",
    "usr/sbin/uciprov",
    "etc/init.d/uciprov",
    "etc/init.d/uciprov-recover",
    "etc/rc.d/S05uciprov-recover",
    "etc/rc.d/K01uciprov",
    "lib/upgrade/keep.d/uciprov",
    "etc/udhcpc.user.d/uciprov",
    "etc/odhcp6c.user.d/50-uciprov",
    "etc/hotplug.d/ntp/90-uciprov",
    "usr/libexec/rpcd/uciprov",
    "overlay/upper/etc/passwd",
    "rom/etc/passwd",
    "proc/sys/kernel/core_pattern",
    "sys/x",
    "dev/mtd0",
    "tmp/x",
    "var/run/x",
    "run/x",
    "bin/busybox",
    "usr/bin/busybox",
    "bin/mv",
    "bin/cp",
    "usr/bin/tail",
    "sbin/reboot",
    "sbin/netifd",
    "sbin/uci",
    "bin/ubus",
    "usr/bin/jshn",
    "etc/hotplug.json",
    "usr/sbin/init",
    "usr/lib/libc.so",
    "usr/lib/functions.sh",
    "bin/sh",
    "lib/libc.so",
    "lib/ld-musl-x86_64.so.1",
    "sbin/init",
    "sbin/procd",
    "etc/preinit",
    "lib/preinit/80_mount_root",
    "lib/functions.sh",
    "etc/init.d/boot",
    "etc/rc.d/S95done",
    "etc/openwrt_release",
    "etc/uci-defaults/99-x",
    "usr/bin/node",
    "usr/sbin/node",
    "usr/bin/env",
    "boot/vmlinuz",
  ];
  test.each(forbidden)("%s is neither written, nor deleted, nor linked over", async (name) => {
    const at = name.lastIndexOf("/") + 1;
    const whiteout = `${name.slice(0, at)}.wh.${name.slice(at)}`;
    for (const entry of [{ name }, { name, type: "2", link: "/etc/banner" }, { name: whiteout }]) {
      const { changes, codes } = await plan([entry]);
      expect(changes).toEqual([]);
      expect(codes).toEqual(["error PATH_FORBIDDEN"]);
    }
  });

  test.each(["etc/uciprovx", "etc/init.d/uciprov", "etc/config/wireless"])(
    "a link or deletion at %s is refused",
    async (name) => {
      expect((await plan([{ name, type: "2", link: "/etc/banner" }])).codes).toEqual(["error PATH_FORBIDDEN"]);
    },
  );

  test.each([
    ["etc/l", "/etc/uciprov/keys/evil"],
    ["etc/l", "/etc/uciprov"],
    ["etc/l", "uciprov/state"],
    ["etc/x/l", "../uciprov/keys"],
    ["etc/l", "/overlay/upper"],
    ["etc/l", "/lib/uciprov/tx"],
    ["etc/l", "/proc/self/root/etc"],
    ["etc/l", "/proc/1/root"],
    ["etc/l", "/etc/./uciprov//keys"],
  ])("the link %s -> %s is refused", async (name, link) => {
    const { changes, codes } = await plan([{ name, type: "2", link }]);
    expect(codes).toEqual(["error PATH_FORBIDDEN"]);
    expect(changes.filter((change) => change.kind !== "symlink")).toEqual([]);
  });

  test.each([
    ["etc/resolv.conf", "/tmp/resolv.conf"],
    ["etc/localtime", "/tmp/localtime"],
    ["etc/mtab", "/proc/mounts"],
    ["etc/masked", "/dev/null"],
    ["usr/bin/vi", "../../bin/busybox"],
    ["etc/dangling", "nowhere"],
  ])("the link %s -> %s is fine", async (name, link) => {
    const { changes, findings } = await plan([{ name, type: "2", link }]);
    expect(findings).toEqual([]);
    expect(changes).toMatchObject([{ kind: "symlink", path: `/${name}`, target: link }]);
  });

  test("a link that reaches a forbidden place through another link of the archive is refused", async () => {
    const { codes } = await plan([
      { name: "srv/etc", type: "2", link: "/etc" },
      { name: "srv/keys", type: "2", link: "etc/uciprov/keys" },
    ]);
    expect(codes).toEqual(["error PATH_FORBIDDEN"]);
  });

  test("a link that reaches a forbidden place through a link of the device is refused", async () => {
    const { codes } = await plan([{ name: "srv/keys", type: "2", link: "e/uciprov/keys" }], {
      device: { "/srv/e": "->/etc" },
    });
    expect(codes).toEqual(["error PATH_FORBIDDEN"]);
  });

  test("links in a circle are refused", async () => {
    const { codes } = await plan([
      { name: "etc/a", type: "2", link: "b" },
      { name: "etc/b", type: "2", link: "a" },
    ]);
    expect(codes).toEqual(["error ARCHIVE_UNSAFE", "error ARCHIVE_UNSAFE"]);
  });
});

describe("on a real disk with links that lead out of it", () => {
  const scratch = mkdtempSync(join(tmpdir(), "uciprov-overlay-"));
  afterAll(() => rmSync(scratch, { recursive: true }));
  const root = join(scratch, "root");
  mkdirSync(join(root, "etc"), { recursive: true });
  mkdirSync(join(scratch, "outside"));
  writeFileSync(join(scratch, "outside/secret"), "secret");
  writeFileSync(join(root, "etc/banner"), "OpenWrt");
  symlinkSync(join(scratch, "outside"), join(root, "etc/out"));
  symlinkSync("../../outside", join(root, "etc/up"));

  const snapshot = (): string[] =>
    readdirSync(scratch, { recursive: true, withFileTypes: true })
      .map(
        (entry) =>
          `${entry.parentPath}/${entry.name} ${entry.isFile() ? readFileSync(join(entry.parentPath, entry.name), "utf8") : ""}`,
      )
      .sort();

  test("no attack changes anything, in it or outside", async () => {
    const before = snapshot();
    const files = openDisk(root);
    const through = {
      title: "through the device's links",
      bytes: tarGz({ name: "etc/out/secret", body: "x" }, { name: "etc/up/secret" }),
    };
    for (const { title, bytes } of [...ATTACKS, through]) {
      const { context } = planScene({ module: "overlay", tree: { overlay: bytes } });
      const changes = (await overlay.plan?.({ ...context, files })) ?? [];
      // A link's target is a path of the device: what it names lies below the root, if it is named at all.
      for (const change of changes)
        expect({ title, change }).not.toMatchObject({ change: { path: expect.stringContaining("..") } });
    }
    expect(snapshot()).toEqual(before);
  });
});

describe("links and folders of the device", () => {
  test("a file behind a link to a forbidden place is refused", async () => {
    const { changes, codes } = await plan([{ name: "srv/k/evil" }], { device: { "/srv/k": "->/etc/uciprov/keys" } });
    expect(changes).toEqual([]);
    expect(codes).toEqual(["error PATH_FORBIDDEN"]);
  });

  test("a file behind a harmless link lands where the link leads, under that name", async () => {
    const { changes, findings } = await plan([{ name: "lib64/x.so" }], { device: { "/lib64": "->lib", "/lib": "/" } });
    expect(findings).toEqual([]);
    expect(changes).toMatchObject([{ path: "/lib/x.so" }]);
  });

  test("two names of one file are seen to be one", async () => {
    const { codes } = await plan([{ name: "lib64/x.so" }, { name: "lib/x.so" }], {
      device: { "/lib64": "->lib", "/lib": "/" },
    });
    expect(codes).toEqual(["error ARCHIVE_UNSAFE"]);
  });

  test("nothing is written through a link that uciprov placed itself", async () => {
    const { codes } = await plan([{ name: "opt/x" }], { device: { "/opt": "->/srv", "/srv": "/" }, owned: ["/opt"] });
    expect(codes).toEqual(["error ARCHIVE_UNSAFE"]);
  });

  test("a file in the place of a folder, a device, or below a file is refused", async () => {
    const device = { "/etc/d": "/", "/etc/p": "?", "/etc/f": "text" };
    for (const name of ["etc/d", "etc/p", "etc/f/x"]) {
      expect((await plan([{ name }], { device })).codes).toEqual(["error PLAN_INVALID"]);
    }
  });

  test("a link of the device is replaced, not followed, where the archive has a file of its name", async () => {
    const { changes } = await plan([{ name: "etc/resolv.conf", body: "x" }], {
      device: { "/etc/resolv.conf": "->/tmp/resolv.conf" },
    });
    expect(changes).toMatchObject([{ kind: "file", path: "/etc/resolv.conf" }]);
  });

  test("a folder whose links lead in a circle is refused", async () => {
    const { codes } = await plan([{ name: "a/x" }], { device: { "/a": "->/b", "/b": "->/a" } });
    expect(codes).toEqual(["error ARCHIVE_UNSAFE"]);
  });
});

test("limits of the settings hold", async () => {
  const settings = "config uciprov limits\n\toption entries 2\n";
  const three = [{ name: "a" }, { name: "b" }, { name: "c" }];
  expect((await plan(three, { settings })).codes).toEqual(["error TOO_LARGE"]);
  expect((await plan(three)).codes).toEqual([]);
});
