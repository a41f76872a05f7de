/** A flash with no room left: before anything is applied, and in the middle of it. Needs root rights, for a small file system to mount. */
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { openDisk } from "../../src/host/disk.ts";
import { openProcesses } from "../../src/host/processes.ts";
import { applyActions } from "../../src/transaction/apply.ts";
import { prepare } from "../../src/transaction/prepare.ts";
import { type Ended, provisioned, refused, type Scene, withScene } from "../helpers/scenario.ts";
import { contentOf } from "../helpers/snapshot.ts";
import { recoverShAtBoot, skipsShell } from "../transaction/recover-shell.ts";
import { copyArchived, specimenOrder, write } from "../transaction/specimen.ts";

const BREAK_AT = join(import.meta.dirname, "../helpers/break-at.cjs");
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

test.skipIf(whyNot !== undefined || skipsShell)(
  "recover.sh puts back what it can't copy on a full disk, and can be cut there and run again",
  async () => {
    await onSmallDisk(2048, async (scene) => {
      const { root } = scene;
      const disk = openDisk(root);
      const host = { disk, processes: openProcesses() };
      const old = Buffer.alloc(300_000, "old");
      mkdirSync(join(root, "usr/bin"), { recursive: true });
      writeFileSync(join(root, "usr/bin/big"), old, { mode: 0o755 });
      const actions = [write("/usr/bin/big", "new", 0o600), write("/etc/small", "new")];
      const prepared = await prepare(host, specimenOrder({ actions, firmware: "" }), copyArchived);
      if (prepared.kind === "ready") applyActions(host, prepared);
      leave(scene, 8192);
      // As an earlier try left it that was cut after the second name, and after the rename.
      for (const earlier of [".uciprov-tx-1", "big"]) {
        rmSync(join(root, "usr/bin", earlier), { force: true });
        linkSync(join(root, "lib/uciprov/tx/work/undo/1"), join(root, "usr/bin", earlier));
      }
      expect(recoverShAtBoot(root)).toBe(0);
      expect(readFileSync(join(root, "usr/bin/big")).equals(old)).toBe(true);
      expect(statSync(join(root, "usr/bin/big"))).toMatchObject({ nlink: 1, mode: 0o100_755 });
      expect(readdirSync(join(root, "usr/bin"))).toEqual(["big"]);
      expect(existsSync(join(root, "etc/small"))).toBe(false);
    });
  },
);

describe.skipIf(whyNot !== undefined)("an overlay that breaks at a write of apply", () => {
  // All of them with UCIPROV_EVERY_WRITE=1; each is tried on a disk in memory as well (test/transaction/faults.test.ts).
  test.each(["ro", "inodes"] as const)(
    "%s: the run ends in its own words, and after a boot the device is old or new",
    { timeout: 1_500_000 },
    async (how) => {
      const ended = new Set<unknown>();
      const stride = process.env["UCIPROV_EVERY_WRITE"] === "1" ? 1 : 29;
      let isOver = false;
      for (let at = 1; !isOver; at += stride) {
        await onSmallDisk(2048, async (scene) => {
          mkdirSync(join(scene.root, "filler"));
          const old = files(scene);
          const { ended: first, count } = await brokenAt(scene, how, at);
          isOver = count < at;
          if (isOver) expect(first.status).toBe(0);
          else expect([0, 1, 6], first.stdout + first.stderr).toContain(first.status);
          expect(first.stdout).not.toContain("INTERNAL");
          ended.add(first.status);
          mend(scene, how);
          expect(recoverShAtBoot(scene.root)).toBe(0);
          const after = files(scene);
          if (scene.device("/etc/uciprov/state/confirmed.json") === undefined && first.status !== 0)
            expect(after).toEqual(old);
          await provisioned(scene);
          expect(scene.device("/etc/config/system")).toContain("attic");
          expect(await provisioned(scene, ["plan"])).toMatchObject({ plan: { changes: 0 } });
        });
      }
      // Where breaking made no difference at all nothing would be tested.
      expect(ended.size).toBeGreaterThan(1);
    },
  );
});

async function brokenAt(scene: Scene, how: "ro" | "inodes", at: number): Promise<{ ended: Ended; count: number }> {
  const told = join(scene.root, "tmp/writes");
  const env = {
    UCIPROV_TEST_ROOT: scene.root,
    UCIPROV_TEST_WRITE: String(at),
    UCIPROV_TEST_BREAK: how,
    UCIPROV_TEST_COUNT: told,
  };
  const ended = await scene.run(["run"], { preload: BREAK_AT, env });
  return { ended, count: Number(readFileSync(told, "utf8")) };
}

function mend(scene: Scene, how: "ro" | "inodes"): void {
  if (how === "ro") execFileSync("mount", ["-o", "remount,rw", scene.root]);
  else rmSync(join(scene.root, "filler"), { recursive: true });
}

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
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${kilobytes}k,nr_inodes=600,mode=755`, "uciprov-test", path], {
    stdio: "pipe",
  });
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
