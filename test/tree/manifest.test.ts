import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { MANIFEST_LIMITS, nameFault, parseManifest } from "../../src/tree/manifest.ts";
import { printManifest } from "../../src/tree/manifest-print.ts";
import { failure } from "../macros/table.ts";
import { contentOf, digest } from "./sample.ts";

const D = digest("x");
const E = digest("y");
const bytes = (...lines: string[]) => Buffer.from(`${lines.join("\n")}\n`);
const parse = (...lines: string[]) => parseManifest(bytes(...lines), { file: "MANIFEST" });
const faults = (...lines: string[]) => {
  const error = failure(() => parse(...lines));
  expect(error.code).toBe("MANIFEST_INVALID");
  return error.findings.map(({ place }) => place?.line);
};

test("all that a manifest can say", () => {
  const text = bytes(
    "# made by hand",
    "# uciprov-manifest 1",
    "# tree lab-1",
    "# serial 42",
    "# date 2026-01-31T12:00:00Z",
    "# expires 2027-01-31T12:00:00Z",
    "# successor lab-2",
    "# size a b.uci 7",
    "# image image.bin target=ath79/generic revision=r28427-6df0e3d02a",
    "# key ADD 0123456789abcdef",
    "# key REMOVE fedcba9876543210",
    "",
    `${D}  a b.uci`,
    `${E} *image.bin`,
    `${D}  keys/0123456789abcdef`,
    "# nobody's business",
  );
  expect(parseManifest(text, { file: "MANIFEST" })).toEqual({
    version: 1,
    tree: "lab-1",
    serial: 42,
    date: Date.UTC(2026, 0, 31, 12),
    expires: Date.UTC(2027, 0, 31, 12),
    successor: "lab-2",
    entries: new Map([
      ["a b.uci", { sha256: D, size: 7 }],
      ["image.bin", { sha256: E }],
      ["keys/0123456789abcdef", { sha256: D }],
    ]),
    images: [{ path: "image.bin", target: "ath79/generic", revision: "r28427-6df0e3d02a" }],
    keys: [
      { act: "add", fingerprint: "0123456789abcdef" },
      { act: "remove", fingerprint: "fedcba9876543210" },
    ],
    sha256: digest(text),
  });
});

test("plain output of sha256sum is a manifest", () => {
  expect(parse(`${D}  default.uci`)).toMatchObject({ version: 1, tree: "", serial: undefined, keys: [], images: [] });
});

test.each([
  "# uciprov-manifest 2",
  "# uciprov-manifest",
  "# uciprov-manifest  1",
  "# tree",
  "# tree a b",
  "# tree ../x",
  "# Tree of the lab",
  "#serial 42",
  "#  serial 42",
  "# serial",
  "# serial -1",
  "# serial 042",
  "# serial 1e3",
  "# serial 9007199254740992",
  "# serial 99999999999999999999",
  "# serial 42 ",
  "# date 2026-01-31",
  "# date 2026-01-31T12:00:00+01:00",
  "# date 2026-01-31T12:00:00.000Z",
  "# date 2026-02-30T12:00:00Z",
  "# date 2026-01-31T24:00:00Z",
  "# date 2026-01-31T12:00:60Z",
  "# expires never",
  "# successor",
  "# size file",
  "# size file -1",
  "# size file 9007199254740993",
  "# image file",
  "# image file target= revision=r1",
  "# image file revision=r1 target=x/y",
  "# key add 0123456789abcdef",
  "# key ADD 0123456789ABCDEF",
  "# key ADD 0123",
  "# key DROP 0123456789abcdef",
])("the reserved word in `%s` must be written right", (line) => {
  expect(faults("# fine", line, `${D}  file`)).toEqual([2]);
});

test.each([
  "# trees",
  "# serially",
  "# keys for the lab",
  "#",
  "##",
  "# ",
  "# image-fd",
  "# -",
  "# __proto__",
  "# toString",
])("`%s` is nobody's business", (line) => {
  expect(parse(line, `${D}  file`).entries.size).toBe(1);
});

test.each([
  "# uciprov-manifest 1",
  "# tree a",
  "# serial 1",
  "# date 2026-01-31T12:00:00Z",
  "# expires 2026-01-31T12:00:00Z",
  "# successor b",
  "# size file 1",
  "# image file target=a/b revision=r1",
  "# key REMOVE 0123456789abcdef",
])("`%s` twice, or below the first file, is refused", (line) => {
  expect(faults(line, line, `${D}  file`)).toEqual([2]);
  expect(faults(`${D}  file`, line)).toEqual([2]);
});

