import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { callerId, confValue, printDialPlan, printSections, step } from "../../../hooks/_asterisk-conf.ts";
import { GATEWAY, ROUTE } from "../../../hooks/_gateway-schema.ts";
import { cfg, digits, quoted } from "../../../hooks/_kamailio-cfg.ts";
import { EXTENSION, PBX, PHONE } from "../../../hooks/pbx/schema.ts";
import { element, printXml } from "../../../hooks/pbx/xml.ts";
import { anyLine } from "./any-line.ts";
import { readConf, readXml, textsOf } from "./read-back.ts";
import { exchange, plan, section } from "./scene.ts";

describe("every format holds every value that is let through", () => {
  test("Asterisk's files", () => {
    fc.assert(
      fc.property(fc.array(anyLine, { minLength: 1, maxLength: 4 }), (values) => {
        const text = printSections(values.map((one, at) => ({ name: `s${at}`, pairs: [["key", one]] })));
        expect(readConf(text)).toEqual(values.map((one, at) => ({ section: `s${at}`, key: "key", value: one })));
      }),
    );
  });

  test("a caller's name", () => {
    fc.assert(
      fc.property(anyLine, (name) => {
        const [, inside = ""] = /^"((?:[^"\\]|\\.)*)" <101>$/su.exec(callerId(name, "101")) ?? [];
        expect(inside.replace(/\\(.)/gsu, "$1")).toBe(name);
      }),
    );
  });

  test("XML, in text and in attributes", () => {
    fc.assert(
      fc.property(anyLine, (text) => {
        expect(readXml(printXml(element("root", [element("a", text, { b: text })])))).toMatchObject({
          children: [{ name: "a", text, attributes: { b: text } }],
        });
      }),
    );
  });

  test("Kamailio's strings", () => {
    fc.assert(
      fc.property(anyLine, (text) => {
        const [, inside = ""] = /^"((?:[^"\\]|\\.)*)"$/su.exec(quoted(text).cfg) ?? [];
        expect(inside.replace(/\\(.)/gsu, "$1")).toBe(text);
      }),
    );
  });

  test("what they cannot hold, the writers themselves refuse", () => {
    for (const bad of ["a\nb", "a\u0000", " a", "a "]) expect(() => confValue(bad)).toThrow(/cannot hold/);
    for (const bad of ["a]", "a\nb", "", "a b"])
      expect(() => printSections([{ name: bad, pairs: [] }])).toThrow(/cannot hold/);
    expect(() =>
      printDialPlan([{ name: "x", extensions: [{ number: "1,1,System(id)", steps: [step("NoOp")] }] }]),
    ).toThrow(/cannot hold/);
    for (const bad of ["a\nb", "\u0000"]) expect(() => quoted(bad)).toThrow(/cannot hold/);
    for (const bad of ["1)", "", "$x"]) expect(() => digits(bad)).toThrow(/cannot hold/);
    expect(() => printXml(element("a", "\u0001"))).toThrow(/cannot hold/);
    expect(() => printXml(element("a b", ""))).toThrow(/cannot hold/);
    expect(cfg`a ${quoted("b")} ${[digits("1"), digits("+2")]}`.cfg).toBe('a "b" 1\n+2');
  });

  test("a whole exchange: each name and secret where it belongs, in Asterisk's file, Kamailio's digest and four phones", async () => {
    await fc.assert(
      fc.asyncProperty(anyLine, anyLine, async (name, secret) => {
        const phones = ["yealink", "grandstream", "snom", "cisco"].map((vendor, at) =>
          section("phone", { mac: `00156500000${at}`, vendor, model: "M1", extension: ["101"] }),
        );
        const { files, told } = await plan(
          exchange({ role: "both" }, section("extension", { number: "101", name, secret }), ...phones),
        );
        expect(told).toEqual([]);
        const of = (path: string) => files.get(`/etc/beesip/phones/${path}`) ?? "";
        const ha1 = createHash("md5").update(`101:pbx.example:${secret}`).digest("hex");
        expect(files.get("/etc/kamailio/beesip-extensions")?.split("\n")).toContain(`secret/101:${ha1}/2`);
        const [first, ...pairs] = of("001565000000.cfg").trimEnd().split("\n");
        expect(first).toBe("#!version:1.0.0.1");
        expect(pairs).toContain(`account.1.password = ${secret}`);
        expect(pairs).toContain(`account.1.display_name = ${name}`);
        expect(pairs.every((one) => /^account\.1\.[a-z_.0-9]+ = ./.test(one))).toBe(true);
        expect(textsOf(readXml(of("cfg001565000001.xml")), "P34")).toEqual([secret]);
        expect(textsOf(readXml(of("snomM1-001565000002.htm")), "user_pass")).toEqual([secret]);
        expect(textsOf(readXml(of("spa001565000003.cfg")), "Password_1_")).toEqual([secret]);
        expect(textsOf(readXml(of("spa001565000003.cfg")), "Display_Name_1_")).toEqual([name]);
      }),
      { numRuns: 40 },
    );
  });
});

test("whatever the sections say, it is a plan or told faults with places; nothing is thrown", async () => {
  const options = (table: Readonly<Record<string, { readonly isList: boolean }>>, maxKeys: number) =>
    fc
      .dictionary(
        fc.constantFrom(...Object.keys(table)),
        fc.oneof(
          anyLine,
          fc.constantFrom(
            "1",
            "0",
            "101",
            "one",
            "+420",
            "192.0.2.1",
            "001565000001",
            "both",
            "proxy",
            "udp",
            "tls",
            "cisco",
          ),
        ),
        { maxKeys },
      )
      .map((given) =>
        Object.fromEntries(Object.entries(given).map(([name, one]) => [name, table[name]?.isList ? [one] : one])),
      );
  const any = (most: { keys: number; sections: number }) =>
    fc.record({
      pbx: options(PBX, most.keys),
      sections: fc.array(
        fc.oneof(
          ...Object.entries({ extension: EXTENSION, phone: PHONE, gateway: GATEWAY, route: ROUTE }).map(
            ([type, table]) => options(table, most.keys).map((given) => ({ type, given })),
          ),
        ),
        { maxLength: most.sections },
      ),
    });
  // Little of it makes plans, much of it makes faults.
  const either = fc.oneof(any({ keys: 8, sections: 4 }), any({ keys: 1, sections: 0 }));
  let plans = 0;
  await fc.assert(
    fc.asyncProperty(either, async ({ pbx: given, sections }) => {
      const text = [
        exchange({ ...given, enabled: "1" }),
        ...sections.map(({ type, given: one }) => section(type, one)),
      ].join("\n");
      const { changes, findings } = await plan(text);
      const faults = findings.filter(({ severity }) => severity === "error");
      expect(faults.every(({ place }) => place?.option !== undefined)).toBe(true);
      expect(faults.length > 0).toBe(changes.length === 0);
      if (faults.length === 0) plans++;
    }),
    { numRuns: 300 },
  );
  expect(plans).toBeGreaterThan(30);
});
