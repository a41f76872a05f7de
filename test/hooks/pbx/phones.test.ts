import { describe, expect, test } from "vitest";
import { readXml, textsOf } from "./read-back.ts";
import { exchange, plan, section } from "./scene.ts";

describe("phones", () => {
  const two = [
    section("extension", { number: "101", name: "Ann", secret: "one" }),
    section("extension", { number: "102", secret: "two" }),
  ];

  test("a phone with two numbers has them in its order", async () => {
    const { files } = await plan(
      exchange(
        {},
        ...two,
        section("phone", { mac: "00-0B-82-00-00-01", vendor: "grandstream", extension: ["102", "101"] }),
      ),
    );
    const root = readXml(files.get("/etc/beesip/phones/cfg000b82000001.xml") ?? "");
    expect(textsOf(root, "mac")).toEqual(["000b82000001"]);
    expect([textsOf(root, "P35"), textsOf(root, "P404"), textsOf(root, "P406")]).toEqual([["102"], ["101"], ["one"]]);
  });

  test("dnsmasq serves them and DHCP tells of them; with http the web server does; with none nobody", async () => {
    const phone = section("phone", { mac: "001565000001", extension: ["101"] });
    const batches = async (options: Readonly<Record<string, string>>) =>
      (await plan(exchange(options, ...two, phone))).changes.flatMap((change) =>
        change.kind === "uci" && change.layer.mode === "batch"
          ? change.layer.content.map(({ command, args }) => `${command} ${args.join(" ")}`)
          : [],
      );
    const options = (uri: string) => [
      `add_list dhcp.lan.dhcp_option=66,${uri}`,
      `add_list dhcp.lan.dhcp_option=160,${uri}`,
    ];
    expect(await batches({})).toEqual([
      "set dhcp.@dnsmasq[0].enable_tftp=1",
      "set dhcp.@dnsmasq[0].tftp_root=/etc/beesip/phones",
      ...options("tftp://192.0.2.50/"),
    ]);
    expect(await batches({ provision: "http" })).toEqual(options("http://192.0.2.50/prov/"));
    expect(await batches({ provision: "none" })).toEqual([]);
    expect((await batches({ dhcp: "0" })).length).toBe(2);
    expect(
      (await plan(exchange({ provision: "none" }, ...two, phone))).files.has("/etc/beesip/phones/001565000001.cfg"),
    ).toBe(false);
  });

  test("a phone that would not find its file, or not know a number, is told", async () => {
    const numbers = ["101", "102", "103", "104"];
    const { told } = await plan(
      exchange(
        {},
        ...numbers.map((number) => section("extension", { number, secret: "x" })),
        section("phone", { mac: "000413000001", vendor: "snom", extension: ["101"] }),
        section("phone", { mac: "000b82000001", vendor: "grandstream", extension: numbers }),
      ),
    );
    expect(told).toEqual([
      expect.stringMatching(/^warning beesip\.@phone\[0\]\.model/),
      expect.stringMatching(/^warning beesip\.@phone\[1\]\.extension: .*4 numbers.* 3$/),
    ]);
  });

  test("a model of Cisco's leads its phones to their own files", async () => {
    const phone = section("phone", { mac: "000e08000001", vendor: "cisco", model: "504G", extension: ["101"] });
    const { files } = await plan(exchange({}, ...two, phone));
    expect(textsOf(readXml(files.get("/etc/beesip/phones/spa504G.cfg") ?? ""), "Profile_Rule")).toEqual([
      "tftp://192.0.2.50/spa$MA.cfg",
    ]);
  });
});
