import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readLookUp } from "../../resolvers/_look-up.ts";
import https from "../../resolvers/https.ts";
import type { Http, HttpAnswer, HttpRequest, Transport } from "../../src/api.ts";
import { ProvisionError } from "../../src/errors.ts";
import { keepsResolverContract } from "../contract/resolver.ts";
import { aContext, type ContextFacts } from "./context.ts";

const PROVEN: Transport = {
  scheme: "https",
  host: "look.fleet.example",
  port: 443,
  proof: { kind: "ca", fingerprint: "00" },
};
const OPTIONS = { "https.uri": "https://look.fleet.example/device?mac={mac}" };
const MACROS = { mac: "020000c0ffee" };

/** A service that answers this body; `undefined` is 404. */
function service(
  body: string | undefined | Error,
  transport: Transport = PROVEN,
): Http & { readonly asked: HttpRequest[] } {
  const asked: HttpRequest[] = [];
  return {
    asked,
    async get(request): Promise<HttpAnswer> {
      asked.push(request);
      if (request.signal.aborted) throw new ProvisionError("STOPPED", "asked to stop");
      if (body instanceof Error) throw body;
      const common = { uri: request.uri, transport };
      if (body === undefined) return { kind: "absent", ...common };
      const bytes = Buffer.from(body);
      return { kind: "body", ...common, bytes, size: bytes.length, sha256: "00" };
    },
    close: async () => {},
  };
}

const context = (http: Http, facts: ContextFacts = {}) =>
  aContext({ http, options: { ...OPTIONS, ...facts.options }, macros: facts.macros ?? MACROS });
/** The device's own facts are not tainted; the helper's macros are. */
const own = (http: Http, options = {}) => ({
  ...context(http, { options }),
  macros: new Map([["mac", { value: "020000c0ffee", isTainted: false, origin: "device" }]]),
});

keepsResolverContract(https, {
  knowing: async () => own(service("provuri=https://cfg.fleet.example/")),
  ignorant: async () => own(service(undefined)),
});

test("https: the answer of a proven server is proven, and one request is enough", async () => {
  const http = service('{"provuri":"https://cfg.fleet.example/{mac}/","serial":42}');
  expect(await https.resolve(own(http))).toEqual({
    uri: expect.objectContaining({ text: "https://cfg.fleet.example/{mac}/" }),
    evidence: "tls",
    beacon: "42",
    told: "look-up service look.fleet.example",
  });
  expect(http.asked.map(({ uri, headers }) => [uri, headers])).toEqual([
    ["https://look.fleet.example/device?mac=020000c0ffee", {}],
  ]);
});

test("https: a question that the network could choose proves nothing", async () => {
  expect(await https.resolve(context(service("provuri=https://a.example/")))).toMatchObject({ evidence: "none" });
});

test("https: a server that did not prove itself is refused", async () => {
  const unproven: Transport[] = [
    { ...PROVEN, proof: { kind: "none" } },
    { ...PROVEN, scheme: "http" },
  ];
  for (const transport of unproven) {
    await expect(https.resolve(own(service("provuri=u", transport)))).rejects.toMatchObject({ code: "TLS_UNTRUSTED" });
  }
});

test("https: 404 and an answer without provuri are nothing to say, a failure is an error", async () => {
  expect(await https.resolve(own(service(undefined)))).toBeUndefined();
  expect(await https.resolve(own(service("hello")))).toBeUndefined();
  const failure = new ProvisionError("HTTP_UNAVAILABLE", "503");
  await expect(https.resolve(own(service(failure)))).rejects.toBe(failure);
});

