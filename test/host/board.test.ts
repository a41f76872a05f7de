import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openStatus, readStatus } from "../../src/host/board.ts";
import { openDisk } from "../../src/host/disk.ts";

test.each([
  ["a short plan is told", 10, { plan: { text: "x".repeat(10) } }],
  ["a plan longer than ubus hands on is left out, and that is said", 200_000, { isPlanLeftOut: true }],
])("%s", (_, length, expected) => {
  const root = mkdtempSync(join(tmpdir(), "uciprov-board-"));
  mkdirSync(join(root, "var/run"), { recursive: true });
  try {
    const disk = openDisk(root);
    openStatus(disk, () => 0).close({ exit: "provisioned", plan: { text: "x".repeat(length) } });
    const status = readStatus(disk);
    expect(status).toMatchObject({ state: "ended", exit: "provisioned", ...expected });
    expect("plan" in Object(status)).toBe("plan" in expected);
    expect(JSON.stringify(status).length).toBeLessThan(200_000);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});

test("what lies in the way, or took the folder away, does not keep the end of a run from being told", () => {
  const root = mkdtempSync(join(tmpdir(), "uciprov-board-"));
  mkdirSync(join(root, "var/run"), { recursive: true });
  try {
    const disk = openDisk(root);
    const status = openStatus(disk, () => 0);
    status.stageBegins("recover");
    rmSync(join(root, "var/run/uciprov"), { recursive: true });
    status.stageBegins("ready");
    expect(readStatus(disk)).toMatchObject({ state: "running", stage: "ready" });
    writeFileSync(join(root, "var/run/uciprov/status.json.new"), "half");
    status.close({ exit: "provisioned" });
    expect(readStatus(disk)).toMatchObject({ state: "ended", exit: "provisioned" });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
