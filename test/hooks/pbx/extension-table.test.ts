/** The extensions in a file of their own, which Kamailio reads anew while it runs. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { plain } from "../../../hooks/pbx/kamailio-table.ts";
import { exchange, PROGRAMS, plan, section } from "./scene.ts";

const CFG = "/etc/kamailio/kamailio.cfg";
const EXTENSIONS = "/etc/kamailio/beesip-extensions";
const extension = (number: string, secret: string, contacts = "2") =>
  section("extension", { number, secret, contacts });
const both = (...extensions: readonly string[]) => plan(exchange({ role: "both" }, ...extensions));
const hash = (name: string, text: string) => createHash(name).update(text).digest("hex");

describe("the table of extensions", () => {
  test("has a row for each secret and for each other way to dial, and the version of all of it last", async () => {
    const { files, told } = await both(extension("101", "one"), extension("102", "a:b\\c", "1"));
    expect(told).toEqual([]);
    const rows = [
      "name(string) value(string)",
      `secret/101:${hash("md5", "101:pbx.example:one")}/2`,
      `secret/102:${hash("md5", "102:pbx.example:a:b\\c")}/1`,
      ...["101", "102"].flatMap((number) =>
        ["+420596321", "00420596321", "596321", "420596321"].map((own) => `alias/${own}${number}:${number}`),
      ),
      "",
    ].join("\n");
    expect(files.get(EXTENSIONS)).toBe(`${rows}version:${hash("sha256", rows)}\n`);
  });

  test("a changed, added or removed extension changes this file, and Kamailio's other ones not at all", async () => {
    const before = await both(extension("101", "one"), extension("102", "two"));
    for (const changed of [
      await both(extension("101", "one"), extension("102", "other")),
      await both(extension("101", "one"), extension("102", "two"), extension("103", "three")),
      await both(extension("101", "one")),
      await both(),
    ]) {
      expect(changed.files.get(CFG)).toBe(before.files.get(CFG));
      expect(changed.files.get(EXTENSIONS)).not.toBe(before.files.get(EXTENSIONS));
      expect(changed.changes.filter(({ kind }) => kind === "uci")).toEqual(
        before.changes.filter(({ kind }) => kind === "uci"),
      );
    }
    expect((await both(extension("101", "one"), extension("102", "two"))).files).toEqual(before.files);
  });

  test("Kamailio is restarted for its other files, and asked to read this one", async () => {
    const { changes } = await both(extension("101", "one"));
    const acts = changes.flatMap((change) =>
      change.kind === "service" && /kamailio/.test(change.name) ? [{ name: change.name, ...change.onChange }] : [],
    );
    expect(acts).toEqual([
      { name: "kamailio", paths: [CFG, "/etc/config/kamailio"], act: "restart" },
      { name: "beesip-kamailio", paths: [EXTENSIONS], act: "reload" },
    ]);
  });

  test("without the module that reads it, extensions stand in the configuration as before, and a word says what to install", async () => {
    const { "/usr/lib/kamailio/modules/db_text.so": _, ...device } = PROGRAMS;
    const { files, told, changes } = await plan(exchange({ role: "proxy" }, extension("101", "one")), { device });
    expect(told).toEqual([expect.stringMatching(/^warning beesip\.pbx\.role: .*kamailio-mod-db-text/)]);
    expect([...files.keys()]).toEqual([CFG]);
    expect(files.get(CFG)).toContain(`$var(list) = "secret/101=${hash("md5", "101:pbx.example:one")}/2;alias/`);
    expect(files.get(CFG)).not.toContain("db_text");
    expect(changes.some((change) => change.kind === "service" && change.name === "beesip-kamailio")).toBe(false);
  });

  test("no text is written that would be more than one column", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const signs = /^[A-Za-z0-9+./]+$/;
        if (/[:\\\s=;]/.test(text)) expect(() => plain(text, signs)).toThrow(/cannot hold/);
        if (/[\\\s=;]/.test(text)) expect(() => plain(text)).toThrow(/cannot hold/);
      }),
    );
  });
});
