import type { Change } from "../../api.ts";
import { toText } from "../../uci/bytes.ts";
import { ONLY_ONES } from "../../uci/identity.ts";
import { Layered } from "../../uci/layers.ts";
import { sameValue, type UciPackage, type UciSection, type UciValue } from "../../uci/model.ts";
import type { Report } from "./rules.ts";

/** The packages that a file of the tree sets, in its order. */
export type LayersOf = (
  file: string,
) => readonly { readonly mode: "merge" | "replace"; readonly content: UciPackage }[];

/** The merge and replace layers among a module's changes; batch lines depend on what a device has. */
export function layersIn(changes: readonly Change[]): ReturnType<LayersOf> {
  return changes.flatMap((change) => {
    if (change.kind !== "uci" || change.layer.mode === "batch") return [];
    return [{ mode: change.layer.mode, content: change.layer.content }];
  });
}

interface FromFile {
  readonly file: string;
  readonly mode: "merge" | "replace";
  readonly content: UciPackage;
}

interface Fate {
  /** Devices that get the option from this file, and those of them where a later one says otherwise. */
  devices: number;
  losses: number;
  readonly winners: Set<string>;
}

/**
 * Puts layers together as devices would, a chain of files at a time, and tells what contradicts itself and what never comes true. Chains that many
 * devices share are looked at once.
 */
export class LayerCheck {
  readonly #layersOf: LayersOf;
  readonly #fates = new Map<string, Map<string, Fate>>();
  readonly #conflicts = new Set<string>();
  readonly #report: Report;

  constructor(layersOf: LayersOf, report: Report) {
    this.#layersOf = layersOf;
    this.#report = report;
  }

  /** `devices` of them get exactly these files, in this order. */
  chain(files: readonly string[], devices: number): void {
    const byPackage = new Map<string, FromFile[]>();
    for (const file of files) {
      for (const layer of this.#layersOf(file))
        getOrMake(byPackage, layer.content.name, (): FromFile[] => []).push({ file, ...layer });
    }
    for (const [name, layers] of byPackage) {
      if (layers.length > 1) this.#tellConflicts(name, layers);
      this.#count(name, layers, devices);
    }
  }

  #tellConflicts(name: string, layers: readonly FromFile[]): void {
    const layered = new Layered({ name, sections: [] });
    for (const { file, mode, content } of layers) {
      layered.put({ mode, content, origin: file });
      for (const finding of layered.findings.splice(0)) {
        const key = `${file}\0${finding.message}`;
        if (finding.severity !== "error" || this.#conflicts.has(key)) continue;
        this.#conflicts.add(key);
        this.#report({
          rule: "layer-conflict",
          message: finding.message,
          file,
          ...conflictPlace(name, content, finding.message),
        });
      }
    }
  }

  #count(name: string, layers: readonly FromFile[], devices: number): void {
    const last = new Map<string, { readonly file: string; readonly value: UciValue }>();
    for (const { file, content } of layers.toReversed()) {
      const fates = getOrMake(this.#fates, file, () => new Map<string, Fate>());
      for (const section of content.sections) {
        const label = labelOf(name, section);
        if (label === undefined) continue;
        for (const option of section.options) {
          const key = `${name}.${label}.${option.name}`;
          const winner = last.get(key);
          const isLost = winner !== undefined && winner.file !== file && !sameValue(winner.value, option.value);
          const fate = getOrMake(fates, key, () => ({ devices: 0, losses: 0, winners: new Set<string>() }));
          fate.devices += devices;
          if (isLost) fate.losses += devices;
          if (isLost && fate.winners.size < 4) fate.winners.add(winner.file);
          if (winner === undefined) last.set(key, { file, value: option.value });
        }
      }
    }
  }

  /** Tells what lost on every device that got it, if there was more than one; `isVerbose`: also what lost on some. */
  tellShadowed(isVerbose: boolean): void {
    for (const [file, fates] of this.#fates) {
      for (const [path, { devices, losses, winners }] of fates) {
        if (losses === 0 || (!isVerbose && (losses < devices || devices < 2))) continue;
        const names = [...winners];
        const by = names.length > 3 ? `${names.slice(0, 2).join(", ")} and others` : names.join(", ");
        const share = losses === devices ? `all ${devices}` : `${losses} of ${devices}`;
        this.#report({
          rule: "layer-shadowed",
          message: `${toText(path)} loses on ${share} devices to ${by}`,
          file,
          option: toText(path),
        });
      }
    }
  }
}

/** The engine tells a conflict by the section's path at its beginning. */
function conflictPlace(pkg: string, { sections }: UciPackage, message: string): { readonly option?: string } {
  const found = sections.find(({ name }) => name !== undefined && message.startsWith(`${pkg}.${name} `));
  return found === undefined ? {} : { option: `${pkg}.${found.name}` };
}

function getOrMake<T>(map: Map<string, T>, key: string, make: () => T): T {
  const known = map.get(key);
  if (known !== undefined) return known;
  const fresh = make();
  map.set(key, fresh);
  return fresh;
}

/** Unnamed sections cannot be told to be the same one, but for those a device has one of. */
function labelOf(pkg: string, { name, type }: UciSection): string | undefined {
  return name ?? (ONLY_ONES.has(`${pkg}.${type}`) ? `@${type}[0]` : undefined);
}
