import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readHabits } from "../../src/daemon/habits.ts";
import { openDisk } from "../../src/host/disk.ts";

/** What a device with these files in /etc/config does, and what it says. */
function habitsOf(files: Readonly<Record<string, string>>) {
  const root = mkdtempSync(join(tmpdir(), "uciprov-habits-"));
  mkdirSync(join(root, "etc/config"), { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, "etc/config", name), text);
  const logged: string[] = [];
  const habits = readHabits(openDisk(root), (level, message) => logged.push(`${level} ${message}`));
  return { ...habits, logged };
}

const schedule = (options: Readonly<Record<string, string>>) => ({
  uciprov: `config uciprov 'schedule'\n${Object.entries(options)
    .map(([name, value]) => `\toption ${name} '${value}'\n`)
    .join("")}`,
});

const USUAL = { jitter: 300_000, leastBackOff: 30_000, mostBackOff: 1_800_000 };

test("without any file: every half hour, UTC, five minutes of jitter, nothing confirmed", () => {
  const { pace, zone, isSettled, logged } = habitsOf({});
  expect(pace).toMatchObject(USUAL);
  expect([0, 1, 29, 30, 60].map(pace.matches)).toEqual([true, false, false, true, true]);
  expect({ zone: zone.name, isSettled, logged }).toEqual({ zone: "UTC", isSettled: false, logged: [] });
});

test("the settings and the device's zone are taken", () => {
  const { pace, zone, logged } = habitsOf({
    ...schedule({ cron: "15 4 * * *", jitter: "0", backoff: "60" }),
    system: "config system\n\toption zonename 'Europe/Berlin'\n",
  });
  expect(pace).toMatchObject({ jitter: 0, mostBackOff: 60_000 });
  expect(pace.matches(4 * 60 + 15)).toBe(true);
  expect(zone.offset(Date.UTC(2026, 6))).toBe(7200);
  expect(logged).toEqual([]);
});

describe("what is wrong is told, and the usual takes its place", () => {
  test.each([
    ["a cron expression", schedule({ cron: "every day" }), "uciprov.schedule.cron"],
    ["a number", schedule({ jitter: "soon", cron: "0 4 * * *" }), "uciprov.schedule.jitter"],
    ["the file", { uciprov: "config 'uciprov" }, "/etc/config/uciprov"],
  ])("%s", (_, files, says) => {
    const { pace, logged } = habitsOf(files);
    expect(pace).toMatchObject(USUAL);
    expect([0, 30, 31].map(pace.matches)).toEqual([true, true, false]);
    expect(logged.join("\n")).toContain(says);
  });

  test("an option that nobody knows keeps the rest as it is", () => {
    const { pace } = habitsOf(schedule({ cron: "0 4 * * *", colour: "green" }));
    expect(pace.matches(240)).toBe(true);
    expect(pace.matches(30)).toBe(false);
  });
});

test("a device with a confirmed generation can wait in a crowd, but not while a transaction is open", () => {
  const root = mkdtempSync(join(tmpdir(), "uciprov-habits-"));
  const put = (path: string, text: string) => {
    mkdirSync(join(root, path, ".."), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const isSettled = () => readHabits(openDisk(root), () => undefined).isSettled;
  const confirmed = {
    version: 1,
    base: "https://a.example/",
    resolver: "dns",
    tree: "",
    digest: "",
    inputs: "",
    at: 1,
  };
  put("etc/uciprov/state/confirmed.json", JSON.stringify(confirmed));
  expect(isSettled()).toBe(true);
  put("lib/uciprov/tx/journal", "state=trial\n");
  expect(isSettled()).toBe(false);
});
