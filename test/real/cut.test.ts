import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openProcesses } from "../../src/host/processes.ts";
import { applyActions } from "../../src/transaction/apply.ts";
import { readJournal } from "../../src/transaction/journal.ts";
import { TX } from "../../src/transaction/layout.ts";
import { prepare } from "../../src/transaction/prepare.ts";
import { bundle } from "../transaction/bundle.ts";
import { type Both, bothTrees, judge, promisedBy, recovering } from "../transaction/lives.ts";
import { hasAsh, recoverSh, watchSh } from "../transaction/recover-shell.ts";
import { copyTree, scratchRoot } from "../transaction/scratch-root.ts";
import { bytes, copyArchived, life, plantOld, snapshot, specimenOrder } from "../transaction/specimen.ts";

const hasCompiler = spawnSync("cc", ["--version"]).status === 0;
const isRequired = process.env["UCIPROV_REQUIRE_REAL"] === "1";
const missing = [...(hasCompiler ? [] : ["a C compiler"]), ...(hasAsh ? [] : ["busybox"])].join(" and ");
if (missing !== "" && !isRequired) console.warn(`skipped: real kills need ${missing}`);

let both: Both;
let subject: string;
let folder: string;

type Root = ReturnType<typeof scratchRoot>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "uciprov-cut-"));
  both = await bothTrees();
  subject = await bundle("subject");
  if (hasCompiler) {
    const source = join(import.meta.dirname, "cut-shim.c");
    execFileSync("cc", ["-shared", "-fPIC", "-O1", "-o", join(folder, "shim.so"), source]);
  }
});
afterAll(() => {
  rmSync(dirname(subject), { recursive: true });
  rmSync(folder, { recursive: true });
});

/** A real run of Node on a root, killed at the libc call `killAt`. */
async function run(root: Root, what: string, killAt: number): Promise<{ wasCut: boolean; calls: number }> {
  const count = `${root.path}.count`;
  const child = spawn(process.execPath, [subject, root.path, what], {
    env: {
      PATH: process.env["PATH"],
      LD_PRELOAD: join(folder, "shim.so"),
      CUT_BELOW: `${root.path}/`,
      CUT_AT: String(killAt),
      CUT_COUNT: count,
    },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const signal = await new Promise((done) => child.on("exit", (_, how) => done(how)));
  if (signal === "SIGKILL") return { wasCut: true, calls: killAt };
  const calls = Number(readFileSync(count, "utf8"));
  rmSync(count);
  return { wasCut: false, calls };
}

async function withRoot<T>(act: (root: Root) => Promise<T>): Promise<T> {
  const root = scratchRoot();
  try {
    return await act(root);
  } finally {
    root.remove();
  }
}

async function killEverywhere(what: "confirm" | "roll-back"): Promise<Record<string, number>> {
  const { calls } = await withRoot(async (root) => {
    plantOld(root.disk);
    return run(root, what, 0);
  });
  const ends = { calls, old: 0, new: 0, mixed: 0 };
  const waiting = Array.from({ length: calls }, (_, index) => index + 1);
  const worker = async (): Promise<void> => {
    for (let at = waiting.shift(); at !== undefined; at = waiting.shift()) {
      for (const end of await killOnce(what, at)) ends[end] += 1;
    }
  };
  await Promise.all([worker(), worker()]);
  return ends;
}

async function killOnce(what: string, at: number): Promise<("old" | "new" | "mixed")[]> {
  return withRoot(async (root) => {
    plantOld(root.disk);
    expect((await run(root, what, at)).wasCut, `call ${at}`).toBe(true);
    const promised = promisedBy(root.disk, both);
    const byShell = await withRoot(async (other) => {
      copyTree(root.disk, other.disk);
      expect(recoverSh(other.path).status, `call ${at}`).toBe(0);
      await recovering(life(other.disk, "2")); // what is confirmed waits for Node
      return judge(other.disk, both, promised, "3");
    });
    await recovering(life(root.disk, "2"));
    return [byShell, await judge(root.disk, both, promised, "3")];
  });
}

describe.skipIf(missing !== "" && !isRequired)("Node killed at every call that changes a file", () => {
  test.each(["confirm", "roll-back"] as const)(
    "apply and %s: old or new, by Node and by recover.sh",
    { timeout: 900_000 },
    async (what) => {
      const ends = await killEverywhere(what);
      console.log(`kill points (${what}): ${JSON.stringify(ends)}`);
      expect(ends["mixed"]).toBe(0);
      expect(ends["old"]).toBeGreaterThan(300);
      if (what === "confirm") expect(ends["new"]).toBeGreaterThan(20);
    },
  );
});

describe.skipIf(!hasAsh && !isRequired)("the watcher", () => {
  test("kills a process that hangs with the claim long after the deadline", { timeout: 200_000 }, async () => {
    const root = scratchRoot();
    const hung = spawn("sleep", ["300"]);
    try {
      plantOld(root.disk);
      const prepared = await prepare(life(root.disk, "1"), specimenOrder(), copyArchived);
      if (prepared.kind === "ready") applyActions(life(root.disk, "1"), prepared);
      const started = tokenOf(hung.pid ?? 0, openProcesses().bootId);
      expect(openProcesses().isAlive(started)).toBe(true);
      root.disk.writeNew(`${TX.folder}/claim-${started}`, bytes(""), { mode: 0o600 });
      watchSh(root.path, 1);
      for (let second = 0; second < 120 && readJournal(root.disk)?.state !== "rolled-back"; second += 1)
        await sleep(1000);
      expect(snapshot(root.disk)).toBe(both.old);
      expect(openProcesses().isAlive(started)).toBe(false);
    } finally {
      hung.kill("SIGKILL");
      root.remove();
    }
  });
});

/** The name the claim of another process has; field 22 of its stat, whose name is `sleep`. */
function tokenOf(pid: number, bootId: string): string {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return `${pid}-${stat.split(" ")[21]}-${bootId}`;
}
