import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { GATEWAY, ROUTE } from "../hooks/_gateway-schema.ts";
import type { OptionTable } from "../hooks/_options.ts";
import { PROBE } from "../hooks/monitoring/probe-schema.ts";
import { MONITORING } from "../hooks/monitoring/schema.ts";
import { EXTENSION, PBX, PHONE } from "../hooks/pbx/schema.ts";
import { SECURITY as DEFENCE } from "../hooks/security/schema.ts";
import { RULES } from "../src/admin/lint/rules.ts";
import { COMMANDS } from "../src/commands/all.ts";
import { drawGraph } from "../src/commands/graph.ts";
import { USAGES } from "../src/commands/help.ts";
import { ERRORS, EXIT } from "../src/errors.ts";
import { AGENT_KEYS, TRAPPER_KEYS } from "../src/monitor-keys.ts";
import { OPTIONS } from "../src/settings.ts";
import { zabbixTemplate } from "./docs/zabbix-template.ts";

/** `UPDATE_DOCS=1 npx vitest run test/docs.test.ts` writes what these tests compare. */
const IS_WRITING = process.env["UPDATE_DOCS"] === "1";

const SETTINGS = "openwrt-package/files/etc/config/uciprov";
const SETTINGS_HEAD = `# How this device provisions itself. Every option stands here with its default; take the # away to set another value.
# \`uciprov macros\`, \`uciprov explain\` and \`uciprov plan\` show what comes of it. A tree may change what stands here, too,
# except for what decides whom the device believes (docs/trust.md): keys, anchors, CAs, pins, TLSA, trust and threshold, hosts, protect.
`;
const SETTINGS_TAIL = `
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

const SECURITY = readFileSync("docs/security-model.md", "utf8");

/** `test/file.test.ts`: *title*; *another title of the same file*. */
const NAMED = [
  ...SECURITY.matchAll(/`(test\/[\w./-]+\.test\.ts)`(?: repeats[^\n]*)?: ((?:\*[^*\n]+\*(?:; )?)+)/g),
].flatMap(([, file = "", titles = ""]) =>
  [...titles.matchAll(/\*([^*\n]+)\*/g)].map(([, title = ""]) => ({ file, title })),
);

test("docs/run.md draws the stages as the program walks them", () => {
  expectBlock("docs/run.md", "graph", `\`\`\`\n${drawGraph()}\n\`\`\``);
});

test("docs/errors.md lists every exit status and every code with its remedy", () => {
  const exits = Object.entries(EXIT).map(([name, status]) => [String(status), name]);
  const codes = Object.entries(ERRORS).map(([code, { exit, remedy }]) => [code, `${EXIT[exit]} ${exit}`, remedy]);
  expectBlock("docs/errors.md", "exits", table(["status", "name"], exits));
  expectBlock("docs/errors.md", "errors", table(["code", "exit", "what to do"], codes));
});

test("docs/operator.md lists every command and every option with its default", () => {
  const commands = USAGES.map(({ form, meaning }) => [`\`${form}\``, meaning]);
  const options = Object.entries(OPTIONS).flatMap(([section, all]) =>
    Object.entries(all).map(([name, { type, initial, meaning }]) => [
      `\`${section}.${name}\``,
      type === "list"
        ? `list${told(initial) && `: ${told(initial)}`}`
        : `${type}${told(initial) && `, ${told(initial)}`}`,
      meaning,
    ]),
  );
  expectBlock("docs/operator.md", "commands", table(["command", "what it does"], commands));
  expectBlock("docs/operator.md", "settings", table(["option", "type, default", "meaning"], options));
});

test("help tells of every command", () => {
  const told = new Set(USAGES.map(({ form }) => form.split(" ")[0]));
  expect([...told].sort()).toEqual(Object.keys(COMMANDS).sort());
});

test("docs/admin/lint.md lists every rule with its level and remedy", () => {
  const rules = Object.entries(RULES).map(([name, { level, meaning, remedy }]) => [
    `\`${name}\``,
    level,
    meaning,
    remedy,
  ]);
  expectBlock("docs/admin/lint.md", "rules", table(["rule", "level", "what is found", "what to do"], rules));
});

test("docs/pbx.md lists every option of every section", () => {
  expectBlock(
    "docs/pbx.md",
    "pbx",
    optionTable({ pbx: PBX, extension: EXTENSION, phone: PHONE, gateway: GATEWAY, route: ROUTE }),
  );
});

test("docs/monitoring.md lists every option, and every key that a server can ask for or is sent", () => {
  expectBlock("docs/monitoring.md", "monitoring", optionTable({ monitoring: MONITORING }));
  const rows = (keys: typeof AGENT_KEYS | typeof TRAPPER_KEYS) =>
    Object.entries(keys).map(([key, { value, meaning }]) => [`\`${key}\``, value, meaning]);
  expectBlock("docs/monitoring.md", "agent-keys", table(["key", "value", "meaning"], rows(AGENT_KEYS)));
  expectBlock("docs/monitoring.md", "trapper-keys", table(["key", "value", "meaning"], rows(TRAPPER_KEYS)));
});

test("docs/security.md lists every option of its section", () => {
  expectBlock("docs/security.md", "security", optionTable({ security: DEFENCE }));
});

test("docs/probe.md lists every option", () => {
  expectBlock("docs/probe.md", "probe", optionTable({ probe: PROBE }));
});

test("docs/zabbix-template.yaml has an item for every key, and none for another", () => {
  const file = "docs/zabbix-template.yaml";
  if (IS_WRITING) writeFileSync(file, zabbixTemplate());
  const text = readFileSync(file, "utf8");
  expect(text).toBe(zabbixTemplate());
  const keys = [...text.matchAll(/^ *key: '([^']+)'$/gm)].map(([, key = ""]) => key.replace("{#PARTNER}", "PARTNER"));
  expect(keys.sort()).toEqual([...Object.keys(AGENT_KEYS), ...Object.keys(TRAPPER_KEYS)].sort());
});

