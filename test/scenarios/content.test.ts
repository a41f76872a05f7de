/** What a tree may not say, signed or not: every fault told with its place, and the device left alone. */
import { chmodSync, lstatSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect } from "vitest";
import type { ErrorCode } from "../../src/errors.ts";
import { provisioned, type Refusal, refused, type Scene, scenario, start } from "../helpers/scenario.ts";
import { type TarEntry, tar, tarEntry, tarGz } from "../helpers/tar.ts";

describe("UCI", () => {
  scenario("a syntax error is told with file, line and byte", async (scene) => {
    scene.put("default.uci", "package system\n\nconfig system\n\toption hostname 'attic\n");
    scene.publish({ serial: 2 });
    await refused(scene, invalid("UCI_INVALID", ["default.uci", /"line":\d+/, /"byte":\d+/]));
  });

  scenario("the faults of several files are told together", async (scene) => {
    scene.put("default.uci", "package system\nconfig system\n\toption\n");
    scene.put("02005e100001.uci", "package network\n\toption lost 'x'\n");
    scene.put("example,router-one.uci", "nonsense\n");
    scene.publish({ serial: 2 });
    const { json } = await refused(
      scene,
      invalid("UCI_INVALID", ["default.uci", "02005e100001.uci", "router-one.uci"]),
    );
    expect(json).toMatchObject({ error: { findings: [{}, {}, {}] } });
  });

  scenario("people are told the same places, a line a fault", async (scene) => {
    scene.put("default.uci", "package system\nconfig system\n\toption\n");
    scene.publish({ serial: 2 });
    const { stderr, status } = await startPlain(scene);
    expect(status).toBe(5);
    expect(stderr).toMatch(/^UCI_INVALID: /m);
    expect(stderr).toMatch(/ {2}error UCI_INVALID: .*default\.uci, line 3/);
    expect(stderr).toMatch(/^ {2}→ /m);
  });

  scenario("a package name that leads out of /etc/config is refused", async (scene) => {
    scene.put("default.uci", "package '../../evil'\nconfig a 'b'\n\toption c 'd'\n");
    scene.publish({ serial: 2 });
    await refused(scene, invalid("UCI_INVALID", ["default.uci"]));
  });

  scenario("a package that is no UCI on the device is not replaced", async (scene) => {
    scene.edit("/etc/config/system", "config system\n\toption broken 'x\n");
    await refused(scene, { code: "UCI_INVALID", exit: "invalid-content", says: ["/etc/config/system"] });
  });

  scenario("a package that is a link becomes a file that no more may read or write than before", async (scene) => {
    scene.edit("/mnt/system", scene.device("/etc/config/system") ?? "");
    chmodSync(join(scene.root, "mnt/system"), 0o640);
    rmSync(join(scene.root, "etc/config/system"));
    symlinkSync("/mnt/system", join(scene.root, "etc/config/system"));
    await provisioned(scene);
    const after = lstatSync(join(scene.root, "etc/config/system"));
    expect([after.isFile(), after.mode & 0o7777]).toEqual([true, 0o640]);
  });

  scenario("trust, keys and hosts of uciprov itself stay as they are, whatever a tree says", async (scene) => {
    scene.put(
      "default.uci",
      "package uciprov\nconfig uciprov 'main'\n\toption trust 'any'\n\toption threshold '1'\n\tlist allowed_host 'evil.example'\n\tlist ca '/tmp/ca.pem'\n\toption tries '7'\n",
    );
    scene.publish({ serial: 2 });
    await provisioned(scene);
    const after = scene.device("/etc/config/uciprov") ?? "";
    expect(after).toContain("option tries '7'");
    expect(after).not.toMatch(/trust|evil\.example|\/tmp\/ca\.pem/);
    expect(after).toContain("/etc/uciprov/ca.pem");
  });

  scenario("two modules that want one package differently are both named", async (scene) => {
    scene.put(
      "overlay.tar.gz",
      tarGz({ name: "etc/config/system", body: "config system\n\toption hostname 'overlaid'\n" }),
    );
    scene.publish({ serial: 2 });
    await refused(scene, invalid("UCI_CONFLICT", ["system", "uci", "overlay"]));
  });
});

