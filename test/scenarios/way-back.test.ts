/** What did not prove itself is taken back; what did can be gone back from. */

import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { EXIT } from "../../src/errors.ts";
import { generateKeyPair } from "../../src/tree/keys.ts";
import { answer } from "../helpers/bent-web.ts";
import { provisioned, refused, type Scene, scenario, start } from "../helpers/scenario.ts";
import { contentOf, OWN } from "../helpers/snapshot.ts";

const SYSTEM = "/etc/config/system";
const FRESHNESS = "/etc/uciprov/state/freshness.json";
const FAILED = "/etc/uciprov/state/failed.json";
/** The server goes away once the tree is fetched, and the configuration never proves itself. */
const CUT_OFF = { confirm: { window: "5", bisect: "0", probe: ["https://127.0.0.1:9/"] } };

describe("a configuration that cuts the device off", () => {
  scenario("is taken back within the window: exit 6, the device as before, the failure remembered", async (scene) => {
    let seen = 0;
    scene.settings({ confirm: { window: "5" } });
    scene.web.bend("authorized_keys", (request, response) => {
      // The last file is out: from here on nobody answers.
      scene.web.straighten();
      answer(200, {}, "# none\n")(request, response);
      seen += 1;
    });
    scene.put("authorized_keys", "# none\n");
    scene.publish({ serial: 2 });
    const before = contentOf(scene.root, OWN);
    const running = scene.run();
    await expect.poll(() => scene.device(SYSTEM), { timeout: 20_000, interval: 5 }).toContain("attic");
    await scene.web.close();
    const ended = await running;
    expect(ended.json).toMatchObject({ error: { code: "NOT_CONFIRMED", exit: "rolled-back" } });
    expect(ended.status).toBe(6);
    expect(ended.stdout).toContain("CONNECT_FAILED");
    expect(seen).toBe(1);
    expect(contentOf(scene.root, OWN)).toEqual(before);
    expect(JSON.parse(scene.device(FAILED) ?? "")).toMatchObject({ attempts: 1 });
  });

  scenario("is tried three times, then not until the tree changes", async (scene) => {
    scene.settings(CUT_OFF);
    const before = contentOf(scene.root, OWN);
    for (const attempts of [1, 2, 3]) {
      const ended = await scene.run();
      expect(ended.json).toMatchObject({ error: { code: "NOT_CONFIRMED", exit: "rolled-back" } });
      expect(JSON.parse(scene.device(FAILED) ?? "")).toMatchObject({ attempts });
      expect(contentOf(scene.root, OWN)).toEqual(before);
    }
    const asked = scene.web.asked.length;
    await refused(scene, { code: "GENERATION_BAD", exit: "rolled-back", says: ["3 times", "NOT_CONFIRMED"] });
    expect(
      scene.web.asked
        .slice(asked)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(["MANIFEST", "MANIFEST.sig"]);
    scene.settings();
    scene.publish({ serial: 2 });
    expect(await provisioned(scene)).toMatchObject({ result: "changed", generation: 1 });
  });

  scenario("is counted anew once it has held: no later mishap adds to what was before", async (scene) => {
    scene.settings(CUT_OFF);
    for (const attempts of [1, 2]) {
      expect((await scene.run()).json).toMatchObject({ error: { code: "NOT_CONFIRMED" } });
      expect(JSON.parse(scene.device(FAILED) ?? "")).toMatchObject({ attempts });
    }
    scene.settings();
    expect(await provisioned(scene)).toMatchObject({ result: "changed" });
    expect(scene.device(FAILED)).toBeUndefined();
    expect((await scene.run(["status"])).stdout).not.toContain("taken back");
    // Somebody changes the device, and the same tree is applied again.
    scene.settings(CUT_OFF);
    scene.edit(SYSTEM, "config system\n\toption hostname 'changed'\n");
    expect((await scene.run(["run", "--force"])).json).toMatchObject({ error: { code: "NOT_CONFIRMED" } });
    expect(JSON.parse(scene.device(FAILED) ?? "")).toMatchObject({ attempts: 1 });
  });

  scenario("also where no manifest names the tree", async (scene) => {
    scene.settings({ ...CUT_OFF, main: { trust: "any" } });
    for (const name of ["MANIFEST", "MANIFEST.sig"]) rmSync(join(scene.tree, name), { force: true });
    for (const attempts of [1, 2, 3]) {
      expect((await scene.run()).json).toMatchObject({ error: { code: "NOT_CONFIRMED" } });
      expect(JSON.parse(scene.device(FAILED) ?? "")).toMatchObject({ attempts });
    }
    await refused(scene, { code: "GENERATION_BAD", exit: "rolled-back", says: ["3 times"] });
  });

  scenario("whose serial counts as seen afterwards: an older tree is refused", async (scene) => {
    scene.publish({ serial: 7 });
    scene.settings(CUT_OFF);
    for (let attempt = 0; attempt < 3; attempt++) expect((await scene.run()).status).toBe(6);
    scene.publish({ serial: 6 });
    await refused(scene, { code: "SERIAL_LOWER", exit: "trust-refused", says: ["known 7"] });
  });

  scenario("whose date counts as seen afterwards, too: the time floor has risen", async (scene) => {
    const date = Date.UTC(2026, 6, 1);
    scene.publish({ serial: 7, date });
    scene.settings(CUT_OFF);
    for (let attempt = 0; attempt < 3; attempt++) expect((await scene.run()).status).toBe(6);
    expect(JSON.parse(scene.device(FRESHNESS) ?? "")).toMatchObject({ floor: date });
    await refused(scene, { code: "GENERATION_BAD", exit: "rolled-back", says: ["3 times"] });
  });

  scenario("and was a laboratory's keeps no tree of the owner away", async (scene) => {
    scene.settings({ ...CUT_OFF, main: { trust: "any" } });
    scene.publish({ serial: 999, date: Date.UTC(2026, 6, 1) }, [generateKeyPair().secretKey]);
    for (let attempt = 0; attempt < 3; attempt++) expect((await scene.run()).status).toBe(6);
    await refused(scene, { code: "GENERATION_BAD", exit: "rolled-back", says: ["3 times"] });
    expect(scene.device(FRESHNESS)).toBeUndefined();
    scene.settings();
    scene.publish({ serial: 2 });
    expect(await provisioned(scene)).toMatchObject({ result: "changed", generation: 1 });
  });

  scenario("that named a successor may be followed by it all the same", async (scene) => {
    await provisioned(scene);
    scene.settings(CUT_OFF);
    scene.put("default.uci", "package system\n\nconfig system\n\toption hostname 'moving'\n");
    scene.publish({ serial: 7, successor: "second-light" });
    for (let attempt = 0; attempt < 3; attempt++) expect((await scene.run()).status).toBe(6);
    scene.settings();
    scene.publish({ tree: "second-light", serial: 8 });
    await provisioned(scene);
    expect(JSON.parse(scene.device("/etc/uciprov/state/confirmed.json") ?? "")).toMatchObject({ tree: "second-light" });
  });

  scenario("after a confirmed one goes back to that one, not to the factory", async (scene) => {
    await provisioned(scene);
    const good = contentOf(scene.root, [...OWN, "/etc/config/uciprov"]);
    hostname(scene, "cut-off", 2);
    scene.settings(CUT_OFF);
    expect((await scene.run()).status).toBe(6);
    expect(contentOf(scene.root, [...OWN, "/etc/config/uciprov"])).toEqual(good);
    scene.settings();
    scene.publish({ serial: 2 });
    expect(await provisioned(scene)).toMatchObject({ result: "changed", generation: 2 });
  });
});

describe("going back by hand", () => {
  scenario(
    "rollback goes to the generation before, rollback 0 to the factory, and the tree counts as bad",
    async (scene) => {
      const factory = contentOf(scene.root, OWN);
      await provisioned(scene);
      const first = contentOf(scene.root, OWN);
      hostname(scene, "second", 2);
      await provisioned(scene);
      const history = JSON.parse((await scene.run(["history"])).stdout) as { number: number }[];
      expect(history.map(({ number }) => number)).toEqual([2, 1]);
      expect(await provisioned(scene, ["rollback"])).toMatchObject({ generation: 1 });
      expect(contentOf(scene.root, OWN)).toEqual(first);
      await refused(scene, { code: "GENERATION_BAD", exit: "rolled-back", says: ["by hand"] }, ["run", "--force"]);
      await provisioned(scene, ["rollback", "0"]);
      expect(filesOf(contentOf(scene.root, OWN))).toEqual(filesOf(factory));
      hostname(scene, "third", 3);
      await provisioned(scene);
      expect(scene.device(SYSTEM)).toContain("third");
    },
  );

  scenario(
    "a rollback leaves whom the device believes as it is by now, and takes the rest of its settings back",
    async (scene) => {
      scene.settings({ "resource:extra": { uri: "{base_uri}/extra.txt", module: "uci" }, main: { trust: "any" } });
      scene.put("extra.txt", "package uciprov\n\nconfig uciprov 'main'\n\toption tries '7'\n");
      scene.publish({ serial: 2 });
      await provisioned(scene);
      const own = scene.device("/etc/config/uciprov") ?? "";
      expect(own).toContain("option tries '7'");
      scene.edit(
        "/etc/config/uciprov",
        own.replace("option trust 'any'", "option trust 'signed'\n\tlist protect 'firewall'"),
      );
      await provisioned(scene, ["rollback", "0"]);
      const after = scene.device("/etc/config/uciprov") ?? "";
      expect(after).toContain("option trust 'signed'");
      expect(after).toContain("list protect 'firewall'");
      expect(after).toContain("option tries '1'");
      expect(after).not.toMatch(/'any'|'7'/);
    },
  );

  scenario("after a rollback the next plain run does not bring the tree back", async (scene) => {
    await provisioned(scene);
    await provisioned(scene, ["rollback", "0"]);
    const before = contentOf(scene.root);
    const ended = await scene.run();
    expect(ended.json).not.toMatchObject({ result: "changed" });
    expect(contentOf(scene.root)).toEqual(before);
  });

  scenario("a generation that is not kept, and a word that is none, are refused", async (scene) => {
    await refused(scene, { code: "GENERATION_UNKNOWN", exit: "failed", says: ["no generation is kept"] }, ["rollback"]);
    await provisioned(scene);
    await refused(scene, { code: "GENERATION_UNKNOWN", exit: "failed", says: ["generation 7"] }, ["rollback", "7"]);
    await refused(scene, { code: "USAGE", exit: "usage", says: ["yesterday"] }, ["rollback", "yesterday"]);
  });
});

describe("one run at a time", () => {
  scenario("a second run is told that another one is going on, and touches nothing", async (scene) => {
    scene.web.bend("default.uci", () => undefined);
    scene.settings({ limits: { header_seconds: "30" } });
    const first = scene.run(["run"], { interrupt: { after: 8000, by: "SIGTERM" } });
    await expect.poll(() => scene.device("/tmp/run/uciprov/lock"), { timeout: 7000 }).toBeDefined();
    await refused(scene, { code: "BUSY", exit: "busy", says: [/process \d+ is provisioning/] });
    await refused(scene, { code: "BUSY", exit: "busy", says: [] }, ["rollback", "0"]);
    await refused(scene, { code: "BUSY", exit: "busy", says: [] }, ["reset"]);
    const status = await scene.run(["status"]);
    expect(status.json).toMatchObject({ run: { state: "running" } });
    expect(await first).toMatchObject({ status: 1, json: { error: { code: "STOPPED" } } });
  });

  scenario("a lock whose holder is gone is taken over", async (scene) => {
    scene.edit("/tmp/run/uciprov/lock", "999999999-1-gone\n");
    await provisioned(scene);
    expect(scene.device("/tmp/run/uciprov/lock")).toBeUndefined();
  });
});

describe("room", () => {
  scenario("settings that are wrong are told, all together, with their options", async (scene) => {
    scene.settings({ main: { trust: "perhaps", tries: "0" }, dns: { timeout: "soon" } });
    await refused(scene, {
      code: "SETTINGS_INVALID",
      exit: "failed",
      says: ["main.trust", "main.tries", "dns.timeout"],
    });
  });

  scenario("switched off, a run asks nobody and ends well", async (scene) => {
    scene.settings({ main: { enabled: "0" } });
    expect(await provisioned(scene)).toMatchObject({ result: "off" });
    expect(scene.bed.names.asked).toEqual([]);
  });

  scenario("a root that is no folder is refused", async (scene) => {
    const { status, json } = await start(["run", "--root", `${scene.root}/etc/banner`, "--json"]);
    expect(status).toBe(EXIT.usage);
    expect(json).toMatchObject({ exit: "usage", error: { message: expect.stringContaining("is no folder") } });
  });
});

function hostname(scene: Scene, name: string, serial: number): void {
  scene.put("02005e100001.uci", `package system\n\nconfig system\n\toption hostname '${name}'\n`);
  scene.publish({ serial });
}

/** Folders that came with files stay behind; they are no configuration. */
function filesOf(content: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(content).filter(([, what]) => !what.endsWith("folder")));
}
