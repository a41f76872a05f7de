import { accessSync, closeSync, constants, openSync, statSync } from "node:fs";
import type { CommandResult, Commands, Disk } from "../api.ts";
import type { Follow, RunContext } from "../context.ts";
import { ProvisionError } from "../errors.ts";
import { followLines } from "./follow.ts";

/** As procd and hotplug set it (OpenWrt package/base-files/image-config.in); what the caller's environment says does not count. */
const SEARCH = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
const ENVIRONMENT = { PATH: SEARCH.join(":"), HOME: "/root", LC_ALL: "C" } as const;
/** The only programs that are named by their path. */
const INIT_SCRIPT = /^\/etc\/init\.d\/[A-Za-z0-9_][A-Za-z0-9._+-]*$/;
const OUTPUT_LIMIT = 262_144;
const PIPES_RUN_DRY = 300;

/** The programs of the device whose root this is. Below any root but `/` there are none. */
export function openCommands(root: string): Commands {
  return {
    has: (name) => find(root, name) !== undefined,
    async run(name, args, how) {
      return runToEnd(findOrFail(root, name), args, how);
    },
  };
}

/** The same programs, for those that stay and tell of events. */
export function openFollow(root: string): Follow {
  return async (name, args, how) => followLines(findOrFail(root, name), args, ENVIRONMENT, how);
}

/** The same programs, for those that outlive this process. */
export function openDetach(root: string, disk: Disk): RunContext["detach"] {
  return async (name, args, output) => {
    const program = findOrFail(root, name);
    const { spawn } = process.getBuiltinModule("node:child_process");
    const log = openSync(disk.hostPath(output), "w", 0o600);
    try {
      const child = spawn(program, args, { detached: true, stdio: ["ignore", log, log], env: ENVIRONMENT });
      child.unref();
      return await new Promise((resolve, reject) => {
        child.on("error", (cause) => reject(new ProvisionError("COMMAND_FAILED", `starting ${program}`, { cause })));
        child.on("exit", (status) => resolve(status));
      });
    } finally {
      closeSync(log);
    }
  };
}

function findOrFail(root: string, name: string): string {
  const program = find(root, name);
  if (program === undefined) throw new ProvisionError("COMMAND_FAILED", `${name} is not on this device`);
  return program;
}

function find(root: string, name: string): string | undefined {
  if (root !== "/") return undefined;
  if (INIT_SCRIPT.test(name)) return isExecutable(name) ? name : undefined;
  if (!/^[A-Za-z0-9._-]+$/.test(name)) return undefined;
  return SEARCH.map((folder) => `${folder}/${name}`).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/**
 * Runs a program to its end, in its own process group, which is killed as a whole at the deadline, at the signal and after the
 * program has ended: what it left running is not ours to keep, unless the caller says so. `LD_PRELOAD` and all else of procd's environment stay out.
 */
export function runToEnd(
  program: string,
  args: readonly string[],
  how: Parameters<Commands["run"]>[2],
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    if (how.signal.aborted) return reject(new ProvisionError("STOPPED", `asked to stop before ${program}`));
    const { spawn } = process.getBuiltinModule("node:child_process");
    const child = spawn(program, args, {
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...ENVIRONMENT, ...how.env },
    });
    let timedOut = false;
    const killGroup = () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch {
        // the group is gone already
      }
    };
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup();
    }, how.deadline);
    how.signal.addEventListener("abort", killGroup);
    const stdout = collect(child.stdout, how.limit ?? OUTPUT_LIMIT);
    const stderr = collect(child.stderr, how.limit ?? OUTPUT_LIMIT);
    const settle = () => {
      clearTimeout(timer);
      how.signal.removeEventListener("abort", killGroup);
      if (how.leavesChildren !== true || timedOut) killGroup();
    };
    child.on("error", (cause) => {
      settle();
      reject(new ProvisionError("COMMAND_FAILED", `starting ${program}`, { cause }));
    });
    // Something the program left behind may hold its pipes open for ever: after its end they get a moment to run dry.
    child.on("exit", () => {
      settle();
      setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
      }, PIPES_RUN_DRY).unref();
    });
    child.on("close", (status, signal) => resolve({ status, signal, stdout: stdout(), stderr: stderr(), timedOut }));
    child.stdin.on("error", () => undefined);
    child.stdin.end(how.stdin ?? "");
  });
}

function collect(stream: NodeJS.ReadableStream, limit: number): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on("data", (chunk: Buffer) => {
    if (size < limit) chunks.push(chunk.subarray(0, limit - size));
    size += chunk.length;
  });
  stream.on("error", () => undefined);
  return () => Buffer.concat(chunks).toString("utf8");
}
