import { expect, test } from "vitest";
import { toText } from "../../src/uci/bytes.ts";
import { getSection, optionFlag, optionList, optionText, sectionsOfType } from "../../src/uci/model.ts";
import { parseExport, parsePackage } from "../../src/uci/parse.ts";
import { printConfig, printExport } from "../../src/uci/print.ts";

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("utf8");

test("what uci export prints is read and printed again, byte for byte", () => {
  const printed =
    "package network\n\nconfig interface 'lan'\n\toption proto 'static'\n\tlist dns '1.1.1.1'\n\tlist dns 'ü'\n\n";
  const [pkg] = parseExport(printed);
  expect(pkg?.name).toBe("network");
  expect(pkg && text(printExport(pkg))).toBe(printed);
});

test("bytes that are no UTF-8 survive", () => {
  const bytes = Uint8Array.from([...Buffer.from("config a\noption b '"), 0xff, 0xfe, 0x80, 0x27, 0x0a]);
  const pkg = parsePackage(bytes, { name: "x" });
  expect(Buffer.from(printConfig(pkg)).includes(Buffer.from([0xff, 0xfe, 0x80]))).toBe(true);
  expect(toText("\xff")).toBe("�");
});

test("a package of many sections is printed like one of few, byte for byte", () => {
  const section = `config a\n\toption b '${"ü'".repeat(3).replaceAll("'", "'\\''")}'\n\tlist l '${"x".repeat(60)}'\n`;
  const printed = (count: number) => printConfig(parsePackage(section.repeat(count), { name: "p" }));
  const few = Buffer.from(printed(1)).subarray(0, -1);
  const many = Buffer.concat([...Array.from({ length: 400 }, () => few), Buffer.from("\n")]);
  expect(few.toString()).toBe(`\n${section}`);
  expect(Buffer.from(printed(400)).equals(many)).toBe(true);
});

test("readers give UTF-8 text, flags and lists", () => {
  const pkg = parsePackage("config a 'b'\n\toption t 'grün'\n\toption f 'yes'\n\tlist l 'x y'\n\tlist l 'z'\n", {
    name: "p",
  });
  const section = getSection(pkg, "b");
  expect(optionText(section, "t")).toBe("grün");
  expect(optionFlag(section, "f", false)).toBe(true);
  expect(optionFlag(section, "none", true)).toBe(true);
  expect(optionList(section, "l")).toEqual(["x y", "z"]);
  expect(optionList(section, "t")).toEqual(["grün"]);
  expect(sectionsOfType(pkg, "a")).toEqual([section]);
  expect(sectionsOfType(pkg, "b")).toEqual([]);
  expect(optionText(getSection(pkg, "c"), "t")).toBeUndefined();
});

test("a fault tells file, line and byte, from 1", () => {
  const read = () => parsePackage("config a\n\toption b 'c'\n\toption d!\n", { name: "p", file: "/etc/config/p" });
  expect(read).toThrow(
    expect.objectContaining({ code: "UCI_INVALID", place: { file: "/etc/config/p", line: 3, byte: 12 } }),
  );
});

test("a NUL byte is refused, wherever it stands", () => {
  for (const hostile of ["\0", "config a\n\0", "config a\noption b 'x\0y'\n", "config a\noption b 'x\n\0y'\n"])
    expect(() => parsePackage(hostile, { name: "p" })).toThrow(expect.objectContaining({ code: "UCI_INVALID" }));
});
