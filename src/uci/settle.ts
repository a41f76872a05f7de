import type { Finding } from "../errors.ts";
import { arrange } from "./arrange.ts";
import { toText } from "./bytes.ts";
import type { Draft, DraftSection } from "./draft.ts";
import { sectionLabels } from "./identity.ts";
import { type Layer, Layered } from "./layers.ts";
import { sameValue, type UciPackage, type UciSection, type UciValue } from "./model.ts";
import { protect } from "./protect.ts";
import type { PackageRecord } from "./record.ts";
import { remember } from "./remember.ts";
import { type Cell, type LaterEdit, undo } from "./undo.ts";

export type { Layer } from "./layers.ts";

/** Something that uciprov had set and that was changed on the device since. UTF-8 text, for people and JSON. */
export interface Drift {
  /** `network.wan.proto`, `firewall.@rule[2]`. */
  readonly path: string;
  readonly kind: "value" | "section" | "type" | "order";
  /** What uciprov had set; absent: it had taken it away. */
  readonly set?: string | readonly string[];
  /** What was found instead; absent: it was gone. */
  readonly found?: string | readonly string[];
  /** The change on the device stays; else the tree still says otherwise, and has its way again. */
  readonly isKept: boolean;
}

export interface Settled {
  readonly desired: UciPackage;
  /** The package's file should not exist: uciprov had made it, and nothing is left to be in it. */
  readonly isAbsent: boolean;
  /** `undefined`: nothing in the package is uciprov's. */
  readonly record: PackageRecord | undefined;
  readonly drift: readonly Drift[];
  readonly findings: readonly Finding[];
  /** The layer that set a section or option of `desired`; `undefined`: the device's own. */
  origin(section: UciSection | string, option?: string): string | undefined;
}

/**
 * What a package is to become: its baseline (as it is now, less what uciprov put in, by the record) with the layers
 * merged onto it in order. So the outcome does not depend on what was applied before. `protected` paths (`network`,
 * `network.wan`, `network.wan.proto`, `firewall.@rule`, `firewall.@rule[0]`) stay as they are now. Pure and linear.
 */
export function settle(
  current: UciPackage | undefined,
  record: PackageRecord | undefined,
  layers: readonly Layer[],
  protectedPaths: readonly string[],
): Settled {
  const name = current?.name ?? packageOf(layers);
  const present: UciPackage = current ?? { name, sections: [] };
  if (protectedPaths.includes(name)) return untouched(present, current === undefined, record, layers);

  const { cells, edits } = undo(present, current === undefined ? undefined : record);
  const own = cells.filter(({ before }) => before !== undefined);
  const baseline: UciPackage = { name, sections: own.flatMap(({ before }) => before ?? []) };
  const layered = new Layered(baseline);
  const sectionOfCell = new Map<Cell, DraftSection>();
  let section = layered.draft.sections.first;
  for (const cell of own) {
    if (section !== undefined) sectionOfCell.set(cell, section);
    section = section?.following;
  }
  const wasCreated = current === undefined || record?.created === true;

  for (const layer of layers) layered.put(layer);
  arrange(layered.draft, cells, sectionOfCell);
  protect(layered, cells, sectionOfCell, protectedPaths);

  const desired = layered.draft.package();
  const isAbsent = wasCreated && desired.sections.length === 0 && layers.every(({ mode }) => mode !== "replace");
  const beforeOf = new Map<DraftSection, UciSection | undefined>();
  sectionOfCell.forEach((section, { before }) => {
    beforeOf.set(section, before);
  });
  const pairs = layered.draft.sections.toArray().map((section) => beforeOf.get(section));
  return {
    desired,
    isAbsent,
    record: isAbsent ? undefined : remember(baseline, desired, pairs, wasCreated),
    drift: edits.map(driftTeller(layered.draft, sectionOfCell)),
    findings: layered.findings,
    origin: originLookup(layered, desired),
  };
}

function packageOf(layers: readonly Layer[]): string {
  for (const { content } of layers) {
    const name = "sections" in content ? content.name : content[0]?.package;
    if (name !== undefined) return name;
  }
  return "";
}

function untouched(
  present: UciPackage,
  isAbsent: boolean,
  record: PackageRecord | undefined,
  layers: readonly Layer[],
): Settled {
  const message = `${present.name} is protected: left as it is`;
  return {
    desired: present,
    isAbsent,
    record,
    drift: [],
    findings: layers.length === 0 ? [] : [{ code: "UCI_CONFLICT", message, severity: "note" }],
    origin: () => undefined,
  };
}

/** Tells for what somebody changed whether it stays so in what the package is to become. */
function driftTeller(draft: Draft, sectionOfCell: ReadonlyMap<Cell, DraftSection>): (edit: LaterEdit) => Drift {
  return ({ cell, label, option, kind, set, found }) => {
    const path = [draft.name, label, option].filter((part) => part !== undefined && part !== "");
    const own = cell === undefined ? undefined : sectionOfCell.get(cell);
    const section = own !== undefined && draft.has(own) ? own : draft.sections.find(label);
    const now = option === undefined ? section?.type : section?.options.find(option)?.value;
    return {
      path: toText(path.join(".")),
      kind,
      ...(set === undefined ? {} : { set: asText(set) }),
      ...(found === undefined ? {} : { found: asText(found) }),
      isKept: kind === "order" || sameValue(now, found),
    };
  };
}

function asText(value: UciValue): string | string[] {
  return typeof value === "string" ? toText(value) : value.map(toText);
}

/** Made when it is first asked: most runs never do. */
function originLookup(layered: Layered, desired: UciPackage): Settled["origin"] {
  let found: Map<UciSection | string, DraftSection> | undefined;
  const index = () => {
    const labels = sectionLabels(desired.sections);
    const all = layered.draft.sections.toArray().flatMap((own, i): [UciSection | string, DraftSection][] => {
      const section = desired.sections[i];
      return section === undefined
        ? []
        : [
            [section, own],
            [labels[i] ?? "", own],
          ];
    });
    return new Map(all);
  };
  return (section, option) => {
    found ??= index();
    const own = found.get(section);
    return own === undefined ? undefined : layered.originOf(own, option);
  };
}
