import { toText } from "../../uci/bytes.ts";
import { anonymousIdentity, countBy, sectionKeys } from "../../uci/identity.ts";
import { sameValue, type UciOption, type UciPackage, type UciSection } from "../../uci/model.ts";
import { isDivisible, isSecret, type Owner, ownerOf } from "./belongs.ts";

/** One router's packages, and which layers are its own. */
export interface Golden {
  /** Name of its own layer, without `.uci`. */
  readonly device: string;
  /** Name of its board's layer; undefined: nobody knows the board. */
  readonly board: string | undefined;
  readonly packages: readonly UciPackage[];
}

export interface SplitLayers {
  /** Layer name, without `.uci`, → its packages. `default` is what is common. */
  readonly layers: ReadonlyMap<string, readonly UciPackage[]>;
  /** `network.wan.password`, for each secret and the layer it went to. */
  readonly secrets: readonly { readonly layer: string; readonly path: string }[];
}

/**
 * Divides what routers have among layers, so that all layers of a router together say what it has and nothing else: in `default` what all of them share, in
 * a board's layer what its routers share, in a device's the rest. What is a device's or a board's by its nature, and every secret, never goes higher.
 */
export function splitUci(goldens: readonly Golden[]): SplitLayers {
  const drafts = new Map<string, Draft>();
  const secrets: { layer: string; path: string }[] = [];
  const names = [...new Set(goldens.flatMap(({ packages }) => packages.map(({ name }) => name)))].sort();
  for (const name of names) {
    const all = goldens.map((golden) => sectionsOf(golden, name));
    for (const own of all) {
      for (const { section, layer, options } of partsOf(name, own, all)) {
        getOrMake(drafts, layer, () => new Draft()).add(name, section, options);
        for (const { name: option, value } of options)
          if (isSecret(option, value)) secrets.push({ layer, path: pathOf(name, section, option) });
      }
    }
  }
  const layers = new Map([...drafts].map(([layer, draft]) => [layer, draft.packages()] as const));
  return { layers, secrets: secrets.filter(isFirst()) };
}

interface KeyedSection {
  readonly key: string;
  readonly section: UciSection;
  readonly isDivisible: boolean;
}

interface OwnSections {
  readonly golden: Golden;
  readonly sections: ReadonlyMap<string, KeyedSection>;
}

function sectionsOf(golden: Golden, name: string): OwnSections {
  const sections = golden.packages.find((pkg) => pkg.name === name)?.sections ?? [];
  const ofType = countBy(sections, ({ type }) => type);
  const keys = sectionKeys(name, sections);
  const keyed = sections.map((section, i): [string, KeyedSection] => {
    // A section of another type is another section, whatever its name.
    const key = `${section.type} ${keys[i]}`;
    return [key, { key, section, isDivisible: isDivisible(name, section, ofType.get(section.type) ?? 0) }];
  });
  return { golden, sections: new Map(keyed) };
}

interface Part {
  readonly layer: string;
  readonly options: readonly UciOption[];
}

/**
 * What is in which layer. Of anonymous sections that share their identity (two rules of one name) the n-th is found as the n-th of its layer: so the ones before it
 * stand there as well, and none is in a layer above that of one before it.
 */
function* partsOf(
  pkg: string,
  own: OwnSections,
  all: readonly OwnSections[],
): Generator<Part & { readonly section: KeyedSection }> {
  const before = new Map<string, { layer: string; readonly sections: KeyedSection[] }>();
  const height = (layer: string) => [own.golden.device, own.golden.board, "default"].indexOf(layer);
  for (const section of own.sections.values()) {
    for (const { layer, options } of divide(pkg, section, own, all)) {
      if (section.isDivisible) yield { section, layer, options };
      else {
        const same = getOrMake(before, anonymousIdentity(section.section), () => ({ layer, sections: [] }));
        if (height(layer) < height(same.layer)) same.layer = layer;
        same.sections.push(section);
        for (const one of same.sections) yield { section: one, layer: same.layer, options: one.section.options };
      }
    }
  }
}

function divide(pkg: string, keyed: KeyedSection, own: OwnSections, all: readonly OwnSections[]): Part[] {
  const { section } = keyed;
  const owners = section.options.map(({ name, value }) => ownerOf(pkg, section, name, value));
  if (!keyed.isDivisible) {
    const owner = owners.includes("device") ? "device" : owners.includes("board") ? "board" : "anybody";
    const isShared = (other: OwnSections) => sameSection(other.sections.get(keyed.key)?.section, section);
    return [{ layer: layerFor(owner, own, all, isShared), options: section.options }];
  }
  const parts = new Map<string, UciOption[]>();
  if (section.options.length === 0) {
    const has = (other: OwnSections) => other.sections.has(keyed.key);
    return [{ layer: layerFor("anybody", own, all, has), options: [] }];
  }
  for (const [i, option] of section.options.entries()) {
    const isShared = (other: OwnSections) => {
      const twin = other.sections.get(keyed.key);
      const value = twin?.section.options.find(({ name }) => name === option.name)?.value;
      return twin?.isDivisible === true && value !== undefined && sameValue(value, option.value);
    };
    const layer = layerFor(owners[i] ?? "anybody", own, all, isShared);
    getOrMake(parts, layer, (): UciOption[] => []).push(option);
  }
  return [...parts].map(([layer, options]) => ({ layer, options }));
}

/** The highest layer at which the thing is the same for all who would get it. */
function layerFor(
  owner: Owner,
  own: OwnSections,
  all: readonly OwnSections[],
  isShared: (other: OwnSections) => boolean,
): string {
  const { device, board } = own.golden;
  if (owner === "device") return device;
  if (owner === "anybody" && all.every(isShared)) return "default";
  const peers = all.filter((other) => other.golden.board === board);
  // Of a board's only router nobody can tell what others of the board would share, but for what is the hardware's.
  const isOfTheBoard = board !== undefined && (owner === "board" || peers.length > 1);
  return isOfTheBoard && peers.every(isShared) ? board : device;
}

function sameSection(a: UciSection | undefined, b: UciSection): boolean {
  if (a === undefined || a.options.length !== b.options.length) return false;
  return b.options.every(({ name, value }) => {
    const twin = a.options.find((option) => option.name === name);
    return twin !== undefined && sameValue(twin.value, value);
  });
}

/** A layer in the making: sections in the order in which they come, each once. */
class Draft {
  readonly #byPackage = new Map<
    string,
    Map<string, { readonly section: UciSection; readonly options: readonly UciOption[] }>
  >();

  add(pkg: string, { key, section }: KeyedSection, options: readonly UciOption[]): void {
    const sections = getOrMake(this.#byPackage, pkg, () => new Map());
    if (!sections.has(key)) sections.set(key, { section, options });
  }

  packages(): readonly UciPackage[] {
    return [...this.#byPackage].map(([name, sections]) => ({
      name,
      sections: [...sections.values()].map(({ section, options }) => ({
        type: section.type,
        name: section.name,
        options,
      })),
    }));
  }
}

function pathOf(pkg: string, { section }: KeyedSection, option: string): string {
  return toText(`${pkg}.${section.name ?? `@${section.type}`}.${option}`);
}

function isFirst(): (one: { layer: string; path: string }) => boolean {
  const seen = new Set<string>();
  return ({ layer, path }) => seen.size < seen.add(`${layer} ${path}`).size;
}

function getOrMake<T>(map: Map<string, T>, key: string, make: () => T): T {
  const known = map.get(key);
  if (known !== undefined) return known;
  const fresh = make();
  map.set(key, fresh);
  return fresh;
}
