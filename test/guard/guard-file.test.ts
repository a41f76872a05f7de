import { isIP } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ProvisionError } from "../../src/errors.ts";
import { isIn, parseAddress, parseNetwork } from "../../src/guard/address.ts";
import { parseGuard } from "../../src/guard/guard-file.ts";

const WHOLE = {
  version: 1,
  table: "beesip",
  apply: true,
  sources: [
    { kind: "kamailio", from: "syslog" },
    { kind: "asterisk", from: "file", path: "/var/log/asterisk/security", after: 3, within: 60 },
    { kind: "snort3", from: "file", path: "/var/log/alert_json.txt" },
  ],
  allow: ["192.0.2.0/24", "2001:db8::/32"],
  own: ["192.168.1.1"],
  ban: { seconds: 120, max: 86_400, factor: 4, perMinute: 60 },
  report: { mail: "noc@example.net", uri: "https://noc.example.net/guard" },
};
const read = (more: Record<string, unknown>) => parseGuard(JSON.stringify({ ...WHOLE, ...more }));

function refused(more: Record<string, unknown>): string | undefined {
  try {
    read(more);
  } catch (thrown) {
    if (thrown instanceof ProvisionError && thrown.code === "GUARD_INVALID") return thrown.place?.option ?? "";
    throw thrown;
  }
  return undefined;
}

describe("guard.json", () => {
  test("is read whole", () => {
    expect(read({})).toMatchObject({
      table: "beesip",
      applies: true,
      sources: [
        { kind: "kamailio", from: { syslog: true }, after: 1 },
        { kind: "asterisk", from: { path: "/var/log/asterisk/security" }, after: 3, within: 60 },
        { kind: "snort3", from: { path: "/var/log/alert_json.txt" }, after: 1 },
      ],
      allow: [{ bits: 24 }, { bits: 32 }],
      own: [{ text: "192.168.1.1" }],
      ban: { seconds: 120, max: 86_400, factor: 4, perMinute: 60, private: false },
      mail: "noc@example.net",
      uri: "https://noc.example.net/guard",
    });
  });

  test("needs no more than a version and a source; Asterisk's single failures are no attack by themselves", () => {
    const guard = parseGuard('{"version":1,"sources":[{"kind":"asterisk","from":"syslog"}]}');
    expect(guard).toMatchObject({ applies: true, table: "beesip", mail: undefined, uri: undefined });
    expect(guard.sources[0]?.after).toBeGreaterThan(1);
  });

  test("bans nobody where nothing is applied or the first ban has no length", () => {
    expect(read({ apply: false }).applies).toBe(false);
    const { applies, ban } = read({ ban: { seconds: 0 } });
    expect({ applies, quiet: ban.seconds > 0, max: ban.max >= ban.seconds }).toEqual({
      applies: false,
      quiet: true,
      max: true,
    });
  });

  test.each<[Record<string, unknown>, string]>([
    [{ version: 2 }, "version"],
    [{ colour: "red" }, ""],
    [{ table: "beesip; flush ruleset" }, "table"],
    [{ apply: "yes" }, "apply"],
    [{ sources: {} }, "sources"],
    [{ sources: Array(17).fill({ kind: "eve", from: "syslog" }) }, "sources"],
    [{ sources: [{ kind: "fail2ban", from: "syslog" }] }, "sources[0].kind"],
    [{ sources: [{ kind: "eve", from: "file" }] }, "sources[0].path"],
    [{ sources: [{ kind: "eve", from: "file", path: "/var/../etc/shadow" }] }, "sources[0].path"],
    [{ sources: [{ kind: "eve", from: "syslog", path: "/x" }] }, "sources[0].path"],
    [{ sources: [{ kind: "eve", from: "syslog", after: 0 }] }, "sources[0].after"],
    [{ allow: ["192.0.2.0/33"] }, "allow[0]"],
    [{ allow: ["gw.example.net"] }, "allow[0]"],
    [{ allow: Array(1025).fill("192.0.2.1") }, "allow"],
    [{ own: ["192.0.2.0/24"] }, "own[0]"],
    [{ ban: { seconds: -1 } }, "ban.seconds"],
    [{ ban: { seconds: 1.5 } }, "ban.seconds"],
    [{ ban: { seconds: 600, max: 60 } }, "ban.max"],
    [{ ban: { factor: 0 } }, "ban.factor"],
    [{ ban: { perMinute: 1e9 } }, "ban.perMinute"],
    [{ report: { mail: "a@b\nBcc: c@d" } }, "report.mail"],
    [{ report: { mail: "-oQ/tmp@example.net" } }, "report.mail"],
    [{ report: { uri: "http://noc.example.net/" } }, "report.uri"],
    [{ report: { uri: "https://user:secret@noc.example.net/" } }, "report.uri"],
  ])("refuses %j by its name", (more, option) => {
    expect(refused(more)).toBe(option);
  });

  test("never throws anything else, whatever the text", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          fc.object().map((one) => JSON.stringify({ ...WHOLE, ...one })),
        ),
        (text) => {
          try {
            parseGuard(text);
          } catch (thrown) {
            expect(thrown).toMatchObject({ code: "GUARD_INVALID" });
          }
        },
      ),
    );
    expect(() => parseGuard("[".repeat(100_000))).toThrow(ProvisionError);
    expect(() => parseGuard(`{"version":1,"allow":${"[".repeat(30_000)}${"]".repeat(30_000)}}`)).toThrow(
      ProvisionError,
    );
  });
});

