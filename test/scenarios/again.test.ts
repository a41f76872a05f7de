/** One run after another: the same tree, a changed one, one that takes back what it said, and a person in between. */
import { readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { generateKeyPair } from "../../src/tree/keys.ts";
import { answer, serveBent } from "../helpers/bent-web.ts";
import { provisioned, refused, type Scene, scenario } from "../helpers/scenario.ts";
import { contentOf, snapshotOf } from "../helpers/snapshot.ts";
import { tarGz } from "../helpers/tar.ts";

const SYSTEM = "/etc/config/system";
const CHECKED = "/var/run/uciprov/checked.json";

describe("the same tree again", () => {
  scenario("the first run applies, the second makes one request and writes nothing", async (scene) => {
    expect(await provisioned(scene)).toMatchObject({ result: "changed", generation: 1 });
    expect(scene.device(SYSTEM)).toContain("option hostname 'attic'");
    const before = snapshotOf(scene.root);
    scene.web.asked.length = 0;
    expect(await provisioned(scene)).toMatchObject({ result: "unchanged" });
    expect(scene.web.asked).toEqual([{ name: "MANIFEST", status: 304 }]);
    expect(snapshotOf(scene.root)).toEqual(before);
  });

  scenario("a tree at the root of its server is asked once, too", async (scene) => {
    scene.goTo(scene.web.uri.replace(/\/tree$/, ""));
    await provisioned(scene);
    scene.web.asked.length = 0;
    expect(await provisioned(scene)).toMatchObject({ result: "unchanged" });
    expect(scene.web.asked).toEqual([{ name: "MANIFEST", status: 304 }]);
  });

  scenario("a server without ETags costs the manifest and writes nothing", async (scene) => {
    scene.web.bend("MANIFEST", (request, response) =>
      answer(200, {}, readFileSync(join(scene.tree, "MANIFEST")))(request, response),
    );
    await provisioned(scene);
    const before = snapshotOf(scene.root);
    scene.web.asked.length = 0;
    expect(await provisioned(scene)).toMatchObject({ result: "unchanged" });
    expect(scene.web.asked.every(({ name }) => name.startsWith("MANIFEST"))).toBe(true);
    expect(snapshotOf(scene.root)).toEqual(before);
  });

  scenario("--force looks at everything again and still writes no configuration", async (scene) => {
    await provisioned(scene);
    const before = snapshotOf(scene.root, ["/etc/uciprov/state"]);
    expect(await provisioned(scene, ["run", "--force"])).toMatchObject({ result: "recorded" });
    expect(snapshotOf(scene.root, ["/etc/uciprov/state"])).toEqual(before);
  });

  scenario("--first-only does nothing once a generation is confirmed", async (scene) => {
    await provisioned(scene);
    scene.web.asked.length = 0;
    const asked = scene.bed.names.asked.length;
    await scene.run(["run", "--first-only"]);
    expect(scene.web.asked).toEqual([]);
    expect(scene.bed.names.asked).toHaveLength(asked);
  });

  scenario("a new serial over the same files is recorded, not applied", async (scene) => {
    await provisioned(scene);
    const before = snapshotOf(scene.root, ["/etc/uciprov/state"]);
    scene.publish({ serial: 2 });
    expect(await provisioned(scene)).toMatchObject({ result: "recorded" });
    expect(snapshotOf(scene.root, ["/etc/uciprov/state"])).toEqual(before);
    scene.publish({ serial: 1 });
    await refused(scene, { code: "SERIAL_LOWER", exit: "trust-refused", says: ["known 2"] });
  });
});

describe("a changed tree", () => {
  scenario("only the difference is applied", async (scene) => {
    await provisioned(scene);
    const before = contentOf(scene.root);
    const kept = snapshotOf(scene.root);
    changeDefault(scene, "CET-1CEST,M3.5.0,M10.5.0/3", "UTC0");
    scene.publish({ serial: 2 });
    const { plan } = await provisioned(scene);
    expect(plan).toMatchObject({ packages: [{ name: "system" }], files: [] });
    const after = contentOf(scene.root);
    const changed = Object.keys(after).filter((path) => after[path] !== before[path] && !isOwn(path));
    expect(changed).toEqual([SYSTEM]);
    const untouched = snapshotOf(scene.root);
    expect(untouched["/etc/config/network"]).toBe(kept["/etc/config/network"]);
    expect(untouched["/etc/banner"]).toBe(kept["/etc/banner"]);
  });

  scenario("what a tree takes back becomes what it was before uciprov came", async (scene) => {
    const factory = contentOf(scene.root);
    await provisioned(scene);
    expect(scene.device("/etc/profile.d/fleet.sh")).toBeDefined();
    for (const name of [
      "default.uci",
      "02005e100001.uci",
      "example,router-one.uci",
      "overlay.tar.gz",
      "authorized_keys",
    ]) {
      rmSync(join(scene.tree, name));
    }
    scene.publish({ serial: 2 });
    await provisioned(scene);
    const after = contentOf(scene.root);
    const different = [...new Set([...Object.keys(factory), ...Object.keys(after)])].filter(
      (path) => factory[path] !== after[path] && !isOwn(path) && !path.startsWith("/etc/config/"),
    );
    // A folder that came with its files may stay; no file may.
    expect(different.filter((path) => !(after[path] ?? "").endsWith("folder"))).toEqual([]);
    const { plan } = await provisioned(scene, ["plan"]);
    expect(plan).toMatchObject({ packages: [], files: [], changes: 0 });
    expect(scene.device(SYSTEM)).toContain("option hostname 'OpenWrt'");
    expect(scene.device(SYSTEM)).not.toMatch(/zonename|ntp\.fleet\.example/);
    expect(scene.device("/etc/config/network")).toContain("option ipaddr '192.168.1.1'");
    expect(scene.device("/etc/config/network")).not.toContain("iot");
  });

  scenario("an option that a tree takes back gets its own old value", async (scene) => {
    await provisioned(scene);
    changeIn(scene, "02005e100001.uci", "\toption hostname 'attic'\n", "");
    scene.publish({ serial: 2 });
    await provisioned(scene);
    expect(scene.device(SYSTEM)).toContain("option hostname 'OpenWrt'");
    expect(scene.device(SYSTEM)).toContain("option zonename 'Europe/Prague'");
  });

  scenario(
    "what a person changed survives a tree that does not speak of it, and is told if the tree does",
    async (scene) => {
      await provisioned(scene);
      const own = (scene.device(SYSTEM) ?? "").replace("option log_size '128'", "option log_size '256'");
      scene.edit(SYSTEM, own.replace(/option zonename '[^']*'/, "option zonename 'Europe/Paris'"));
      changeDefault(scene, "\toption zonename 'Europe/Prague'\n", "");
      scene.publish({ serial: 2 });
      const { plan } = await provisioned(scene);
      expect(scene.device(SYSTEM)).toContain("option log_size '256'");
      expect(scene.device(SYSTEM)).toContain("option zonename 'Europe/Paris'");
      expect(JSON.stringify(plan)).toMatch(/"drift":\[\{"path":"system\.[^"]*zonename","isKept":true\}\]/);
    },
  );

  scenario("a protected option is left alone", async (scene) => {
    scene.settings({ main: { protect: ["network.lan.ipaddr", "/etc/banner"] } });
    const banner = scene.device("/etc/banner");
    await provisioned(scene);
    expect(scene.device("/etc/config/network")).toContain("option ipaddr '192.168.1.1'");
    expect(scene.device("/etc/config/network")).toContain("config interface 'iot'");
    expect(scene.device("/etc/banner")).toBe(banner);
  });

  scenario(
    "a protected path is left alone by whatever name, also a package's, and with all below it",
    async (scene) => {
      scene.settings({ main: { protect: ["/etc/config/network", "/etc/dropbear/", "/etc/real"] } });
      const [network, keys] = [scene.device("/etc/config/network"), scene.device("/etc/dropbear/authorized_keys")];
      scene.edit("/etc/real/mine", "mine\n");
      symlinkSync("real", join(scene.root, "etc/alias"));
      scene.put("overlay.tar.gz", tarGz({ name: "etc/alias/mine", body: "theirs\n" }));
      scene.publish({ serial: 2 });
      await provisioned(scene);
      expect(scene.device("/etc/config/network")).toBe(network);
      expect(scene.device("/etc/dropbear/authorized_keys")).toBe(keys);
      expect(scene.device("/etc/real/mine")).toBe("mine\n");
      expect(scene.device(SYSTEM)).toContain("attic");
    },
  );

  scenario("foreign uncommitted changes of a package are staged again afterwards", async (scene) => {
    scene.edit("/tmp/.uci/system", "system.ntp.enabled='0'\n");
    const ended = await scene.run();
    expect(ended.status).toBe(0);
    expect(ended.stderr).toContain("uncommitted changes of system");
    expect(scene.device("/tmp/.uci/system")).toBe("system.ntp.enabled='0'\n");
  });
});

describe("files for the first boot", () => {
  scenario("-fd files on the first boot, the plain ones in a second pass of the same run", async (scene) => {
    scene.put(
      "default-fd.uci",
      "package system\n\nconfig system\n\toption hostname 'first-day'\n\toption notes 'fd'\n",
    );
    scene.publish({ serial: 2 });
    const { result } = await provisioned(scene);
    expect(result).toBe("changed");
    expect(scene.device(SYSTEM)).toContain("option zonename 'Europe/Prague'");
    expect(scene.device(SYSTEM)).not.toContain("option notes 'fd'");
    scene.web.asked.length = 0;
    expect(await provisioned(scene)).toMatchObject({ result: "unchanged" });
    expect(scene.web.asked).toHaveLength(1);
  });

  scenario(
    "a tree that gives the device another name for ever is TREE_UNSETTLED, and the macro is named",
    async (scene) => {
      for (const name of ["02005e100001.uci", "example,router-one.uci", "overlay.tar.gz"])
        rmSync(join(scene.tree, name));
      scene.put("default.uci", "package system\n\nconfig system\n\toption hostname 'one'\n");
      for (const [from, to] of [
        ["OpenWrt", "one"],
        ["one", "two"],
        ["two", "one"],
      ]) {
        scene.put(`${from}.uci`, `package system\n\nconfig system\n\toption hostname '${to}'\n`);
      }
      scene.publish({ serial: 2 });
      const ended = await scene.run();
      expect(ended.json).toMatchObject({ error: { code: "TREE_UNSETTLED", exit: "invalid-content" } });
      expect(ended.status).toBe(5);
      expect(ended.stdout).toContain("{hostname}");
    },
  );

  const OTHER = "package other\n\nconfig thing 'it'\n\toption told 'yes'\n";

  scenario("what a tree adds to its own resources by UCI is fetched in the same run", async (scene) => {
    scene.settings({ "resource:extra": { uri: "{base_uri}/extra.txt", module: "uci" } });
    scene.put(
      "extra.txt",
      "package uciprov\n\nconfig resource 'more'\n\toption uri '{base_uri}/{kind}.txt'\n\toption module 'uci'\n\nconfig macro 'kind'\n\toption value 'more'\n",
    );
    scene.put("more.txt", OTHER);
    scene.publish({ serial: 2 });
    expect(await provisioned(scene)).toMatchObject({ result: "changed" });
    expect(scene.device("/etc/config/other")).toContain("option told 'yes'");
    expect(await provisioned(scene)).toMatchObject({ result: "unchanged" });
    scene.put("extra.txt", "package uciprov\n");
    scene.publish({ serial: 3 });
    expect(await provisioned(scene)).toMatchObject({ result: "changed" });
    expect(scene.device("/etc/config/other")).toBeUndefined();
    expect(await provisioned(scene)).toMatchObject({ result: "unchanged" });
  });

  scenario(
    "a tree without a manifest, of which all is asked for at every run, writes nothing either",
    async (scene) => {
      scene.settings({ main: { trust: "any" } });
      for (const name of ["MANIFEST", "MANIFEST.sig"]) rmSync(join(scene.tree, name));
      await provisioned(scene);
      await provisioned(scene);
      const before = snapshotOf(scene.root);
      await new Promise((done) => setTimeout(done, 1100)); // the time that is remembered is in seconds
      expect(await provisioned(scene)).toMatchObject({ result: "recorded" });
      expect(await provisioned(scene, ["run", "--force"])).toMatchObject({ result: "recorded" });
      expect(snapshotOf(scene.root)).toEqual(before);
    },
  );

  scenario("a tree that leads away from the file which says so is TREE_UNSETTLED, and stays so", async (scene) => {
    scene.settings({ "resource:extra": { uri: "{base_uri}/extra.txt", module: "uci" } });
    scene.put("extra.txt", "package uciprov\n\nconfig resource 'extra'\n\toption uri '{base_uri}/more.txt'\n");
    scene.put("more.txt", OTHER);
    scene.publish({ serial: 2 });
    const ended = await scene.run();
    expect(ended.json).toMatchObject({ error: { code: "TREE_UNSETTLED", exit: "invalid-content" } });
    expect(ended.stdout).toContain("/etc/config/uciprov");
    await refused(scene, { code: "TREE_UNSETTLED", exit: "invalid-content", says: ["3 generations"] });
  });
});

describe("beacon", () => {
  const serial = (scene: Scene, number: number): void => scene.txt(`provuri=${scene.web.uri}`, `serial=${number}`);

  scenario("while the serial stays, no HTTPS request is made; a new one is a full look", async (scene) => {
    serial(scene, 42);
    await provisioned(scene);
    const before = snapshotOf(scene.root);
    scene.web.asked.length = 0;
    expect(await provisioned(scene)).toMatchObject({ result: "unchanged", told: expect.stringContaining("42") });
    expect(scene.web.asked).toEqual([]);
    expect(snapshotOf(scene.root)).toEqual(before);
    serial(scene, 43);
    changeDefault(scene, "Europe/Prague", "Europe/Vienna");
    scene.publish({ serial: 2 });
    expect(await provisioned(scene)).toMatchObject({ result: "changed" });
    expect(scene.device(SYSTEM)).toContain("Europe/Vienna");
    scene.web.asked.length = 0;
    expect(await provisioned(scene)).toMatchObject({ result: "unchanged" });
    expect(scene.web.asked).toEqual([]);
  });

  scenario("a beacon that moves over an unchanged tree costs one request once", async (scene) => {
    serial(scene, 42);
    await provisioned(scene);
    serial(scene, 43);
    scene.web.asked.length = 0;
    expect(await provisioned(scene)).toMatchObject({ result: "unchanged" });
    expect(scene.web.asked).toEqual([{ name: "MANIFEST", status: 304 }]);
  });

  /** The moment of the last full look, seconds after boot, moved by so many. */
  const moveLastLook = (scene: Scene, seconds: number): void => {
    const check = JSON.parse(scene.device(CHECKED) ?? "") as { at: number };
    scene.edit(CHECKED, JSON.stringify({ ...check, at: check.at + seconds }));
  };

  for (const [title, seconds] of [
    ["a day after the last full look", -86_400],
    ["where the last full look lies in the future", 3600],
  ] as const) {
    scenario(`a frozen beacon hides a change of the tree, but not ${title}`, async (scene) => {
      serial(scene, 42);
      await provisioned(scene);
      changeDefault(scene, "Europe/Prague", "Europe/Vienna");
      scene.publish({ serial: 2 });
      moveLastLook(scene, -80_000);
      expect(await provisioned(scene)).toMatchObject({ result: "unchanged" });
      moveLastLook(scene, 80_000 + seconds);
      expect(await provisioned(scene)).toMatchObject({ result: "changed" });
      expect(scene.device(SYSTEM)).toContain("Europe/Vienna");
    });
  }

  scenario("a beacon that lies saves nobody else's tree from being looked at and refused", async (scene) => {
    serial(scene, 42);
    await provisioned(scene);
    const other = await serveBent(scene.tree, scene.bed.authority.issue({ names: ["127.0.0.1"] }));
    try {
      scene.publish({ serial: 9 }, [generateKeyPair().secretKey]);
      scene.txt(`provuri=${other.uri}`, "serial=42");
      await refused(scene, { code: "NOT_THE_OWNER", exit: "trust-refused", says: [other.uri] });
    } finally {
      await other.close();
    }
  });

  for (const [title, change] of [
    ["changed settings", (scene: Scene) => scene.settings({ main: { protect: ["network.lan"] } })],
    ["a changed key folder", (scene: Scene) => rmSync(join(scene.root, "etc/uciprov/keys", scene.bed.key.fingerprint))],
    ["a reboot", (scene: Scene) => rmSync(join(scene.root, "tmp/run"), { recursive: true })],
  ] as const) {
    scenario(`${title}: the tree is looked at in spite of the beacon`, async (scene) => {
      serial(scene, 42);
      await provisioned(scene);
      scene.web.asked.length = 0;
      change(scene);
      await scene.run();
      expect(scene.web.asked.length).toBeGreaterThan(0);
    });
  }
});

describe("a tree that moves", () => {
  scenario("to another server: looked at in full, nothing applied twice, serials go on", async (scene) => {
    scene.publish({ serial: 5 });
    await provisioned(scene);
    const before = snapshotOf(scene.root, ["/etc/uciprov/state"]);
    const other = await serveBent(scene.tree, scene.bed.authority.issue({ names: ["127.0.0.1"] }));
    try {
      scene.goTo(other.uri);
      expect(await provisioned(scene)).toMatchObject({ result: "recorded" });
      expect(snapshotOf(scene.root, ["/etc/uciprov/state"])).toEqual(before);
      expect(await provisioned(scene)).toMatchObject({ result: "unchanged" });
    } finally {
      await other.close();
    }
  });
});

function isOwn(path: string): boolean {
  return path.startsWith("/etc/uciprov") || path.startsWith("/lib") || path === "/" || path === "/etc/config/uciprov";
}

function changeDefault(scene: Scene, from: string, to: string): void {
  changeIn(scene, "default.uci", from, to);
}

function changeIn(scene: Scene, name: string, from: string, to: string): void {
  const text = readFileSync(join(scene.tree, name), "utf8");
  if (!text.includes(from)) throw new Error(`${name} has no ${from}`);
  scene.put(name, text.replace(from, to));
}
