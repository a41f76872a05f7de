import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { makeAuthority } from "../../src/admin/certificates.ts";
import { phoneRecipes } from "../../src/admin/records/phones.ts";
import { recipes } from "../../src/admin/records/records.ts";
import { generateKeyPair, printSecretKey } from "../../src/tree/keys.ts";
import { program } from "../helpers/scenario.ts";

const named = (name: string, ...[announcement]: Parameters<typeof recipes>) =>
  recipes(announcement).find((one) => one.name === name)?.text ?? "";
const DOMAIN = "fleet.example";

describe("records for phones", () => {
  test("say the folder in 66, in 160, and in 43 as its suboption 66", () => {
    const all = Object.fromEntries(phoneRecipes("tftp://192.0.2.50/").map(({ name, text }) => [name, text]));
    const hex = "74:66:74:70:3a:2f:2f:31:39:32:2e:30:2e:32:2e:35:30:2f";
    expect(all["phones-dnsmasq"]).toBe(`dhcp-option=66,${hex}\ndhcp-option=160,${hex}\ndhcp-option=43,42:12:${hex}`);
    expect(Object.keys(all)).toEqual(["phones-dnsmasq", "phones-openwrt", "phones-isc", "phones-kea"]);
  });

  test.each([
    "192.0.2.50",
    "tftp://192.0.2.50",
    "ftp://192.0.2.50/",
    'http://h.example/"; }',
    "http://h.example/a b",
    "http://h.example/a,b",
    "http://h.example/\n",
    "http://[::zz]/",
    `http://h.example/${"a".repeat(250)}`,
  ])("%j is refused", (uri) => {
    expect(() => phoneRecipes(uri)).toThrow(expect.objectContaining({ code: "USAGE" }));
  });
});

describe("records", () => {
  test("say the URI and the serial as the resolvers read them", () => {
    const announcement = { uri: "https://cfg.fleet.example/{mac}", domain: DOMAIN, serial: 42 };
    expect(named("txt-zone", announcement)).toBe(
      '_uciprov.fleet.example. 300 IN TXT "provuri=https://cfg.fleet.example/{mac}" "serial=42"',
    );
    expect(named("txt-dnsmasq", announcement)).toBe(
      'txt-record=_uciprov.fleet.example,"provuri=https://cfg.fleet.example/{mac}","serial=42"',
    );
  });

  test("carry every URI that a device takes into every server's words without a byte lost", () => {
    const path = fc.stringMatching(/^[a-z0-9/,;:@&=+$!*()~._-]{0,120}$/);
    fc.assert(
      fc.property(path, (path) => {
        fc.pre(!path.split("/").some((segment) => segment === "." || segment === ".."));
        const announcement = { uri: `https://h.example/${path}`, domain: DOMAIN };
        const text = Buffer.from(announcement.uri).toString("hex");
        for (const name of ["dhcp-dnsmasq", "dhcp-openwrt", "dhcp-isc", "dhcp-kea", "lldp"]) {
          const told = named(name, announcement)
            .toLowerCase()
            .replaceAll(/(?<=[0-9a-f]{2})[:,](?=[0-9a-f]{2})/g, "");
          expect(told).toContain(text);
        }
        JSON.parse(`{${named("dhcp-kea", announcement)}}`);
      }),
    );
  });

  test.each([
    ["a blank", "https://h.example/a b"],
    ["a user and a password, which no device takes", "https://user:word@h.example/"],
    ["a fragment", "https://h.example/#a"],
    ["a way up", "https://h.example/a/../b"],
    ["a quote", "https://h.example/'x'"],
    ["a double quote", 'https://h.example/"x"'],
    ["a backslash", "https://h.example/\\"],
    ["a newline", "https://h.example/\nx"],
    ["another scheme", "ftp://h.example/"],
    ["no host", "https:///x"],
    ["letters beyond ASCII", "https://h.example/ž"],
    ["more than a TXT string holds", `https://h.example/${"a".repeat(240)}`],
  ])("refuse a URI with %s", (_title, uri) => {
    expect(() => recipes({ uri, domain: DOMAIN })).toThrow(expect.objectContaining({ code: "USAGE" }));
  });

  test.each(["", "a b", "x'y", "-a.example", "a..b", "a.example\nx", `${"a".repeat(64)}.example`])(
    "refuse %j as a domain",
    (domain) => {
      expect(() => recipes({ uri: "https://h.example", domain })).toThrow(expect.objectContaining({ code: "USAGE" }));
    },
  );

  test("TLSA is of the server's key, for the port of the URI", () => {
    const { cert } = makeAuthority("records").issue({ names: ["cfg.fleet.example"] });
    const announcement = { uri: "https://cfg.fleet.example:8443/x", domain: DOMAIN, certificate: cert };
    expect(named("tlsa-zone", announcement)).toMatch(
      /^_8443\._tcp\.cfg\.fleet\.example\. 300 IN TLSA 3 1 1 [0-9a-f]{64}$/,
    );
    for (const wrong of [
      { ...announcement, uri: "http://cfg.fleet.example/" },
      { ...announcement, uri: "https://{hostname}.example/" },
      { ...announcement, certificate: "nothing" },
    ]) {
      expect(() => recipes(wrong)).toThrow(expect.objectContaining({ code: "USAGE" }));
    }
  });
});

test("tree records takes the serial from the signed tree, and tells it as JSON, too", () => {
  const folder = mkdtempSync(join(tmpdir(), "uciprov-records-"));
  try {
    const tree = join(folder, "tree");
    mkdirSync(tree);
    writeFileSync(join(tree, "default.uci"), "package system\n");
    writeFileSync(join(folder, "key"), printSecretKey(generateKeyPair().secretKey));
    const run = (...words: string[]) =>
      execFileSync(process.execPath, [program(), "tree", ...words], { encoding: "utf8" });
    run("sign", tree, "--key", join(folder, "key"), "--serial", "7");
    const told = run("records", tree, "--base", "https://h.example/t", "--domain", "fleet.example.", "--json");
    expect(JSON.parse(told)).toMatchObject({ version: 1, records: expect.arrayContaining([]) });
    expect(told).toContain("serial=7");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
