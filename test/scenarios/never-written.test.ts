/** What no tree may ever write, though its owner signed it: tried by overlay, by UCI in every mode and by a list of services. For modules see test/stages/forbidden.test.ts. */
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { DEMO_NAME } from "../../src/admin/demo-bed.ts";
import { readSettings } from "../../src/settings.ts";
import { parsePackage } from "../../src/uci/parse.ts";
import { provisioned, refused, type Scene, scenario } from "../helpers/scenario.ts";
import { type TarEntry, tarGz } from "../helpers/tar.ts";

const TRUST = { trust: "signed", threshold: "1", protect: ["firewall"], allowed_host: ["own.example"] };
const ANCHOR = "fleet.example 1 13 2 AAAA";
const BELIEVED = {
  trust: "signed",
  threshold: 1,
  allowed_host: ["own.example"],
  ca: ["/etc/uciprov/ca.pem"],
  system_ca: false,
  pin: [],
  client_cert: undefined,
  client_key: undefined,
  protect: ["firewall"],
  anchor: [ANCHOR],
  tlsa: false,
};
const SETTINGS = { main: TRUST, dnssec: { anchor: [ANCHOR] } };

const OURS = [
  "etc/uciprov/keys/0123456789abcdef",
  "etc/uciprov/state/owner.json",
  "etc/uciprov/state/freshness.json",
  "etc/uciprov/modules.d/50-evil.sh",
  "etc/uciprov/ca.pem",
  "lib/uciprov/recover.sh",
  "lib/uciprov/tx/journal",
  "usr/lib/uciprov/modules.d/50-evil.mjs",
  "usr/lib/uciprov/uciprov.cjs",
  "usr/sbin/uciprov",
  "etc/init.d/uciprov",
  "etc/init.d/uciprov-recover",
  "etc/rc.d/S05uciprov-recover",
  "etc/rc.d/S99uciprov",
  "etc/hotplug.d/ntp/25-uciprov",
  "etc/udhcpc.user.d/uciprov",
  "etc/odhcp6c.user.d/uciprov",
  "etc/uci-defaults/99-evil",
  "etc/config/.uciprov.uciprov-1",
];

describe("by overlay", () => {
  for (const name of OURS) {
    scenario(`${name} is refused, as a file, a link and a deletion`, async (scene) => {
      const whiteout = name.replace(/([^/]+)$/, ".wh.$1");
      for (const entry of [{ name, body: "evil" }, { name, type: "2", link: "/etc/passwd" }, { name: whiteout }]) {
        await overlayIsRefused(scene, "PATH_FORBIDDEN", entry);
      }
    });
  }

  scenario(
    "the network's start at boot is neither taken away nor led elsewhere, nor its script exchanged",
    async (scene) => {
      for (const entry of [
        { name: "etc/rc.d/.wh.S20network" },
        { name: "etc/rc.d/S20network", type: "2", link: "../init.d/evil" },
        { name: "etc/rc.d/S20network", body: "evil" },
        { name: "etc/init.d/network", body: "evil" },
        { name: "etc/init.d/.wh.network" },
      ]) {
        await overlayIsRefused(scene, "PATH_FORBIDDEN", entry);
      }
    },
  );

  scenario(
    "all of them are refused through links: in the overlay, on the device, and as a hard link's target",
    async (scene) => {
      symlinkSync("uciprov", join(scene.root, "etc/alias"));
      await overlayIsRefused(scene, undefined, { name: "etc/alias/keys/0123456789abcdef", body: "evil" });
      await overlayIsRefused(scene, undefined, { name: "etc/way", type: "2", link: "uciprov/keys" });
      await overlayIsRefused(scene, undefined, { name: "etc/way", type: "2", link: "../etc/./uciprov" });
      await overlayIsRefused(
        scene,
        undefined,
        { name: "etc/way", type: "2", link: "/etc" },
        { name: "etc/way/uciprov/keys/0123456789abcdef", body: "evil" },
      );
      await overlayIsRefused(
        scene,
        undefined,
        { name: "etc/way", type: "2", link: "/etc" },
        { name: "etc/way/x/../uciprov/keys/0123456789abcdef", body: "evil" },
      );
      await overlayIsRefused(scene, undefined, { name: "etc/copy", type: "1", link: "etc/uciprov/ca.pem" });
      await overlayIsRefused(scene, undefined, { name: "etc/.wh.uciprov" });
      await overlayIsRefused(scene, undefined, { name: "lib/.wh.uciprov" });
    },
  );
});

