/** One tree, many devices, one after the other: what waits stays what it is and writes nothing. */
import { join } from "node:path";
import { expect } from "vitest";
import { placeInLine } from "../../src/tree/rollout.ts";
import { provisioned, refused, type Scene, scenario, start } from "../helpers/scenario.ts";
import { snapshotOf } from "../helpers/snapshot.ts";

const HOUR = 3_600_000;
const SYSTEM = "/etc/config/system";

/** A date at which this device's turn for the serial is so far away; the fixture's MAC is who it is. */
function dated(scene: Scene, serial: number, rollout: number, hoursToGo: number): number {
  const mac = String(/"label_macaddr": *"([0-9a-f:]+)"/.exec(scene.device("/etc/board.json") ?? "")?.[1]).replaceAll(
    ":",
    "",
  );
  expect(mac).toMatch(/^[0-9a-f]{12}$/);
  const wait = placeInLine({ tree: "first-light", serial }, mac) * rollout * HOUR;
  return Math.floor((Date.now() + hoursToGo * HOUR - wait) / 1000) * 1000;
}

function renamed(scene: Scene, name: string): void {
  scene.put("02005e100001.uci", `package system\n\nconfig system\n\toption hostname '${name}'\n`);
}

scenario("a device waits for its turn, tells until when, and takes the tree when it has come", async (scene) => {
  scene.publish({ date: dated(scene, 1, 48, 24), rollout: 48 });
  expect(await provisioned(scene), "a first boot never waits").toMatchObject({ result: "changed" });

  renamed(scene, "cellar");
  scene.publish({ serial: 2, date: dated(scene, 2, 48, 1), rollout: 48 });
  const before = snapshotOf(scene.root);
  scene.web.asked.length = 0;
  expect(await provisioned(scene)).toMatchObject({
    exit: "provisioned",
    result: "waiting",
    told: expect.stringMatching(
      /^serial 2 is rolled out over 48 h: .* until 20..-..-..T..:..:..Z, the confirmed tree stays$/,
    ),
  });
  expect(snapshotOf(scene.root)).toEqual(before);
  expect(scene.web.asked.map(({ name }) => name).sort()).toEqual(["MANIFEST", "MANIFEST.sig"]);
  const { run } = await provisioned(scene, ["status"]);
  const key = join(scene.root, "etc/uciprov/keys", scene.bed.key.fingerprint);
  const paper = await start(["tree", "plan", scene.tree, "--mac", "02005e100001", "--key", key, "--json"]);
  const until = /until (\S+),/.exec(JSON.stringify(run))?.[1];
  expect(paper.json, "paper knows the same moment").toMatchObject({ turn: { hours: 48, at: until } });
  expect(run).toMatchObject({ result: "waiting", told: expect.stringContaining("until 20") });
  expect(await provisioned(scene, ["plan"])).toMatchObject({
    plan: { tree: { wait: expect.stringContaining("48 h") } },
  });
  expect(snapshotOf(scene.root)).toEqual(before);

  scene.publish({ serial: 2, date: dated(scene, 2, 48, -0.01), rollout: 48 });
  expect(await provisioned(scene)).toMatchObject({ result: "changed" });
  expect(scene.device(SYSTEM)).toContain("'cellar'");
});

scenario(
  "a held tree is taken by nobody but who asks for it; the one before stays good, an older one stays refused",
  async (scene) => {
    scene.publish({ serial: 5 });
    await provisioned(scene);
    renamed(scene, "cellar");
    scene.publish({ serial: 6, rollout: "hold" });
    expect(await provisioned(scene)).toMatchObject({
      result: "waiting",
      told: expect.stringContaining("serial 6 is held"),
    });
    scene.settings({ main: { rollout: "0" } });
    expect(await provisioned(scene)).toMatchObject({ result: "waiting" });
    scene.publish({ serial: 4, rollout: "hold" });
    await refused(scene, { code: "SERIAL_LOWER", exit: "trust-refused", says: ["known 5"] });
    scene.publish({ serial: 6, rollout: "hold" });
    expect(await provisioned(scene, ["run", "--force"])).toMatchObject({ result: "changed" });
    expect(await provisioned(scene)).toMatchObject({ result: "unchanged" });
  },
);

scenario("the device's own hours count before the tree's, but an urgent tree does not wait", async (scene) => {
  await provisioned(scene);
  renamed(scene, "cellar");
  scene.settings({ main: { rollout: "48" } });
  scene.publish({ serial: 2, date: dated(scene, 2, 48, 1) });
  expect(await provisioned(scene)).toMatchObject({ result: "waiting" });
  scene.publish({ serial: 2, date: dated(scene, 2, 48, 1), rollout: 0 });
  expect(await provisioned(scene)).toMatchObject({ result: "changed" });
  scene.settings({ main: { rollout: "721" } });
  await refused(scene, { code: "SETTINGS_INVALID", exit: "failed", says: ["721 is no whole number from 0 to 720"] });
});

scenario("what waits is proven all the same: a tree that nobody signed is refused, not waited for", async (scene) => {
  await provisioned(scene);
  scene.publish({ serial: 2, rollout: "hold" }, []);
  await refused(scene, { exit: "trust-refused", says: [] });
});
