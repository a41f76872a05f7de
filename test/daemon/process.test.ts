/** The real program as a process that stays. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { openProcesses } from "../../src/host/processes.ts";
import { program, type Scene, withScene } from "../helpers/scenario.ts";

interface Resident {
  readonly child: ChildProcess;
  /** What each run came to, in order. */
  runs(): readonly Readonly<Record<string, unknown>>[];
  told(): string;
  until(runs: number): Promise<void>;
  /** Sends the signal; resolves to the exit status and the milliseconds that it took. */
  end(signal: NodeJS.Signals): Promise<{ status: number | null; took: number }>;
}

const begin = (scene: Scene, before: readonly string[] = []): Resident => {
  const child = spawn(process.execPath, [...before, program(), "daemon", "--json", "--root", scene.root], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env["PATH"] },
  });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString("utf8");
  });
  child.stderr.on("data", (chunk: Buffer) => {
    err += chunk.toString("utf8");
  });
  const runs = () =>
    out
      .split("\n")
      .slice(0, -1)
      .map((line): Record<string, unknown> => JSON.parse(line));
  return {
    child,
    runs,
    told: () => err,
    until: (count) =>
      vi.waitFor(() => expect(runs().length, `${out}${err}`).toBeGreaterThanOrEqual(count), { timeout: 20_000 }),
    end: (signal) =>
      new Promise((resolve) => {
        const began = performance.now();
        child.on("exit", (status) => resolve({ status, took: performance.now() - began }));
        child.kill(signal);
      }),
  };
};

async function withDaemon(
  act: (scene: Scene, start: (before?: readonly string[]) => Resident) => Promise<void>,
): Promise<void> {
  await withScene(async (scene) => {
    const started: Resident[] = [];
    const start = (before: readonly string[] = []) => {
      const daemon = begin(scene, before);
      started.push(daemon);
      return daemon;
    };
    try {
      scene.publish();
      await act(scene, start);
    } finally {
      for (const { child } of started) child.kill("SIGKILL");
    }
  });
}

test("runs at its start, again on SIGHUP, and ends at once on SIGTERM", async () => {
  await withDaemon(async (scene, start) => {
    const daemon = start();
    await daemon.until(1);
    expect(daemon.runs()[0]).toMatchObject({ exit: "provisioned", result: "changed" });
    daemon.child.kill("SIGHUP");
    await daemon.until(2);
    expect(daemon.runs()[1]).toMatchObject({ exit: "provisioned", result: "unchanged" });
    expect(JSON.parse(scene.device("/var/run/uciprov/status.json") ?? "")).toMatchObject({ state: "ended" });
    // A run is told before it lets go of the device.
    await vi.waitFor(() => expect(scene.device("/var/run/uciprov/lock")).toBeUndefined(), { timeout: 10_000 });
    const { status, took } = await daemon.end("SIGTERM");
    expect(status).toBe(0);
    expect(took).toBeLessThan(2000);
  });
});

test("many SIGHUPs during a run are exactly one more run", async () => {
  await withDaemon(async (scene, start) => {
    let asked = 0;
    scene.web.bend("MANIFEST", (_request, response) => {
      asked++;
      // Until when is said: else it would be asked once more, alone, when its signature has come.
      setTimeout(() => response.writeHead(503, { "Retry-After": "60" }).end(), 1500);
    });
    const daemon = start();
    await vi.waitFor(() => expect(asked).toBe(1), { timeout: 10_000 });
    for (let times = 0; times < 20; times++) {
      daemon.child.kill("SIGHUP");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await daemon.until(2);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(asked).toBe(2);
    expect(daemon.runs().map(({ exit }) => exit)).toEqual(["try-later", "try-later"]);
    expect((await daemon.end("SIGINT")).status).toBe(0);
  });
});

test("SIGTERM ends a run that waits for a server that says nothing", async () => {
  await withDaemon(async (scene, start) => {
    let asked = 0;
    scene.web.bend("MANIFEST", () => void asked++);
    const daemon = start();
    await vi.waitFor(() => expect(asked).toBeGreaterThan(0), { timeout: 10_000 });
    const { status, took } = await daemon.end("SIGTERM");
    expect(status).toBe(0);
    expect(took).toBeLessThan(2000);
    expect(scene.device("/var/run/uciprov/lock")).toBeUndefined();
  });
});

test("somebody else's run is no failure: it waits, and nothing of it is in the status", async () => {
  await withDaemon(async (scene, start) => {
    const lock = join(scene.root, "var/run/uciprov/lock");
    mkdirSync(join(lock, ".."), { recursive: true });
    writeFileSync(lock, `${openProcesses().self}\n`);
    const daemon = start();
    await vi.waitFor(() => expect(daemon.told()).toContain("again in a minute"), { timeout: 10_000 });
    expect(daemon.runs()).toEqual([]);
    expect(readFileSync(lock, "utf8")).toContain(openProcesses().self);
    rmSync(lock);
    daemon.child.kill("SIGHUP");
    await daemon.until(1);
    expect(daemon.runs()[0]).toMatchObject({ exit: "provisioned" });
  });
});

test("an interface that comes up is a reason to ask again who knows the tree, and none once all is well", async () => {
  await withDaemon(async (scene, start) => {
    scene.settings({ schedule: { cron: "@yearly" } });
    scene.txt("v=spf1 -all");
    const daemon = start();
    await daemon.until(1);
    expect(daemon.runs()[0]).toMatchObject({ exit: "no-uri" });
    scene.goTo(scene.web.uri);
    daemon.child.kill("SIGUSR2");
    await daemon.until(2);
    expect(daemon.runs()[1]).toMatchObject({ exit: "provisioned", result: "changed" });
    daemon.child.kill("SIGUSR2");
    await new Promise((resolve) => setTimeout(resolve, 6000));
    expect(daemon.runs()).toHaveLength(2);
  });
});

test("a Node without Intl does as well", async () => {
  await withDaemon(async (scene, start) => {
    scene.edit(
      "/etc/config/system",
      "config system\n\toption zonename 'Europe/Berlin'\n\toption timezone 'CET-1CEST'\n",
    );
    scene.edit("/no-intl.cjs", "delete globalThis.Intl;\n");
    const daemon = start(["--require", join(scene.root, "no-intl.cjs")]);
    await daemon.until(1);
    expect(daemon.runs()[0]).toMatchObject({ exit: "provisioned", result: "changed" });
    expect((await daemon.end("SIGTERM")).status).toBe(0);
  });
});

test("a bad schedule is told, and the daemon starts all the same", async () => {
  await withDaemon(async (scene, start) => {
    scene.settings({ schedule: { cron: "61 * * * *" } });
    const daemon = start();
    await daemon.until(1);
    expect(daemon.told()).toContain("uciprov.schedule.cron");
    expect(daemon.runs()[0]).toMatchObject({ exit: "provisioned" });
  });
});