test("a key cannot be added and removed at once", () => {
  expect(faults("# key ADD 0123456789abcdef", "# key REMOVE 0123456789abcdef", `${D}  keys/0123456789abcdef`)).toEqual([
    2,
  ]);
});

test("comments name listed files only", () => {
  expect(faults("# size no 1", "# image no target=a/b revision=r", "# key ADD 0123456789abcdef", `${D}  file`)).toEqual(
    [1, 2, 3],
  );
});

test("a manifest cannot expire before it is made", () => {
  expect(faults("# date 2026-01-31T12:00:00Z", "# expires 2026-01-31T12:00:00Z")).toEqual([1]);
});

test.each([
  "/etc/passwd",
  "../x",
  "a/../b",
  "a/..",
  "./a",
  "a/./b",
  "a//b",
  "a/",
  "a\\b",
  "a\tb",
  "a\x7fb",
  "a\u0085b",
  "\ufeffa",
  "a\rb",
  "a\r",
])("the name %j is refused", (name) => {
  expect(nameFault(name)).toBeTypeOf("string");
  expect(faults(`${D}  ok`, `${D}  ${name}`)).toEqual([2]);
});

test.each(["a", "...", "..a", "a..", ".wh.x", "a b", " a", "é", "#a", "-rf", "*", "a%2fb"])(
  "the name %j is fine",
  (name) => {
    expect([...parse(`${D}  ${name}`).entries.keys()]).toEqual([name]);
  },
);

test("a name of 1024 bytes is the longest", () => {
  expect(parse(`${D}  ${"é".repeat(512)}`).entries.size).toBe(1);
  expect(faults(`${D}  ${"é".repeat(512)}a`)).toEqual([1]);
});

test.each([
  `${D} file`,
  `${D}   `.trimEnd(),
  `${D}`,
  `${D}  `,
  `${D.toUpperCase()}  file`,
  `${D.slice(1)}  file`,
  `${D}0  file`,
  `\\${D}  a\\nb`,
  `SHA256 (file) = ${D}`,
  "<!doctype html>",
  ` ${D}  file`,
])("the line %j is refused", (line) => {
  expect(faults(`${D}  ok`, line)).toEqual([2]);
});

test("the same file twice is refused, in text or binary mode", () => {
  expect(faults(`${D}  a`, `${D} *a`)).toEqual([2]);
});

test("what is empty, cut off, no UTF-8 or too large is refused", () => {
  const code = (content: Uint8Array) => failure(() => parseManifest(content, { file: "MANIFEST" })).code;
  expect(code(Buffer.from(""))).toBe("MANIFEST_INVALID");
  expect(code(Buffer.from(`${D}  file`))).toBe("MANIFEST_INVALID");
  expect(code(Buffer.concat([Buffer.from(`${D}  f`), Buffer.from([0xff]), Buffer.from("\n")]))).toBe(
    "MANIFEST_INVALID",
  );
  expect(code(Buffer.concat([Buffer.from("# "), Buffer.from([0xc3]), bytes("", `${D}  f`)]))).toBe("MANIFEST_INVALID");
  expect(code(Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytes(`${D}  f`)]))).toBe("MANIFEST_INVALID");
  expect(code(Buffer.alloc(MANIFEST_LIMITS.bytes + 1, "#"))).toBe("MANIFEST_INVALID");
  const fits = Buffer.alloc(MANIFEST_LIMITS.bytes, "#");
  fits.write("\n", fits.length - 1);
  expect(parseManifest(fits, { file: "MANIFEST" }).entries.size).toBe(0);
});

test("faults are told all at once, with file and line, and not without end", () => {
  const error = failure(() => parse(`${D}  ok`, "nonsense", "# serial x", `${D}  ../x`));
  expect(error.findings.map(({ place }) => place)).toEqual([2, 3, 4].map((line) => ({ file: "MANIFEST", line })));
  expect(error.place).toEqual({ file: "MANIFEST", line: 2 });
  expect(faults(...Array<string>(1000).fill("nonsense"))).toHaveLength(MANIFEST_LIMITS.findings);
});

test("as many files as fit in a MiB are read in moments", () => {
  const lines = Array.from({ length: 13_000 }, (_, index) => `${D}  f/${index}`);
  const before = performance.now();
  expect(parse(...lines).entries.size).toBe(13_000);
  expect(performance.now() - before).toBeLessThan(1000);
});

test("a line separator of Unicode is a character like any other", () => {
  const said = parse("# size a\u2028b 1", "# image a\u2028b target=x/y revision=r", `${D}  a\u2028b`);
  expect(said.entries.get("a\u2028b")?.size).toBe(1);
  expect(said.images).toHaveLength(1);
});

