import fc from "fast-check";
import { expect, test } from "vitest";
import { ProvisionError } from "../../src/errors.ts";
import { expandUri, type MacroTable, template } from "../../src/macros.ts";
import { failure, table } from "./table.ts";

const uri = (source: string, values: Record<string, string>) => expandUri(template(source), table(values)).text;

test("the paper's form", () => {
  const values = { base_uri: "https://cfg.example/site", fd: "-fd" };
  expect(uri("{base_uri}/image{fd}.bin", values)).toBe("https://cfg.example/site/image-fd.bin");
  expect(uri("<base_uri>/image<fd>.bin", { ...values, fd: "" })).toBe("https://cfg.example/site/image.bin");
});

test("base_uri with and without a slash at its end is the same folder", () => {
  expect(uri("{base_uri}/a", { base_uri: "https://h/x/" })).toBe("https://h/x/a");
  expect(uri("{base_uri}/a", { base_uri: "https://h" })).toBe("https://h/a");
  expect(uri("{base_uri}", { base_uri: "https://h/x/" })).toBe("https://h/x/");
  expect(uri("{base_uri}?serial={s}", { base_uri: "https://h/x", s: "a&b" })).toBe("https://h/x?serial=a%26b");
});

test.each([
  ["{base_uri}.evil.example/", "https://h"],
  ["{base_uri}@evil.example/", "https://h"],
  ["{base_uri}{tail}", "https://h/"],
  ["{base_uri:lower}/a", "https://h"],
  ["https://h/{base_uri}", "https://h"],
  ["https://h/{indirect}", "https://h"],
  ["{base_uri}/{base_uri}", "https://h"],
])("%s is refused: base_uri stands whole, at the start, before a slash", (source, base_uri) => {
  expect(failure(() => uri(source, { base_uri, tail: ".evil", indirect: "{base_uri}" })).code).toBe("MACRO_INVALID");
});

test.each([
  "javascript:alert(1)",
  "file:///etc/passwd",
  "https://user:secret@h/",
  "https://h/x#y",
  "https://h/../x",
  "//h/x",
  "{mac}",
  "",
])("base_uri %s is refused", (base_uri) => {
  expect(failure(() => uri("{base_uri}/a", { base_uri, mac: "https://h" })).code).toBe("URI_INVALID");
});

test("nothing can stand below a base_uri with a query", () => {
  expect(failure(() => uri("{base_uri}/a", { base_uri: "https://h/x?y=z" })).code).toBe("URI_INVALID");
  expect(uri("{base_uri}", { base_uri: "https://h/x?y=z" })).toBe("https://h/x?y=z");
});

test("base_uri's own taint is not counted: trust judges where it came from", () => {
  const values = table({ "~base_uri": "https://h/", "~domain": "lan", mac: "00" });
  expect(expandUri(template("{base_uri}/{mac}"), values).isTainted).toBe(false);
  expect(expandUri(template("{base_uri}/{domain}"), values).isTainted).toBe(true);
  expect([...expandUri(template("{base_uri}/{mac}"), values).used]).toEqual(["base_uri", "mac"]);
});

test("a missing base_uri is unknown, or its default", () => {
  expect(failure(() => uri("{base_uri}/a", {})).code).toBe("MACRO_UNKNOWN");
  expect(uri("{base_uri|default=https://h/{mac}}/a", { mac: "00" })).toBe("https://h/00/a");
});

test.each([
  ["a/b", "a%2Fb"],
  ["../x", "..%2Fx"],
  ["é", "%C3%A9"],
  ["a?b#c@d", "a%3Fb%23c%40d"],
  ["%2e", "%252e"],
  ["!'()*", "%21%27%28%29%2A"],
  ["", ""],
])("value %j is placed as %j", (value, placed) => {
  expect(uri("https://h/x/{=v}/y".replace("=", ""), { "=v": value })).toBe(`https://h/x/${placed}/y`);
});

