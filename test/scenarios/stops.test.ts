/** Stopped, killed, cut: the device is what it was or what it is to be, and no process stays. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect } from "vitest";
import { provisioned, type Scene, scenario } from "../helpers/scenario.ts";
import { contentOf } from "../helpers/snapshot.ts";

const DIE_AT = join(import.meta.dirname, "../helpers/die-at.cjs");
/** What is configuration: neither memory nor the way back nor the time-stamped. */
const NO_CONFIGURATION = ["/etc/uciprov/state", "/lib"];

describe("SIGINT and SIGTERM", () => {
  for (const [by, phase] of [
    ["SIGINT", 0],
    ["SIGTERM", 0.5],
  ] as const) {
    scenario(
      `${by} at moments all over a run: old or new, never a mixture, and the exit status says which`,
      async (scene) => {
        const trees = await oldAndNew(scene);
        const seen = new Set<string>();
        for (let moment = phase; moment < MOMENTS; moment++) {
          // From before the first handler stands until after the end of a run as long as the undisturbed one.
          const after = 20 + Math.round((trees.took * 1.2 * moment) / MOMENTS);
          const ended = await scene.run(["run"], { interrupt: { after, by } });
          // A signal ends Node itself before its handlers stand, when nothing can have been changed yet, and while it is
          // leaving, when everything has been done and told.
          const hasToldSo = ended.stdout.includes('"result":"changed"');
          const isOld = ended.status !== 0 && !hasToldSo;
          const now = files(scene);
          expect(now, `after ${after} ms: ${ended.stdout}${ended.stderr}`).toEqual(isOld ? trees.old : trees.new);
          if (ended.signal === null && isOld) {
            expect(ended.json).toMatchObject({ error: { code: expect.stringMatching(/^(STOPPED|APPLY_FAILED)$/) } });
          }
          expect(existsSync(join(scene.root, "lib/uciprov/tx/journal"))).toBe(false);
          seen.add(isOld ? "old" : "new");
          await backToFactory(scene);
        }
        expect(seen).toContain("old");
        await nobodyStays(scene);
      },
      180_000,
    );
  }

  scenario(
    "during the trial, the run goes back at once, with exit 1 or 6, and the watcher ends by itself",
    async (scene) => {
      const trees = await oldAndNew(scene);
      scene.settings({ confirm: { window: "60", probe: ["https://127.0.0.1:9/"] } });
      trees.old["/etc/config/uciprov"] = files(scene)["/etc/config/uciprov"] ?? "";
      const running = scene.run(["run"], { interrupt: { after: 4000, by: "SIGTERM" } });
      await expect.poll(() => journalState(scene), { timeout: 3900, interval: 10 }).toBe("trial");
      const ended = await running;
      expect([1, 6]).toContain(ended.status);
      expect(files(scene)).toEqual(trees.old);
      // Somebody asked for it: that says nothing about the tree.
      expect(JSON.parse(scene.device("/etc/uciprov/state/failed.json") ?? "")).toMatchObject({ attempts: 0, stops: 1 });
      expect((await scene.run(["status"])).json).toMatchObject({ failed: { attempts: 0 } });
      await nobodyStays(scene);
    },
  );

  scenario("during the trial and killed on the way back: it counts no more for that", async (scene) => {
    const trees = await oldAndNew(scene);
    scene.settings({ confirm: { window: "60", probe: ["https://127.0.0.1:9/"] } });
    trees.old["/etc/config/uciprov"] = files(scene)["/etc/config/uciprov"] ?? "";
    const running = scene.run(["run"], {
      interrupt: { after: 4000, by: "SIGTERM" },
      preload: DIE_AT,
      env: { UCIPROV_TEST_STATE: "rolling-back" },
    });
    await expect.poll(() => journalState(scene), { timeout: 3900, interval: 10 }).toBe("trial");
    expect((await running).signal).toBe("SIGKILL");
    expect(journalState(scene)).toBe("rolling-back");
    scene.txt("nothing");
    await scene.run();
    expect(files(scene)).toEqual(trees.old);
    expect(JSON.parse(scene.device("/etc/uciprov/state/failed.json") ?? "")).toMatchObject({ attempts: 0, stops: 1 });
    await nobodyStays(scene);
  });
});

