import type { Follow } from "../context.ts";
import { ProvisionError } from "../errors.ts";

/** Longer lines are dropped: no event of ours comes near. */
const LONGEST_LINE = 65_536;

/**
 * Runs a program that never ends by itself and tells of each line that it prints; in its own process group, which is killed as a whole at the deadline,
 * at the signal, or when it has ended after all. Resolves then; rejects with COMMAND_FAILED only if it cannot be started.
 */
export function followLines(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  how: Parameters<Follow>[2],
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (how.signal.aborted) return resolve();
    const { spawn } = process.getBuiltinModule("node:child_process");
    const child = spawn(program, args, { detached: true, stdio: ["ignore", "pipe", "ignore"], env });
    const killGroup = () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch {
        // the group is gone already
      }
    };
    const timer = setTimeout(killGroup, how.deadline);
    how.signal.addEventListener("abort", killGroup);
    const settle = () => {
      clearTimeout(timer);
      how.signal.removeEventListener("abort", killGroup);
      killGroup();
      child.stdout.destroy();
    };
    child.stdout.on("data", lines(how.onLine));
    child.stdout.on("error", () => undefined);
    child.on("error", (cause) => {
      settle();
      reject(new ProvisionError("COMMAND_FAILED", `starting ${program}`, { cause }));
    });
    child.on("exit", () => {
      settle();
      resolve();
    });
  });
}

/** Cuts what comes into lines; the rest of one that is too long is dropped with it. */
function lines(onLine: (line: string) => void): (chunk: Buffer) => void {
  let rest = "";
  let isTooLong = false;
  return (chunk) => {
    const all = (rest + chunk.toString("utf8")).split("\n");
    rest = all.pop() ?? "";
    for (const line of all) {
      if (!isTooLong && line.length <= LONGEST_LINE) onLine(line);
      isTooLong = false;
    }
    if (rest.length > LONGEST_LINE) {
      isTooLong = true;
      rest = "";
    }
  };
}
