import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Scene } from "../../helpers/plan-context.ts";
import { readConf } from "./read-back.ts";
import { PROGRAMS, plan, SMALL, section } from "./scene.ts";

describe("the gateway list", () => {
  const LIST = {
    version: 1,
    gateways: [
      {
        id: "ostrava-1",
        host: "192.0.2.10",
        match: ["192.0.2.10/32"],
        codecs: ["alaw"],
        auth: { type: "digest", username: "u;1", password: 'p"2' },
        extra: 1,
      },
      { id: "praha-1", host: "gw2.example.net", match: ["192.0.2.11"], port: 5070 },
      { id: "off", host: "192.0.2.12", enabled: false },
    ],
    prefixes: [
      {
        prefix: "+420596",
        gateways: [
          { id: "praha-1", priority: 20 },
          { id: "ostrava-1", priority: 10 },
        ],
      },
      {
        prefix: "+1",
        minDigits: 11,
        maxDigits: 11,
        gateways: [
          { id: "off", priority: 1 },
          { id: "praha-1", priority: 1 },
        ],
      },
    ],
  };
  const KEPT = "/etc/beesip/gateways.json";
  const withList = (list: unknown, more: Partial<Scene> = {}) =>
    plan(SMALL, { tree: { gateways: typeof list === "string" ? list : JSON.stringify(list) }, ...more });

  test("its gateways and prefixes are in the files, the lowest priority first, and the list is kept", async () => {
    const { files, told, changes } = await withList(LIST);
    expect(told).toEqual([expect.stringMatching(/^warning route \+1: .*"off", no gateway in service/)]);
    const dialled = [
      ...(files.get("/etc/asterisk/extensions.conf") ?? "").matchAll(/Dial\(PJSIP\/\$\{NUMBER\}@gw-([a-z0-9-]+)/g),
    ].map(([, id]) => id);
    expect(dialled).toEqual(["ostrava-1", "praha-1", "praha-1"]);
    const pairs = readConf(files.get("/etc/asterisk/pjsip.conf") ?? "");
    expect(pairs).toContainEqual({ section: "gw-praha-1", key: "contact", value: "sip:gw2.example.net:5070" });
    expect(pairs).toContainEqual({ section: "gw-ostrava-1", key: "password", value: 'p"2' });
    expect(pairs.some(({ section }) => section === "gw-off")).toBe(false);
    expect(changes).toContainEqual(expect.objectContaining({ path: KEPT, mode: 0o600 }));
    expect(files.get(KEPT)).toBe(JSON.stringify(LIST));
  });

  test("UCI wins where both have a gateway or a prefix", async () => {
    const beesip =
      SMALL +
      section("gateway", { id: "praha-1", host: "198.51.100.9" }) +
      section("route", { prefix: "+1", gateway: ["ostrava-1"] });
    const { files } = await plan(beesip, { tree: { gateways: JSON.stringify(LIST) } });
    expect(readConf(files.get("/etc/asterisk/pjsip.conf") ?? "")).toContainEqual({
      section: "gw-praha-1",
      key: "contact",
      value: "sip:198.51.100.9:5060",
    });
    expect(files.get("/etc/asterisk/extensions.conf")?.match(/exten => _\+1!/g)).toHaveLength(1);
  });

  test("prefixes within our own numbers are left out: calls there would come back", async () => {
    const { files, told } = await withList({
      ...LIST,
      prefixes: [{ prefix: "+4205963211", gateways: [{ id: "praha-1", priority: 1 }] }],
    });
    expect(told).toEqual([expect.stringMatching(/this exchange's own/)]);
    expect(files.get("/etc/asterisk/extensions.conf")).not.toContain("gw-praha-1");
  });

  const change = (path: readonly (string | number)[], to: unknown): unknown => {
    const copy: unknown = JSON.parse(JSON.stringify(LIST));
    let at = copy as Record<string | number, unknown>;
    for (const key of path.slice(0, -1)) at = at[key] as Record<string | number, unknown>;
    at[path.at(-1) ?? ""] = to;
    return copy;
  };
  const BAD: [string, unknown, RegExp][] = [
    ["a web page", "<!DOCTYPE html>", /no JSON/],
    ["nothing", "", /no JSON/],
    ["an array", [], /no JSON object/],
    ["an empty list", { version: 1, gateways: [], prefixes: [] }, /is empty/],
    ["another version", { ...LIST, version: 2 }, /version: .*is 2, not 1/],
    ["no version", { gateways: LIST.gateways }, /missing, not 1/],
    ["a host with a line", change(["gateways", 1, "host"], "a\nb"), /gateways\[1\]\.host/],
    ["a host with a section", change(["gateways", 1, "host"], "x]"), /gateways\[1\]\.host/],
    ["no host", change(["gateways", 1, "host"], undefined), /gateways\[1\]\.host is missing/],
    ["an id with a quote", change(["gateways", 0, "id"], 'a"'), /gateways\[0\]\.id/],
    [
      "the same id twice",
      change(["gateways", 1, "id"], "ostrava-1"),
      /gateways\[1\]\.id is "ostrava-1", which gateways\[0\]\.id/,
    ],
    ["the same prefix twice", change(["prefixes", 1, "prefix"], "+420596"), /prefixes\[1\]\.prefix/],
    ["a prefix that is a pattern", change(["prefixes", 1, "prefix"], "+42X."), /prefixes\[1\]\.prefix/],
    ["a port as a text", change(["gateways", 1, "port"], "5060"), /gateways\[1\]\.port/],
    ["a password with a line", change(["gateways", 0, "auth", "password"], "a\nb"), /gateways\[0\]\.auth\.password/],
    [
      "no password",
      change(["gateways", 0, "auth"], { type: "digest", username: "u" }),
      /gateways\[0\]\.auth\.password is missing/,
    ],
    ["gateways that are none", change(["prefixes", 0, "gateways"], "praha-1"), /prefixes\[0\]\.gateways/],
    [
      "too many gateways",
      { ...LIST, gateways: Array.from({ length: 1001 }, (_, at) => ({ id: `g${at}`, host: "192.0.2.1" })) },
      /at most 1000/,
    ],
  ];

  test("where a list is no JSON is told, and nothing of what stands there", async () => {
    const { findings } = await withList('{ "version": 1,\n  "gateways": [ { "password": "hunter2", } ] }');
    expect(findings).toMatchObject([{ severity: "error", message: "the gateway list is no JSON", place: { line: 2 } }]);
    expect(JSON.stringify(findings)).not.toContain("hunter2");
  });

  test.each(BAD)("%s is refused with its place, where there is no good one", async (_, list, wanted) => {
    const { told, changes } = await withList(list);
    expect(told.every((one) => one.startsWith("error"))).toBe(true);
    expect(told.join("\n")).toMatch(wanted);
    expect(changes.some((one) => one.kind === "file" && one.path === KEPT)).toBe(false);
  });

  test.each(BAD)("%s: the last good one stays in use", async (_, list) => {
    const good = await withList(LIST);
    const { files, told } = await withList(list, {
      device: { ...PROGRAMS, [KEPT]: JSON.stringify(LIST) },
      owned: [KEPT],
    });
    expect(told.every((one) => one.startsWith("warning"))).toBe(true);
    expect(told.join("\n")).toContain("the last good one stays in use");
    expect(files).toEqual(good.files);
  });

  test("a list that is wrong from end to end is told with fifty faults", async () => {
    const { told } = await withList({
      version: 1,
      gateways: LIST.gateways,
      prefixes: Array.from({ length: 5000 }, () => ({ prefix: "x", gateways: [1, 2, 3] })),
    });
    expect(told).toHaveLength(50);
  });

  test("a file of somebody else's is no last good one", async () => {
    const { told } = await withList("nonsense", { device: { ...PROGRAMS, [KEPT]: JSON.stringify(LIST) } });
    expect(told).toEqual([expect.stringMatching(/^error/)]);
  });

  test("whatever it holds, it is a list or has faults; it never throws, and its plan has no more lines than objects", async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (list) => {
        const { told } = await withList(JSON.stringify(list));
        expect(told.length).toBeGreaterThan(0);
      }),
      { numRuns: 60 },
    );
  });
});
