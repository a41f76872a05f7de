import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openPackage } from "../../src/admin/uci/open-package.ts";
import { diffPackages, printDiff } from "../../src/uci/diff.ts";
import { getSection, optionText } from "../../src/uci/model.ts";
import { parsePackage } from "../../src/uci/parse.ts";
import { settle } from "../../src/uci/settle.ts";

const DOCUMENT = join(import.meta.dirname, "../../docs/uci.md");
const PLAIN = { added: String, removed: String, changed: String, quiet: String };

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "uci-library-"));
  mkdirSync(join(root, "etc/config"), { recursive: true });
  mkdirSync(join(root, "tmp"));
  writeFileSync(join(root, "etc/config/network"), "config interface 'lan'\n\toption ipaddr '192.168.1.1'\n");
});

afterEach(() => rmSync(root, { recursive: true }));

test("the example of docs/uci.md does what is said there", async () => {
  // example
  const network = openPackage("network", root);
  network.set("lan.ipaddr", "10.0.0.1");
  network.addList("lan.dns", "10.0.0.2");
  await network.stage(); // `uci changes` shows it
  await network.commit(); // and now /etc/config/network says it

  const tree = parsePackage("config interface 'lan'\n\toption proto 'static'\n", { name: "network" });
  const { desired, record } = settle(
    network.read(),
    undefined,
    [{ mode: "merge", content: tree, origin: "example" }],
    [],
  );
  const diff = printDiff(diffPackages(network.read(), desired), PLAIN);
  const withdrawn = settle(desired, record, [], []).desired;
  // end

  expect(readFileSync(join(root, "etc/config/network"), "utf8")).toBe(
    "\nconfig interface 'lan'\n\toption ipaddr '10.0.0.1'\n\tlist dns '10.0.0.2'\n\n",
  );
  expect(optionText(getSection(desired, "lan"), "proto")).toBe("static");
  expect(diff).toContain("network.lan.proto");
  expect(withdrawn).toEqual(network.read());
});

test("the example of docs/uci.md is the one that was just run", () => {
  const source = readFileSync(import.meta.filename, "utf8");
  const example = /\n {2}\/\/ example\n([\s\S]*?) {2}\/\/ end\n/.exec(source)?.[1]?.replaceAll(/^ {2}/gm, "");
  expect(example).toBeDefined();
  expect(readFileSync(DOCUMENT, "utf8")).toContain(`\n\n${example}\`\`\`\n`);
});
