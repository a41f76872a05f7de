/**
 * The gateway list: JSON, version 1 (docs/pbx.md has its schema). Fields nobody knows are passed over; another version, or one wrong field,
 * refuses the whole document, so that half a list never stands for a list.
 */
import type { Finding } from "../src/api.ts";
import { faultOfLabel, faultOfNetwork, faultOfSecret } from "./_checks.ts";
import { type Gateway, type Route, TRANSPORTS } from "./_gateway-schema.ts";
import type { Check } from "./_options.ts";
import { show } from "./_options.ts";
import {
  faultOfCodec,
  faultOfId,
  faultOfPrefix,
  faultOfPrepend,
  faultOfSipHost,
  faultOfSipUser,
} from "./_pbx-checks.ts";

export interface GatewayList {
  readonly gateways: readonly Gateway[];
  readonly routes: readonly Route[];
}

const VERSION = 1;
const MOST = { gateways: 1000, prefixes: 10_000, items: 64, faults: 50 } as const;

/** The list, or what is wrong with it, each fault with its place in the document. */
export function parseGatewayList(
  document: string,
  file: string,
): { readonly list: GatewayList } | { readonly faults: readonly Finding[] } {
  const faults: Finding[] = [];
  const reader: Reader = {
    fault: (place, wrong) => {
      // A list that is wrong from end to end would else be told with hundreds of thousands of faults.
      if (faults.length >= MOST.faults) return;
      faults.push({
        severity: "error",
        code: "PLAN_INVALID",
        message: `${place} ${wrong}`,
        place: { file, option: place },
      });
    },
  };
  const parsed = parseJson(document);
  if ("wrong" in parsed) {
    const place = { file, ...parsed.place };
    return { faults: [{ severity: "error", code: "PLAN_INVALID", message: parsed.wrong, place }] };
  }
  const list = readDocument(parsed.value, reader);
  return list === undefined || faults.length > 0 ? { faults } : { list };
}

interface Reader {
  fault(place: string, wrong: string): void;
}

function readDocument(root: Readonly<Record<string, unknown>>, reader: Reader): GatewayList | undefined {
  if (root["version"] !== VERSION) {
    reader.fault("version", `is ${JSON.stringify(root["version"])?.slice(0, 20) ?? "missing"}, not ${VERSION}`);
    return undefined;
  }
  const gateways = items(root, "gateways", MOST.gateways, reader).map((one, at) =>
    readGateway(one, `gateways[${at}]`, reader),
  );
  const routes = items(root, "prefixes", MOST.prefixes, reader).map((one, at) =>
    readRoute(one, `prefixes[${at}]`, reader),
  );
  if (gateways.length === 0) reader.fault("gateways", "is empty: that is no list");
  noteDoubles(
    gateways.map(({ id }) => id),
    (at) => `gateways[${at}].id`,
    reader,
  );
  noteDoubles(
    routes.map(({ prefix }) => prefix),
    (at) => `prefixes[${at}].prefix`,
    reader,
  );
  return { gateways, routes };
}

function readGateway(given: unknown, place: string, reader: Reader): Gateway {
  const from = fields(given, place, reader);
  const auth = fieldsIn(from, "auth");
  const hasAuth = auth.value !== undefined;
  const kind = hasAuth
    ? auth.text("type", (text) => (["digest", "none"].includes(text) ? undefined : `${show(text)} is no kind of login`))
    : undefined;
  const isDigest = kind === "digest";
  return {
    id: from.text("id", faultOfId) ?? from.missing("id"),
    enabled: from.flag("enabled") ?? true,
    host: from.text("host", faultOfSipHost) ?? from.missing("host"),
    port: from.number("port", 1, 65_535),
    transport: from.choice("transport", TRANSPORTS) ?? "udp",
    codec: from.texts("codecs", faultOfCodec),
    match: from.texts("match", faultOfNetwork),
    username: isDigest ? (auth.text("username", faultOfSipUser) ?? auth.missing("username")) : undefined,
    password: isDigest ? (auth.text("password", faultOfSecret) ?? auth.missing("password")) : undefined,
    register: isDigest && (auth.flag("register") ?? false),
    srtp: from.choice("srtp", ["none", "sdes"]) ?? "none",
    max_calls: from.number("maxCalls", 1, 10_000),
    qualify: from.number("qualify", 0, 3600) ?? 60,
  };
}

function readRoute(given: unknown, place: string, reader: Reader): Route {
  const from = fields(given, place, reader);
  return {
    prefix: from.text("prefix", faultOfPrefix) ?? from.missing("prefix"),
    label: from.text("label", faultOfLabel),
    min_digits: from.number("minDigits", 1, 15),
    max_digits: from.number("maxDigits", 1, 15) ?? 15,
    strip: from.number("strip", 0, 16) ?? 0,
    prepend: from.text("prepend", faultOfPrepend) ?? "",
    gateway: rankedGateways(from.value?.["gateways"], `${place}.gateways`, reader),
  };
}

