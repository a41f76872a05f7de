/**
 * Who set what uciprov owns, beside the ownership record: a table of sources, and for each package and the files the source of most with the
 * exceptions, so that a device with one layer pays a line for it. Pure.
 */
import type { Origin } from "./changes.ts";
import { asObject, numberOf, textOf } from "./json-fields.ts";

/** One layer or file of one generation. */
export interface OriginSource extends Origin {
  readonly generation: number;
  /** Seconds since 1970. */
  readonly at: number;
}

interface Told {
  /** Of all but the exceptions: an index into the sources. */
  readonly by: number;
  readonly but: Readonly<Record<string, number>>;
}

/** Plain, for JSON. What stands in it is only told, never obeyed. */
export interface OriginRecord {
  readonly sources: readonly OriginSource[];
  /** By package; the names are `KEY.option` and `KEY`, with a section's identity in the ownership record as the key. */
  readonly uci: Readonly<Record<string, Told>>;
  readonly files?: Told;
}

/** Everything uciprov owns, by name, with what the plan sets anew among it. */
export interface OwnedNames {
  readonly owned: readonly string[];
  readonly set: ReadonlyMap<string, Origin>;
}

export function uciOrigin(record: OriginRecord | undefined, pkg: string, name: string): OriginSource | undefined {
  return sourceIn(record, record?.uci[pkg], name);
}

export function fileOrigin(record: OriginRecord | undefined, path: string): OriginSource | undefined {
  return sourceIn(record, record?.files, path);
}

function sourceIn(record: OriginRecord | undefined, told: Told | undefined, name: string): OriginSource | undefined {
  return told && record?.sources[told.but[name] ?? told.by];
}

/**
 * The record with what this generation sets; what it leaves as it was keeps its source. Undefined if nothing is known of anything. The same
 * names and sources give the same record.
 */
export function rememberOrigins(
  before: OriginRecord | undefined,
  names: { readonly uci: Readonly<Record<string, OwnedNames>>; readonly files: OwnedNames },
  now: { readonly generation: number; readonly at: number },
): OriginRecord | undefined {
  const sources: OriginSource[] = [];
  const indexes = new Map<string, number>();
  const met = new Map<OriginSource, number>();
  const indexOf = (source: OriginSource): number => {
    const known = met.get(source);
    if (known !== undefined) return known;
    const key = JSON.stringify([source.module, source.uri, source.signer, source.detail, source.generation]);
    const index = indexes.get(key) ?? sources.push(source) - 1;
    indexes.set(key, index);
    met.set(source, index);
    return index;
  };
  /** What one layer or archive sets comes in a row: one source for all of it. */
  let latest: OriginSource | undefined;
  const sourceNow = (origin: Origin): OriginSource => {
    const isLatest = latest?.module === origin.module && latest.uri === origin.uri && latest.signer === origin.signer;
    latest = isLatest && latest !== undefined ? latest : { ...plain(origin), ...now };
    return latest;
  };
  const tell = ({ owned, set }: OwnedNames, earlier: (name: string) => OriginSource | undefined): Told | undefined => {
    const by = new Map<string, number>();
    for (const name of owned) {
      const origin = set.get(name);
      const source = origin === undefined ? earlier(name) : sourceNow(origin);
      if (source !== undefined) by.set(name, indexOf(source));
    }
    return shortest(by);
  };
  const uci = Object.entries(names.uci).flatMap(([pkg, of]): [string, Told][] => {
    const told = tell(of, (name) => uciOrigin(before, pkg, name));
    return told === undefined ? [] : [[pkg, told]];
  });
  const files = tell(names.files, (path) => fileOrigin(before, path));
  if (sources.length === 0) return undefined;
  return { sources, uci: Object.fromEntries(uci), ...(files === undefined ? {} : { files }) };
}

/** What came for one entry of an archive is told by the archive. */
function plain({ module, uri, signer }: Origin): Origin {
  return { module, ...(uri === undefined ? {} : { uri }), ...(signer === undefined ? {} : { signer }) };
}

function shortest(by: ReadonlyMap<string, number>): Told | undefined {
  const counts = new Map<number, number>();
  for (const index of by.values()) counts.set(index, (counts.get(index) ?? 0) + 1);
  const [most] = [...counts].sort(([a, x], [b, y]) => y - x || a - b)[0] ?? [];
  if (most === undefined) return undefined;
  return { by: most, but: Object.fromEntries([...by].filter(([, index]) => index !== most)) };
}

/** The record in a value that came out of JSON; a TypeError says what is none about it. */
export function parseOrigins(value: unknown): OriginRecord {
  const { sources, uci, files } = asObject(value);
  if (!Array.isArray(sources)) throw new TypeError("sources are no list");
  return {
    sources: sources.map((one: unknown) => {
      const from = asObject(one);
      return {
        module: textOf(from, "module"),
        ...(from["uri"] === undefined ? {} : { uri: textOf(from, "uri") }),
        ...(from["signer"] === undefined ? {} : { signer: textOf(from, "signer") }),
        generation: numberOf(from, "generation"),
        at: numberOf(from, "at"),
      };
    }),
    uci: Object.fromEntries(Object.entries(asObject(uci)).map(([pkg, told]) => [pkg, parseTold(told)])),
    ...(files === undefined ? {} : { files: parseTold(files) }),
  };
}

function parseTold(value: unknown): Told {
  const from = asObject(value);
  const but = asObject(from["but"]);
  return {
    by: numberOf(from, "by"),
    but: Object.fromEntries(Object.keys(but).map((name) => [name, numberOf(but, name)])),
  };
}