describe("by UCI", () => {
  const evil = [
    "config uciprov 'main'",
    "\toption trust 'any'",
    "\toption threshold '1'",
    "\tlist allowed_host 'evil.example'",
    "\tlist ca '/etc/banner'",
    "\toption system_ca '1'",
    `\tlist pin '${"0".repeat(64)}'`,
    "\toption client_cert '/etc/banner'",
    "\toption client_key '/etc/banner'",
    "\tlist protect 'system'",
    "\toption tries '7'",
    "",
    "config uciprov 'dnssec'",
    "\tlist anchor 'evil.example 1 13 2 BBBB'",
    "",
  ].join("\n");

  /** By what name the device finds its tree, and how it reads it: a layer that leaves nothing of that is refused, or another one at the next look. */
  const findable = ({ bed }: Scene, mode: string): string =>
    [
      "\nconfig uciprov 'dns'",
      `\toption name '${DEMO_NAME}'`,
      `\tlist server '127.0.0.1#${bed.names.port}'`,
      "\nconfig resource 'default'",
      `\toption mode '${mode}'\n`,
    ].join("\n");

  for (const mode of ["merge", "replace"]) {
    scenario(`in mode ${mode} what decides about trust stays, and the rest is the tree's`, async (scene) => {
      await takesSettings(scene, mode, `package uciprov\n\n${evil}${findable(scene, mode)}`);
      expect(uciprov(scene)).toContain("option tries '7'");
    });
  }

  scenario("in an overlay's /etc/config/uciprov nothing is taken at all", async (scene) => {
    await overlayIsRefused(scene, "PATH_FORBIDDEN", { name: "etc/config/uciprov", body: evil });
  });

  scenario("in a batch the same, by every way to name an option", async (scene) => {
    await takesSettings(
      scene,
      "batch",
      [
        "set uciprov.main.trust='any'",
        "set uciprov.@uciprov[0].trust='any'",
        "delete uciprov.main.threshold",
        "add_list uciprov.main.allowed_host='evil.example'",
        "del_list uciprov.main.allowed_host='own.example'",
        "delete uciprov.main.ca",
        "add_list uciprov.main.pin='0000'",
        "delete uciprov.main.protect",
        "delete uciprov.dnssec.anchor",
        "set uciprov.main.tries='7'",
        "",
      ].join("\n"),
    );
    expect(uciprov(scene)).toContain("option tries '7'");
  });

  scenario(
    "an almost empty package in place of it leaves what decides about trust, and nothing else",
    async (scene) => {
      await takesSettings(scene, "replace", `package uciprov\n${findable(scene, "replace")}`);
      expect(uciprov(scene)).not.toContain("window");
    },
  );

  scenario("a section of another type in place of one is refused", async (scene) => {
    scene.put("default.uci", "package uciprov\n\nconfig evil 'main'\n\toption trust 'any'\n");
    scene.publish({ serial: 2 });
    await refused(scene, { code: "UCI_CONFLICT", exit: "invalid-content", says: ["main"] });
  });

  for (const [title, text] of [
    ["sections deleted", "delete uciprov.main\ndelete uciprov.dnssec\n"],
    ["sections deleted and made anew", "delete uciprov.main\nset uciprov.main=uciprov\nset uciprov.main.trust='any'\n"],
    ["a section given another type", "set uciprov.main=evil\nset uciprov.main.trust='any'\n"],
    ["a section renamed", "rename uciprov.main='old'\n"],
    [
      "a section renamed and another put in its place",
      "rename uciprov.main='old'\nset uciprov.main=uciprov\nset uciprov.main.trust='any'\n",
    ],
    [
      "another section renamed to it",
      "set uciprov.evil=uciprov\nset uciprov.evil.trust='any'\nrename uciprov.evil='main'\nreorder uciprov.main=0\n",
    ],
    ["an option renamed to another", "set uciprov.main.x='any'\nrename uciprov.main.x='trust'\n"],
    ["an option renamed away", "rename uciprov.main.trust='x'\n"],
    ["a list in place of an option", "delete uciprov.main.trust\nadd_list uciprov.main.trust='any'\n"],
  ] as const) {
    scenario(
      `${title}: whom it believes stays, also on the second run and when the tree falls silent`,
      async (scene) => {
        await takesSettings(scene, "batch", text);
        await provisioned(scene, ["run", "--force"]);
        expect(trustIn(scene)).toEqual(BELIEVED);
        scene.put("default.uci", "set system.@system[0].description='quiet'\n");
        scene.publish({ serial: 3 });
        await provisioned(scene);
        expect(trustIn(scene)).toEqual(BELIEVED);
      },
    );
  }
});

