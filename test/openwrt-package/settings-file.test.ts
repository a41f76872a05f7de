import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { OPTIONS, readSettings } from "../../src/settings.ts";
import { parsePackage } from "../../src/uci/parse.ts";

const FILE = "openwrt-package/files/etc/config/uciprov";
const HEAD = `# How this device provisions itself. Every option stands here with its default; take the # away to set another value.
# \`uciprov macros\`, \`uciprov explain\` and \`uciprov plan\` show what comes of it. A tree may change what stands here, too,
# except for what decides about trust: trust, threshold, allowed_host, ca, system_ca, pin, anchors.
`;
const TAIL = `
# Macros of your own, {site} in every URI, any number of them:
#config macro 'site'
#	option value 'prague'

# Another URI for a module's resource, or none at all, or one more UCI layer after the module's own:
#config resource 'image'
#	option uri '{base_uri}/image{fd}.bin'
#config resource 'overlay'
#	option enabled '0'
#config resource 'extra'
#	option module 'uci'
#	option uri '{base_uri}/sites/{site}.uci'
#	option mode 'merge'
`;

test("the shipped settings name every option with its meaning and default (UPDATE_DOCS=1 writes them)", () => {
  const wanted = `${HEAD}${Object.entries(OPTIONS).map(section).join("")}${TAIL}`;
  if (process.env["UPDATE_DOCS"] === "1") writeFileSync(FILE, wanted);
  expect(readFileSync(FILE, "utf8")).toBe(wanted);
});

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

function section([name, options]: [string, (typeof OPTIONS)[keyof typeof OPTIONS]]): string {
  const lines = Object.entries(options).flatMap(([option, { type, initial, meaning }]) => {
    const values: string[] = Array.isArray(initial) ? initial : [shown(initial)];
    const keyword = type === "list" ? "list" : "option";
    return [
      `\t# ${meaning}`,
      ...(values.length === 0 ? [""] : values).map((value) => `#\t${keyword} ${option} '${value}'`),
    ];
  });
  return `\nconfig uciprov '${name}'\n${lines.join("\n")}\n`;
}

function shown(initial: unknown): string {
  if (typeof initial === "boolean") return initial ? "1" : "0";
  return initial === undefined ? "" : String(initial);
}