describe("addresses", () => {
  test.each([
    ["192.0.2.1", "192.0.2.1"],
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["::", "::"],
    ["1::", "1::"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["0:0:0:0:0:FFFF:c000:0201", "192.0.2.1"],
  ])("%s is %s", (given, text) => {
    expect(parseAddress(given)?.text).toBe(text);
  });

  test.each([
    "",
    "192.0.2",
    "192.0.2.256",
    "192.0.02.1",
    "0x7f.1",
    "2130706433",
    "1:2:3:4:5:6:7",
    "1::2::3",
    ":::",
    "fe80::1%eth0",
    "[::1]",
    "::1.2.3",
    "1.2.3.4::",
    "192.0.2.1:5060",
    "12345::",
  ])("%j is none", (given) => {
    expect(parseAddress(given)).toBeUndefined();
  });

  test("are those that Node takes, in one spelling that stays", () => {
    const parts = fc.constantFrom(
      "0",
      "1",
      "ffff",
      "db8",
      ":",
      "::",
      ".",
      "255",
      "256",
      "12",
      "F",
      "/",
      "%",
      "192.0.2.1",
    );
    const any = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.array(parts, { maxLength: 20 }).map((all) => all.join("")),
      fc.string(),
    );
    fc.assert(
      fc.property(any, (given) => {
        const address = parseAddress(given);
        expect(address !== undefined).toBe(isIP(given) !== 0 && !given.includes("%"));
        if (address) expect(parseAddress(address.text)).toEqual(address);
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    ["192.0.2.130", "192.0.2.128/25", true],
    ["192.0.2.127", "192.0.2.128/25", false],
    ["::ffff:192.0.2.130", "192.0.2.0/24", true],
    ["192.0.2.130", "::ffff:192.0.2.0/120", true],
    ["2001:db8:1::1", "2001:db8::/32", true],
    ["2001:db9::1", "2001:db8::/32", false],
    ["192.0.2.1", "::/0", false],
    ["192.0.2.1", "0.0.0.0/0", true],
    ["192.0.2.1", "192.0.2.1", true],
  ])("%s in %s: %j", (address, network, isInside) => {
    const [one, net] = [parseAddress(address), parseNetwork(network)];
    expect(one && net && isIn(one, net)).toBe(isInside);
  });
});