describe("by a list of services", () => {
  scenario("its own start scripts are neither switched off nor on", async (scene) => {
    scene.edit("/etc/init.d/uciprov-recover", "#!/bin/sh /etc/rc.common\nSTART=05\n");
    scene.edit("/etc/init.d/uciprov", "#!/bin/sh /etc/rc.common\nSTART=99\n");
    mkdirSync(join(scene.root, "etc/rc.d"), { recursive: true });
    symlinkSync("../init.d/uciprov-recover", join(scene.root, "etc/rc.d/S05uciprov-recover"));
    for (const line of ["uciprov-recover disabled", "uciprov enabled"]) {
      scene.put("services", `${line}\n`);
      scene.publish({ serial: 2 });
      await refused(scene, { code: "PATH_FORBIDDEN", exit: "invalid-content", says: ["never acted on"] });
    }
  });
});

async function overlayIsRefused(
  scene: Scene,
  code: "PATH_FORBIDDEN" | undefined,
  ...entries: readonly TarEntry[]
): Promise<void> {
  scene.put("overlay.tar.gz", tarGz(...entries));
  scene.publish({ serial: 2 });
  await refused(scene, { ...(code && { code }), exit: "invalid-content", says: ["overlay.tar.gz"] });
}

async function takesSettings(scene: Scene, mode: string, text: string): Promise<void> {
  scene.settings({ ...SETTINGS, "resource:default": { mode } });
  scene.put("default.uci", text);
  await staysAsItIs(scene);
}

/** The tree is taken, and whom the device believes is not its business. */
async function staysAsItIs(scene: Scene): Promise<void> {
  expect(trustIn(scene)).toEqual(BELIEVED);
  scene.publish({ serial: 2 });
  await provisioned(scene);
  expect(trustIn(scene)).toEqual(BELIEVED);
}

/** What decides whom the device believes, as the program itself reads it. */
function trustIn(scene: Scene): unknown {
  const { main, dnssec } = readSettings(parsePackage(Buffer.from(uciprov(scene)), { name: "uciprov" })).settings;
  const { trust, threshold, allowed_host, ca, system_ca, pin, client_cert, client_key, protect } = main;
  return {
    trust,
    threshold,
    allowed_host,
    ca,
    system_ca,
    pin,
    client_cert,
    client_key,
    protect,
    anchor: dnssec.anchor,
    tlsa: dnssec.tlsa,
  };
}

function uciprov(scene: Scene): string {
  return scene.device("/etc/config/uciprov") ?? "";
}
