import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { imageLines } from "../../src/admin/image-lines.ts";
import { block, withMetadata } from "../tree/image.ts";

const folder = mkdtempSync(join(tmpdir(), "uciprov-images-"));
const said = (version: unknown) => withMetadata("kernel", { supported_devices: ["a,b"], version });
const put = (name: string, bytes: Uint8Array | string) => {
  mkdirSync(join(folder, name, ".."), { recursive: true });
  writeFileSync(join(folder, name), bytes);
  return name;
};

test("an image's own words become its line; a hand-written line stays where it has none", () => {
  const names = [
    put("images/a.bin", said({ target: "ath79/generic", revision: "r1" })),
    put("b.bin", block(said({ target: "x86/64", revision: "r2" }), 0, Buffer.from("signature"))),
    put("large.bin", withMetadata(Buffer.alloc(200_000), { version: { target: "x86/64", revision: "r3" } })),
    put("x86.img.gz", "no trailer"),
    put("other.img.gz", "no trailer, and nobody wrote a line"),
    put("empty", ""),
  ];
  const before = [
    { path: "b.bin", target: "old/old", revision: "r0" },
    { path: "x86.img.gz", target: "x86/64", revision: "r9" },
    { path: "gone.bin", target: "x86/64", revision: "r9" },
  ];
  expect(imageLines(folder, names, before)).toEqual([
    { path: "images/a.bin", target: "ath79/generic", revision: "r1" },
    { path: "b.bin", target: "x86/64", revision: "r2" },
    { path: "large.bin", target: "x86/64", revision: "r3" },
    { path: "x86.img.gz", target: "x86/64", revision: "r9" },
  ]);
});

test("words that could not stand in a line, or that nobody can read, make none", () => {
  const names = [
    put("blank.bin", said({ target: "a b", revision: "r1" })),
    put("newline.bin", said({ target: "a/b", revision: "r1\n# key ADD" })),
    put("none.bin", said({ target: "a/b" })),
    put("long.bin", said({ target: "a/b", revision: "r".repeat(65) })),
    put("odd.bin", withMetadata("k", [])),
  ];
  expect(imageLines(folder, names, [])).toEqual([]);
});