describe("SIGKILL", () => {
  for (const state of ["prepared", "applying", "trial", "confirmed"] as const) {
    scenario(`in the state ${state}, the next run makes it whole`, async (scene) => {
      const trees = await oldAndNew(scene);
      const killed = await scene.run(["run"], { preload: DIE_AT, env: { UCIPROV_TEST_STATE: state } });
      expect(killed.signal).toBe("SIGKILL");
      expect(journalState(scene)).toBe(state);
      scene.txt("nothing");
      const ended = await scene.run();
      expect(ended.json).toMatchObject({ error: { code: "NO_URI" } });
      expect(files(scene)).toEqual(state === "confirmed" ? trees.new : trees.old);
      expect(existsSync(join(scene.root, "lib/uciprov/tx/journal"))).toBe(false);
      // A tree that crashes the device must not be tried for ever.
      const counted = state === "applying" || state === "trial" ? 1 : undefined;
      expect(attempts(scene)).toBe(counted);
      scene.goTo(scene.web.uri);
      await provisioned(scene);
      expect(files(scene)).toEqual(trees.new);
      await nobodyStays(scene);
    });
  }

  for (const state of ["rolling-back", "rolled-back"] as const) {
    scenario(`in the state ${state}, the next run makes it whole and counts the attempt once`, async (scene) => {
      const trees = await oldAndNew(scene);
      scene.settings({ confirm: { window: "5", probe: ["https://127.0.0.1:9/"] } });
      trees.old["/etc/config/uciprov"] = files(scene)["/etc/config/uciprov"] ?? "";
      const killed = await scene.run(["run"], { preload: DIE_AT, env: { UCIPROV_TEST_STATE: state } });
      expect(killed.signal).toBe("SIGKILL");
      scene.txt("nothing");
      await scene.run();
      expect(files(scene)).toEqual(trees.old);
      expect(attempts(scene)).toBe(1);
      await nobodyStays(scene);
    });
  }

  scenario(
    "at renames all over a run, the next run makes it whole",
    async (scene) => {
      const trees = await oldAndNew(scene);
      let points = 0;
      for (let at = 1; at < 120; at += EVERY_RENAME) {
        const killed = await scene.run(["run"], { preload: DIE_AT, env: { UCIPROV_TEST_RENAME: String(at) } });
        if (killed.signal !== "SIGKILL") break;
        points += 1;
        scene.txt("nothing");
        await scene.run();
        expect([trees.old, trees.new], `killed at rename ${at}`).toContainEqual(files(scene));
        scene.goTo(scene.web.uri);
        await backToFactory(scene);
      }
      // The status file alone takes a rename a stage.
      expect(points).toBeGreaterThan(5);
      await nobodyStays(scene);
    },
    240_000,
  );
});

function attempts(scene: Scene): number | undefined {
  const text = scene.device("/etc/uciprov/state/failed.json");
  return text === undefined ? undefined : JSON.parse(text).attempts;
}

type Files = Record<string, string>;

/** Each is a whole run; cuts at every operation are test/transaction's. */
const MOMENTS = 16;
const EVERY_RENAME = 3;

/** What the device is before and after a run that nobody disturbs; it is as before then. */
async function oldAndNew(scene: Scene): Promise<{ old: Files; new: Files; took: number }> {
  await cp(scene.root, factoryOf(scene), { recursive: true, verbatimSymlinks: true });
  const old = files(scene);
  const began = performance.now();
  await provisioned(scene);
  const took = performance.now() - began;
  const after = files(scene);
  await backToFactory(scene);
  expect(files(scene)).toEqual(old);
  expect(after).not.toEqual(old);
  return { old, new: after, took };
}

/** As it was unpacked; quicker than a rollback, and it owes nothing to what is tested here. */
async function backToFactory(scene: Scene): Promise<void> {
  await rm(scene.root, { recursive: true });
  await cp(factoryOf(scene), scene.root, { recursive: true, verbatimSymlinks: true });
}

function factoryOf(scene: Scene): string {
  return `${scene.root}.factory`;
}

function files(scene: Scene): Files {
  return Object.fromEntries(
    Object.entries(contentOf(scene.root, NO_CONFIGURATION)).filter(([, what]) => !what.endsWith("folder")),
  );
}

function journalState(scene: Scene): string | undefined {
  return /^state=(.*)$/m.exec(scene.device("/lib/uciprov/tx/journal") ?? "")?.[1];
}

/** The watcher looks every second whether there is anything left to watch. */
async function nobodyStays(scene: Scene): Promise<void> {
  for (let tenths = 0; tenths < 100 && processesOf(scene.root).length > 0; tenths++) await sleep(100);
  expect(processesOf(scene.root)).toEqual([]);
}

/** Processes that have this root on their command line or in their environment. */
function processesOf(root: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => ["cmdline", "environ"].some((what) => readOrNothing(`/proc/${pid}/${what}`).includes(root)));
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
