import { spawn } from "node:child_process";
import { join } from "node:path";
import { RUN_FLAGS, STAY_FLAGS } from "./device-flags.mjs";

/**
 * As a device runs Node (docs/packager); the same on both sides of every pair. UV_THREADPOOL_SIZE belongs to them. A flag given to the bench itself goes to
 * both sides as well: `--no-node-snapshot` makes a Node like the one of OpenWrt's feeds, which is built without.
 */
export const DEVICE_FLAGS = [...RUN_FLAGS, ...given()];
/** The same for what stays. */
export const DAEMON_FLAGS = [...STAY_FLAGS, ...given()];
const PEAK = join(import.meta.dirname, "peak.cjs");

function given() {
  return process.argv.slice(2).filter((word) => word.startsWith("--"));
}

/**
 * Runs one program to its end, in a jail (jail.mjs) if `place` says so. Milliseconds from start to exit, peak memory in MB; throws if its exit status
 * is not the expected one.
 */
export function measure(args, expected = 0, { jail, peak } = { peak: PEAK }) {
  return new Promise((resolve, reject) => {
    const { NODE_EXTRA_CA_CERTS: _left, NODE_OPTIONS: _out, ...env } = process.env;
    const begun = performance.now();
    const line = [process.execPath, ...DEVICE_FLAGS, "--require", peak, ...args];
    const [program, ...words] = jail === undefined ? line : ["chroot", jail, ...line];
    const child = spawn(program, words, {
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      env: { ...env, UV_THREADPOOL_SIZE: "2" },
    });
    const said = ["", "", "", ""];
    for (const fd of [1, 2, 3]) child.stdio[fd].on("data", (chunk) => (said[fd] += chunk));
    let milliseconds = 0;
    child.on("error", reject);
    child.on("exit", () => (milliseconds = performance.now() - begun));
    child.on("close", (status) => {
      if (status !== expected) {
        reject(new Error(`node ${args.join(" ")} ended with ${status}, not ${expected}:\n${said[1]}${said[2]}`));
        return;
      }
      const { kilobytes, cpuMilliseconds } = JSON.parse(said[3]);
      resolve({ milliseconds, cpu: cpuMilliseconds, megabytes: kilobytes / 1024, said: said[1] });
    });
  });
}

/**
 * Two programs in turn, A B A B …, after one run of each that is not counted; `before` prepares each run of A. What counts is the median of the
 * differences pair by pair: the machine's own mood is in both halves of a pair. `least` is between the best of each: what a quiet machine would show.
 */
export async function pair(runs, argsOfA, argsOfB, before = async () => undefined, place = undefined) {
  const pairs = [];
  for (let run = 0; run <= runs; run++) {
    await before();
    const a = await measure(argsOfA, 0, place);
    const b = await measure(argsOfB, 0, place);
    if (run > 0) pairs.push({ a, b });
  }
  const figures = (pick) => median(pairs.map(pick));
  return Object.fromEntries(
    ["milliseconds", "cpu", "megabytes"].map((what) => [
      what,
      {
        a: figures(({ a }) => a[what]),
        b: figures(({ b }) => b[what]),
        more: figures(({ a, b }) => a[what] - b[what]),
        least: Math.min(...pairs.map(({ a }) => a[what])) - Math.min(...pairs.map(({ b }) => b[what])),
      },
    ]),
  );
}

export function median(values) {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
