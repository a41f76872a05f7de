import { anonymousIdentity, sectionKeys } from "./identity.ts";
import { sameValue, type UciOption, type UciPackage, type UciSection, type UciValue } from "./model.ts";
import type { AddedSection, ChangedOption, ChangedSection, PackageRecord, RemovedSection } from "./record.ts";

/**
 * The record of what makes `baseline` into `desired`; `undefined` if nothing does. `pairs` tells for each desired
 * section which one of the baseline it is.
 */
export function remember(
  baseline: UciPackage,
  desired: UciPackage,
  pairs: readonly (UciSection | undefined)[],
  created: boolean,
): PackageRecord | undefined {
  const keys = sectionKeys(desired.name, desired.sections);
  const added: AddedSection[] = [];
  const changed: ChangedSection[] = [];
  const keyOfKept = new Map<UciSection, string>();
  const keyOfChangeling = new Map<UciSection, string>();
  desired.sections.forEach((section, i) => {
    const key = keys[i] ?? "";
    const before = pairs[i];
    if (before === undefined || !isRecognizable(before, section, key)) {
      const { type, name, options } = section;
      added.push({ key, type, name, options });
      if (before !== undefined) keyOfChangeling.set(before, key);
      return;
    }
    keyOfKept.set(before, key);
    const change = changesOf(before, section, key);
    if (change !== undefined) changed.push(change);
  });
  const removed = removedSections(baseline, keyOfKept, isInOrder(baseline, pairs) ? keyOfChangeling : new Map());
  const order = orderChange(baseline, keyOfKept);
  const isNothing = added.length + changed.length + removed.length === 0 && order === undefined && !created;
  if (isNothing) return undefined;
  return { version: 1, created, added, changed, removed, ...(order === undefined ? {} : { order }) };
}

/** Whether the section can be found again by its key to be changed back: not if what it is known by was changed. */
function isRecognizable(before: UciSection, after: UciSection, key: string): boolean {
  if (before.name !== after.name) return false;
  if (after.name !== undefined || key === `@${after.type}`) return true;
  return before.type === after.type && anonymousIdentity(before) === anonymousIdentity(after);
}

function changesOf(before: UciSection, after: UciSection, key: string): ChangedSection | undefined {
  if (isSame(before, after)) return undefined;
  const options: ChangedOption[] = [];
  addSetOptions(before, after, options);
  addGoneOptions(before, after, options);
  const order = optionOrder(before, after);
  const isRetyped = before.type !== after.type;
  if (options.length === 0 && order === undefined && !isRetyped) return undefined;
  // Of many sections only options change, so that case costs nothing more.
  if (order === undefined && !isRetyped) return { key, options };
  return {
    key,
    ...(isRetyped ? { type: { before: before.type, set: after.type } } : {}),
    options,
    ...(order === undefined ? {} : { order }),
  };
}

/** The common case, told without making anything. */
function isSame(before: UciSection, after: UciSection): boolean {
  if (before === after) return true;
  return (
    before.type === after.type &&
    before.options.length === after.options.length &&
    before.options.every(({ name, value }, i) => {
      const other = after.options[i];
      return other !== undefined && other.name === name && sameValue(other.value, value);
    })
  );
}

function addSetOptions(before: UciSection, after: UciSection, changed: ChangedOption[]): void {
  const was = lookup(before.options);
  for (const { name, value } of after.options) {
    const old = was(name);
    if (sameValue(old, value)) continue;
    changed.push(old === undefined ? { name, set: value } : { name, before: old, set: value });
  }
}

function addGoneOptions(before: UciSection, after: UciSection, changed: ChangedOption[]): void {
  const is = lookup(after.options);
  before.options.forEach(({ name, value }, i) => {
    if (is(name) !== undefined) return;
    const previous = before.options[i - 1]?.name;
    changed.push(previous === undefined ? { name, before: value } : { name, before: value, after: previous });
  });
}

/** Below this many options a look through them is faster than a map, and makes less garbage. */
const MANY = 12;

/** Finds values by name in constant time however many there are. */
function lookup(options: readonly UciOption[]): (name: string) => UciValue | undefined {
  if (options.length < MANY) return (name) => options.find((option) => option.name === name)?.value;
  const values = new Map(options.map(({ name, value }) => [name, value]));
  return (name) => values.get(name);
}

/** The names as they were, if those that stayed are in another order now. */
function optionOrder(before: UciSection, after: UciSection): string[] | undefined {
  if (before.options.every(({ name }, i) => name === after.options[i]?.name)) return undefined;
  const stayed = new Set(after.options.map(({ name }) => name));
  const was = before.options.map(({ name }) => name).filter((name) => stayed.has(name));
  const wasThere = new Set(was);
  const is = after.options.map(({ name }) => name).filter((name) => wasThere.has(name));
  return was.every((name, i) => name === is[i]) ? undefined : before.options.map(({ name }) => name);
}

function removedSections(
  baseline: UciPackage,
  keyOfKept: ReadonlyMap<UciSection, string>,
  keyOfChangeling: ReadonlyMap<UciSection, string>,
): RemovedSection[] {
  const removed: RemovedSection[] = [];
  let after: string | undefined;
  for (const section of baseline.sections) {
    const key = keyOfKept.get(section);
    const became = keyOfChangeling.get(section);
    if (key === undefined) {
      const place = { ...(after === undefined ? {} : { after }), ...(became === undefined ? {} : { became }) };
      removed.push({ ...section, ...place });
    }
    after = key ?? `-${removed.length - 1}`;
  }
  return removed;
}

/** Whether what was there before stands in the same order, so that each changed one still marks its place. */
function isInOrder(baseline: UciPackage, pairs: readonly (UciSection | undefined)[]): boolean {
  let at = -1;
  return pairs.every((before) => {
    if (before === undefined) return true;
    at = baseline.sections.indexOf(before, at + 1);
    return at >= 0;
  });
}

function orderChange(
  baseline: UciPackage,
  keyOfKept: ReadonlyMap<UciSection, string>,
): { before: string[]; set: string[] } | undefined {
  const set = [...keyOfKept.values()];
  const before = baseline.sections.flatMap((section) => keyOfKept.get(section) ?? []);
  return before.every((key, i) => key === set[i]) ? undefined : { before, set };
}
