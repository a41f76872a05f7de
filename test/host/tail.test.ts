import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { openDisk } from "../../src/host/disk.ts";
import { openRamLog } from "../../src/host/ram-log.ts";
import { openTail } from "../../src/host/tail.ts";

const top = mkdtempSync(join(tmpdir(), "uciprov-tail-"));
afterAll(() => rmSync(top, { recursive: true, force: true }));
let root = "";
let file = "";
beforeEach(() => {
  root = mkdtempSync(join(top, "root-"));
  mkdirSync(join(root, "log"));
  file = join(root, "log/x");
});
const open = (mark?: Parameters<typeof openTail>[2]) => openTail(openDisk(root), "/log/x", mark);
/** All there is now; `|` where another file begins. */
function all(tail: ReturnType<typeof openTail>): string {
  let text = "";
  for (let piece = tail.read(); piece !== undefined; piece = tail.read())
    text += `${piece.isFresh ? "|" : ""}${piece.bytes.toString()}`;
  return text;
}

describe("a file that grows", () => {
  test("is read from its end, and in pieces", () => {
    writeFileSync(file, "old\n");
    const tail = open();
    expect(all(tail)).toBe("");
    appendFileSync(file, "x".repeat(200_000));
    expect(all(tail)).toBe(`|${"x".repeat(200_000)}`);
    appendFileSync(file, "new\n");
    expect(all(tail)).toBe("new\n");
    tail.close();
  });

  test("that appears later is read from its beginning", () => {
    const tail = open();
    expect([all(tail), tail.mark]).toEqual(["", undefined]);
    writeFileSync(file, "first\n");
    expect(all(tail)).toBe("|first\n");
    tail.close();
  });

  test("is read to its end after it was renamed, then its successor", () => {
    writeFileSync(file, "");
    const tail = open();
    appendFileSync(file, "one\n");
    expect(all(tail)).toBe("|one\n");
    renameSync(file, `${file}.1`);
    appendFileSync(`${file}.1`, "late\n");
    expect(all(tail)).toBe("late\n");
    appendFileSync(`${file}.1`, "later\n");
    writeFileSync(file, "two\n");
    expect(all(tail)).toBe("later\n|two\n");
    unlinkSync(file);
    expect(all(tail)).toBe("");
    writeFileSync(file, "three\n");
    expect(all(tail)).toBe("|three\n");
    tail.close();
  });

  test("that was emptied is begun anew", () => {
    writeFileSync(file, "");
    const tail = open();
    appendFileSync(file, "long line\n");
    expect(all(tail)).toBe("|long line\n");
    truncateSync(file);
    appendFileSync(file, "short\n");
    expect(all(tail)).toBe("|short\n");
    tail.close();
  });

  test("goes on at its mark; another file of that name from its beginning", () => {
    writeFileSync(file, "one\n");
    const first = open();
    const { mark } = first;
    first.close();
    appendFileSync(file, "two\n");
    const second = open(mark);
    expect(all(second)).toBe("|two\n");
    second.close();
    renameSync(file, `${file}.1`);
    writeFileSync(file, "three and more\n");
    const third = open(mark);
    expect(all(third)).toBe("|three and more\n");
    third.close();
  });

  test("is none if it is a folder, a pipe that never ends, or nothing", () => {
    mkdirSync(file);
    const tail = open();
    expect([all(tail), tail.mark]).toEqual(["", undefined]);
    tail.close();
  });
});

test("lines in RAM stay below their bound, the newest of them", () => {
  const log = openRamLog(openDisk(root), "/log/x", 1000);
  for (let at = 0; at < 100; at++) log.append(`line ${String(at).padStart(4, "0")} ${"x".repeat(40)}`);
  const lines = log.read().trim().split("\n");
  expect(lines.length).toBeGreaterThan(19);
  expect(log.read().length).toBeLessThan(2000);
  expect(lines.at(-1)).toMatch(/^line 0099/);
  expect(lines.map((line) => Number(line.slice(5, 9)))).toEqual(lines.map((_, at) => 100 - lines.length + at));
});