test("images and keys are counted", () => {
  const keys = Array.from({ length: 257 }, (_, at) => `# key REMOVE ${at.toString(16).padStart(16, "0")}`);
  expect(parse(...keys.slice(1), `${D}  a`).keys).toHaveLength(256);
  expect(faults(...keys)).toEqual([257]);
  const images = Array.from({ length: 257 }, (_, at) => `# image ${at} target=x/y revision=r`);
  expect(faults(...images)).toEqual([257]);
});

test("lines that look alike cost no more than their length", () => {
  const before = performance.now();
  faults(`# size ${" 1".repeat(250_000)}x`);
  faults(`# image ${" target=a".repeat(50_000)}`);
  expect(performance.now() - before).toBeLessThan(1000);
});

// ---------------------------------------------------------------- printing

const name = fc
  .array(fc.string({ unit: "grapheme", minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 3 })
  .map((segments) => segments.join("/"))
  .filter((text) => nameFault(text) === undefined);
const instant = fc.integer({ min: 0, max: 4_000_000_000 }).map((seconds) => seconds * 1000);

test("what is printed is read again, and the order it came in does not matter", () => {
  const content = fc.record({
    files: fc.dictionary(name, fc.string({ maxLength: 20 }), { maxKeys: 8 }),
    serial: fc.option(fc.maxSafeNat(), { nil: undefined }),
    date: fc.option(instant, { nil: undefined }),
    tree: fc.constantFrom("", "lab", "a.b-c_d"),
    successor: fc.constantFrom(undefined, "next"),
  });
  fc.assert(
    fc.property(content, ({ files, ...more }) => {
      const image = Object.keys(files)[0];
      const images = image === undefined ? [] : [{ path: image, target: "x/y", revision: "r1" }];
      const expires = more.date === undefined ? undefined : more.date + 1000;
      const keys = [{ act: "remove", fingerprint: "0123456789abcdef" }] as const;
      const said = contentOf(files, { ...more, expires, images, keys });
      const printed = printManifest(said);
      const { sha256, version, ...read } = parseManifest(printed, { file: "MANIFEST" });
      expect(read).toEqual(said);
      expect(sha256).toBe(digest(printed));
      expect(version).toBe(1);
      const backwards = new Map([...said.entries].reverse());
      expect(Buffer.from(printManifest({ ...said, entries: backwards })).equals(printed)).toBe(true);
    }),
  );
});

test.each([
  contentOf({ "a\nb": "x" }),
  contentOf({ [`a\n${D}  b`]: "x" }),
  contentOf({ "../a": "x" }),
  contentOf({}, { tree: "a\n# serial 1" }),
  contentOf({}, { tree: "a b" }),
  contentOf({}, { date: 1500 }),
  contentOf({}, { date: Number.NaN }),
  contentOf({}, { date: 8_640_000_000_001_000 }),
  contentOf({}, { expires: 300_000_000_000_000 }),
  contentOf({}, { serial: 1.5 }),
  contentOf({}, { serial: -1 }),
  contentOf({ a: "x" }, { images: [{ path: "a", target: "x", revision: "r\n# serial 5" }] }),
  contentOf({ a: "x" }, { images: [{ path: "a", target: "x/y", revision: "r r" }] }),
  contentOf({}, { keys: [{ act: "add", fingerprint: "0123456789abcdef" }] }),
  { ...contentOf({}), entries: new Map([["a", { sha256: "nonsense" }]]) },
  { ...contentOf({}), entries: new Map([["a", { sha256: `${D}  x\n${D}` }]]) },
])("content %# that would not be read back is not printed", (content) => {
  expect(failure(() => printManifest(content)).code).toBe("MANIFEST_INVALID");
});

test("`sha256sum -c` agrees with what is printed, and `sha256sum` prints what is read", () => {
  const folder = mkdtempSync(join(tmpdir(), "uciprov-manifest-"));
  try {
    const files = { "default.uci": "a", "keys/0123456789abcdef": "b", "a b.uci": "c", "#odd": "d", é: "e" };
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    const content = contentOf(files, { tree: "lab", serial: 1, date: 0 });
    writeFileSync(join(folder, "MANIFEST"), printManifest(content));
    const env = { ...process.env, LC_ALL: "C" };
    const checked = execFileSync("sha256sum", ["-c", "--strict", "MANIFEST"], { cwd: folder, env, encoding: "utf8" });
    expect(checked.match(/: OK$/gm)).toHaveLength(5);
    const summed = execFileSync("sha256sum", ["-b", ...Object.keys(files)], { cwd: folder, env });
    const { entries } = parseManifest(summed, { file: "MANIFEST" });
    expect([...entries].map(([path, { sha256 }]) => [path, sha256])).toEqual(
      Object.entries(files).map(([path, text]) => [path, digest(text)]),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