test("docs/zabbix-template.yaml tells of what falls silent, forgets what is gone, and takes nobody's group", () => {
  const text = readFileSync("docs/zabbix-template.yaml", "utf8");
  // Zabbix looks at a trigger when one of its values comes, and at `nodata` alone also without one.
  const silent = [...text.matchAll(/fuzzytime\(([^,]+),([^)]+)\)=0/g)];
  expect(silent.length).toBeGreaterThan(1);
  for (const [, item = "", age = ""] of silent)
    expect(text).toContain(`fuzzytime(${item},${age})=0 or nodata(${item},${age})=1`);
  // Runs are expected of every device, a guard and a probe are not.
  const optional = [...text.matchAll(/expression: '(.*\/(?:guard|probe)\..*)'/g)].map(([, one]) => one);
  expect(optional.length).toBeGreaterThan(3);
  for (const one of optional) expect(one).toMatch(/ and nodata\(\/uciprov\/[^,]+,\{\$(?:GUARD|PROBE)\.GONE\}\)=0$/);
  // Zabbix's own, as every server has it from the beginning.
  expect(text).toContain("- uuid: '36bff6c29af64692839d077febfc7079'\n      name: 'Templates/Network devices'");
});

test("docs/dependencies.md has a line for every package the project names", () => {
  const { dependencies = {}, devDependencies = {} } = JSON.parse(readFileSync("package.json", "utf8"));
  const text = readFileSync("docs/dependencies.md", "utf8");
  const missing = Object.keys({ ...dependencies, ...devDependencies }).filter((name) => !text.includes(name));
  expect(missing).toEqual([]);
});

test("README and docs link to files that are there", () => {
  const pages = ["README.md", "CONTRIBUTING.md", "docs/run.md", "docs/operator.md", "docs/admin.md", "docs/errors.md"];
  const dead = pages.flatMap((page) => {
    const folder = page.includes("/") ? "docs/" : "";
    const links = [...readFileSync(page, "utf8").matchAll(/\]\(([\w./-]+)(?:#[\w-]+)?\)/g)].map(
      ([, path]) => `${folder}${path}`,
    );
    return links.filter((path) => !isThere(path)).map((path) => `${page}: ${path}`);
  });
  expect(dead).toEqual([]);
});

test("the shipped settings name every option with its meaning and default", () => {
  const wanted = `${SETTINGS_HEAD}${Object.entries(OPTIONS).map(section).join("")}${SETTINGS_TAIL}`;
  if (IS_WRITING) writeFileSync(SETTINGS, wanted);
  expect(readFileSync(SETTINGS, "utf8")).toBe(wanted);
});

test("docs/security-model.md names tests that are there, by the titles they have", () => {
  expect(NAMED.length).toBeGreaterThan(40);
  const missing = NAMED.filter(({ file, title }) => !existsSync(file) || !isTitle(readFileSync(file, "utf8"), title));
  expect(missing).toEqual([]);
});

test("every threat in docs/security-model.md names the test that shows what holds, or says that nothing does", () => {
  const threats = SECURITY.split("\n## ")
    .find((part) => part.startsWith("Attackers"))
    ?.split("\n")
    .filter((line) => line.startsWith("| ") && !/^\| (?:---|what it)/.test(line));
  expect(threats?.length).toBeGreaterThan(35);
  const bare = threats?.filter((line) => !/`test\/[\w./-]+`: \*|\*\*nothing holds\*\*/.test(line));
  expect(bare).toEqual([]);
});

test("every test file that docs/security-model.md names is there", () => {
  const files = [...SECURITY.matchAll(/`(test\/[\w./-]+)`/g)].flatMap(([, file]) => file ?? []);
  expect(files.filter((file) => !existsSync(file))).toEqual([]);
});

function told(initial: unknown): string {
  if (initial === undefined) return "";
  if (Array.isArray(initial)) return initial.map((one) => `\`${one}\``).join(" ");
  return typeof initial === "boolean" ? `\`${initial ? 1 : 0}\`` : `\`${String(initial)}\``;
}

/** Every option of these sections of /etc/config/beesip, as `type.option`. */
function optionTable(sections: Readonly<Record<string, OptionTable>>): string {
  const rows = Object.entries(sections).flatMap(([type, options]) =>
    Object.entries(options).map(([name, { isList, initial, meaning }]) => [
      `\`${type}.${name}\``,
      [isList ? "list" : "option", ...(initial === undefined || initial === "" ? [] : [`\`${initial}\``])].join(", "),
      meaning,
    ]),
  );
  return table(["option", "kind, default", "meaning"], rows);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function expectBlock(file: string, name: string, content: string): void {
  const text = readFileSync(file, "utf8");
  const block = new RegExp(`(<!-- ${name} -->\n)[^]*?(<!-- /${name} -->)`);
  expect(text).toMatch(block);
  const wanted = text.replace(block, (_, begin: string, end: string) => `${begin}\n${content}\n\n${end}`);
  if (IS_WRITING) writeFileSync(file, wanted);
  else expect(text).toBe(wanted);
}

function isThere(path: string): boolean {
  try {
    readFileSync(path);
    return true;
  } catch {
    return false;
  }
}

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

/** The title as a test has it: a text of its own between quotes. */
function isTitle(text: string, title: string): boolean {
  return ['"', "`", "'"].some((quote) => text.includes(`${quote}${title}${quote}`));
}
