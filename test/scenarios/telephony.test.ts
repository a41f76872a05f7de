/** Trees of exchanges that change, applied by the real program. */
import { describe, expect } from "vitest";
import { provisioned, scenario, start } from "../helpers/scenario.ts";
import { change, filesOf, setUp, useCase } from "../helpers/use-case.ts";

/** Where the tree has what is this one device's alone: passwords. */
const OWN = "02005e100001.uci";

const acts = (json: Readonly<Record<string, unknown>>): unknown =>
  (json["plan"] as { services?: unknown } | undefined)?.services;

describe.each(["pbx", "sbc"])("the tree %s", (tree) => {
  scenario("switched off, all of it goes, and what was there is back", async (scene) => {
    setUp(scene, useCase(tree));
    const before = filesOf(scene.root);
    await provisioned(scene);
    change(scene, "default.uci", "option enabled '1'", "option enabled '0'");
    scene.publish({ tree, serial: 2 });
    await provisioned(scene);
    const { "etc/config/beesip": _, ...after } = filesOf(scene.root);
    expect(after).toEqual(before);
  });
});

describe("an exchange that changes", () => {
  scenario("one extension more is a reload of Asterisk and no restart; another role is a restart", async (scene) => {
    setUp(scene, useCase("pbx"));
    expect(acts(await provisioned(scene))).toMatchObject([{ name: "asterisk", act: "start" }]);
    change(
      scene,
      OWN,
      "config extension",
      "config extension\n\toption number '106'\n\toption secret 'another;one'\n\nconfig extension",
    );
    scene.publish({ tree: "pbx", serial: 2 });
    const changed = await provisioned(scene);
    expect(acts(changed)).toMatchObject([{ name: "asterisk", act: "reload" }]);
    expect(scene.device("/etc/asterisk/pjsip.conf")).toContain("password = another\\;one");
    expect((changed["plan"] as { files: { path: string }[] }).files.map(({ path }) => path).sort()).toEqual([
      "/etc/asterisk/extensions.conf",
      "/etc/asterisk/pjsip.conf",
    ]);
    change(scene, "default.uci", "'b2bua'", "'both'");
    scene.publish({ tree: "pbx", serial: 3 });
    expect(acts(await provisioned(scene))).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ name: "asterisk", act: "restart" }),
        expect.objectContaining({ name: "kamailio", act: "start" }),
      ]),
    );
  });

  scenario(
    "Kamailio is handed an extension that changes, and is not restarted, in every role that has it",
    async (scene) => {
      setUp(scene, useCase("sbc"));
      const secrets = async (serial: number, number: string) => {
        scene.put(
          OWN,
          `package beesip\n\nconfig extension\n\toption number '${number}'\n\toption secret 'serial ${serial}'\n`,
        );
        scene.publish({ tree: "sbc", serial });
        const ended = await provisioned(scene);
        return {
          acts: acts(ended),
          files: (ended["plan"] as { files: { path: string }[] }).files.map(({ path }) => path),
        };
      };
      await secrets(1, "201");
      expect(await secrets(2, "201")).toMatchObject({
        acts: [{ name: "beesip-kamailio", act: "reload", because: "/etc/kamailio/beesip-extensions changes" }],
        files: ["/etc/kamailio/beesip-extensions"],
      });
      expect(await secrets(3, "202")).toMatchObject({
        acts: [{ name: "beesip-kamailio", act: "reload" }],
        files: ["/etc/kamailio/beesip-extensions"],
      });
      change(scene, "default.uci", "option role 'proxy'\n\toption media 'relay'", "option role 'both'");
      await secrets(4, "202");
      // Asterisk is none of those who ask for passwords.
      expect((await secrets(5, "202")).acts).toMatchObject([{ name: "beesip-kamailio", act: "reload" }]);
      expect((await secrets(6, "203")).acts).toMatchObject([
        { name: "asterisk", act: "reload" },
        { name: "beesip-kamailio", act: "reload" },
      ]);
      expect(acts(await provisioned(scene, ["run", "--force"]))).toEqual([]);
      // What it reads only as it starts.
      change(scene, "default.uci", "sip.campus.example", "sip.other.example");
      expect((await secrets(7, "203")).acts).toEqual(
        expect.arrayContaining([expect.objectContaining({ name: "kamailio", act: "restart" })]),
      );
    },
  );

  scenario("a bad gateway list leaves the last good one in use, and nothing is done", async (scene) => {
    setUp(scene, useCase("pbx"));
    await provisioned(scene);
    const before = filesOf(scene.root);
    for (const [serial, list] of [
      [2, "maintenance until noon"],
      [3, '{ "version": 9 }'],
    ] as const) {
      scene.put("gateways.json", list);
      scene.publish({ tree: "pbx", serial });
      const ended = await provisioned(scene);
      expect(ended["result"]).toBe("recorded");
      expect(JSON.stringify(ended)).toContain("last good one");
      expect(filesOf(scene.root)).toEqual(before);
    }
  });

  scenario("a phone that goes loses its file, and a hostile name refuses the plan with its place", async (scene) => {
    setUp(scene, useCase("pbx"));
    await provisioned(scene);
    expect(scene.device("/etc/beesip/phones/001565100001.cfg")).toContain("#!version:1.0.0.1");
    change(
      scene,
      "default.uci",
      "config phone\n\toption mac '00:15:65:10:00:01'\n\toption vendor 'yealink'\n\tlist extension '101'\n",
      "",
    );
    scene.publish({ tree: "pbx", serial: 2 });
    await provisioned(scene);
    expect(scene.device("/etc/beesip/phones/001565100001.cfg")).toBeUndefined();
    const before = filesOf(scene.root);
    change(scene, OWN, "'Workshop'", "'Workshop\nexten => _X!,1,System(id)'");
    scene.publish({ tree: "pbx", serial: 3 });
    const ended = await scene.run();
    expect(ended.status).toBe(5);
    expect(ended.stdout).toContain("beesip.@extension[3].name");
    expect(filesOf(scene.root)).toEqual(before);
  });
});

describe("what an exchange keeps from others", () => {
  const SECRETS = [
    'z;7"Qd',
    "pK4#!mm2x",
    "v&8]r0}wsL",
    "v&amp;8]r0}wsL",
    "Hy6t;",
    "{HOME}xx",
    "trunk;secret",
    "trunk\\;",
  ];
  for (const [role, provision] of [
    ["b2bua", "tftp"],
    ["both", "http"],
  ] as const) {
    scenario(`stands in no plan, run or diff for people unless asked for: ${role}, ${provision}`, async (scene) => {
      setUp(scene, useCase("pbx"));
      change(scene, "default.uci", "option role 'b2bua'", `option role '${role}'\n\toption provision '${provision}'`);
      scene.publish({ tree: "pbx", serial: 1 });
      const said = async (...words: string[]) => (await start([...words, "--root", scene.root])).stdout;
      const before = [await said("plan"), await said("run", "--dry-run"), await said("run")];
      const digests =
        role === "both"
          ? (scene.device("/etc/kamailio/beesip-extensions") ?? "").match(/(?<=:)[0-9a-f]{32}(?=\/)/g)
          : [];
      expect(digests).toHaveLength(role === "both" ? 5 : 0);
      for (const told of [...before, await said("diff", "0")]) {
        expect(told).toContain("/etc/asterisk/pjsip.conf");
        for (const secret of [...SECRETS, ...(digests ?? [])]) expect(told).not.toContain(secret);
      }
      expect(await said("diff", "0", "--show-secrets")).toContain("endpoint_identifier_order = username,ip");
    });
  }
});
