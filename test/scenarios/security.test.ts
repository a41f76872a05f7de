/** An exchange that defends itself, on the device of the use case `sbc`, by the real program. */
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { provisioned, type Scene, scenario } from "../helpers/scenario.ts";
import { change, filesOf, setUp, useCase } from "../helpers/use-case.ts";

const SECTION = "config security 'security'\n\toption enabled '1'\n\tlist allow '192.0.2.0/28'\n";

/** The device has nft and what uciprov's package brings; its tree says that it defends itself. */
function defended(scene: Scene): void {
  setUp(scene, useCase("sbc"));
  scene.edit("/usr/sbin/nft", "#!/bin/sh\n");
  scene.edit("/etc/init.d/beesip-guard", "#!/bin/sh /etc/rc.common\nSTART=20\nUSE_PROCD=1\n");
  chmodSync(join(scene.root, "etc/init.d/beesip-guard"), 0o755);
  change(scene, "default.uci", "config pbx 'pbx'", `${SECTION}\nconfig pbx 'pbx'`);
  scene.publish({ tree: "sbc", serial: 1 });
}

const acts = (json: Readonly<Record<string, unknown>>): unknown =>
  (json["plan"] as { services?: unknown } | undefined)?.services;

scenario(
  "its files land with the exchange's, the second run does nothing, and switched off all of it goes",
  async (scene) => {
    defended(scene);
    const before = filesOf(scene.root);
    scene.web.asked.length = 0;
    const first = await provisioned(scene);
    expect(acts(first)).toEqual(
      expect.arrayContaining([expect.objectContaining({ name: "beesip-guard", act: "start" })]),
    );
    // Two modules want it.
    expect(scene.web.asked.filter(({ name }) => name === "gateways.json")).toHaveLength(1);
    expect(scene.device("/etc/kamailio/beesip-protection.cfg")).toContain("#!define WITH_PROTECTION");
    // From the tree's gateway list, in the very first run.
    const rules = scene.device("/etc/beesip/guard.nft") ?? "";
    const gateways = JSON.parse(scene.device("/etc/beesip/gateways.json") ?? "{}") as {
      gateways: { match?: string[] }[];
    };
    const sources = gateways.gateways.flatMap(({ match }) => match ?? []);
    expect(sources.length).toBeGreaterThan(0);
    for (const source of sources) expect(rules).toContain(source);
    expect(JSON.parse(scene.device("/etc/beesip/guard.json") ?? "{}")).toMatchObject({ version: 1, apply: true });

    const after = filesOf(scene.root);
    const again = await scene.run(["run", "--force"]);
    expect(again.status).toBe(0);
    expect(acts(again.json) ?? []).toEqual([]);
    expect(filesOf(scene.root)).toEqual(after);

    change(scene, "default.uci", SECTION, SECTION.replace("'1'", "'0'"));
    scene.publish({ tree: "sbc", serial: 2 });
    const off = await provisioned(scene);
    expect(acts(off)).toEqual(expect.arrayContaining([expect.objectContaining({ name: "kamailio", act: "restart" })]));
    const left = Object.keys(filesOf(scene.root)).filter((path) => /guard\.(?:nft|json)|protection/.test(path));
    expect(left).toEqual([]);
    expect(Object.keys(before).filter((path) => scene.device(`/${path}`) === undefined)).toEqual([]);
  },
);

scenario(
  "another limit of the kernel's restarts no exchange, and a fault in it refuses the whole plan",
  async (scene) => {
    defended(scene);
    await provisioned(scene);
    change(scene, "default.uci", SECTION, `${SECTION}\toption kernel_rate '80'\n`);
    scene.publish({ tree: "sbc", serial: 2 });
    const changed = await provisioned(scene);
    const files = (changed["plan"] as { files: { path: string }[] }).files.map(({ path }) => path);
    expect(files).toEqual(["/etc/beesip/guard.nft"]);
    expect(acts(changed)).toMatchObject([{ name: "beesip-guard", act: "reload" }]);

    const before = filesOf(scene.root);
    change(scene, "default.uci", "192.0.2.0/28", "192.0.2.0/28 }");
    scene.publish({ tree: "sbc", serial: 3 });
    const ended = await scene.run();
    expect(ended.status).toBe(5);
    expect(ended.stdout).toContain("beesip.security.allow");
    expect(filesOf(scene.root)).toEqual(before);
  },
);