describe("overlays", () => {
  const attacks: readonly (readonly [title: string, archive: Uint8Array, refusal: Refusal])[] = [
    ["a name with ..", tarGz({ name: "../evil", body: "x" }), unsafe("../evil")],
    ["a name with .. in its middle", tarGz({ name: "etc/../../evil", body: "x" }), unsafe("evil")],
    ["an absolute name", tarGz({ name: "/etc/evil", body: "x" }), unsafe("/etc/evil")],
    [
      "a link and a file written through it",
      tarGz({ name: "etc/evil", type: "2", link: "/root" }, { name: "etc/evil/x", body: "x" }),
      unsafe("etc/evil"),
    ],
    [
      "a link out of the root",
      tarGz({ name: "etc/evil", type: "2", link: "../../../../etc/uciprov/keys" }),
      invalid(undefined, ["etc/evil"]),
    ],
    ["a hard link out", tarGz({ name: "etc/evil", type: "1", link: "../../etc/shadow" }), unsafe("shadow")],
    [
      "a hard link to a file that is not in it",
      tarGz({ name: "etc/evil", type: "1", link: "etc/shadow" }),
      unsafe("etc/shadow"),
    ],
    ["a character device", tarGz({ name: "dev/evil", type: "3" }), unsafe("dev/evil")],
    ["a block device", tarGz({ name: "etc/evil", type: "4" }), unsafe("etc/evil")],
    ["a fifo", tarGz({ name: "etc/evil", type: "6" }), unsafe("etc/evil")],
    ["a setuid file", tarGz({ name: "usr/bin/evil", mode: 0o4755, body: "x" }), unsafe("usr/bin/evil")],
    ["a setgid file", tarGz({ name: "usr/bin/evil", mode: 0o2755, body: "x" }), unsafe("usr/bin/evil")],
    [
      "a bomb",
      gzipSync(Buffer.concat([tarEntry({ name: "big", size: 300_000_000 }), Buffer.alloc(60_000_000)])),
      invalid(undefined, ["overlay.tar.gz"]),
    ],
    [
      "a cut gzip stream",
      tarGz({ name: "etc/a", body: "x".repeat(5000) }).subarray(0, 60),
      invalid("ARCHIVE_INVALID", ["overlay.tar.gz"]),
    ],
    [
      "a cut tar",
      gzipSync(tar({ name: "etc/a", body: "x".repeat(5000) }).subarray(0, 1500)),
      invalid("ARCHIVE_INVALID", ["overlay.tar.gz"]),
    ],
    [
      "garbage behind its end",
      Buffer.concat([tarGz({ name: "etc/a", body: "x" }), Buffer.from("garbage")]),
      invalid("ARCHIVE_INVALID", ["overlay.tar.gz"]),
    ],
    ["no archive at all", Buffer.from("hello"), invalid("ARCHIVE_INVALID", ["overlay.tar.gz"])],
    [
      "one file twice",
      tarGz({ name: "etc/a", body: "x" }, { name: "./etc/a", body: "y" }),
      invalid(undefined, ["etc/a"]),
    ],
    ["a key", tarGz({ name: "etc/uciprov/keys/0123456789abcdef", body: "x" }), forbidden("/etc/uciprov/keys")],
    ["its state", tarGz({ name: "etc/uciprov/state/owner.json", body: "{}" }), forbidden("/etc/uciprov/state")],
    ["the way back", tarGz({ name: "lib/uciprov/recover.sh", body: "x" }), forbidden("/lib/uciprov")],
    ["a module", tarGz({ name: "usr/lib/uciprov/modules.d/evil", body: "x" }), forbidden("/usr/lib/uciprov")],
    [
      "an rc link of ours",
      tarGz({ name: "etc/rc.d/S05uciprov-recover", type: "2", link: "../init.d/x" }),
      forbidden("/etc/rc.d/S05uciprov-recover"),
    ],
    ["the deletion of a key", tarGz({ name: "etc/uciprov/keys/.wh.0123456789abcdef" }), forbidden("/etc/uciprov/keys")],
    ["RAM", tarGz({ name: "tmp/x", body: "x" }), forbidden("/tmp/x")],
    ["a way around by a link of the device", tarGz({ name: "var/evil", body: "x" }), invalid(undefined, ["/var"])],
    ["the firmware's own name", tarGz({ name: "etc/openwrt_release", body: "x" }), forbidden("/etc/openwrt_release")],
    [
      "a package that is no UCI",
      tarGz({ name: "etc/config/new", body: "config\n" }),
      invalid("UCI_INVALID", ["overlay.tar.gz", "new"]),
    ],
    ["a link as a package", tarGz({ name: "etc/config/new", type: "2", link: "/tmp/x" }), forbidden("/etc/config/new")],
  ];
  for (const [title, archive, refusal] of attacks) {
    scenario(`an overlay with ${title} is refused`, async (scene) => {
      scene.put("overlay.tar.gz", archive);
      scene.publish({ serial: 2 });
      await refused(scene, refusal);
    });
  }

  scenario("more files than are allowed are refused", async (scene) => {
    scene.settings({ limits: { entries: "3" } });
    scene.put(
      "overlay.tar.gz",
      tarGz(...["a", "b", "c", "d"].map((name): TarEntry => ({ name: `etc/${name}`, body: "x" }))),
    );
    scene.publish({ serial: 2 });
    await refused(scene, invalid("TOO_LARGE", ["overlay.tar.gz"]));
  });

  scenario("a folder where the device has a file, and a file where it has a folder, are refused", async (scene) => {
    scene.put("overlay.tar.gz", tarGz({ name: "etc/banner/x", body: "x" }, { name: "etc/config", body: "x" }));
    scene.publish({ serial: 2 });
    await refused(scene, invalid(undefined, ["/etc/banner"]));
  });

  scenario("two modules on one path are both named", async (scene) => {
    scene.put("overlay.tar.gz", tarGz({ name: "etc/dropbear/authorized_keys", body: "ssh-ed25519 AAAA x\n" }));
    scene.publish({ serial: 2 });
    await refused(scene, invalid(undefined, ["/etc/dropbear/authorized_keys", "overlay", "sshkeys"]));
  });

  scenario("what is in an overlay's files is told nowhere, whoever may read them on the device", async (scene) => {
    scene.put("overlay.tar.gz", tarGz({ name: "etc/vpn.conf", body: "password 0vErLaY\n", mode: 0o644 }));
    scene.publish({ serial: 2 });
    const { status, stdout, stderr } = await startPlain(scene);
    expect(status).toBe(0);
    expect(stdout).toContain("/etc/vpn.conf new, 0644, 17 bytes");
    expect(scene.device("/etc/vpn.conf")).toContain("0vErLaY");
    expect(stdout + stderr + scene.device("/var/run/uciprov/status.json")).not.toContain("0vErLaY");
  });

  scenario("faults of the overlay and of UCI are told together", async (scene) => {
    scene.put("default.uci", "nonsense\n");
    scene.put("overlay.tar.gz", tarGz({ name: "/etc/evil", body: "x" }));
    scene.publish({ serial: 2 });
    await refused(scene, invalid("PLAN_INVALID", ["default.uci", "/etc/evil", "UCI_INVALID", "ARCHIVE_UNSAFE"]));
  });
});

describe("other files", () => {
  scenario("a line that is no SSH key is told with its number", async (scene) => {
    scene.put("authorized_keys", "# ours\nssh-ed25519 nonsense\n");
    scene.publish({ serial: 2 });
    await refused(scene, invalid("KEYS_INVALID", ["authorized_keys", '"line":2']));
  });
});

function invalid(code: ErrorCode | undefined, says: readonly (string | RegExp)[]): Refusal {
  return { ...(code === undefined ? {} : { code }), exit: "invalid-content", says };
}

function unsafe(name: string): Refusal {
  return invalid("ARCHIVE_UNSAFE", ["overlay.tar.gz", name]);
}

function forbidden(path: string): Refusal {
  return invalid("PATH_FORBIDDEN", ["overlay.tar.gz", path]);
}

function startPlain(scene: Scene) {
  return start(["run", "--root", scene.root]);
}
