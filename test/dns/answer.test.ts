import { expect, test } from "vitest";
import { findRecords } from "../../src/dns/answer.ts";
import { query } from "../../src/dns/message.ts";
import { formatName } from "../../src/dns/name.ts";
import { TYPE } from "../../src/dns/types.ts";
import { aName, answerTo, cname, txt } from "./build.ts";

const name = aName("a.example");
const asked = query({ name, type: TYPE.TXT }, { id: 1 });
const find = (...answers: Parameters<typeof answerTo>[1]) => findRecords(answerTo(asked, answers), name, TYPE.TXT);

test("records of the name are found, in any letter case, once each", () => {
  const found = find(txt("A.Example", "one"), txt("a.example", "one"), txt("a.example", "two"));
  expect(found).toMatchObject({ kind: "records", records: [{ type: TYPE.TXT }, { type: TYPE.TXT }] });
});

test("records of other names, classes and types are ignored", () => {
  const chaos = { ...txt("a.example", "x"), class: 3 };
  expect(find(txt("b.example", "x"), txt("example", "x"), txt("x.a.example", "x"), chaos)).toMatchObject({
    kind: "no-data",
  });
});

test("aliases are followed in whatever order they stand, and the least time to live counts", () => {
  const found = find(
    txt("c.example", "here"),
    cname("b.example", "C.example", 20),
    cname("a.example", "b.example", 60),
  );
  expect(found).toMatchObject({ kind: "records", ttl: 20 });
  expect(formatName(found.name)).toBe("C.example");
});

test("an alias that leads to nothing says where it led", () => {
  expect(formatName(find(cname("a.example", "b.example")).name)).toBe("b.example");
  const gone = findRecords(answerTo(asked, [cname("a.example", "b.example")], { rcode: 3 }), name, TYPE.TXT);
  expect(gone).toMatchObject({ kind: "no-name" });
});

test("aliases in a circle, to themselves, or to two places are refused", () => {
  expect(() => find(cname("a.example", "A.example"))).toThrow("circle");
  expect(() => find(cname("a.example", "b.example"), cname("b.example", "a.example"))).toThrow("circle");
  expect(() => find(cname("a.example", "b.example"), cname("a.example", "c.example"))).toThrow("two different");
});

test("eight aliases are followed, nine are refused", () => {
  const chain = (length: number) => [
    cname("a.example", "n1.example"),
    ...Array.from({ length: length - 1 }, (_, i) => cname(`n${i + 1}.example`, `n${i + 2}.example`)),
    txt(`n${length}.example`, "end"),
  ];
  expect(find(...chain(8)).kind).toBe("records");
  expect(() => find(...chain(9))).toThrow("8 CNAMEs");
});
