/** What became of a device, afterwards: who set what, and what changed from one generation to the next. */
import { describe, expect } from "vitest";
import { provisioned, refused, type Scene, scenario, start } from "../helpers/scenario.ts";
import { snapshotOf } from "../helpers/snapshot.ts";

const OWNED = "/etc/uciprov/state/owned.json";

async function blamed(scene: Scene, word: string): Promise<unknown> {
  const ended = await scene.run(["blame", word]);
  expect(ended.status, ended.stderr + ended.stdout).toBe(0);
  return JSON.parse(ended.stdout);
}

function hostname(scene: Scene, name: string, serial: number): void {
  scene.put("02005e100001.uci", `package system\n\nconfig system\n\toption hostname '${name}'\n`);
  scene.publish({ serial });
}

describe("blame", () => {
  scenario("names the layer, the signer, the generation and the time of an option and of a file", async (scene) => {
    await provisioned(scene);
    const signer = scene.bed.key.fingerprint;
    expect(await blamed(scene, "system.@system[0].hostname")).toEqual([
      {
        path: "system.@system[0].hostname",
        by: "tree",
        value: "attic",
        origin: {
          module: "uci",
          uri: `${scene.web.uri}/02005e100001.uci`,
          signer,
          generation: 1,
          at: expect.any(Number),
        },
      },
    ]);
    expect(await blamed(scene, "system.@system[0].zonename")).toMatchObject([
      { origin: { uri: `${scene.web.uri}/default.uci` } },
    ]);
    expect(await blamed(scene, "/etc/banner")).toMatchObject([
      { by: "tree", value: "file", origin: { module: "overlay", signer, generation: 1 } },
    ]);
    const text = await scene.run(["blame", "system.@system[0].hostname"]);
    expect(text.stdout).toContain("02005e100001.uci");
  });

  scenario("says so of what is the device's own, of what somebody changed, and of what is not there", async (scene) => {
    await provisioned(scene);
    expect(await blamed(scene, "network.lan.proto")).toEqual([
      { path: "network.lan.proto", by: "device", value: "static" },
    ]);
    expect(await blamed(scene, "firewall.@zone[-1].name")).toMatchObject([
      { path: expect.stringMatching(/^firewall\.@zone\[\d\]\.name$/), by: "device", value: "wan" },
    ]);
    expect(await blamed(scene, "/etc/board.json")).toMatchObject([{ by: "device" }]);
    scene.edit("/etc/config/system", (scene.device("/etc/config/system") ?? "").replace("'attic'", "'by-hand'"));
    scene.edit("/etc/banner", "mine\n");
    expect(await blamed(scene, "system.@system[0].hostname")).toMatchObject([
      { by: "drifted", value: "by-hand", set: "attic", origin: { generation: 1 } },
    ]);
    expect(await blamed(scene, "/etc/banner")).toMatchObject([{ by: "drifted", origin: { module: "overlay" } }]);
    expect(await blamed(scene, "system.ghost.option")).toEqual([{ path: "system.ghost.option", by: "nobody" }]);
    expect(await blamed(scene, "/etc/ghost")).toEqual([{ path: "/etc/ghost", by: "nobody" }]);
  });

  scenario("knows what a tree took away", async (scene) => {
    scene.put("network.batch", "delete network.lan.ip6assign\n");
    scene.settings({ "resource:extra": { uri: "{base_uri}/network.batch", module: "uci", mode: "batch" } });
    scene.publish({ serial: 2 });
    await provisioned(scene);
    expect(await blamed(scene, "network.lan.ip6assign")).toMatchObject([
      { by: "tree", origin: { uri: `${scene.web.uri}/network.batch`, generation: 1 } },
    ]);
  });

  scenario(
    "keeps the generation that set a value, whatever came after; a whole package is told at once",
    async (scene) => {
      await provisioned(scene);
      const size = (scene.device(OWNED) ?? "").length;
      hostname(scene, "second", 2);
      await provisioned(scene);
      const all = await blamed(scene, "system");
      expect(all).toMatchObject(
        expect.arrayContaining([
          expect.objectContaining({
            path: "system.@system[0].hostname",
            origin: expect.objectContaining({ generation: 2 }),
          }),
          expect.objectContaining({
            path: "system.@system[0].zonename",
            origin: expect.objectContaining({ generation: 1 }),
          }),
        ]),
      );
      // Flash is precious: another source is a line, not one for each option.
      expect((scene.device(OWNED) ?? "").length - size).toBeLessThan(500);
      await provisioned(scene, ["rollback"]);
      expect(await blamed(scene, "system.@system[0].hostname")).toMatchObject([
        { value: "attic", origin: { generation: 1 } },
      ]);
    },
  );

  scenario("shows no secret unless asked to", async (scene) => {
    await provisioned(scene);
    const word = "wireless.default_radio0.key";
    expect(await blamed(scene, word)).toMatchObject([{ value: "…", by: "tree" }]);
    expect((await scene.run(["blame", word, "--show-secrets"])).stdout).toContain("correct horse battery");
  });

  scenario("refuses what is neither option nor path, writes nothing, and works before the first run", async (scene) => {
    const before = snapshotOf(scene.root);
    expect(await blamed(scene, "network.lan.proto")).toMatchObject([{ by: "device" }]);
    for (const words of [
      ["blame"],
      ["blame", "../network"],
      ["blame", "a", "b"],
      ["blame", "network..x"],
      ["blame", "/etc/../x"],
      ["blame", "/etc/"],
    ])
      await refused(scene, { code: "USAGE", exit: "usage", says: [] }, words);
    expect(snapshotOf(scene.root)).toEqual(before);
  });
});

