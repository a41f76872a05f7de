import { ProvisionError } from "../src/api.ts";
import { plainText } from "./_text.ts";

/** What a look-up service says: where the tree is, and how far it has come. */
export interface LookedUp {
  readonly uri: string;
  readonly serial: string | undefined;
}

const MAX_URI = 2048;

/**
 * Reads a look-up service's answer: a JSON object with `provuri` and perhaps `serial`, or lines of which one is `provuri=URI` and one may
 * be `serial=N`. `undefined` if it names no URI. HTTP_ODD if it is neither; URI_INVALID or URI_AMBIGUOUS if its URI cannot be used.
 */
export function readLookUp(body: Uint8Array): LookedUp | undefined {
  const text = new TextDecoder("utf-8").decode(body).trim();
  const words = text.startsWith("{") ? jsonWords(text) : lineWords(text);
  const uris = [...new Set(words.flatMap(([key, value]) => (key === "provuri" ? [value] : [])))];
  const [uri] = uris;
  if (uri === undefined) return undefined;
  if (uris.length > 1) throw new ProvisionError("URI_AMBIGUOUS", "the look-up service names two different URIs");
  if (
    uri === "" ||
    Buffer.byteLength(uri) > MAX_URI ||
    plainText(Buffer.from(uri)) === undefined ||
    uri.includes("\ufffd")
  ) {
    throw new ProvisionError("URI_INVALID", `provuri is empty, longer than ${MAX_URI} bytes or no plain text`);
  }
  const serials = new Set(words.flatMap(([key, value]) => (key === "serial" ? [value] : [])));
  const [serial = ""] = serials;
  return { uri, serial: serials.size === 1 && /^\d{1,18}$/.test(serial) ? String(BigInt(serial)) : undefined };
}

type Word = readonly [key: string, value: string];

function jsonWords(text: string): Word[] {
  const parsed: unknown = parseJson(text);
  if (typeof parsed !== "object" || parsed === null) return [];
  return ["provuri", "serial"].flatMap((key): Word[] => {
    const value: unknown = Object.hasOwn(parsed, key) ? Reflect.get(parsed, key) : undefined;
    if (value === undefined || value === null) return [];
    if (typeof value === "string") return [[key, value]];
    if (key === "serial" && typeof value === "number" && Number.isSafeInteger(value)) return [[key, String(value)]];
    throw new ProvisionError("HTTP_ODD", `the look-up service's ${key} is no text`);
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ProvisionError("HTTP_ODD", "the look-up service's answer begins like JSON and is none", { cause });
  }
}

function lineWords(text: string): Word[] {
  if (text.startsWith("<")) throw new ProvisionError("PORTAL", "the look-up service answered with a page for people");
  return text.split(/\r?\n/).flatMap((line): Word[] => {
    const equals = line.indexOf("=");
    return equals > 0 ? [[line.slice(0, equals).trim().toLowerCase(), line.slice(equals + 1).trim()]] : [];
  });
}
