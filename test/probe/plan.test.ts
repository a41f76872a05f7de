import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parsePlan } from "../../src/probe/plan.ts";
import { callFile, callName } from "../../src/probe/spool.ts";

const URI = "https://collector.example/probes/self/plan";
const PARTNER = { id: "brno", host: "192.0.2.7", port: 5060, transport: "udp" };
const PLAN = {
  period: 300,
  partners: [PARTNER, { id: "ostrava", host: "probe.example" }],
  sample: "builtin",
  codec: "alaw",
};
const parse = (value: unknown) => parsePlan(typeof value === "string" ? value : JSON.stringify(value), URI);
const places = (value: unknown) => {
  const parsed = parse(value);
  return "faults" in parsed ? parsed.faults.map(({ place }) => place?.option) : "taken";
};

/** What breaks out of one format or another. */
const HOSTILE = [
  'a;b"c\\d$e',
  "]",
  "[x",
  "a\nSetvar: X=1",
  "a\r\nApplication: System",
  "${SHELL(id)}",
  "$(id)",
  "../../etc/passwd",
  "a b",
  "",
  "x".repeat(300),
  "příliš",
  "-a",
  "a/b",
  "192.0.2.1;transport=ws",
  "192.0.2.1:5060",
  "fe80::1%eth0",
  "999.1.1.1",
  "\u0000",
];

describe("a plan", () => {
  test("is read, and what it leaves out is the usual", () => {
    expect(parse(PLAN)).toEqual({
      plan: {
        ...PLAN,
        partners: [PARTNER, { id: "ostrava", host: "probe.example", port: 5060, transport: "udp" }],
      },
    });
    expect(parse({ period: 60, partners: [] })).toEqual({
      plan: { period: 60, partners: [], sample: "builtin", codec: "alaw" },
    });
  });

  test("passes over what later versions of the collector may add", () => {
    expect(places({ ...PLAN, later: { x: 1 }, partners: [{ ...PARTNER, colour: "red", label: "Brno, hlavní" }] })).toBe(
      "taken",
    );
  });

  test.each(HOSTILE)("with %j as id, host, sample, codec or transport is refused, with its place", (text) => {
    expect(places({ ...PLAN, partners: [PARTNER, { ...PARTNER, id: text }] })).toEqual(["partners[1].id"]);
    expect(places({ ...PLAN, partners: [{ ...PARTNER, host: text }] })).toEqual(["partners[0].host"]);
    expect(places({ ...PLAN, partners: [{ ...PARTNER, transport: text }] })).toEqual(["partners[0].transport"]);
    expect(places({ ...PLAN, sample: text })).toEqual(["sample"]);
    expect(places({ ...PLAN, codec: text })).toEqual(["codec"]);
  });

  test.each(["a\nb", "a\u0007", "x".repeat(65), 7, null])("with %j as label is refused", (label) => {
    expect(places({ ...PLAN, partners: [{ ...PARTNER, label }] })).toEqual(["partners[0].label"]);
  });

  test.each([
    ["period", { ...PLAN, period: 59 }],
    ["period", { ...PLAN, period: 86_401 }],
    ["period", { ...PLAN, period: "300" }],
    ["period", { partners: [] }],
    ["version", { ...PLAN, version: 2 }],
    ["partners", { period: 300 }],
    ["partners", { ...PLAN, partners: Array.from({ length: 51 }, (_, at) => ({ ...PARTNER, id: `p${at}` })) }],
    ["partners[0]", { ...PLAN, partners: [[]] }],
    ["partners[0].port", { ...PLAN, partners: [{ ...PARTNER, port: 0 }] }],
    ["partners[0].port", { ...PLAN, partners: [{ ...PARTNER, port: 5060.5 }] }],
    ["partners[0].transport", { ...PLAN, partners: [{ ...PARTNER, transport: "tls" }] }],
    ["partners[1].id", { ...PLAN, partners: [PARTNER, PARTNER] }],
    ["plan", "maintenance until noon"],
    ["plan", "[]"],
    ["plan", "null"],
    ["plan", ""],
    ["plan", `${JSON.stringify(PLAN)}${" ".repeat(70_000)}`],
  ])("with a wrong %s is refused, with its place", (place, value) => {
    expect(places(value)).toEqual([place]);
  });

  test("does not repeat a thousand faults", () => {
    expect(places({ ...PLAN, partners: Array.from({ length: 50 }, () => ({})) })).toHaveLength(20);
  });

  test("that is deeply nested, or any JSON at all, never throws", () => {
    expect(places(`${"[".repeat(30_000)}${"]".repeat(30_000)}`)).toEqual(["plan"]);
    fc.assert(fc.property(fc.jsonValue(), (value) => void parse(value)));
    fc.assert(
      fc.property(
        fc.record({ period: fc.constant(60), partners: fc.array(fc.jsonValue(), { maxLength: 5 }) }),
        (value) => void parse(value),
      ),
    );
  });
});

describe("a call file", () => {
  test("has exactly its lines, whatever a plan may hold that was taken", () => {
    const texts = fc.oneof(
      fc.constantFrom(...HOSTILE),
      fc.string({ maxLength: 40 }),
      fc.domain(),
      fc.ipV4(),
      fc.ipV6(),
    );
    const ids = fc.oneof(texts, fc.stringMatching(/^[a-z0-9-]{1,20}$/));
    fc.assert(
      fc.property(ids, texts, fc.nat(70_000), fc.constantFrom("udp", "tcp"), (id, host, port, transport) => {
        const parsed = parse({ period: 60, partners: [{ id, host, port, transport }] });
        if (!("plan" in parsed)) return;
        const [partner] = parsed.plan.partners;
        if (partner === undefined) throw new Error("no partner");
        const lines = callFile(callName(1_700_000_000, partner.id), partner, "alaw", true).split("\n");
        expect(lines.map((line) => line.split(":", 1)[0])).toEqual([
          ...[
            "Channel",
            "Context",
            "Extension",
            "Priority",
            "MaxRetries",
            "WaitTime",
            "Archive",
            "Setvar",
            "Setvar",
            "",
          ],
        ]);
        expect(lines[0]).toMatch(
          /^Channel: PJSIP\/probe-alaw\/sip:probe@[A-Za-z0-9.:[\]-]+:[0-9]+(?:\\;transport=tcp)?$/,
        );
        expect(lines[7]).toMatch(/^Setvar: PROBE_CALL=1700000000\.[a-z0-9-]+$/);
      }),
    );
  });

  test("writes an IPv6 address in brackets, and keeps `;` from beginning a comment", () => {
    const text = callFile(
      "1700000000.a",
      { id: "a", host: "2001:db8::1", port: 5062, transport: "tcp" },
      "ulaw",
      false,
    );
    expect(text).toContain("Channel: PJSIP/probe-ulaw/sip:probe@[2001:db8::1]:5062\\;transport=tcp\n");
    expect(text).toContain("Setvar: PROBE_RECORDS=0\n");
  });

  test("is not made of unchecked text, nor named by it", () => {
    for (const host of HOSTILE) {
      expect(() => callFile("1700000000.a", { id: "a", host, port: 1, transport: "udp" }, "alaw", true)).toThrow(
        /unchecked/,
      );
    }
    for (const id of HOSTILE) expect(() => callName(1_700_000_000, id)).toThrow(/no name of a call/);
  });
});
