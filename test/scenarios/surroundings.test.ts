/** What a process finds around it on a device: a Node without ICU, procd's bare environment, an odd umask, no terminal. */
import { execFile } from "node:child_process";
import { existsSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { EXIT } from "../../src/errors.ts";
import { program, provisioned, refused, type Scene, scenario } from "../helpers/scenario.ts";
import { snapshotOf } from "../helpers/snapshot.ts";
import { tarGz } from "../helpers/tar.ts";

const NO_ICU = join(import.meta.dirname, "../helpers/no-icu.cjs");
/** What procd sets, and nothing else (OpenWrt's /etc/preinit, procd's service/instance.c). */
const PROCD = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };

describe("a Node without ICU", () => {
  scenario(
    "provisions a device whose overlay has names beyond ASCII, and writes nothing the second time",
    async (scene) => {
      scene.put("overlay.tar.gz", tarGz({ name: "srv/žluťoučký", body: "kůň\n" }));
      scene.publish({ serial: 2 });
      const first = await scene.run(["run"], { preload: NO_ICU });
      expect(first.json, first.stderr).toMatchObject({ result: "changed" });
      expect(scene.device("/srv/žluťoučký")).toBe("kůň\n");
      const before = snapshotOf(scene.root);
      expect((await scene.run(["run"], { preload: NO_ICU })).json).toMatchObject({ result: "unchanged" });
      expect(snapshotOf(scene.root)).toEqual(before);
    },
  );

  scenario("finds its tree by DHCP and refuses bytes that are no UTF-8, by name", async (scene) => {
    scene.bed.names.publish("_uciprov.fleet.example", []);
    scene.edit("/var/run/uciprov/dhcp/wan.v4", `opt224=${Buffer.from(scene.web.uri).toString("hex")}\0`);
    scene.put("authorized_keys", Buffer.from([0x73, 0x73, 0x68, 0xff, 0xfe, 0x0a]));
    scene.publish({ serial: 2 });
    const ended = await scene.run(["run"], { preload: NO_ICU });
    expect(ended.json).toMatchObject({ error: { exit: "invalid-content" } });
    expect(ended.stdout).toContain("authorized_keys is no UTF-8 text");
  });

  scenario("tells everything it can be asked", async (scene) => {
    await provisioned(scene);
    for (const word of ["explain", "macros", "status", "history", "hooks", "plan"]) {
      const ended = await scene.run([word], { preload: NO_ICU });
      expect(ended.status, `${word}: ${ended.stdout}${ended.stderr}`).toBe(0);
    }
  });
});

describe("a bare process", () => {
  scenario("no HOME, no terminal, umask 077, procd's PATH: files have the modes that were asked for", async (scene) => {
    const ended = await bare(scene, "077", PROCD);
    expect(ended.status, ended.stderr).toBe(0);
    expect(mode(scene, "/etc/config/system")).toBe(0o644);
    expect(mode(scene, "/etc/dropbear/authorized_keys")).toBe(0o600);
  });

  scenario("umask 000 opens nothing", async (scene) => {
    expect((await bare(scene, "000", PROCD)).status).toBe(0);
    expect(mode(scene, "/etc/config/system")).toBe(0o644);
    expect(mode(scene, "/etc/uciprov/state/confirmed.json") & 0o022).toBe(0);
    expect(mode(scene, "/lib/uciprov/tx") & 0o022).toBe(0);
  });

  scenario("a library to preload, a proxy, odd locales and zones in the environment change nothing", async (scene) => {
    const ended = await bare(scene, "022", {
      ...PROCD,
      LD_PRELOAD: "/lib/libsetlbf.so",
      https_proxy: "http://127.0.0.1:9",
      HTTPS_PROXY: "http://127.0.0.1:9",
      LC_ALL: "tr_TR.UTF-8",
      TZ: "CET-1CEST,M3.5.0,M10.5.0/3",
      HOME: "/nonexistent",
      TMPDIR: "/nonexistent",
    });
    expect(ended.status, ended.stderr).toBe(0);
    expect(JSON.parse(ended.stdout)).toMatchObject({ result: "changed" });
  });

  scenario("no PATH at all: the run fails or goes on, and nothing is half done", async (scene) => {
    const ended = await bare(scene, "022", {});
    expect([EXIT.provisioned, EXIT.failed]).toContain(ended.status);
    expect(existsSync(join(scene.root, "lib/uciprov/tx/journal"))).toBe(false);
  });

  scenario("a /tmp that cannot be written is told as such, with the device as it was", async (scene) => {
    rmSync(join(scene.root, "tmp"), { recursive: true, force: true });
    scene.edit("/tmp", "a file, where a folder should be");
    await refused(scene, { exit: "failed", says: ["/tmp"] });
  });
});

/** Runs the program in a session of its own, so that there is no /dev/tty, with this umask and exactly this environment. */
function bare(scene: Scene, umask: string, env: Readonly<Record<string, string>>) {
  const words = ["-c", 'umask "$1"; shift; exec /usr/bin/setsid -w "$@"', "sh", umask];
  const run = [process.execPath, program(), "run", "--root", scene.root, "--json"];
  return new Promise<{ status: number | string; stdout: string; stderr: string }>((resolve) => {
    execFile("/bin/sh", [...words, ...run], { env, timeout: 40_000 }, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : (error.code ?? "killed"), stdout, stderr }),
    );
  });
}

function mode(scene: Scene, path: string): number {
  return statSync(join(scene.root, path)).mode & 0o7777;
}
