import { execFileSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { endOrphans, parentOf } from "../../src/host/processes.ts";

test("a process knows its parent's number, and nobody the parent of one that is not there", () => {
  expect(parentOf(process.pid)).toBe(process.ppid);
  expect(parentOf(4_194_305)).toBeUndefined();
});

test("what a killed process left behind is ended by its words, and nothing else", async () => {
  const orphan = (seconds: string) =>
    Number(execFileSync("sh", ["-c", `sleep ${seconds} >/dev/null 2>&1 & echo $!`], { encoding: "utf8" }));
  const [ours, other] = [orphan("300.125"), orphan("300.25")];
  try {
    // Where orphans go to another process than 1, none of them is taken for ours.
    const goesToFirst = parentOf(ours) === 1;
    endOrphans(["sleep", "300.125"]);
    for (let tries = 0; tries < 100 && goesToFirst && isRunning(ours); tries++) await sleep(50);
    expect([isRunning(ours), isRunning(other)]).toEqual([!goesToFirst, true]);
  } finally {
    for (const pid of [ours, other]) if (isRunning(pid)) process.kill(pid, "SIGKILL");
  }
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
