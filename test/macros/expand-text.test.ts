import { expect, test } from "vitest";
import { expandText, template } from "../../src/macros.ts";
import { failure, table } from "./table.ts";

const text = (source: string, values: Record<string, string>) => expandText(template(source), table(values)).text;

test("values stand as they are", () => {
  expect(text("_uciprov.{domain}", { domain: "lan.example" })).toBe("_uciprov.lan.example");
});

test("modifiers", () => {
  expect(text("{mac:colon} {mac:dash:upper} {mac:upper}", { mac: "00aabbccddee" })).toBe(
    "00:aa:bb:cc:dd:ee 00-AA-BB-CC-DD-EE 00AABBCCDDEE",
  );
  expect(text("{hostname:lower}", { hostname: "AP-7" })).toBe("ap-7");
  expect(text("{board:slug}", { board: "_GL.iNet, GL-MT300N V2_" })).toBe("gl-inet-gl-mt300n-v2");
  expect(failure(() => text("{hostname:colon}", { hostname: "ap" })).code).toBe("MACRO_INVALID");
});

test("a default stands for an absent macro only, not for an empty one", () => {
  expect(text("{site|default=lab}", {})).toBe("lab");
  expect(text("{site|default=lab}", { site: "" })).toBe("");
  expect(text("{site|default=}", {})).toBe("");
  expect(text("{site|default={hostname}-x}", { hostname: "ap" })).toBe("ap-x");
});

test("values hold macros themselves, literal ones do not", () => {
  expect(text("{a}", { a: "<{b}>".slice(1, -1), b: "c" })).toBe("c");
  expect(text("{a}", { "=a": "{b}>" })).toBe("{b}>");
});

test("an unknown macro is told with its byte and the nearest name", () => {
  const error = failure(() => text("é/{hostnam}", { hostname: "ap", mac: "x" }));
  expect(error).toMatchObject({ code: "MACRO_UNKNOWN", place: { byte: 4 } });
  expect(error.message).toContain("{hostname}");
  // Two letters in the wrong order are one typing error.
  expect(failure(() => text("{baord}", { board: "x", mac: "x" })).message).toContain("{board}");
});

test("an unknown macro inside a value is told with the value's name", () => {
  expect(failure(() => text("{a}", { a: "x{nope}" }))).toMatchObject({
    code: "MACRO_UNKNOWN",
    place: { byte: 2, option: "a" },
  });
});

test("a value that is no template is told with its name", () => {
  expect(failure(() => text("{a}", { a: "{" }))).toMatchObject({ code: "MACRO_INVALID", place: { option: "a" } });
});

test("a circle is named, also through a default", () => {
  expect(failure(() => text("{x}{a}", { x: "1", a: "{b}", b: "{c}", c: "-{a}" })).message).toContain("a → b → c → a");
  expect(failure(() => text("{a}", { a: "{a}" })).code).toBe("MACRO_CYCLE");
  expect(failure(() => text("{a}", { a: "{zz|default={a}}" })).code).toBe("MACRO_CYCLE");
});

test("the same macro twice is no circle", () => {
  expect(text("{a}{b}{a}", { a: "{b}", b: "x" })).toBe("xxx");
});

test("a billion laughs are stopped early", () => {
  const laughs = Object.fromEntries(
    Array.from({ length: 15 }, (_, level) => [`l${level}`, level === 0 ? "ha" : `{l${level - 1}}`.repeat(10)]),
  );
  const before = performance.now();
  expect(failure(() => text("{l14}", laughs)).code).toBe("MACRO_INVALID");
  expect(performance.now() - before).toBeLessThan(500);
});

test("a billion silences are stopped early, too: what expands to nothing costs nothing", () => {
  const levels = Object.fromEntries(
    Array.from({ length: 15 }, (_, level) => [`l${level}`, level === 0 ? "" : `{l${level - 1}}`.repeat(60)]),
  );
  const before = performance.now();
  expect(text("{l14}", levels)).toBe("");
  expect(performance.now() - before).toBeLessThan(500);
});

test("nesting is bounded", () => {
  const chain = (length: number) =>
    Object.fromEntries(Array.from({ length }, (_, level) => [`l${level}`, level === 0 ? "x" : `{l${level - 1}}`]));
  expect(text("{l15}", chain(16))).toBe("x");
  expect(failure(() => text("{l16}", chain(17))).code).toBe("MACRO_INVALID");
});

test("taint follows whatever is derived from it", () => {
  const tainted = (source: string, values: Record<string, string>) =>
    expandText(template(source), table(values)).isTainted;
  expect(tainted("{a}", { "~a": "x" })).toBe(true);
  expect(tainted("{a}", { a: "{b}", b: "{c:lower}", "~c": "x" })).toBe(true);
  expect(tainted("{a|default={c}}", { "~c": "x" })).toBe(true);
  expect(tainted("{a}", { "~a": "" })).toBe(true);
  expect(tainted("{a}{b}", { a: "x", b: "y", "~c": "z" })).toBe(false);
});

test("a default for what the network left out is the network's choice", () => {
  const tainted = (source: string) => expandText(template(source), table({})).isTainted;
  expect(tainted("{txt_site|default=lab}")).toBe(true);
  expect(tainted("{domain|default=lab}")).toBe(true);
  expect(tainted("{site|default=lab}")).toBe(false);
});

test("`used` names all that was asked for, at any depth", () => {
  const { used } = expandText(template("{a}{z|default={y}}"), table({ a: "{b}", b: "1", y: "2", x: "3" }));
  expect([...used].sort()).toEqual(["a", "b", "y", "z"]);
});

test("a name of Object's own is no macro", () => {
  expect(failure(() => text("{constructor}", {})).code).toBe("MACRO_UNKNOWN");
  expect(failure(() => text("{__proto__}", {})).code).toBe("MACRO_UNKNOWN");
});
