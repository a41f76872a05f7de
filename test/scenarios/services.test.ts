/** Services and packages of a tree, with the real program on a root without commands: what is planned, what lands, what is refused. */
import { existsSync, lstatSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { provisioned, refused, type Scene, scenario } from "../helpers/scenario.ts";

const PROCD = "#!/bin/sh /etc/rc.common\nSTART=60\nSTOP=10\nUSE_PROCD=1\n";
const STATUS = [
  "Package: uciprov\nDepends: node\nStatus: install user installed\n",
  "Package: node\nDepends: libc, libnghttp2-14\nStatus: install user installed\n",
  "Package: libnghttp2-14\nStatus: install user installed\n",
  "Package: ppp\nStatus: install user installed\n",
  "Package: libc\nStatus: install ok installed\n\n",
].join("\n");

function withPbx(scene: Scene): void {
  scene.edit("/etc/init.d/pbx", PROCD);
  scene.edit("/usr/lib/opkg/status", STATUS);
}

const isLink = (scene: Scene, path: string) =>
  lstatSync(join(scene.root, path), { throwIfNoEntry: false })?.isSymbolicLink() === true;

describe("services", () => {
  scenario("enabled: the links land; silent: they are gone; a second run changes nothing", async (scene) => {
    withPbx(scene);
    scene.put("services", "# the PBX\npbx enabled\n");
    scene.publish({ serial: 2 });
    await provisioned(scene);
    expect(readlinkSync(join(scene.root, "/etc/rc.d/S60pbx"))).toBe("../init.d/pbx");
    expect(readlinkSync(join(scene.root, "/etc/rc.d/K10pbx"))).toBe("../init.d/pbx");
    const again = await scene.run(["run", "--force"]);
    expect(again.json).toMatchObject({ result: "recorded" });
    scene.put("services", "# nothing\n");
    scene.publish({ serial: 3 });
    await provisioned(scene);
    expect([isLink(scene, "/etc/rc.d/S60pbx"), isLink(scene, "/etc/rc.d/K10pbx")]).toEqual([false, false]);
  });

  scenario("the plan tells what is done to a service, and its JSON as well", async (scene) => {
    withPbx(scene);
    scene.put("services", "pbx enabled\n");
    scene.publish({ serial: 2 });
    const { json, status } = await scene.run(["plan"]);
    expect(status).toBe(0);
    expect(json["plan"]).toMatchObject({
      services: [{ name: "pbx", act: "start", because: "the tree wants it started", origin: { detail: "line 1" } }],
    });
    expect(existsSync(join(scene.root, "/etc/rc.d/S60pbx"))).toBe(false);
  });

  for (const line of ["uciprov disabled", "uciprov-recover disabled", "boot disabled", "network disabled"]) {
    scenario(`${line} is refused with its line, and nothing is touched`, async (scene) => {
      withPbx(scene);
      scene.put("services", `pbx enabled\n${line}\n`);
      scene.publish({ serial: 2 });
      const code = line.startsWith("network") ? "PLAN_INVALID" : "PATH_FORBIDDEN";
      await refused(scene, { code, exit: "invalid-content", says: [line.split(" ")[0] ?? "", /"line":2/] });
    });
  }

  scenario("nonsense is told with its line", async (scene) => {
    scene.put("services", "pbx enabled\npbx; reboot enabled\n");
    scene.publish({ serial: 2 });
    await refused(scene, { code: "PLAN_INVALID", exit: "invalid-content", says: ["pbx; reboot", /"line":2/] });
  });
});

describe("packages", () => {
  scenario("the plan tells what would be installed and removed", async (scene) => {
    withPbx(scene);
    scene.put("packages", "asterisk\n-ppp\nlibc\n");
    scene.publish({ serial: 2 });
    const { json } = await scene.run(["plan"]);
    expect(json["plan"]).toMatchObject({
      software: {
        install: [{ name: "asterisk", because: "the tree names it" }],
        remove: [{ name: "ppp", because: "the tree says so" }],
      },
    });
  });

  scenario("below a root without programs it says so, and provisions the rest", async (scene) => {
    withPbx(scene);
    scene.put("packages", "asterisk\n");
    scene.publish({ serial: 2 });
    const ended = await scene.run();
    expect(ended.status, ended.stderr).toBe(0);
    expect(ended.stderr).toContain("not installed here, since there is no opkg: asterisk");
  });

  for (const name of ["uciprov", "node", "libnghttp2-14", "libc"]) {
    scenario(`-${name} is refused: uciprov runs on it`, async (scene) => {
      withPbx(scene);
      scene.put("packages", `asterisk\n-${name}\n`);
      scene.publish({ serial: 2 });
      await refused(scene, { code: "PLAN_INVALID", exit: "invalid-content", says: [name, /"line":2/] });
    });
  }

  scenario("an option, a file, a pattern: no name", async (scene) => {
    withPbx(scene);
    scene.put("packages", "--force-depends\n/tmp/evil.ipk\nlib*\nevil.ipk\nevil.apk\n");
    scene.publish({ serial: 2 });
    await refused(scene, {
      code: "PLAN_INVALID",
      exit: "invalid-content",
      says: ["--force-depends", "/tmp/evil.ipk", "lib*", '\\"evil.ipk', '\\"evil.apk'],
    });
  });
});
