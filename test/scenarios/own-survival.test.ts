/** A tree of the rightful owner that would, by a slip, make the device the last it ever takes. */
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { DEMO_NAME } from "../../src/admin/demo-bed.ts";
import { answer } from "../helpers/bent-web.ts";
import { provisioned, refused, type Scene, scenario } from "../helpers/scenario.ts";
import { type TarEntry, tarGz } from "../helpers/tar.ts";

const OWN = "/etc/config/uciprov";
const CRONTAB = "/etc/crontabs/root";
const LINE = "*/30 * * * * /etc/init.d/uciprov scheduled # uciprov";

function layer(scene: Scene, text: string, mode: "merge" | "replace" | "batch" = "merge"): void {
  scene.settings({ "resource:extra": { uri: "{base_uri}/extra.txt", module: "uci", mode } });
  scene.put("extra.txt", text);
  scene.publish({ serial: 2 });
}

describe("the name by which a device finds its tree", () => {
  scenario("does not go with a layer that replaces the package and says nothing of it", async (scene) => {
    layer(scene, "package uciprov\n", "replace");
    await refused(scene, { code: "PLAN_INVALID", exit: "invalid-content", says: ["uciprov.dns.name", "gone"] });
  });

  scenario("does not go by a batch line, nor with its section", async (scene) => {
    for (const line of ["delete uciprov.dns.name\n", "delete uciprov.dns\n"]) {
      layer(scene, line, "batch");
      await refused(scene, { code: "PLAN_INVALID", exit: "invalid-content", says: ["uciprov.dns.name"] });
    }
  });

  scenario("may become another, and what a tree had put there goes with the tree", async (scene) => {
    scene.web.bend("lookup", answer(200, { "content-type": "text/plain" }, `provuri=${scene.web.uri}\n`));
    layer(scene, `package uciprov\n\nconfig uciprov 'https'\n\toption uri '${scene.web.uri}/lookup'\n`);
    await provisioned(scene);
    expect(scene.device(OWN)).toContain("/lookup");
    scene.put("extra.txt", "package uciprov\n");
    scene.publish({ serial: 3 });
    await provisioned(scene);
    expect(scene.device(OWN)).not.toContain("/lookup");
    expect(scene.device(OWN)).toContain(DEMO_NAME);
  });

  scenario("nor does a tree switch off cron where cron starts uciprov", async (scene) => {
    scene.settings({ schedule: { by: "crond" } });
    scene.edit("/etc/init.d/cron", "#!/bin/sh /etc/rc.common\nSTART=50\n");
    scene.put("services", "cron disabled\n");
    scene.publish({ serial: 2 });
    await refused(scene, { code: "PLAN_INVALID", exit: "invalid-content", says: ["uciprov.schedule.by", "cron"] });
    scene.settings();
    await provisioned(scene);
  });

  scenario("nor is cron's start at boot, or its script, taken away by an overlay there", async (scene) => {
    scene.settings({ schedule: { by: "crond" } });
    scene.edit("/etc/init.d/cron", "#!/bin/sh /etc/rc.common\nSTART=50\n");
    mkdirSync(join(scene.root, "etc/rc.d"), { recursive: true });
    symlinkSync("../init.d/cron", join(scene.root, "etc/rc.d/S50cron"));
    for (const entry of [
      { name: "etc/rc.d/.wh.S50cron" },
      { name: "etc/rc.d/S50cron", type: "2", link: "../init.d/other" },
      { name: "etc/init.d/.wh.cron" },
    ]) {
      scene.put("overlay.tar.gz", tarGz(entry));
      scene.publish({ serial: 2 });
      await refused(scene, { code: "PLAN_INVALID", exit: "invalid-content", says: ["uciprov.schedule.by", "cron"] });
    }
    scene.put(
      "overlay.tar.gz",
      tarGz({ name: "etc/rc.d/.wh.S50cron" }, { name: "etc/rc.d/S60cron", type: "2", link: "../init.d/cron" }),
    );
    scene.publish({ serial: 2 });
    await provisioned(scene);
  });

  scenario("nor does a tree leave the start to cron where there is none", async (scene) => {
    const text = "package uciprov\n\nconfig uciprov 'schedule'\n\toption by 'crond'\n";
    layer(scene, text);
    scene.edit("/etc/init.d/other", "#!/bin/sh /etc/rc.common\n");
    await refused(scene, { code: "PLAN_INVALID", exit: "invalid-content", says: ["uciprov.schedule.by", "no cron"] });
    scene.edit("/etc/init.d/cron", "#!/bin/sh /etc/rc.common\nSTART=50\n");
    await provisioned(scene);
  });

  scenario("nor does a tree leave out who named it, if nobody else surely knows", async (scene) => {
    for (const [text, place] of [
      ["config uciprov 'main'\n\tlist resolver 'dhcp'\n", "uciprov.main.resolver"],
      ["config uciprov 'dns'\n\toption enabled '0'\n", "uciprov.dns.enabled"],
    ] as const) {
      layer(scene, `package uciprov\n\n${text}`);
      await refused(scene, { code: "PLAN_INVALID", exit: "invalid-content", says: [place, "dns", "named this tree"] });
    }
    layer(
      scene,
      `package uciprov\n\nconfig uciprov 'main'\n\tlist resolver 'static'\n\nconfig uciprov 'static'\n\toption base_uri '${scene.web.uri}'\n`,
    );
    await provisioned(scene);
    expect(await provisioned(scene, ["run", "--force"])).toMatchObject({ result: "recorded" });
    // What the tree had set goes with it: then the device's own list counts again.
    scene.put("extra.txt", "package uciprov\n");
    scene.publish({ serial: 3 });
    await provisioned(scene);
    expect(scene.device(OWN)).not.toContain("resolver");
  });

  scenario("nor the module that reads what it says of that", async (scene) => {
    layer(scene, "package uciprov\n\nconfig uciprov 'main'\n\tlist module '-uci'\n");
    await refused(scene, { code: "PLAN_INVALID", exit: "invalid-content", says: ["uciprov.main.module", "uci"] });
  });

  scenario("nor does a tree switch uciprov off", async (scene) => {
    layer(scene, "package uciprov\n\nconfig uciprov 'main'\n\toption enabled '0'\n");
    await refused(scene, { code: "PLAN_INVALID", exit: "invalid-content", says: ["uciprov.main.enabled"] });
  });
});

