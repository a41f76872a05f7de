/** `explain` says beforehand what a run would say: who knows, and what a tree from there has to prove. */
import { expect } from "vitest";
import { EXIT } from "../../src/errors.ts";
import { provisioned, type Scene, type SettingsText, scenario } from "../helpers/scenario.ts";

async function trustOf(scene: Scene, resolver: string, settings: SettingsText): Promise<unknown> {
  scene.settings(settings);
  const { answers } = await provisioned(scene, ["explain"]);
  const found: unknown = Array.isArray(answers) ? answers.find((one) => one.resolver === resolver) : undefined;
  return typeof found === "object" && found !== null && "trust" in found ? found.trust : undefined;
}

scenario(
  "a URI of the settings is believed over TLS, unless the network has a word in it or it is http",
  async (scene) => {
    const own = (base_uri: string) => trustOf(scene, "static", { static: { base_uri } });
    expect(await own("https://cfg.example/")).toBe("believed over TLS alone");
    expect(await own("https://cfg.example/{mac}")).toBe("believed over TLS alone");
    expect(await own("http://cfg.example/")).toBe("must be signed by a key of the device");
    expect(await own("https://cfg.{domain|default=lan}/")).toBe("must be signed by a key of the device");
    expect(await own("https://cfg.example/{nothing}")).toMatch(/^not usable: .*nothing/);
    expect(await own("ftp://cfg.example/")).toMatch(/^not usable: .*ftp/);
  },
);

scenario(
  "who stands behind somebody that could not find out is told so only if it knew a place itself",
  async (scene) => {
    scene.settings({
      dnssec: { name: "fleet.example", server: ["127.0.0.1#9"], timeout: "1" },
      lldp: { enabled: "0" },
    });
    const { json, status } = await scene.run(["explain"]);
    expect(status).toBe(EXIT["try-later"]);
    expect(json["exit"]).toBe("try-later");
    const { answers } = json;
    const whys = Array.isArray(answers) ? answers.map(({ resolver, why }) => `${resolver}: ${why}`) : [];
    expect(whys).toEqual([
      "static: switched off, or not set",
      "https: switched off, or not set",
      "dnssec: should know, and could not find out",
      "dns: not taken: dnssec should know, could not find out, and is trusted no less",
      "dhcp: knows of none",
      "lldp: switched off, or lldpd is not there",
    ]);
  },
);

scenario("what DNS names must be signed, unless its host is allowed; an owner is named", async (scene) => {
  expect(await trustOf(scene, "dns", {})).toBe("must be signed by a key of the device");
  const allowed = { main: { allowed_host: ["127.0.0.1"] } };
  expect(await trustOf(scene, "dns", allowed)).toBe("believed over TLS alone");
  expect(await trustOf(scene, "dns", { main: { trust: "any" } })).toBe("believed without proof (trust is `any`)");
  scene.settings();
  await provisioned(scene);
  for (const settings of [{}, allowed, { main: { trust: "any" } }]) {
    expect(await trustOf(scene, "dns", settings)).toBe(
      `must be signed by the device's owner (${scene.bed.key.fingerprint})`,
    );
  }
});