test.each([
  ["https://h/{v}/y", ".."],
  ["https://h/{v}/y", "."],
  ["https://h/.{v}/y", "."],
  ["https://h/.{v}/y", ""],
  ["https://h/%2e{v}/y", "."],
  ["https://h/{v}{v}", "."],
  ["https://h/a/{v}?x", ".."],
])("%s with %j is refused: some client would drop the segment", (source, value) => {
  expect(failure(() => uri(source, { "=v": value })).code).toBe("URI_INVALID");
});

test.each(["a\nb", "\0", "\x7f", "\r\nHost: evil", "\ud800", "a\udfffb"])("value %j is refused", (value) => {
  expect(failure(() => uri("https://h/{v}", { "=v": value })).code).toBe("MACRO_INVALID");
});

test.each([
  ["https://h/%{v}", "41"],
  ["https://h/%4{v}", "1"],
  ["https://h/%{v}", "e"],
  ["https://h/%2", ""],
])("half an escape in %s is refused, also if the value %j completes it", (source, v) => {
  expect(failure(() => uri(source, { v })).code).toBe("URI_INVALID");
});

test.each([
  ["https://prov.{v}/x", "lan.example", "https://prov.lan.example/x"],
  ["https://{v}:8443/x", "prov.example", "https://prov.example:8443/x"],
  ["https://prov{v}.example/x", "-fd", "https://prov-fd.example/x"],
  ["https://prov{v}.example/x", "", "https://prov.example/x"],
  ["https://{v}/x", "192.0.2.1", "https://192.0.2.1/x"],
])("%s with %j in the host is %s", (source, value, whole) => {
  expect(uri(source, { "=v": value })).toBe(whole);
});

test.each([
  ["https://prov.{v}/x", ""],
  ["https://{v}/x", ""],
  ["https://prov.{v}/x", "example."],
  ["https://prov.{v}/x", ".example"],
  ["https://prov.{v}/x", "evil.example/"],
  ["https://prov.{v}/x", "a@evil.example"],
  ["https://prov.{v}/x", "evil:80"],
  ["https://prov.{v}/x", "a?b"],
  ["https://prov.{v}/x", "a#b"],
  ["https://prov.{v}/x", "a%2eb"],
  ["https://prov.{v}/x", "a\\b"],
  ["https://prov.{v}/x", "bücher.example"],
  ["https://prov.{v}/x", "1.2.3"],
  ["https://{v}/x", "0x7f000001"],
  ["https://{v}/x", "2130706433"],
  ["https://{v}/x", "[::1]"],
  ["https://[{v}]/x", "::1"],
  ["https://h:{v}/x", "80"],
  ["https://{v}@h/x", "user"],
  ["https://u:{v}@h/x", "pw"],
  ["{v}://h/x", "https"],
  ["http{v}://h/x", "s"],
  ["https:/{v}/h", ""],
])("%s with %j is refused", (source, value) => {
  expect(failure(() => uri(source, { "=v": value })).code).toMatch(/^(?:MACRO|URI)_INVALID$/);
});

// ---------------------------------------------------------------- no value whatever changes the shape

const NASTY = [
  ..."/\\?#@:%{}<>|&=+;,.[]!~ \t\r\n\0'\"()*",
  "../",
  "..",
  ".",
  "%2f",
  "%2e%2e",
  "%00",
  "@evil.example",
  "//evil.example",
  "https://",
  "é",
  "\u2028",
  "\uff0f",
  "\ud800",
  "\u{1f600}",
  "{base_uri}",
  "{v}",
  "<mac>",
];
const anyValue = fc.oneof(
  fc.array(fc.constantFrom(...NASTY), { maxLength: 6 }).map((parts) => parts.join("")),
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 }).map((units) => String.fromCharCode(...units)),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString("latin1")),
);