describe("what a new configuration must prove", () => {
  const probing = (scene: Scene, serial: number, probe: string): void => {
    scene.settings({
      "resource:extra": { uri: "{base_uri}/extra.txt", module: "uci" },
      confirm: { window: "6", bisect: "0" },
    });
    scene.put("extra.txt", `package uciprov\n\nconfig uciprov 'confirm'\n\tlist probe '${probe}'\n`);
    scene.publish({ serial });
  };

  scenario("is what it says itself, too: one that no later tree could prove is taken back", async (scene) => {
    probing(scene, 2, "https://127.0.0.1:9/");
    const ended = await scene.run();
    expect(ended.json).toMatchObject({ error: { code: "NOT_CONFIRMED" } });
    expect(ended.stdout).toContain("https://127.0.0.1:9/: CONNECT_FAILED");
    expect(scene.device(OWN)).not.toContain("127.0.0.1:9/");
    probing(scene, 3, `${scene.web.uri}/MANIFEST`);
    await provisioned(scene);
    expect(scene.device(OWN)).toContain(`list probe '${scene.web.uri}/MANIFEST'`);
  });

  scenario("is a probe that there is", async (scene) => {
    probing(scene, 2, "pray");
    await refused(scene, { code: "PLAN_INVALID", exit: "invalid-content", says: ["uciprov.confirm.probe", "pray"] });
  });
});

describe("root's crontab", () => {
  const overlay = (scene: Scene, serial: number, entries: readonly TarEntry[]): void => {
    scene.put("overlay.tar.gz", tarGz(...entries));
    scene.publish({ serial });
  };

  scenario("is a tree's to write, but for the line that starts uciprov", async (scene) => {
    scene.edit(CRONTAB, `0 1 * * * mine\n${LINE}\n`);
    overlay(scene, 2, [{ name: "etc/crontabs/root", body: "0 4 * * * theirs\n", mode: 0o600 }]);
    await provisioned(scene);
    expect(scene.device(CRONTAB)).toBe(`0 4 * * * theirs\n${LINE}\n`);
    expect(await provisioned(scene, ["run", "--force"])).toMatchObject({ result: "recorded" });
    // The schedule was changed on the device: that is no drift that the tree would undo.
    const other = LINE.replace("*/30", "*/10");
    scene.edit(CRONTAB, `0 4 * * * theirs\n${other}\n`);
    overlay(scene, 3, [{ name: "etc/crontabs/root", body: "0 5 * * * theirs\n", mode: 0o600 }]);
    await provisioned(scene);
    expect(scene.device(CRONTAB)).toBe(`0 5 * * * theirs\n${other}\n`);
    overlay(scene, 4, [{ name: "etc/crontabs/.wh.root", body: "" }]);
    await provisioned(scene);
    expect(scene.device(CRONTAB)).toBe(`${other}\n`);
  });

  scenario("without such a line is a file like any other", async (scene) => {
    overlay(scene, 2, [{ name: "etc/crontabs/root", body: "0 4 * * * theirs\n", mode: 0o600 }]);
    await provisioned(scene);
    expect(scene.device(CRONTAB)).toBe("0 4 * * * theirs\n");
  });
});
