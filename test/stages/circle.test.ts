/** A tree that goes round in circles over reboots is known by what the device remembers, whatever its clock does. */
import { expect, test } from "vitest";
import type { RunContext } from "../../src/context.ts";
import type { Plan } from "../../src/plan.ts";
import { refuseCircle } from "../../src/stages/validate.ts";
import { applyActions } from "../../src/transaction/apply.ts";
import { confirmTransaction } from "../../src/transaction/confirm.ts";
import { listGenerations } from "../../src/transaction/generations.ts";
import { prepare } from "../../src/transaction/prepare.ts";
import { aRunContext } from "../helpers/run-context.ts";
import { copyArchived, KEEP, specimenOrder, write } from "../transaction/specimen.ts";

const BASE = "https://cfg.example/a/";

interface Turn {
  readonly digest?: string;
  readonly uri?: string;
  readonly boot: number;
  readonly up?: number;
  readonly at?: number;
}

async function device(...turns: readonly Turn[]): Promise<RunContext> {
  return deviceThatKeeps(KEEP, turns);
}

async function deviceThatKeeps(keep: typeof KEEP, turns: readonly Turn[]): Promise<RunContext> {
  const ctx = aRunContext();
  for (const folder of ["/etc", "/lib", "/lib/uciprov"]) ctx.disk.makeDirectory(folder, 0o755);
  for (const [index, { digest = "aa", uri = BASE, boot, up, at = 1_700_000_000 }] of turns.entries()) {
    const host = { ...ctx, processes: { ...ctx.processes, bootId: `boot-${boot}` } };
    const order = specimenOrder({
      actions: [write("/etc/hostname", `turn ${index}\n`)],
      onConfirm: [],
      tree: { uri, sha256: digest.repeat(32) },
      at,
      ...(up === undefined ? {} : { up }),
    });
    const prepared = await prepare(host, order, copyArchived);
    if (prepared.kind === "ready") applyActions(host, prepared);
    await confirmTransaction(host, "t-1", () => true, keep);
  }
  return ctx;
}

function plan(digest: string, hasManifest = true): Plan {
  const download = {
    digest: digest.repeat(32),
    manifest: hasManifest ? {} : undefined,
    source: { base: { text: BASE } },
  };
  return { unsettled: "hostname", download } as unknown as Plan;
}

const REBOOTS: readonly Turn[] = [1, 2, 3].map((boot) => ({ boot, up: 60 }));

test("three generations, each soon after its boot: refused, also where the clock jumps between them", async () => {
  const jumping = REBOOTS.map((turn, index) => ({
    ...turn,
    at: [946_684_800, 1_800_000_000, 1_700_000_000][index] ?? 0,
  }));
  for (const turns of [REBOOTS, jumping]) {
    const ctx = await device(...turns);
    expect(() => refuseCircle(ctx, plan("aa"))).toThrow(expect.objectContaining({ code: "TREE_UNSETTLED" }));
    expect(() => refuseCircle(ctx, plan("bb"))).not.toThrow();
    expect(() => refuseCircle(ctx, { ...plan("aa"), unsettled: undefined })).not.toThrow();
  }
});

test("within one boot, one right after the other: refused; with days in between: not", async () => {
  const ups = (...all: number[]) => all.map((up) => ({ boot: 1, up }));
  const quick = await device(...ups(100, 200, 300));
  expect(() => refuseCircle(quick, plan("aa"))).toThrow(expect.objectContaining({ code: "TREE_UNSETTLED" }));
  const slow = await device(...ups(100, 90_000, 90_100));
  expect(() => refuseCircle(slow, plan("aa"))).not.toThrow();
  const late = await device({ boot: 1, up: 60 }, { boot: 2, up: 50_000 }, { boot: 3, up: 60 });
  expect(() => refuseCircle(late, plan("aa"))).not.toThrow();
});

test("without a manifest the digest changes from turn to turn, and comes again", async () => {
  const turning = REBOOTS.map((turn, index) => ({ ...turn, digest: index % 2 === 0 ? "aa" : "bb" }));
  const ctx = await device(...turning);
  expect(() => refuseCircle(ctx, plan("bb", false))).toThrow(expect.objectContaining({ code: "TREE_UNSETTLED" }));
  // Somebody who works on a tree makes ever new ones; another address is another tree.
  expect(() => refuseCircle(ctx, plan("cc", false))).not.toThrow();
  expect(() => refuseCircle(ctx, plan("bb", true))).not.toThrow();
  const elsewhere = await device(
    ...turning.map((turn, index) => (index === 1 ? { ...turn, uri: "https://b/" } : turn)),
  );
  expect(() => refuseCircle(elsewhere, plan("bb", false))).not.toThrow();
});

test("two turns are no circle, and generations from before the time since boot was noted count by the clock", async () => {
  const two = await device(...REBOOTS.slice(1));
  expect(() => refuseCircle(two, plan("aa"))).not.toThrow();
  const old = await device(...[0, 100, 200].map((after) => ({ boot: 1, at: 1_700_000_000 + after })));
  expect(() => refuseCircle(old, plan("aa"))).toThrow();
});

test.each([
  ["one generation", { generations: 1, bytes: 1 << 20 }],
  ["two generations", { generations: 2, bytes: 1 << 20 }],
  ["no room for originals", { generations: 5, bytes: 0 }],
])("a device that keeps %s knows a circle all the same", async (_, keep) => {
  const ctx = await deviceThatKeeps(keep, REBOOTS);
  expect(listGenerations(ctx.disk).length).toBeLessThan(3);
  expect(() => refuseCircle(ctx, plan("aa"))).toThrow(expect.objectContaining({ code: "TREE_UNSETTLED" }));
});
