import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ProvisionError } from "../../src/errors.ts";
import { openProcesses } from "../../src/host/processes.ts";
import { applyActions } from "../../src/transaction/apply.ts";
import type { TransactionHost } from "../../src/transaction/claim.ts";
import { confirmTransaction } from "../../src/transaction/confirm.ts";
import { type JournalState, readJournal } from "../../src/transaction/journal.ts";
import { TX } from "../../src/transaction/layout.ts";
import { prepare } from "../../src/transaction/prepare.ts";
import { bundle } from "./bundle.ts";
import { observed } from "./faulty-disk.ts";
import { type Both, bothTrees, LIVES, oldDevice, recovering } from "./lives.ts";
import { randomFrom } from "./random.ts";
import { skipsShell, watchSh } from "./recover-shell.ts";
import { scratchRoot } from "./scratch-root.ts";
import { copyArchived, KEEP, life, plantOld, snapshot, specimenOrder } from "./specimen.ts";

let both: Both;
let subject: string;
beforeAll(async () => {
  both = await bothTrees();
  subject = await bundle("subject");
});
afterAll(() => rmSync(dirname(subject), { recursive: true }));

type Root = ReturnType<typeof scratchRoot>;

/** Runs the subject until it kills itself at an operation (SIGKILL) or is through. */
async function run(root: Root, what: "confirm" | "roll-back", killAt: number): Promise<string | null> {
  const child = spawn(process.execPath, [subject, root.path, what, String(killAt)], {
    env: { PATH: process.env["PATH"], UCIPROV_WATCH: "1" },
    stdio: ["ignore", "ignore", "inherit"],
  });
  return new Promise((done) => child.on("exit", (_, signal) => done(signal)));
}

async function until(isSo: () => boolean, seconds = 15): Promise<void> {
  for (let tenths = 0; tenths < seconds * 10 && !isSo(); tenths += 1) await sleep(100);
}

function isOver(root: Root): boolean {
  const state = readJournal(root.disk)?.state;
  return (
    (state === undefined || state === "rolled-back") &&
    root.disk.list(TX.folder).every((name) => !name.startsWith("claim"))
  );
}

/** In which state each operation of a life finds the journal. */
async function statesOf(name: keyof typeof LIVES): Promise<Map<number, JournalState | undefined>> {
  const states = new Map<number, JournalState | undefined>();
  const under = oldDevice();
  const { disk } = observed(under, (count) => states.set(count, readJournal(under)?.state));
  await LIVES[name](life(disk, "1"));
  return states;
}

/** First and last operation of a state and some between. */
async function sampleOf(name: keyof typeof LIVES, states: readonly JournalState[]): Promise<number[]> {
  const all = await statesOf(name);
  return states.flatMap((state) => {
    const points = [...all].filter(([, found]) => found === state).map(([at]) => at);
    return points.filter((_, index) => index === 0 || index === points.length - 1 || index % 7 === 3);
  });
}

async function inParallel<T>(items: readonly T[], width: number, act: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const worker = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await act(item);
  };
  await Promise.all(Array.from({ length: width }, worker));
}

describe.skipIf(skipsShell)("the watcher", () => {
  test("brings the old tree back if Node is killed in any state from applying to rolled-back", async () => {
    const inApply = await sampleOf("apply and confirm", ["applying", "trial"]);
    const inUndo = await sampleOf("apply and roll back", ["rolling-back"]);
    const points = [
      ...inApply.map((at) => ["confirm", at] as const),
      ...inUndo.map((at) => ["roll-back", at] as const),
    ];
    expect(points.length).toBeGreaterThan(8);
    await inParallel(points, 6, async ([what, at]) => {
      const root = scratchRoot();
      try {
        plantOld(root.disk);
        expect(await run(root, what, at)).toBe("SIGKILL");
        expect(readJournal(root.disk)?.state, `${what} at ${at}`).toMatch(/applying|trial|rolling-back/);
        await until(() => readJournal(root.disk)?.state === "rolled-back" && root.disk.stat(TX.work) === undefined);
        expect(readJournal(root.disk)?.state, `${what} at ${at}`).toBe("rolled-back");
        expect(snapshot(root.disk), `${what} at ${at}`).toBe(both.old);
      } finally {
        root.remove();
      }
    });
  }, 120_000);

  test("leaves a confirmed transaction alone, even one whose Node was killed right after", async () => {
    const points = await sampleOf("apply and confirm", ["confirmed"]);
    await inParallel(points, 6, async (at) => {
      const root = scratchRoot();
      try {
        plantOld(root.disk);
        expect(await run(root, "confirm", at)).toBe("SIGKILL");
        await sleep(3500);
        expect(readJournal(root.disk)?.state, `at ${at}`).toBe("confirmed");
        await recovering(life(root.disk, "2"));
        expect(snapshot(root.disk), `at ${at}`).toBe(both.new);
      } finally {
        root.remove();
      }
    });
  }, 120_000);

  test("and others like it at the same moment: one takes it back, all end well", { timeout: 240_000 }, async () => {
    await inParallel([1, 2, 3, 4], 4, async () => {
      const root = scratchRoot();
      try {
        plantOld(root.disk);
        await onTrial({ disk: root.disk, processes: openProcesses() });
        const watchers = [1, 2, 3].map(() => watchSh(root.path, 1));
        const ended = watchers.map((child) => new Promise((done) => child.on("exit", (...how) => done(how))));
        expect(await Promise.all(ended)).toEqual(watchers.map(() => [0, null]));
        expect(snapshot(root.disk)).toBe(both.old);
        expect(isOver(root)).toBe(true);
      } finally {
        root.remove();
      }
    });
  });

  test("and a confirmation at the same moment: exactly one of them decides", { timeout: 240_000 }, async () => {
    const random = randomFrom(11);
    const ends = { confirmed: 0, "taken back": 0 };
    await inParallel(
      Array.from({ length: 24 }, (_, round) => round),
      8,
      async () => {
        const root = scratchRoot();
        try {
          plantOld(root.disk);
          const host: TransactionHost = { disk: root.disk, processes: openProcesses() };
          await onTrial(host);
          watchSh(root.path, 1);
          await sleep(900 + random() * 700);
          const isConfirmed = await confirmTransaction(host, "t-1", () => true, KEEP).then(
            () => true,
            (thrown: unknown) => {
              expect(thrown instanceof ProvisionError && ["NOT_CONFIRMED", "BUSY"].includes(thrown.code)).toBe(true);
              return false;
            },
          );
          await until(() => isOver(root));
          await sleep(2500);
          expect(snapshot(root.disk)).toBe(isConfirmed ? both.new : both.old);
          ends[isConfirmed ? "confirmed" : "taken back"] += 1;
        } finally {
          root.remove();
        }
      },
    );
    expect(ends.confirmed).toBeGreaterThan(0);
    expect(ends["taken back"]).toBeGreaterThan(0);
  });
});

async function onTrial(host: TransactionHost): Promise<void> {
  const prepared = await prepare(host, specimenOrder(), copyArchived);
  if (prepared.kind === "ready") applyActions(host, prepared);
}
