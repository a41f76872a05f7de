import { expect, test } from "vitest";
import type { Device } from "../../src/context.ts";
import { readSettings } from "../../src/settings.ts";
import { whyWait } from "../../src/stages/fetch/turn.ts";
import type { Manifest } from "../../src/tree/manifest.ts";
import { makeSection } from "../../src/uci/model.ts";
import { aClock, aDevice, aRunContext } from "../helpers/run-context.ts";

const NOW = Date.UTC(2026, 10, 22);
const MANIFEST: Manifest = {
  version: 1,
  tree: "fleet",
  serial: 8,
  date: NOW - 60_000,
  expires: undefined,
  successor: undefined,
  rollout: 720,
  entries: new Map(),
  images: [],
  keys: [],
  sha256: "8".repeat(64),
};
const CONFIRMED = {
  base: "https://cfg.example",
  resolver: "dns",
  tree: "fleet",
  serial: 7,
  digest: "7".repeat(64),
  etag: undefined,
  modified: undefined,
  expires: undefined,
  inputs: "",
  at: 0,
};

function configured(rollout?: string): Device {
  const main = makeSection("uciprov", "main", { rollout });
  const device = aDevice({
    settings: readSettings({ name: Buffer.from("uciprov").toString(), sections: [main] }).settings,
  });
  return { ...device, state: { ...device.state, confirmed: CONFIRMED } };
}

const ctx = (more = {}) => aRunContext({ clock: aClock(NOW), ...more });

test("a configured device waits; one that is nothing yet, or has this very tree, does not", () => {
  expect(whyWait(ctx(), configured(), MANIFEST, undefined)?.told).toMatch(
    /^serial 8 is rolled out over 720 h: .* until 2026-1[12]-/,
  );
  expect(whyWait(ctx(), aDevice(), MANIFEST, undefined)).toBe(undefined);
  expect(whyWait(ctx(), configured(), { ...MANIFEST, sha256: CONFIRMED.digest }, undefined)).toBe(undefined);
  expect(whyWait(ctx(), configured(), undefined, undefined)).toBe(undefined);
  expect(whyWait(ctx(), configured("0"), MANIFEST, undefined)).toBe(undefined);
});

test("a change of keys and a successor are not missed, unless they are held", () => {
  const rolled = { keys: new Map(), owner: { fingerprints: [], threshold: 1 }, isChanged: true };
  expect(whyWait(ctx(), configured(), MANIFEST, rolled)).toBe(undefined);
  expect(whyWait(ctx(), configured(), { ...MANIFEST, successor: "next" }, undefined)).toBe(undefined);
  const held: Manifest = { ...MANIFEST, rollout: "hold" };
  expect(whyWait(ctx(), configured(), held, rolled)?.told).toContain("serial 8 is held");
  expect(whyWait(ctx(), configured(), { ...held, successor: "next" }, undefined)?.told).toContain("serial 8 is held");
  expect(whyWait(ctx(), aDevice(), held, undefined)).toBe(undefined);
});

test("a clock that nobody vouches for, or that stands before what has surely passed, is not asked", () => {
  for (const more of [{ isClockProven: () => false }, { clock: aClock(Date.UTC(2020, 0, 1)) }]) {
    expect(whyWait(ctx(more), configured(), MANIFEST, undefined)?.told).toContain(
      "without a right clock, counting from its boot",
    );
  }
});

test("how long it is until its turn is told, by the clock or by the time since boot, and never of a tree that is held", () => {
  const wait = whyWait(ctx(), configured(), MANIFEST, undefined);
  const until = Date.parse(/until (\S+),/.exec(wait?.told ?? "")?.[1] ?? "");
  expect(wait?.seconds).toBe((until - NOW) / 1000);
  const byBoot = whyWait(ctx({ isClockProven: () => false }), configured(), MANIFEST, undefined);
  expect(byBoot?.seconds).toBeGreaterThan(0);
  // The share of the line is the same; the time since boot (60 s) and since the date are, too.
  expect(Math.abs((byBoot?.seconds ?? 0) - (wait?.seconds ?? 0))).toBeLessThanOrEqual(1);
  expect(whyWait(ctx(), configured(), { ...MANIFEST, rollout: "hold" }, undefined)?.seconds).toBeUndefined();
});