test("https: the device's identity is sent only where the settings say so, and only as plain text", async () => {
  const http = service("provuri=u");
  await https.resolve(own(http, { "https.identity": "1" }));
  expect(http.asked[0]?.headers).toEqual({
    "uciprov-mac": "020000c0ffee",
    "uciprov-serial": "SN-1",
    "uciprov-board": "testbed,router",
  });
  const odd = { ...own(http, { "https.identity": "1" }) };
  await https.resolve({ ...odd, facts: { ...odd.facts, serial: "a\r\nx: y", board: "é", mac: undefined } });
  expect(http.asked[1]?.headers).toEqual({});
  for (const settings of [{}, { "https.identity": "0" }]) await https.resolve(own(http, settings));
  expect(http.asked.slice(2).map(({ headers }) => headers)).toEqual([{}, {}]);
});

test("https: it is off without a URI, and refuses one that is not https", async () => {
  expect(https.isEnabled(aContext())).toBe(false);
  const plain = own(service("provuri=u"), { "https.uri": "http://look.fleet.example/" });
  await expect(https.resolve(plain)).rejects.toMatchObject({ code: "SETTINGS_INVALID" });
});

test("https: a server that hangs ends at the setting's time with HTTP_TIMEOUT", async () => {
  const hanging: Http = {
    get: ({ signal }) =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true })),
    close: async () => {},
  };
  await expect(https.resolve(own(hanging, { "https.timeout": "1" }))).rejects.toMatchObject({ code: "HTTP_TIMEOUT" });
});

describe("answers", () => {
  const read = (body: string | Uint8Array) => readLookUp(Buffer.from(body));
  const codeOf = (body: string | Uint8Array): string => {
    try {
      return JSON.stringify(read(body));
    } catch (thrown) {
      return thrown instanceof ProvisionError ? thrown.code : String(thrown);
    }
  };

  test.each([
    ["provuri=https://a.example/?x=y", { uri: "https://a.example/?x=y", serial: undefined }],
    ["# us\r\nserial=007\r\nPROVURI = https://a.example/ \r\n", { uri: "https://a.example/", serial: "7" }],
    ['\n {"provuri": "https://a.example/", "serial": "9", "other": {}}', { uri: "https://a.example/", serial: "9" }],
    ['{"provuri":"u","serial":"soon"}', { uri: "u", serial: undefined }],
    ["provuri=u\nprovuri=u\nserial=1\nserial=2", { uri: "u", serial: undefined }],
  ])("%j is read", (body, found) => {
    expect(read(body)).toEqual(found);
  });

  test.each(["", "{}", '{"uri":"x"}', '{"provuri":null}', "nothing here", "[]", '{"__proto__":{"provuri":"x"}}'])(
    "%j names no URI",
    (body) => {
      expect(read(body)).toBeUndefined();
    },
  );

  test.each([
    ["{", "HTTP_ODD"],
    ['{"provuri":7}', "HTTP_ODD"],
    ['{"provuri":["u"]}', "HTTP_ODD"],
    ['{"provuri":"u","serial":1.5}', "HTTP_ODD"],
    ['{"provuri":""}', "URI_INVALID"],
    ['{"provuri":"a\\nb"}', "URI_INVALID"],
    [`provuri=${"x".repeat(2049)}`, "URI_INVALID"],
    ["provuri=a\0b", "URI_INVALID"],
    [Uint8Array.of(...Buffer.from("provuri=a"), 0xff), "URI_INVALID"],
    ["provuri=a\nprovuri=b", "URI_AMBIGUOUS"],
    ["<!DOCTYPE html><a href=provuri=x>", "PORTAL"],
  ])("%j is %s", (body, code) => {
    expect(codeOf(body)).toBe(code);
  });

  test("whatever the bytes, the outcome is a plain URI, nothing, or a known error", () => {
    const likely = fc
      .array(fc.constantFrom("{", "}", '"provuri"', "provuri=", ":", '"x"', "\n", "serial", "=", "\0", "\\u0000", ","))
      .map((parts) => Buffer.from(parts.join("")));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 100 }), likely), (bytes) => {
        try {
          expect(read(bytes)?.uri ?? "u").toMatch(/^[^\u0000-\u001f\u007f]+$/);
        } catch (thrown) {
          if (!(thrown instanceof ProvisionError)) throw thrown;
        }
      }),
      { numRuns: 5000 },
    );
  });
});
