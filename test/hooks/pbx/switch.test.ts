import { describe, expect, test } from "vitest";
import pbx from "../../../hooks/pbx/index.ts";
import { keepsModuleContract } from "../../contract/module.ts";
import { planScene } from "../../helpers/plan-context.ts";
import { readConf } from "./read-back.ts";
import { exchange, PROGRAMS, plan, SMALL, scene, section } from "./scene.ts";

keepsModuleContract(
  pbx,
  () => planScene({ module: "pbx" }),
  () => scene(SMALL),
);

describe("the switch", () => {
  test.each([
    ["no section", "config security 'security'\n\toption enabled '1'\n"],
    [
      "an exchange that is off",
      "config pbx 'pbx'\n\toption enabled '0'\n\noption secret 'x'\n".replace("\noption secret 'x'\n", ""),
    ],
  ])("%s makes nothing, and says nothing", async (_, beesip) => {
    expect(await plan(beesip)).toMatchObject({ changes: [], told: [] });
  });

  test.each([
    ["another name", "config pbx 'other'\n\toption enabled '1'\n", "warning beesip.other: beesip.other is not read"],
    ["no name", "config pbx\n\toption enabled '1'\n", "warning beesip.@pbx[0]: beesip.@pbx[0] is not read"],
    [
      "no word",
      "config pbx 'pbx'\n\toption enabled 'enable'\n",
      "error beesip.pbx.enabled: beesip.pbx.enabled is neither 1 nor 0",
    ],
  ])("%s makes nothing, and says so", async (_, beesip, says) => {
    const { changes, told } = await plan(beesip);
    expect(changes).toEqual([]);
    expect(told).toEqual([expect.stringContaining(says)]);
  });

  test("each role makes the files, the switches and the services of its programs, and no others", async () => {
    const gateway =
      section("gateway", { id: "one", host: "192.0.2.1" }) +
      section("route", { prefix: "+", gateway: [] }).replace("'+'", "'+1'").replace("}", "");
    const of = async (role: string) => {
      const { changes } = await plan(
        exchange({ role }, section("extension", { number: "101", secret: "one" }), gateway),
      );
      return changes.map((change) =>
        change.kind === "file"
          ? change.path
          : change.kind === "uci"
            ? `uci ${change.package}`
            : change.kind === "service"
              ? `${change.name} ${change.onChange?.act}`
              : "?",
      );
    };
    const asterisk = ["pjsip", "beesip-transports", "extensions", "modules", "rtp", "logger"].map(
      (name) => `/etc/asterisk/${name}.conf`,
    );
    const rest = ["uci asterisk", "asterisk reload", "asterisk restart"];
    expect(await of("b2bua")).toEqual([...asterisk, ...rest]);
    const kamailio = [
      ...["/etc/kamailio/kamailio.cfg", "/etc/kamailio/beesip-extensions"],
      ...["uci kamailio", "kamailio restart", "beesip-kamailio reload"],
    ];
    expect(await of("proxy")).toEqual(kamailio);
    expect(await of("both")).toEqual([...asterisk, ...rest, ...kamailio]);
  });

  test("secrets are for root and the program's group", async () => {
    const { changes } = await plan(exchange({ role: "both" }, section("extension", { number: "101", secret: "one" })));
    const modes = changes.flatMap((change) =>
      change.kind === "file" ? [`${change.mode.toString(8)} ${change.group}`] : [],
    );
    expect(new Set(modes)).toEqual(new Set(["640 asterisk", "640 kamailio"]));
  });

  test("a program that is not there is a warning, and its part is left out", async () => {
    const { "/etc/init.d/asterisk": _, ...withoutAsterisk } = PROGRAMS;
    const { changes, told } = await plan(exchange({ role: "both" }), { device: withoutAsterisk });
    expect(told).toEqual([expect.stringMatching(/^warning beesip\.pbx\.role: asterisk is not on this device/)]);
    expect(changes.some((change) => change.kind === "file" && change.path.startsWith("/etc/asterisk/"))).toBe(false);
    expect(changes.length).toBeGreaterThan(0);
  });

  test("the address is the first interface's, if that is static", async () => {
    const network = "config interface 'lan'\n\toption proto 'static'\n\tlist ipaddr '192.168.7.1/24'\n";
    const bare = SMALL.replace(/\toption address .*\n/, "").replace(/\toption domain .*\n/, "");
    const { files, told } = await plan(bare, { uci: { beesip: bare, network } });
    expect(told).toEqual([]);
    expect(readConf(files.get("/etc/asterisk/pjsip.conf") ?? "")).toContainEqual({
      section: "101",
      key: "from_domain",
      value: "192.168.7.1",
    });
    expect((await plan(bare, { uci: { beesip: bare, network: network.replace("static", "dhcp") } })).told).toEqual([
      expect.stringMatching(/^error beesip\.pbx\.address: .*network\.lan has no static address/),
    ]);
  });
});
