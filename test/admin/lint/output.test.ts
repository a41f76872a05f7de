import { expect, test } from "vitest";
import { printJson, printSarif, printText } from "../../../src/admin/lint/print-findings.ts";
import { type LintFinding, RULES } from "../../../src/admin/lint/rules.ts";
import { PLAIN } from "../../../src/messages.ts";
import { lintScene } from "./scene.ts";

const FINDINGS: readonly LintFinding[] = [
  {
    rule: "uci-wrong-type",
    level: "error",
    message: "network.lan.mtu is \u001b[2J",
    file: "a b/ü.uci",
    line: 4,
    byte: 2,
  },
  {
    rule: "uci-unknown-option",
    level: "warning",
    message: "nobody reads it",
    file: "overlay.tar.gz:/etc/config/network",
  },
  { rule: "unconfigured", level: "warning", message: "nothing is for it", file: "fleet.csv", line: 9 },
  { rule: "layer-shadowed", level: "note", message: "loses" },
];
const RESULT = { findings: FINDINGS, files: 3, devices: 2 };

test("text is grouped by file, tells what to do once a rule, and steers no terminal", () => {
  const text = printText(RESULT, PLAIN);
  expect(text.split("\n").slice(0, 2)).toEqual([
    "a b/ü.uci",
    "  4:2      error   network.lan.mtu is \\u001b[2J uci-wrong-type",
  ]);
  for (const { rule } of FINDINGS) expect(text).toContain(`  ${rule}: ${RULES[rule].remedy}`);
  expect(text.split("\n").at(-1)).toBe("1 error, 2 warnings, 1 note in 3 files for 2 devices");
});

test("JSON has a version, the counts, and a remedy for each finding", () => {
  expect(JSON.parse(printJson(RESULT))).toMatchObject({
    format: "uciprov-lint",
    version: 1,
    files: 3,
    devices: 2,
    errors: 1,
    warnings: 2,
    notes: 1,
    findings: FINDINGS.map((finding) => ({ ...finding, remedy: RULES[finding.rule].remedy })),
  });
});

/** What SARIF 2.1.0 (§3.13 to §3.30) demands of the parts we write, and nothing it does not know. */
function checkSarif(log: unknown): void {
  const only = (thing: object, ...names: string[]) => expect(names).toEqual(expect.arrayContaining(Object.keys(thing)));
  const { version, $schema, runs } = log as { version: string; $schema: string; runs: Run[] };
  expect([version, new URL($schema).protocol, runs.length]).toEqual(["2.1.0", "https:", 1]);
  for (const run of runs) {
    only(run, "tool", "columnKind", "originalUriBaseIds", "results");
    expect(["utf16CodeUnits", "unicodeCodePoints"]).toContain(run.columnKind);
    const { driver } = run.tool;
    only(driver, "name", "version", "semanticVersion", "rules");
    expect(driver.semanticVersion).toMatch(/^\d+\.\d+\.\d+(?:-[\w.]+)?$/);
    expect(new Set(driver.rules.map(({ id }) => id)).size).toBe(driver.rules.length);
    for (const rule of driver.rules) {
      only(rule, "id", "shortDescription", "help", "defaultConfiguration");
      expect(["none", "note", "warning", "error"]).toContain(rule.defaultConfiguration.level);
      for (const { text } of [rule.shortDescription, rule.help]) expect(text).not.toBe("");
    }
    for (const result of run.results) {
      only(result, "ruleId", "ruleIndex", "level", "message", "locations");
      expect(driver.rules[result.ruleIndex]?.id).toBe(result.ruleId);
      expect(["none", "note", "warning", "error"]).toContain(result.level);
      expect(result.message.text).not.toBe("");
      for (const { physicalLocation } of result.locations) {
        only(physicalLocation, "artifactLocation", "region");
        expect(physicalLocation.artifactLocation.uri).toMatch(/^[\w.~%/,-]+$/);
        expect(Object.keys(run.originalUriBaseIds)).toContain(physicalLocation.artifactLocation.uriBaseId);
        for (const number of Object.values(physicalLocation.region ?? {})) expect(number).toBeGreaterThanOrEqual(1);
      }
    }
  }
}

interface Text {
  readonly text: string;
}
interface Run {
  readonly columnKind: string;
  readonly originalUriBaseIds: object;
  readonly tool: {
    readonly driver: {
      readonly semanticVersion: string;
      readonly rules: readonly {
        id: string;
        shortDescription: Text;
        help: Text;
        defaultConfiguration: { level: string };
      }[];
    };
  };
  readonly results: readonly {
    readonly ruleId: string;
    readonly ruleIndex: number;
    readonly level: string;
    readonly message: Text;
    readonly locations: readonly {
      readonly physicalLocation: {
        readonly artifactLocation: { readonly uri: string; readonly uriBaseId: string };
        readonly region?: Readonly<Record<string, number>>;
      };
    }[];
  }[];
}

test("SARIF is what 2.1.0 demands, of made-up findings and of real ones", async () => {
  checkSarif(JSON.parse(printSarif(RESULT)));
  const findings = await lintScene({ tree: { "default.uci": "package network\nconfig interfce x\n", "b.bin": "" } });
  expect(findings).toHaveLength(2);
  checkSarif(JSON.parse(printSarif({ findings, files: 2, devices: undefined })));
});

test("an entry of an archive is placed in the archive, and named in the message", () => {
  const { runs } = JSON.parse(printSarif(RESULT)) as { runs: Run[] };
  const result = runs[0]?.results[1];
  expect(result?.message.text).toBe("/etc/config/network: nobody reads it");
  expect(result?.locations[0]?.physicalLocation.artifactLocation.uri).toBe("overlay.tar.gz");
});