describe("diff", () => {
  scenario(
    "shows what changed between two generations, either way, and to the newest if one is named",
    async (scene) => {
      await provisioned(scene);
      hostname(scene, "second", 2);
      await provisioned(scene);
      const json = async (...words: string[]) => (await scene.run(["diff", ...words])).json;
      const changed = (before: string, after: string) =>
        expect.arrayContaining([
          expect.objectContaining({
            path: "/etc/config/system",
            act: "changed",
            uci: expect.objectContaining({
              sections: [expect.objectContaining({ options: [{ option: "hostname", before, after }] })],
            }),
          }),
        ]);
      expect(await json("1", "2")).toEqual({ from: 1, to: 2, changes: changed("attic", "second") });
      expect(await json("1")).toEqual(await json("1", "2"));
      expect(await json("2", "1")).toEqual({ from: 2, to: 1, changes: changed("second", "attic") });
      expect(await json("2", "2")).toMatchObject({ changes: [] });
      const whole = await json("0", "2");
      expect(JSON.stringify(whole)).toContain("/etc/banner");
      expect(JSON.stringify(whole)).not.toContain("correct horse");
      expect(JSON.stringify(whole)).not.toContain("/etc/uciprov/state");
    },
  );

  scenario("refuses generations that are not kept, and words that are none", async (scene) => {
    await refused(scene, { code: "GENERATION_UNKNOWN", exit: "failed", says: ["no generation"] }, ["diff", "1"]);
    await provisioned(scene);
    await refused(scene, { code: "GENERATION_UNKNOWN", exit: "failed", says: ["7"] }, ["diff", "1", "7"]);
    for (const words of [["diff"], ["diff", "one"], ["diff", "1", "2", "3"], ["diff", "-1"]])
      await refused(scene, { code: "USAGE", exit: "usage", says: [] }, words);
  });
});

scenario(
  "a password or token in a URI is shown by none of plan, run, status, diff and blame unless it is asked for",
  async (scene) => {
    scene.put(
      "02005e100001.uci",
      "package ddns\n\nconfig service 'x'\n\toption update_url 'https://me:hunter2@dyn.example/u?token=abc&host=attic'\n\tlist also 'https://x.example/?key=hunter2'\n",
    );
    scene.publish({ serial: 2 });
    const told = [];
    for (const words of [["plan"], ["run"], ["status"], ["diff", "0"], ["blame", "ddns.x.update_url"]])
      for (const form of [["--json"], []]) told.push((await start([...words, "--root", scene.root, ...form])).stdout);
    expect(told.join("\n")).not.toMatch(/hunter2|=abc/);
    expect(told.join("\n")).toContain("https://me:(secret)@dyn.example/u?token=(secret)&host=attic");
    expect(scene.device("/var/run/uciprov/status.json")).not.toContain("hunter2");
    const asked = await start(["blame", "ddns.x", "--show-secrets", "--root", scene.root]);
    expect(asked.stdout).toContain("https://me:hunter2@dyn.example/u?token=abc&host=attic");
  },
);
