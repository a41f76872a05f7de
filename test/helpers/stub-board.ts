/** A device of a scene whose own programs (sysupgrade, reboot, ubus) are stand-ins that behave as the real ones were seen to. */
import { readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { CommandResult, Module } from "../../src/api.ts";
import type { RunContext } from "../../src/context.ts";
import { asProvisionError, ProvisionError } from "../../src/errors.ts";
import { openHost } from "../../src/host/host.ts";
import { openProcesses } from "../../src/host/processes.ts";
import { type Outcome, provision } from "../../src/provision.ts";
import { plugins } from "../../src/registry.ts";
import type { Scene } from "./scenario.ts";

export interface Board {
  /** Command lines, in order. */
  readonly calls: string[];
  /** What was logged, in order. */
  readonly log: string[];
  /** Seconds; the device's memory as the kernel tells it, in kB. */
  memory: number;
  /** Programs that are there. */
  programs: string[];
  /** What a program answers; the default is a quiet success. `-l` tells of all that is in /etc unless it is overridden. */
  answers: Record<string, Partial<CommandResult>>;
  /** What becomes of the device when the image is being written; `term` ends the run as procd does. */
  upgrade(term: () => void): Promise<number | null>;
  /** What `reboot` does besides. */
  reboot(term: () => void): void;
  /** Seconds of every watcher that was started. */
  readonly watchers: number[];
  /** Besides those that ship. */
  readonly modules: Module[];
  /** The kernel's id of this boot. */
  bootId: string;
  uptime: number;
  run(choices?: Partial<RunContext["choices"]>): Promise<Outcome | ProvisionError>;
  /** The firmware that boots from now on, with all that sysupgrade keeps and nothing else. */
  becomes(revision: string): void;
}

const NEVER = new Promise<never>(() => undefined);

export function stubBoard(scene: Scene): Board {
  scene.edit("/proc/meminfo", "");
  const board: Board = {
    calls: [],
    log: [],
    memory: 200_000,
    programs: ["sysupgrade", "reboot", "ubus"],
    answers: { ubus: { stdout: '{"tests":{"fwtool_device_match":true},"valid":true,"forceable":true}' } },
    // As seen on devices: the answer is a failure, and then everybody is ended. No timer: on a late event loop a longer one may come first.
    upgrade: async (term) => {
      setImmediate(term);
      return 1;
    },
    watchers: [],
    modules: [],
    reboot: (term) => void setImmediate(term),
    bootId: "11111111-1111-4111-8111-111111111111",
    uptime: 100,
    run: (choices = {}) => runOn(scene, board, choices),
    becomes(revision) {
      const release = scene.device("/etc/openwrt_release") ?? "";
      scene.edit("/etc/openwrt_release", release.replace(/r[0-9]+-[a-z0-9]+/g, revision));
      rmSync(join(scene.root, "lib/uciprov"), { recursive: true, force: true });
      rmSync(join(scene.root, "var/run/uciprov"), { recursive: true, force: true });
      reboots(board);
    },
  };
  return board;
}

/** Another boot, with nothing else changed. */
export function reboots(board: Board): void {
  board.bootId = board.bootId.replace(/^.{8}/, (digits) => String(Number(digits) + 1).padStart(8, "0"));
  board.uptime = 40;
}

async function runOn(scene: Scene, board: Board, choices: Partial<RunContext["choices"]>) {
  const stop = new AbortController();
  const term = () => stop.abort(new ProvisionError("STOPPED", "asked to stop by SIGTERM"));
  scene.edit("/proc/meminfo", `MemTotal: 262144 kB\nMemAvailable:    ${board.memory} kB\n`);
  const host = openHost(scene.root, {
    choices: { isForced: false, isDry: false, ...choices },
    board: { stageBegins: () => undefined, stageEnds: () => undefined },
    log: (level, message) => void board.log.push(`${level}: ${message}`),
    signal: stop.signal,
  });
  let passed = 0;
  const ctx: RunContext = {
    ...host,
    processes: { ...openProcesses(), bootId: board.bootId },
    startWatcher: (seconds) => void board.watchers.push(seconds),
    clock: {
      ...host.clock,
      elapsed: () => performance.now() + passed,
      sinceBoot: () => board.uptime + passed / 1000,
      // Long waits pass as fast as an abort would need to come.
      sleep: async (ms, signal) => {
        await new Promise((done) => setTimeout(done, ms >= 60_000 ? 400 : Math.min(ms, 40)));
        signal.throwIfAborted();
        passed += ms;
      },
    },
    commands: {
      has: (name) => board.programs.includes(name),
      run: async (name, args) => {
        board.calls.push([name, ...args].join(" "));
        if (name === "reboot") board.reboot(term);
        const listed = name === "sysupgrade" && args[0] === "-l" ? { stdout: keptFiles(scene.root) } : {};
        const known = board.answers[[name, args[0]].join(" ")] ?? board.answers[name] ?? {};
        return { status: 0, signal: null, stdout: "", stderr: "", timedOut: false, ...listed, ...known };
      },
    },
    detach: async (name, args, output) => {
      board.calls.push(["detached", name, ...args].join(" "));
      scene.edit(output, "Saving config files...\nCommand failed: ubus call system sysupgrade (Connection failed)\n");
      return await Promise.race([board.upgrade(term), NEVER]);
    },
  };
  try {
    return await provision(ctx, { ...plugins, modules: [...plugins.modules, ...board.modules] });
  } catch (thrown) {
    return asProvisionError(thrown);
  }
}

/** As `sysupgrade -l` prints it with our keep.d file: what lies in /etc/config and /etc/uciprov. */
function keptFiles(root: string): string {
  const below = (path: string): string[] =>
    readdirSync(join(root, path)).flatMap((name) => {
      const file = `${path}/${name}`;
      return statSync(join(root, file)).isDirectory() ? below(file) : [file];
    });
  return [...below("/etc/config"), ...below("/etc/uciprov")].map((path) => `${path}\n`).join("");
}

/** The device's firmware notes. */
export function firmwareNotes(scene: Scene): unknown {
  const file = join(scene.root, "etc/uciprov/state/firmware.json");
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}
