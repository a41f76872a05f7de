/** What V8 made of the program's files is kept in RAM for the next run, and believed only where nobody else can have written it. */
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { program, provisioned, type Scene, scenario } from "../helpers/scenario.ts";

const folderOf = (scene: Scene) => join(scene.root, "tmp/run/uciprov/code");
const kept = (scene: Scene) => readFileSync(join(folderOf(scene), "core.cjs"));

describe("compiled code", () => {
  scenario("is kept by a run that found nothing new, for root alone, and not written again", async (scene) => {
    await provisioned(scene);
    expect(readdirSync(join(scene.root, "tmp/run/uciprov"))).not.toContain("code");
    await unchanged(scene);
    expect(readdirSync(folderOf(scene)).sort()).toEqual([
      "core.cjs",
      "fetch.cjs",
      "http.cjs",
      "main.cjs",
      "undici.cjs",
    ]);
    expect(statSync(folderOf(scene)).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(folderOf(scene)))
      expect(statSync(join(folderOf(scene), name)).mode & 0o777).toBe(0o600);
    const before = statSync(join(folderOf(scene), "core.cjs"));
    await unchanged(scene);
    expect(statSync(join(folderOf(scene), "core.cjs"))).toMatchObject({ ino: before.ino, mtimeMs: before.mtimeMs });
  });

  scenario("of another program, cut short or of no sense is made anew", async (scene) => {
    await provisioned(scene);
    await unchanged(scene);
    const good = kept(scene);
    const head = good.subarray(0, good.indexOf("\n") + 1);
    // As long as ours: V8 compares the length of the source, and would take it.
    const inode = (_: string, before: string, digits: string) => `${before} ${"7".repeat(digits.length)}`;
    const other = Buffer.from(good.toString("latin1").replace(/^(\S+ \S+ \d+) (\d+)/, inode), "latin1");
    expect([other.length, other.equals(good)]).toEqual([good.length, false]);
    for (const bad of [
      Buffer.alloc(0),
      head,
      good.subarray(0, 5000),
      Buffer.concat([head, Buffer.alloc(5000, "x")]),
      other,
    ]) {
      writeFileSync(join(folderOf(scene), "core.cjs"), bad);
      await unchanged(scene);
      expect(kept(scene).subarray(0, head.length)).toEqual(head);
      expect(kept(scene).length).toBeGreaterThan(good.length / 2);
    }
  });

  const planted: readonly (readonly [title: string, plant: (scene: Scene, folder: string) => void])[] = [
    ["a folder that others may write", (_scene, folder) => chmodSync(folder, 0o777)],
    ["a folder below one that others may write", (scene) => chmodSync(join(scene.root, "tmp/run/uciprov"), 0o777)],
    [
      "a link to a folder elsewhere",
      (scene, folder) => {
        const elsewhere = join(scene.bed.folder, "elsewhere");
        cpSync(folder, elsewhere, { recursive: true });
        renameSync(folder, `${folder}-moved`);
        symlinkSync(elsewhere, folder);
      },
    ],
    [
      "a folder in a file's place",
      (_scene, folder) => {
        renameSync(join(folder, "core.cjs"), join(folder, "moved"));
        mkdirSync(join(folder, "core.cjs"));
        mkdirSync(join(folder, "core.cjs/full"));
      },
    ],
  ];
  for (const [title, plant] of planted) {
    scenario(`${title} is neither believed nor written to`, async (scene) => {
      await provisioned(scene);
      await unchanged(scene);
      const folder = folderOf(scene);
      writeFileSync(join(folder, "core.cjs"), "planted");
      plant(scene, folder);
      const before = readdirSync(folder);
      await unchanged(scene);
      expect(readdirSync(folder)).toEqual(before);
      if (statSync(join(folder, "core.cjs")).isFile()) expect(String(kept(scene))).toBe("planted");
    });
  }

  scenario("a file that others can read or write is not believed, but replaced", async (scene) => {
    await provisioned(scene);
    await unchanged(scene);
    const good = kept(scene);
    for (const mode of [0o666, 0o644, 0o620]) {
      chmodSync(join(folderOf(scene), "core.cjs"), mode);
      await unchanged(scene);
      expect(statSync(join(folderOf(scene), "core.cjs")).mode & 0o777).toBe(0o600);
      expect(kept(scene).length).toBeGreaterThan(good.length / 2);
    }
  });

  scenario("does not outlive the program's files: a replaced one is read anew", async (scene) => {
    await provisioned(scene);
    await unchanged(scene);
    const before = kept(scene);
    const copy = join(scene.bed.folder, "program");
    cpSync(join(program(), ".."), copy, { recursive: true });
    const { stdout } = await scene.run(["run"], { program: join(copy, "uciprov.cjs") });
    expect(JSON.parse(stdout)).toMatchObject({ result: "unchanged" });
    expect(kept(scene).subarray(0, 100)).not.toEqual(before.subarray(0, 100));
  });
});

async function unchanged(scene: Scene): Promise<void> {
  expect(await provisioned(scene)).toMatchObject({ result: "unchanged" });
}
