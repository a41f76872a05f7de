import { describe, expect, test } from "vitest";
import { exchange, plan, section } from "./scene.ts";

const TRAP = { role: "trap", interface: ["decoy"] };

describe("a honeypot", () => {
  test("is Kamailio alone, on its interfaces", async () => {
    const { told, changes, files } = await plan(exchange(TRAP));
    expect(told).toEqual([]);
    expect([...files.keys()]).toEqual(["/etc/kamailio/kamailio.cfg"]);
    expect(files.get("/etc/kamailio/kamailio.cfg")).toContain('www_challenge("pbx.example", "1")');
    expect(changes).toContainEqual(expect.objectContaining({ kind: "service", name: "kamailio", run: "started" }));
    expect(JSON.stringify(changes)).toContain("udp:decoy:5060");
  });

  test("holds nothing of an exchange, whatever stands beside it: no password, no gateway, no list", async () => {
    const { told, files } = await plan(
      exchange(
        TRAP,
        section("extension", { number: "101", secret: "hush-hush" }),
        section("gateway", { id: "one", host: "192.0.2.1", username: "u", password: "hush-hush" }),
        section("phone", { mac: "001565000001", extension: ["101"] }),
      ),
      { tree: { gateways: JSON.stringify({ version: 1, gateways: [{ id: "g", host: "192.0.2.9" }] }) } },
    );
    expect(told).toEqual([expect.stringMatching(/^warning beesip\.pbx\.role: .*leaves out extension, phone, gateway/)]);
    expect([...files.keys()]).toEqual(["/etc/kamailio/kamailio.cfg"]);
    expect([...files.values()].join()).not.toMatch(/hush|101|192\.0\.2\.[19]\b/);
  });

  test.each<[string, Readonly<Record<string, string>>, RegExp]>([
    ["a name that would be code", { domain: 'a"); exec("id' }, /beesip\.pbx\.domain/],
    ["an interface that would be a socket", { interface: "lan:5060 -x" }, /beesip\.pbx\.interface/],
  ])("%s is refused with its place", async (_, options, wanted) => {
    const { told, changes } = await plan(exchange({ ...TRAP, ...options }));
    expect(told).toEqual([expect.stringMatching(wanted)]);
    expect(changes).toEqual([]);
  });

  test("without a name to give it is refused", async () => {
    const { told } = await plan(section("pbx", { enabled: "1", role: "trap" }, "pbx"));
    expect(told).toEqual([expect.stringMatching(/^error beesip\.pbx\.domain: .*is missing/)]);
  });
});
