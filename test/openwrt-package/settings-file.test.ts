import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { readSettings } from "../../src/settings.ts";
import { parsePackage } from "../../src/uci/parse.ts";

const FILE = "openwrt-package/files/etc/config/uciprov";
test("the shipped settings are the defaults, and so they are with every # before an option taken away", () => {
  const text = readFileSync(FILE, "utf8");
  const defaults = readSettings(undefined);
  expect(readSettings(parsePackage(text, { name: "uciprov" }))).toEqual(defaults);
  const [head = ""] = text.split("\n# Macros of your own");
  const set = head.replace(/^#\t(option|list)/gm, "\t$1");
  const { settings, findings } = readSettings(parsePackage(set, { name: "uciprov" }));
  const strip = (value: unknown) =>
    JSON.parse(JSON.stringify(value, (_, one) => (one === "" || String(one) === "" ? undefined : one)));
  expect(findings).toEqual([]);
  expect(strip(settings)).toEqual(strip(defaults.settings));
});
