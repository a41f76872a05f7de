/** The trees of an exchange and of a border controller, applied by the real program; `UPDATE_FIXTURES=1` writes what the device then has. */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect } from "vitest";
import { provisioned, type Scene, scenario } from "../helpers/scenario.ts";
import { contentOf, snapshotOf } from "../helpers/snapshot.ts";

const FIXTURES = join(import.meta.dirname, "../../fixtures");
const IS_WRITING = process.env["UPDATE_FIXTURES"] === "1";

/** A device with Asterisk, Kamailio and dnsmasq, and this tree alone. */
function setUp(scene: Scene, tree: string): void {
  cpSync(join(FIXTURES, "devices/exchange"), scene.root, { recursive: true });
  for (const name of ["asterisk", "kamailio"]) chmodSync(join(scene.root, "etc/init.d", name), 0o755);
  rmSync(scene.tree, { recursive: true });
  cpSync(join(FIXTURES, "trees", tree, "files"), scene.tree, { recursive: true });
  scene.publish({ tree, serial: 1 });
}

const FOLDERS = ["etc/asterisk", "etc/kamailio", "etc/beesip", "www/prov"];
const PACKAGES = ["asterisk", "kamailio", "dhcp", "beesip"].map((name) => `etc/config/${name}`);

/** What the exchange consists of on a device: path → text. */
function exchangeOf(root: string): Record<string, string> {
  const found: Record<string, string> = {};
  const look = (path: string): void => {
    const whole = join(root, path);
    if (!existsSync(whole)) return;
    if (statSync(whole).isDirectory()) for (const name of readdirSync(whole).sort()) look(`${path}/${name}`);
    else found[path] = readFileSync(whole, "utf8");
  };
  for (const path of [...FOLDERS, ...PACKAGES]) look(path);
  return found;
}

function expectAfterwards(scene: Scene, tree: string): void {
  const folder = join(FIXTURES, "trees", tree, "device");
  const found = exchangeOf(scene.root);
  if (IS_WRITING) {
    rmSync(folder, { recursive: true, force: true });
    for (const [path, text] of Object.entries(found)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
  }
  expect(found).toEqual(exchangeOf(folder));
}

const acts = (json: Readonly<Record<string, unknown>>): unknown =>
  (json["plan"] as { services?: unknown } | undefined)?.services;

function change(scene: Scene, from: string, to: string): void {
  const text = readFileSync(join(scene.tree, "default.uci"), "utf8");
  if (!text.includes(from)) throw new Error(`no ${from} in the tree`);
  scene.put("default.uci", text.replace(from, to));
}

describe.each(["pbx", "sbc"])("the tree %s", (tree) => {
  scenario("plans, applies, and leaves exactly these files; a second run changes nothing", async (scene) => {
    setUp(scene, tree);
    const before = contentOf(scene.root);
    const planned = await provisioned(scene, ["plan"]);
    expect(JSON.stringify(planned)).toContain(
      tree === "pbx" ? "/etc/asterisk/pjsip.conf" : "/etc/kamailio/kamailio.cfg",
    );
    expect(contentOf(scene.root)).toEqual(before);
    expect(await provisioned(scene)).toMatchObject({ result: "changed" });
    expectAfterwards(scene, tree);
    for (const [path, mode] of [
      ["etc/beesip/gateways.json", 0o600],
      [tree === "pbx" ? "etc/asterisk/pjsip.conf" : "etc/kamailio/kamailio.cfg", 0o640],
    ] as const) {
      expect(statSync(join(scene.root, path)).mode & 0o777, path).toBe(mode);
    }
    const after = snapshotOf(scene.root, ["/etc/uciprov/state"]);
    expect(await provisioned(scene)).toMatchObject({ result: "unchanged" });
    expect(await provisioned(scene, ["run", "--force"])).toMatchObject({ result: "recorded" });
    expect(snapshotOf(scene.root, ["/etc/uciprov/state"])).toEqual(after);
  });

  scenario("switched off, all of it goes, and what was there is back", async (scene) => {
    setUp(scene, tree);
    const before = exchangeOf(scene.root);
    await provisioned(scene);
    change(scene, "option enabled '1'", "option enabled '0'");
    scene.publish({ tree, serial: 2 });
    await provisioned(scene);
    const { "etc/config/beesip": _, ...after } = exchangeOf(scene.root);
    expect(after).toEqual(before);
  });
});

describe("an exchange that changes", () => {
  scenario("one extension more is a reload of Asterisk and no restart; another role is a restart", async (scene) => {
    setUp(scene, "pbx");
    expect(acts(await provisioned(scene))).toMatchObject([{ name: "asterisk", act: "start" }]);
    change(
      scene,
      "config phone",
      "config extension\n\toption number '106'\n\toption secret 'another;one'\n\nconfig phone",
    );
    scene.publish({ tree: "pbx", serial: 2 });
    const changed = await provisioned(scene);
    expect(acts(changed)).toMatchObject([{ name: "asterisk", act: "reload" }]);
    expect(scene.device("/etc/asterisk/pjsip.conf")).toContain("password = another\\;one");
    expect((changed["plan"] as { files: { path: string }[] }).files.map(({ path }) => path).sort()).toEqual([
      "/etc/asterisk/extensions.conf",
      "/etc/asterisk/pjsip.conf",
    ]);
    change(scene, "'b2bua'", "'both'");
    scene.publish({ tree: "pbx", serial: 3 });
    expect(acts(await provisioned(scene))).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ name: "asterisk", act: "restart" }),
        expect.objectContaining({ name: "kamailio", act: "start" }),
      ]),
    );
  });

  scenario("a bad gateway list leaves the last good one in use, and nothing is done", async (scene) => {
    setUp(scene, "pbx");
    await provisioned(scene);
    const before = exchangeOf(scene.root);
    for (const [serial, list] of [
      [2, "maintenance until noon"],
      [3, '{ "version": 9 }'],
    ] as const) {
      scene.put("gateways.json", list);
      scene.publish({ tree: "pbx", serial });
      const ended = await provisioned(scene);
      expect(ended["result"]).toBe("recorded");
      expect(JSON.stringify(ended)).toContain("last good one");
      expect(exchangeOf(scene.root)).toEqual(before);
    }
  });

  scenario("a phone that goes loses its file, and a hostile name refuses the plan with its place", async (scene) => {
    setUp(scene, "pbx");
    await provisioned(scene);
    expect(scene.device("/etc/beesip/phones/001565100001.cfg")).toContain("#!version:1.0.0.1");
    change(
      scene,
      "config phone\n\toption mac '00:15:65:10:00:01'\n\toption vendor 'yealink'\n\tlist extension '101'\n",
      "",
    );
    scene.publish({ tree: "pbx", serial: 2 });
    await provisioned(scene);
    expect(scene.device("/etc/beesip/phones/001565100001.cfg")).toBeUndefined();
    const before = exchangeOf(scene.root);
    change(scene, "'Workshop'", "'Workshop\nexten => _X!,1,System(id)'");
    scene.publish({ tree: "pbx", serial: 3 });
    const ended = await scene.run();
    expect(ended.status).toBe(5);
    expect(ended.stdout).toContain("beesip.@extension[3].name");
    expect(exchangeOf(scene.root)).toEqual(before);
  });
});
