import { type Paint, PLAIN, placeOf, tellFinding } from "../../messages.ts";
import { type FleetFacts, fleetFacts } from "./fleet-facts.ts";
import type { FleetPlan } from "./plan-fleet.ts";

const LIMITS = { values: 8, names: 6, files: 20 } as const;

/** The fleet's changes for people: the largest first, each subject with its values and for how many devices. */
export function tellFleet(fleet: FleetPlan, given: Paint | undefined): string {
  const paint = given ?? PLAIN;
  const facts = fleetFacts(fleet, "provisioned");
  const { counts, before, after } = facts;
  const lines = [
    `${paint.strong("after")}  ${tellTree(after, paint)}`,
    `${paint.strong("before")} ${before ? tellTree(before, paint) : "no tree: first boot"}`,
    `${paint.strong("devices")} ${number(counts.devices)}, ${number(counts.changed)} of them change, ${number(counts.unchanged)} stay as they are`,
    ...tellFiles(facts),
    ...tellRollout(facts, paint),
  ];
  for (const one of facts.invalid) {
    const since = one.since === "broken" ? paint.bad("broken") : paint.warn("still wrong");
    lines.push("", `${since} ${devices(one.devices, facts)}: ${one.code}: ${shown(one.message)}`);
    // All faults with their files and lines; a failure that is no finding has its place itself.
    lines.push(...toldPlaces(one.error).map((line) => `  ${shown(line)}`));
  }
  if (counts.mended > 0)
    lines.push("", `${paint.good("mended")} ${count(counts.mended)}: they could not be planned before`);
  let group = "";
  for (const one of bySubject(facts)) {
    if (one.group !== group) lines.push("", paint.strong(shown(one.group)));
    group = one.group;
    lines.push(...tellSubject(one, facts, paint));
  }
  if (facts.changes.length === 0 && facts.invalid.length === 0)
    lines.push("", paint.good("nothing changes for anybody"));
  return lines.join("\n");
}

function toldPlaces({ place, findings }: FleetFacts["invalid"][number]["error"]): string[] {
  if (findings !== undefined) return findings.map((finding) => tellFinding(finding, PLAIN));
  return place === undefined ? [] : [placeOf(place).trim()];
}

interface Subject {
  readonly group: string;
  readonly subject: string;
  readonly values: readonly FleetFacts["changes"][number][];
  readonly devices: number;
}

function bySubject({ changes }: FleetFacts): readonly Subject[] {
  const subjects = new Map<string, FleetFacts["changes"][number][]>();
  for (const one of changes) {
    const key = `${one.group}\n${one.subject}`;
    const values = subjects.get(key);
    if (values === undefined) subjects.set(key, [one]);
    else values.push(one);
  }
  const all = [...subjects.values()].flatMap((values): Subject[] => {
    const [first] = values;
    if (first === undefined) return [];
    const { group, subject } = first;
    return [{ group, subject, values, devices: values.reduce((sum, one) => sum + one.devices.length, 0) }];
  });
  const size = new Map<string, number>();
  for (const one of all) size.set(one.group, Math.max(size.get(one.group) ?? 0, one.devices));
  const of = (group: string) => size.get(group) ?? 0;
  return all.sort(
    (a, b) => of(b.group) - of(a.group) || (a.group < b.group ? -1 : a.group > b.group ? 1 : b.devices - a.devices),
  );
}

function tellSubject({ subject, values, devices: all }: Subject, facts: FleetFacts, paint: Paint): string[] {
  if (values.length > LIMITS.values) {
    const sample = values[0];
    const words = sample === undefined ? "" : `, e.g. ${change(sample, paint)}`;
    return [`  ${count(all)}: ${shown(subject)} ${number(values.length)} different changes${words}`];
  }
  return values.map((one) => `  ${devices(one.devices, facts)}: ${shown(subject)} ${change(one, paint)}`);
}

function change({ before, after }: FleetFacts["changes"][number], paint: Paint): string {
  if (before === null) return paint.good(`+ ${shown(after ?? "")}`);
  if (after === null) return paint.bad(`- ${shown(before)}`);
  return `${paint.bad(shown(before))} → ${paint.good(shown(after))}`;
}

/** How many; and who, where they are few. */
function devices(rows: readonly number[], facts: FleetFacts): string {
  if (rows.length > LIMITS.names) return count(rows.length);
  const names = rows.map((row) => shown(facts.devices[row]?.name ?? "?"));
  return `${count(rows.length)} (${names.join(", ")})`;
}

function tellTree({ tree, serial, date, files, trust }: FleetFacts["after"], paint: Paint): string {
  const about = [
    tree === null ? "without a manifest" : `tree ${shown(tree)}`,
    serial === null ? undefined : `serial ${serial}`,
    date === null ? undefined : `of ${date}`,
    `${number(files)} file${files === 1 ? "" : "s"}`,
  ].filter((part) => part !== undefined);
  if (trust.verdict === "accepted") return `${about.join(", ")}, ${paint.good("accepted")}`;
  if (trust.verdict === "unknown") return `${about.join(", ")}, trust not judged (--key FILE)`;
  return `${about.join(", ")}, ${paint.bad("refused")} by the devices: ${String(trust.error?.["code"])}: ${shown(String(trust.error?.["message"]))}`;
}

function tellFiles({ files, before, after }: FleetFacts): string[] {
  const told = (word: string, names: readonly string[]) =>
    names.length === 0
      ? []
      : [
          `${number(names.length)} ${word} (${names.slice(0, LIMITS.files).map(shown).join(", ")}${names.length > LIMITS.files ? ", …" : ""})`,
        ];
  const words = [...told("new", files.added), ...told("changed", files.changed), ...told("gone", files.removed)];
  const keys = after.keys.filter((key) => before?.keys.includes(key) !== true);
  const images = after.images.filter((image) => before?.images.includes(image) !== true);
  return [
    ...(before === null || words.length === 0 ? [] : [`files of the tree: ${words.join("; ")}`]),
    ...(keys.length === 0 ? [] : [`keys: ${keys.join(", ")}`]),
    ...(images.length === 0 ? [] : [`images: ${images.map(shown).join("; ")}`]),
  ];
}

function tellRollout({ rollout, counts }: FleetFacts, paint: Paint): string[] {
  if (rollout === null) return [];
  if (rollout.hours === "hold") return [`${paint.strong("roll-out")} held: no configured device takes it`];
  const steps = rollout.steps.map(({ hour, devices: had }) => `${number(had)} after ${hour} h`);
  return [
    `${paint.strong("roll-out")} over ${rollout.hours} h: of ${number(counts.devices)} devices ${steps.join(", ")}`,
  ];
}

function count(of: number): string {
  return of === 1 ? "1 device" : `${number(of)} devices`;
}

/** 1200 → 1,200; without Intl. */
function number(of: number): string {
  return String(of).replace(/\B(?=(?:\d{3})+$)/g, ",");
}

/** Names come from inventories and trees: none may steer a terminal. */
function shown(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, "?");
}
