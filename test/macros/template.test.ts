import { expect, test } from "vitest";
import { ProvisionError } from "../../src/errors.ts";
import { nearest } from "../../src/macros/nearest.ts";
import { template } from "../../src/macros/template.ts";

function fault(text: string): { code: string; byte: number | undefined } {
  try {
    template(text);
  } catch (error) {
    if (error instanceof ProvisionError) return { code: error.code, byte: error.place?.byte };
  }
  throw new Error(`parsed: ${text.slice(0, 80)}`);
}

test("angle brackets say the same as braces", () => {
  const [braces] = template("{mac:colon|default=x}").parts;
  const [angles] = template("<mac:colon|default=x>").parts;
  expect(angles).toEqual(braces);
  expect(braces).toMatchObject({ kind: "macro", name: "mac", modifiers: ["colon"] });
});

test("a default can hold macros and literals", () => {
  expect(template("{a|default=x{b|default=y}z}").parts).toMatchObject([
    { name: "a", fallback: [{ text: "x" }, { name: "b", fallback: [{ text: "y" }] }, { text: "z" }] },
  ]);
});

test.each([
  ["{", 1],
  ["a{mac", 6],
  ["{}", 1],
  ["{mac>", 5],
  ["}", 1],
  ["a>b", 2],
  ["{mac:}", 5],
  ["{mac:sideways}", 5],
  ["{mac:toString}", 5],
  ["{mac|other=x}", 5],
  ["{mac|default=x", 15],
  ["{ mac}", 1],
  ["é{", 3],
  [`{${"a".repeat(65)}}`, 66],
  ["{a:lower:lower:lower:lower:lower}", 27],
])("%s is refused at its byte", (text, byte) => {
  expect(fault(text)).toEqual({ code: "MACRO_INVALID", byte });
});

test("length, count and depth are bounded", () => {
  expect(template("x".repeat(2048)).parts).toHaveLength(1);
  expect(fault("x".repeat(2049)).code).toBe("MACRO_INVALID");
  expect(template("{a}".repeat(64)).parts).toHaveLength(64);
  expect(fault("{a}".repeat(65)).code).toBe("MACRO_INVALID");
  expect(template(`${"{a|default=".repeat(4)}x${"}".repeat(4)}`).parts).toHaveLength(1);
  expect(fault(`${"{a|default=".repeat(5)}x${"}".repeat(5)}`).code).toBe("MACRO_INVALID");
});

test("the nearest name is one that a typing error away, or none", () => {
  const known = ["hostname", "mac", "base_uri", "board"];
  expect(nearest("hstname", known)).toBe("hostname");
  expect(nearest("baseuri", known)).toBe("base_uri");
  expect(nearest("mcA", known)).toBeUndefined();
  expect(nearest("max", known)).toBe("mac");
  expect(nearest("completely-else", known)).toBeUndefined();
});
