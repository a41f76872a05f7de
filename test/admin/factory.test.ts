/** A tree on paper against what ten boards and more have on their first boot. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openRoot } from "../../src/admin/plan/backup.ts";
import { openPaperRun } from "../../src/admin/plan/paper-run.ts";
import { planOne } from "../../src/admin/plan/plan-one.ts";
import { openTree } from "../../src/admin/plan/tree-folder.ts";
import { parseExport } from "../../src/uci/parse.ts";
import { printConfig } from "../../src/uci/print.ts";
import { tarGz } from "../helpers/tar.ts";

const FACTORY = "fixtures/factory";
const BOARDS = readdirSync(FACTORY).flatMap((name) => (name.endsWith(".uci") ? [name.slice(0, -".uci".length)] : []));

/** Of what every board has: an unnamed section, a named one, and a new one among unnamed ones. */
const LAYER = `package system

config system
	option hostname 'gate'

package network

config interface 'lan'
	option ipaddr '10.1.2.1'

package firewall

config rule 'uciprov_test'
	option name 'Allow-SNMP'
	option src 'wan'
	option proto 'udp'
	option dest_port '161'
	option target 'ACCEPT'
`;

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "factory-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function planOn(board: string, files: Readonly<Record<string, string>>) {
  const backup = join(folder, "backup.tar.gz");
  const packages = parseExport(readFileSync(join(FACTORY, `${board}.uci`), "utf8"));
  writeFileSync(backup, tarGz(...packages.map((pkg) => ({ name: `etc/config/${pkg.name}`, body: printConfig(pkg) }))));
  const tree = join(folder, "tree");
  mkdirSync(tree);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(tree, name), text);
  const signal = new AbortController().signal;
  const paper = openPaperRun({ root: await openRoot(backup), keyFiles: [], log: () => undefined, signal });
  const device = { facts: { mac: "02:00:5e:10:00:01", board }, macros: {} };
  const { plan, failure } = await planOne(paper, device, openTree(tree), undefined);
  if (plan === undefined) throw failure;
  return plan.packages.flatMap(({ name, diff }) =>
    diff.sections.map(({ section, change, options }) => [`${name}.${section}`, change, options.map((o) => o.option)]),
  );
}

test.each(BOARDS)("%s fresh from its factory: a layer changes what it says and nothing else", async (board) => {
  expect(await planOn(board, { "default.uci": LAYER })).toEqual([
    ["firewall.uciprov_test", "added", ["name", "src", "proto", "dest_port", "target"]],
    ["network.lan", "changed", ["ipaddr"]],
    ["system.@system[0]", "changed", ["hostname"]],
  ]);
});

test.each(BOARDS)("%s fresh from its factory: its own configuration as a layer changes nothing", async (board) => {
  const own = readFileSync(join(FACTORY, `${board}.uci`), "utf8");
  expect(await planOn(board, { [`${board}.uci`]: own })).toEqual([]);
});
