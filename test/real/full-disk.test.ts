/** A flash with no room left: before anything is applied, and in the middle of it. Needs root rights, for a small file system to mount. */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, rmdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { type Ended, provisioned, refused, type Scene, withScene } from "../helpers/scenario.ts";
import { contentOf } from "../helpers/snapshot.ts";

const FILL_AT = join(import.meta.dirname, "../helpers/fill-at.cjs");
const isRequired = process.env["UCIPROV_REQUIRE_REAL"] === "1";
const whyNot = whyNoMount();
const mounted: string[] = [];
afterAll(() => {
  for (const path of mounted.reverse()) execFileSync("umount", ["-l", path]);
});

test.runIf(isRequired)("file systems can be mounted here, as this run requires", () => expect(whyNot).toBeUndefined());

describe.skipIf(whyNot !== undefined)("a full overlay", () => {
  test("before apply is NO_SPACE, exit 1, and nothing is touched", async () => {
    await onSmallDisk(512, async (scene) => {
      leave(scene, 100 * 1024);
      await refused(scene, { code: "NO_SPACE", exit: "failed", says: ["overlay", "free"] });
      rmSync(join(scene.root, "filler"));
      await provisioned(scene);
    });
  });

  test("and a full RAM is NO_SPACE, exit 1, and nothing is touched", async () => {
    await onSmallDisk(2048, async (scene) => {
      mount(join(scene.root, "tmp"), 64);
      scene.put("overlay.tar.gz", Buffer.alloc(200_000));
      scene.publish({ serial: 2 });
      await refused(scene, { code: "NO_SPACE", exit: "failed", says: ["overlay.tar.gz"] });
    });
  });

  test("while files are being staged is NO_SPACE, exit 1: nothing had landed, and nothing is left behind", async () => {
    await onSmallDisk(2048, async (scene) => {
      const old = files(scene);
      const ended = await fullAt(scene, "staging");
      expect(ended.json).toMatchObject({ error: { code: "NO_SPACE", exit: "failed" } });
      expect(ended.status).toBe(1);
      expect(files(scene)).toEqual(old);
      await appliesWithRoom(scene);
    });
  });

  test("once all is prepared is exit 6 with the old tree, and the next run with room applies", async () => {
    await onSmallDisk(2048, async (scene) => {
      const old = files(scene);
      const ended = await fullAt(scene, "prepared");
      expect(ended.json).toMatchObject({ error: { code: "APPLY_FAILED", exit: "rolled-back" } });
      expect(ended.status).toBe(6);
      expect(ended.stdout).toContain("NO_SPACE");
      expect(files(scene)).toEqual(old);
      await appliesWithRoom(scene);
    });
  });

  test("while files land needs no room any more, or takes all of it back: never a mixture", async () => {
    await onSmallDisk(2048, async (scene) => {
      const old = files(scene);
      const ended = await fullAt(scene, "applying");
      expect([0, 6]).toContain(ended.status);
      if (ended.status === 6) expect(files(scene)).toEqual(old);
      await appliesWithRoom(scene);
      expect(await provisioned(scene, ["plan"])).toMatchObject({ plan: { changes: 0 } });
    });
  });
});

function fullAt(scene: Scene, state: string): Promise<Ended> {
  const env = { UCIPROV_TEST_STATE: state, UCIPROV_TEST_FILLER: join(scene.root, "filler") };
  return scene.run(["run"], { preload: FILL_AT, env });
}

async function appliesWithRoom(scene: Scene): Promise<void> {
  const filler = join(scene.root, "filler");
  // That it is there proves that the disk was full when it mattered.
  expect(existsSync(filler)).toBe(true);
  rmSync(filler);
  await provisioned(scene);
  expect(scene.device("/etc/config/system")).toContain("attic");
}

/** The device's root on a file system of its own, of so many KiB. */
async function onSmallDisk(size: number, act: (scene: Scene) => Promise<void>): Promise<void> {
  await withScene(async (scene) => {
    const copy = `${scene.root}.copy`;
    cpSync(scene.root, copy, { recursive: true, verbatimSymlinks: true });
    mount(scene.root, size);
    try {
      cpSync(copy, scene.root, { recursive: true, verbatimSymlinks: true });
      mount(join(scene.root, "tmp"), 4096);
      cpSync(join(copy, "tmp"), join(scene.root, "tmp"), { recursive: true });
      await act(scene);
    } finally {
      for (const path of mounted.splice(0).reverse()) execFileSync("umount", ["-l", path]);
    }
  });
}

function mount(path: string, kilobytes: number): void {
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${kilobytes}k,mode=755`, "uciprov-test", path], { stdio: "pipe" });
  mounted.push(path);
}

/** Fills the disk but for so many bytes. */
function leave(scene: Scene, bytes: number): void {
  const { bavail, bsize } = statfsSync(scene.root);
  writeFileSync(join(scene.root, "filler"), Buffer.alloc(bavail * bsize - bytes));
}

function files(scene: Scene): Record<string, string> {
  const all = Object.entries(contentOf(scene.root, ["/etc/uciprov/state", "/lib", "/filler"]));
  return Object.fromEntries(all.filter(([, what]) => !what.endsWith("folder")));
}

function whyNoMount(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), "uciprov-mount-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "uciprov-test", folder], { stdio: "pipe" });
    execFileSync("umount", [folder], { stdio: "pipe" });
    return undefined;
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : "mount does not work";
  } finally {
    if (readdirSync(folder).length === 0) rmdirSync(folder);
  }
}
