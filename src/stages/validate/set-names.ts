import type { Origin } from "../../api.ts";
import type { OwnedNames } from "../../origins.ts";
import type { UciDiff } from "../../uci/diff.ts";
import { sectionKeys, sectionLabels } from "../../uci/identity.ts";
import type { PackageRecord } from "../../uci/record.ts";
import type { Settled } from "../../uci/settle.ts";

/** What of a package is uciprov's by its record, and who sets what this plan changes of that. `originNamed` knows the origin that a layer's words stand for. */
export function namesOf(
  { desired, record, origin }: Settled,
  diff: UciDiff,
  originNamed: (told: string | undefined) => Origin | undefined,
): OwnedNames {
  const set = new Map<string, Origin>();
  const labels = sectionLabels(desired.sections);
  const keyOf = new Map(sectionKeys(desired.name, desired.sections).map((key, index) => [labels[index] ?? "", key]));
  const note = (name: string, by: Origin | undefined): void => {
    if (by !== undefined) set.set(name, by);
  };
  for (const { section, options } of diff.sections) {
    const key = keyOf.get(section);
    if (key === undefined) continue;
    const ofSection = originNamed(
      origin(section) ?? options.map(({ option }) => origin(section, option)).find(Boolean),
    );
    note(key, ofSection);
    // Who takes an option away is told by no layer's word for it: by whoever else speaks of the section, then, or of the package.
    for (const { option } of options)
      note(`${key}.${option}`, originNamed(origin(section, option)) ?? ofSection ?? originNamed(undefined));
  }
  return { owned: ownedIn(record), set };
}

function ownedIn(record: PackageRecord | undefined): readonly string[] {
  if (record === undefined) return [];
  return [
    ...record.added.flatMap(({ key, options }) => [key, ...options.map(({ name }) => `${key}.${name}`)]),
    ...record.changed.flatMap(({ key, type, options }) => [
      ...(type === undefined ? [] : [key]),
      ...options.map(({ name }) => `${key}.${name}`),
    ]),
  ];
}
