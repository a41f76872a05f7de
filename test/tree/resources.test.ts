import fc from "fast-check";
import { expect, test } from "vitest";
import { template } from "../../src/macros.ts";
import { plugins } from "../../src/registry.ts";
import { nameFault } from "../../src/tree/manifest.ts";
import { candidates, entryName, entryUri } from "../../src/tree/resources.ts";
import { parseUri } from "../../src/uri.ts";
import { table } from "../macros/table.ts";

const base = "https://cfg.example/site";
const device = { base_uri: base, fd: "-fd", mac: "00aabbccddee", hostname: "ap-7", board: "glinet,gl-mt300n-v2" };
const uris = (source: string, values: Record<string, string> = device) =>
  candidates(template(source), table(values)).map(({ text }) => text.slice(base.length));
const plain = (text: string) => parseUri(text, "test");

test("on first boot the `-fd` file comes first, the plain one second", () => {
  expect(uris("{base_uri}/overlay{fd}.tar.gz")).toEqual(["/overlay-fd.tar.gz", "/overlay.tar.gz"]);
});

test("later there is the plain one alone", () => {
  expect(uris("{base_uri}/overlay{fd}.tar.gz", { ...device, fd: "" })).toEqual(["/overlay.tar.gz"]);
});

test("a resource without {fd} has one name, and {fd} inside another macro counts", () => {
  expect(uris("{base_uri}/banner")).toEqual(["/banner"]);
  expect(uris("{base_uri}/{file}", { ...device, file: "x{fd}" })).toEqual(["/x-fd", "/x"]);
});

test("the default resources are where the paper puts them", () => {
  const later = { ...device, fd: "" };
  const all = plugins.modules
    .flatMap(({ resources = {} }) => Object.values(resources))
    .map(({ uri: source }) => decodeURIComponent(uris(source, later)[0] ?? ""));
  // More than one module may want the same file.
  expect([...new Set(all)]).toEqual([
    "/image.bin",
    "/default.uci",
    "/glinet,gl-mt300n-v2.uci",
    "/ap-7.uci",
    "/00aabbccddee.uci",
    "/overlay.tar.gz",
    "/authorized_keys",
    "/packages",
    "/services",
    "/certs/ca.pem",
    "/certs/00aabbccddee.pem",
    "/gateways.json",
  ]);
});

test.each([
  ["https://cfg.example/site/a.uci", "a.uci"],
  ["https://cfg.example/site/keys/a%20b", "keys/a b"],
  ["https://cfg.example/site/%C3%A9", "é"],
  ["https://cfg.example/site/", undefined],
  ["https://cfg.example/site", undefined],
  ["https://cfg.example/other/a.uci", undefined],
  ["https://cfg.example/site/a%2fb", undefined],
  ["https://cfg.example/site/..%2f..%2fb", undefined],
  ["https://cfg.example/site/a.uci?x", undefined],
  ["https://cfg.example/site/%ff", undefined],
  ["http://cfg.example/site/a.uci", undefined],
])("%s is listed as %s", (uri, name) => {
  expect(entryName(plain(uri), plain(base))).toBe(name);
  expect(entryName(plain(uri), plain(`${base}/`))).toBe(name);
});

test("every name that a manifest can list has a URI below the base, and comes back from it", () => {
  const names = fc
    .array(fc.string({ unit: "grapheme", minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 3 })
    .map((segments) => segments.join("/"))
    .filter((name) => nameFault(name) === undefined);
  fc.assert(
    fc.property(names, fc.constantFrom(base, `${base}/`, "https://cfg.example"), (name, folder) => {
      expect(entryName(entryUri(name, plain(folder)), plain(folder))).toBe(name);
    }),
  );
});