const TEMPLATES = [
  "https://cfg.example/{v}",
  "https://cfg.example/{v}/",
  "https://cfg.example/a/{v}/b",
  "https://cfg.example:8443/a{v}b/c",
  "http://cfg.example/.{v}/b",
  "https://cfg.example/{v}.{v}",
  "https://cfg.example/{v}{v}/b?x=1",
  "https://cfg.example/a?x={v}&y=2",
  "https://cfg.example?{v}",
  "{base_uri}/{v}{fd}.uci",
  "{base_uri}/a/{v}?x={v:lower}",
  "https://cfg.example/{indirect}/{absent|default={v}}",
];

const macros = (value: string, isLiteral: boolean): MacroTable =>
  new Map([
    ["v", { value, isTainted: true, origin: "lldp", isLiteral }],
    ...table({ indirect: "x{v:upper}", base_uri: "https://cfg.example/site/", fd: "-fd" }),
  ]);

const shape = (text: string) => {
  const url = new URL(text);
  return {
    origin: url.origin,
    user: url.username + url.password,
    segments: url.pathname.split("/").length,
    parameters: url.href.includes("?") ? url.search.split("&").length : 0,
    hash: url.hash,
  };
};

test("no value changes scheme, authority, number of segments or parameters, nor brings a fragment", () => {
  let placed = 0;
  fc.assert(
    fc.property(anyValue, fc.constantFrom(...TEMPLATES), fc.boolean(), (value, source, isLiteral) => {
      let result: string;
      try {
        result = expandUri(template(source), macros(value, isLiteral)).text;
      } catch (error) {
        expect(error).toBeInstanceOf(ProvisionError);
        return;
      }
      placed += 1;
      expect(shape(result)).toEqual(shape(expandUri(template(source), macros("benign", true)).text));
      expect(result).toMatch(/^[!-~]{1,2048}$/);
      expect(new URL(result).href).toBe(result);
    }),
    { numRuns: 5000 },
  );
  expect(placed).toBeGreaterThan(1000);
});

test("a literal value comes out of the URI as it went in, unless it is a control character, half a surrogate pair or a dot", () => {
  fc.assert(
    fc.property(anyValue, (value) => {
      const isProper = Buffer.from(value).toString() === value && !/[\0-\x1f\x7f]/.test(value);
      const act = () => expandUri(template("https://cfg.example/a/{v}/b"), macros(value, true)).text;
      if (isProper && value !== "." && value !== "..") {
        expect(decodeURIComponent(new URL(act()).pathname.split("/")[2] ?? "")).toBe(value);
      } else {
        expect(failure(act).code).toMatch(/^(?:MACRO|URI)_INVALID$/);
      }
    }),
    { numRuns: 3000 },
  );
});

test("in the host a value brings nothing but a host", () => {
  let placed = 0;
  const pieces = fc.oneof(
    anyValue,
    fc.stringMatching(/^[a-z0-9.-]{0,12}$/),
    fc.stringMatching(/^[a-z0-9]{1,8}(\.[a-z0-9]{1,8})?$/),
  );
  fc.assert(
    fc.property(pieces, (value) => {
      let result: string;
      try {
        result = expandUri(template("https://{v}.cfg.example:8443/a/b"), macros(value, true)).text;
      } catch (error) {
        expect(error).toBeInstanceOf(ProvisionError);
        return;
      }
      placed += 1;
      const url = new URL(result);
      expect(url.host).toBe(`${value.toLowerCase()}.cfg.example:8443`);
      expect([url.protocol, url.pathname, url.search, url.hash, url.username]).toEqual(["https:", "/a/b", "", "", ""]);
    }),
    { numRuns: 3000 },
  );
  expect(placed).toBeGreaterThan(300);
});

test("what is wrong in one of many texts is told with it", () => {
  const source = "{base_uri}/{nosuch}.uci";
  expect(() => uri(source, { base_uri: "https://h" })).toThrow(`no macro {nosuch}, in ${source}`);
});