/** The lowest priority first; equal ones as they stand in the file. */
function rankedGateways(given: unknown, place: string, reader: Reader): readonly string[] {
  if (!Array.isArray(given) || given.length > MOST.items) {
    reader.fault(place, `is no list of at most ${MOST.items} gateways`);
    return [];
  }
  const ranked = given.map((one: unknown, at) => {
    const from = fields(one, `${place}[${at}]`, reader);
    return {
      id: from.text("id", faultOfId) ?? from.missing("id"),
      priority: from.number("priority", 0, 1_000_000) ?? 0,
    };
  });
  return ranked.sort((a, b) => a.priority - b.priority).map(({ id }) => id);
}

interface Fields {
  readonly value: Readonly<Record<string, unknown>> | undefined;
  readonly place: string;
  readonly reader: Reader;
  text(name: string, check: Check): string | undefined;
  texts(name: string, check: Check): readonly string[];
  number(name: string, least: number, most: number): number | undefined;
  flag(name: string): boolean | undefined;
  choice<const C extends string>(name: string, choices: readonly C[]): C | undefined;
  /** Notes the fault, and gives something to go on with until all faults are told. */
  missing(name: string): string;
}

function fields(given: unknown, place: string, reader: Reader): Fields {
  const value = asObject(given);
  if (value === undefined) reader.fault(place, "is no object");
  const fault = (name: string, wrong: string): undefined => reader.fault(`${place}.${name}`, wrong) as undefined;
  const faultsBefore = new Set<string>();
  const wrongAt = (name: string, wrong: string): undefined => {
    faultsBefore.add(name);
    return fault(name, wrong);
  };
  const self: Fields = {
    value,
    place,
    reader,
    text(name, check) {
      const one = value?.[name];
      if (one === undefined || one === null) return undefined;
      if (typeof one !== "string") return wrongAt(name, "is no text");
      const wrong = check(one);
      return wrong === undefined ? one : wrongAt(name, wrong);
    },
    texts(name, check) {
      const all = value?.[name] ?? [];
      if (!Array.isArray(all) || all.length > MOST.items) {
        wrongAt(name, `is no list of at most ${MOST.items} texts`);
        return [];
      }
      return all.flatMap((one: unknown, at) => {
        const wrong = typeof one === "string" ? check(one) : "is no text";
        if (wrong !== undefined) wrongAt(`${name}[${at}]`, wrong);
        return typeof one === "string" && wrong === undefined ? [one] : [];
      });
    },
    number(name, least, most) {
      const one = value?.[name];
      if (one === undefined || one === null) return undefined;
      if (typeof one === "number" && Number.isInteger(one) && one >= least && one <= most) return one;
      return wrongAt(name, `is no whole number from ${least} to ${most}`);
    },
    flag(name) {
      const one = value?.[name];
      if (one === undefined || one === null) return undefined;
      return typeof one === "boolean" ? one : wrongAt(name, "is neither true nor false");
    },
    choice(name, choices) {
      const one = value?.[name];
      if (one === undefined || one === null) return undefined;
      const found = choices.find((known) => known === one);
      return found ?? wrongAt(name, `is none of ${choices.join(", ")}`);
    },
    missing(name) {
      if (value !== undefined && !faultsBefore.has(name)) fault(name, "is missing");
      return "";
    },
  };
  return self;
}

function fieldsIn(from: Fields, name: string): Fields {
  const given = from.value?.[name];
  if (given !== undefined && given !== null) return fields(given, `${from.place}.${name}`, from.reader);
  return { ...fields({}, `${from.place}.${name}`, from.reader), value: undefined };
}

function items(
  root: Readonly<Record<string, unknown>>,
  name: string,
  most: number,
  reader: Reader,
): readonly unknown[] {
  const given = root[name] ?? [];
  if (Array.isArray(given) && given.length <= most) return given;
  reader.fault(name, `is no list of at most ${most}`);
  return [];
}

function noteDoubles(names: readonly string[], placeOf: (at: number) => string, reader: Reader): void {
  const first = new Map<string, number>();
  for (const [at, name] of names.entries()) {
    if (name === "") continue;
    const before = first.get(name);
    if (before === undefined) first.set(name, at);
    else reader.fault(placeOf(at), `is ${show(name)}, which ${placeOf(before)} is already`);
  }
}

interface NoJson {
  readonly wrong: string;
  readonly place?: { readonly line: number; readonly byte: number };
}

function parseJson(text: string): { readonly value: Readonly<Record<string, unknown>> } | NoJson {
  try {
    const value = asObject(JSON.parse(text));
    return value === undefined ? { wrong: "the gateway list is no JSON object" } : { value };
  } catch (thrown) {
    // Node's own words quote the document, in which passwords stand; all that is taken of them is where.
    const [, at] = /at position (\d+)/.exec(thrown instanceof Error ? thrown.message : "") ?? [];
    return { wrong: "the gateway list is no JSON", ...(at === undefined ? {} : { place: placeIn(text, Number(at)) }) };
  }
}

function placeIn(text: string, at: number): { readonly line: number; readonly byte: number } {
  const before = text.slice(0, at).split("\n");
  return { line: before.length, byte: Buffer.byteLength(before.at(-1) ?? "") + 1 };
}

function asObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return Object.fromEntries(Object.entries(value));
}
