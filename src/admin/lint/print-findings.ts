import type { Paint } from "../../messages.ts";
import { VERSION } from "../../version.ts";
import type { LintResult } from "../lint-tree.ts";
import { type Level, type LintFinding, RULES, type RuleName } from "./rules.ts";

export interface Counts {
  readonly errors: number;
  readonly warnings: number;
  readonly notes: number;
}

export function countFindings(findings: readonly LintFinding[]): Counts {
  const of = (level: Level) => findings.filter((finding) => finding.level === level).length;
  return { errors: of("error"), warnings: of("warning"), notes: of("note") };
}

/** Grouped by file, then what to do about each rule that found something. */
export function printText({ findings, files, devices }: LintResult, paint: Paint): string {
  const lines: string[] = [];
  let file: string | undefined;
  for (const finding of findings) {
    if (finding.file !== file || lines.length === 0) lines.push(paint.strong(visible(finding.file ?? "the tree")));
    file = finding.file;
    const { line, byte } = finding;
    const place = line === undefined ? "" : byte === undefined ? `${line}` : `${line}:${byte}`;
    lines.push(
      `  ${place.padEnd(8)} ${painted(finding.level, paint)} ${visible(finding.message)} ${paint.quiet(finding.rule)}`,
    );
  }
  const rules = [...new Set(findings.map(({ rule }) => rule))];
  if (rules.length > 0) lines.push("", "What to do:", ...rules.map((rule) => `  ${rule}: ${RULES[rule].remedy}`), "");
  const { errors, warnings, notes } = countFindings(findings);
  const fleet = devices === undefined ? "" : ` for ${some(devices, "device")}`;
  const found = `${some(errors, "error")}, ${some(warnings, "warning")}, ${some(notes, "note")}`;
  lines.push(`${found} in ${some(files, "file")}${fleet}`);
  return lines.join("\n");
}

function painted(level: Level, paint: Paint): string {
  const word = level.padEnd(7);
  return level === "error" ? paint.bad(word) : level === "warning" ? paint.warn(word) : paint.quiet(word);
}

function some(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/** No byte of a tree may steer a terminal: control characters, and marks that turn the direction of text, become escapes. */
function visible(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Version 1 of the answer for programs; fields are added, never changed. */
export function printJson(result: LintResult): string {
  const findings = result.findings.map((finding) => ({ ...finding, remedy: RULES[finding.rule].remedy }));
  const { errors, warnings, notes } = countFindings(result.findings);
  const answer = {
    format: "uciprov-lint",
    version: 1,
    files: result.files,
    devices: result.devices ?? null,
    errors,
    warnings,
    notes,
    findings,
  };
  return JSON.stringify(answer, undefined, 2);
}

/** SARIF 2.1.0 (OASIS), as code hosts and editors read it. Places are relative to the tree, `%SRCROOT%`. */
export function printSarif({ findings }: LintResult): string {
  const names = Object.keys(RULES).sort();
  const rules = names.map((id) => {
    const rule = RULES[id as RuleName];
    return {
      id,
      shortDescription: { text: rule.meaning },
      help: { text: rule.remedy },
      defaultConfiguration: { level: rule.level },
    };
  });
  const results = findings.map(({ rule, level, message, file, line, byte }) => {
    const region =
      line === undefined ? {} : { region: { startLine: line, ...(byte === undefined ? {} : { startColumn: byte }) } };
    // An entry of an archive is told behind the archive's name, which alone is a file of the tree.
    const [name = "", entry] = (file ?? "").split(/:(?=\/)/);
    const artifactLocation = { uri: name.split("/").map(encodeURIComponent).join("/"), uriBaseId: "%SRCROOT%" };
    const locations = file === undefined ? [] : [{ physicalLocation: { artifactLocation, ...region } }];
    const text = `${entry === undefined ? "" : `${entry}: `}${message}`;
    return { ruleId: rule, ruleIndex: names.indexOf(rule), level, message: { text }, locations };
  });
  const driver = {
    name: "uciprov",
    version: VERSION,
    semanticVersion: VERSION,

    rules,
  };
  const log = {
    $schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: { driver },
        columnKind: "utf16CodeUnits",
        originalUriBaseIds: { "%SRCROOT%": { description: { text: "the tree" } } },
        results,
      },
    ],
  };
  return JSON.stringify(log, undefined, 2);
}
