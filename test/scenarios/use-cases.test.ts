/** The trees of the use cases, applied by the real program to the devices they are for; `UPDATE_FIXTURES=1` writes what these then have. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { provisioned, scenario } from "../helpers/scenario.ts";
import { contentOf, snapshotOf } from "../helpers/snapshot.ts";
import { expectAfterwards, filesOf, setUp, USE_CASES } from "../helpers/use-case.ts";

describe.each(USE_CASES)("the tree $tree", (useCase) => {
  scenario("plans, applies, and leaves exactly these files; a second run changes nothing", async (scene) => {
    setUp(scene, useCase);
    const before = contentOf(scene.root);
    const files = filesOf(scene.root);
    const planned = await provisioned(scene, ["plan"]);
    expect(contentOf(scene.root)).toEqual(before);
    for (const path of useCase.planned) expect(JSON.stringify(planned)).toContain(path);
    const { findings } = planned["plan"] as { findings: { message: string }[] };
    expect(findings.map(({ message }) => message)).toEqual(useCase.told);
    expect(await provisioned(scene)).toMatchObject({ result: "changed" });
    expectAfterwards(scene, useCase.tree, files);
    for (const [path, mode] of useCase.secrets) {
      expect((statSync(join(scene.root, path)).mode & 0o777).toString(8), path).toBe(mode);
    }
    const after = snapshotOf(scene.root, ["/etc/uciprov/state"]);
    expect(await provisioned(scene)).toMatchObject({ result: "unchanged" });
    const forced = await provisioned(scene, ["run", "--force"]);
    expect(forced).toMatchObject({ result: "recorded", plan: { files: [], services: [], packages: [] } });
    expect(snapshotOf(scene.root, ["/etc/uciprov/state"])).toEqual(after);
  });
});
