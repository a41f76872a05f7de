import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseInventory, readInventory } from "../../src/admin/inventory.ts";
import { asProvisionError } from "../../src/errors.ts";

const read = (text: string) => parseInventory(Buffer.from(text), { file: "fleet" });

function faultsOf(text: string): string[] {
  try {
    read(text);
  } catch (thrown) {
    const error = asProvisionError(thrown);
    expect(error.code).toBe("INVENTORY_INVALID");
    return error.findings.map(({ message, place }) => `${place?.line}:${place?.byte} ${message}`);
  }
  return [];
}

test("CSV: columns that are facts become facts, all others macros, and what is empty is not known", () => {
  const { devices } = read(
    'mac,hostname,board,site,floor\r\n\r\n02:00:5E:10:00:01,"gw-1","acme,r1","Brno, ""Nový""",\r\n0200.5e10.0002,,acme-r2,,3\r\n',
  );
  expect(devices).toEqual([
    {
      line: 3,
      facts: { mac: "02005e100001", hostname: "gw-1", board: "acme,r1" },
      macros: { site: 'Brno, "Nový"' },
    },
    { line: 4, facts: { mac: "02005e100002", board: "acme-r2" }, macros: { floor: "3" } },
  ]);
});

test("JSON: the same, as an array or under `devices`", () => {
  const array =
    '[\n {"mac": "02-00-5e-10-00-01", "vlan": 17, "site": null},\n {"serial": "S\\u0031", "is_gate": true}\n]';
  const wanted = [
    { line: 2, facts: { mac: "02005e100001" }, macros: { vlan: "17" } },
    { line: 3, facts: { serial: "S1" }, macros: { is_gate: "true" } },
  ];
  expect(read(array).devices).toEqual(wanted);
  expect(read(`{"devices": ${array} }\n`).devices).toEqual(wanted);
});

test("a byte order mark is no part of the first name, and a line end in quotes counts as one", () => {
  expect(read('\ufeffserial,hostname\nA,"h1\n"\nB,h2\n').devices).toEqual([
    { line: 2, facts: { serial: "A", hostname: "h1" }, macros: {} },
    { line: 4, facts: { serial: "B", hostname: "h2" }, macros: {} },
  ]);
});

test.each([
  ["", ["1:1 there is no header line: the first one names the columns"]],
  ["mac\n", ["1:1 there is no device in it"]],
  ["mac,site\n02005e100001\n", ["2:1 1 fields, and the header has 2"]],
  ["mac,site\n02005e10000g,x\n", ['2:1 "02005e10000g" is no MAC address']],
  ["site,mac\né,00:00:00:00:00:00\n", ['2:4 "00:00:00:00:00:00" is no device\'s address']],
  ["mac\n02:00:5e:10:00:01\n02-00-5e-10-00-01\n", ["3:1 mac 02005e100001 is the device's of line 2, too"]],
  ["MAC\n02005e100001\n", ["1:1 the column MAC is written mac", "2:1 a device needs a mac, a serial or a hostname"]],
  ["serial,fd\nA,-fd\n", ["1:8 fd cannot be a column: the device or the run says it"]],
  ["serial,a b\nA,1\n", ['1:8 "a b" cannot be a macro\'s name: 1 to 64 letters, digits, _ and -']],
  ["serial,x,x\nA,1,2\n", ["1:10 the column x stands there twice"]],
  ["mac;site\n02005e100001;x\n", ['1:1 the columns are divided by ";": a comma is what divides them']],
  ["mac\tsite\n02005e100001\tx\n", ['1:1 the columns are divided by "\\t": a comma is what divides them']],
  ['serial\n"A\nB\n', ["2:1 nothing closes this quote"]],
  ['serial\n"A"B\n', ["2:4 behind a closing quote comes a comma or the line's end"]],
  ['serial\nA"B\n', ["2:2 a quote inside a field: put the whole field in quotes and double this one"]],
  ["serial,site\nA,\u0007\n", ["2:3 site holds a control character"]],
  ["hostname\n../x\n", ['2:1 "../x" is no hostname: 1 to 63 letters, digits, - and .']],
  ["serial,target\nA,ath79\n", ['2:3 "ath79" is no target: it is two words, as in ath79/generic']],
  ["site\nBrno\n", ["2:1 a device needs a mac, a serial or a hostname"]],
  ["[]", ["1:1 there is no device in it"]],
  ['[{"serial": {"a": 1}}]', ["1:13 a string, a number, true, false or null expected"]],
  ['[{"serial": "A"},]', ["1:18 `{` expected"]],
  ['[{"serial": "A", "serial": "B"}]', ['1:18 "serial" stands here twice']],
  ['[{"serial": "A"}] x', ["1:19 something stands behind the inventory's end"]],
  ['{"hosts": []}', ["1:9 `devices` expected, an array of objects"]],
  ['[\n{"serial": "A\n"}]', ["2:12 this string is not closed, or holds what JSON forbids"]],
])("%j is refused with the place of each fault", (text, faults) => {
  expect(faultsOf(text)).toEqual(faults);
});

test("bytes that are no UTF-8 are refused", () => {
  expect(() => parseInventory(Buffer.from([0x6d, 0xff]), { file: "f" })).toThrow("no UTF-8");
});

test("whatever is written by the rules is read again, from CSV and from JSON", () => {
  const value = fc
    .string({ unit: "grapheme", maxLength: 20 })
    .map((text) => text.replaceAll(/[\u0000-\u001f\u007f]/g, "").trim());
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.stringMatching(/^[0-9a-f]{8}$/), { minLength: 1, maxLength: 6 }),
      value,
      (serials, site) => {
        const wanted = serials.map((serial) => [serial.toLowerCase(), site === "" ? {} : { site }]);
        const csv = `serial,site\n${serials.map((serial) => `${serial},${quoted(site)}`).join("\r\n")}`;
        const json = JSON.stringify(serials.map((serial) => ({ serial, site })));
        for (const text of [csv, json])
          expect(read(text).devices.map(({ facts, macros }) => [facts.serial?.toLowerCase(), macros])).toEqual(wanted);
      },
    ),
  );
});

test("any bytes are an inventory or its known error", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string().map((text) => `[{"serial":${text}`),
        fc.string().map((text) => `mac,"${text}`),
      ),
      (text) => {
        try {
          read(text);
        } catch (thrown) {
          expect(asProvisionError(thrown).code).toBe("INVENTORY_INVALID");
        }
      },
    ),
  );
});

test("a file of 50,000 devices is read, and one that is not there is told", () => {
  const folder = mkdtempSync(join(tmpdir(), "inventory-"));
  const file = join(folder, "fleet.csv");
  const macOf = (i: number): string => (0x02005e000000 + i).toString(16).padStart(12, "0");
  const lines = Array.from({ length: 50_000 }, (_, i) => `${macOf(i)},h${i},acme-r1,Brno ${i % 40}`);
  writeFileSync(file, `mac,hostname,board,site\n${lines.join("\n")}\n`);
  expect(readInventory(file).devices).toHaveLength(50_000);
  rmSync(folder, { recursive: true });
  expect(() => readInventory(file)).toThrow(expect.objectContaining({ code: "FILE_UNREADABLE" }));
});
