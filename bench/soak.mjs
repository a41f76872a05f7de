import { spawn } from "node:child_process";
import { once } from "node:events";
import { lstatSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { demoBed } from "./demo-bed.mjs";
import { DAEMON_FLAGS, median } from "./measure.mjs";

/**
 * node bench/soak.mjs [RUNS], after a build: one daemon with a device's flags, RUNS runs without change one after the other over HTTPS (SIGHUP asks for each).
 * Fails if anything outside RAM (/tmp, /var) was written: a file or folder with another inode, time or size; or if memory grows: the median of the last tenth
 * of the runs may be 4 MB above that of the second tenth.
 */
const RUNS = Number(process.argv[2] ?? 1000);
const GROWTH = 4;
const FAST_CLOCK = join(import.meta.dirname, "fast-clock.cjs");

const { makeDemoBed } = await demoBed();
const bed = await makeDemoBed("fixtures");
bePatient();
const daemon = spawn(
  process.execPath,
  [...DAEMON_FLAGS, "--require", FAST_CLOCK, "dist/uciprov.cjs", "daemon", "--json", "--root", bed.root],
  {
    stdio: ["ignore", "pipe", "ignore"],
    env: { PATH: process.env.PATH, UV_THREADPOOL_SIZE: "2" },
  },
);
try {
  await soak();
} finally {
  if (daemon.exitCode === null) {
    daemon.kill();
    await once(daemon, "exit"); // it still writes below the folder that goes
  }
  await bed.close();
  rmSync(bed.folder, { recursive: true, force: true });
}

async function soak() {
  const ends = createInterface(daemon.stdout)[Symbol.asyncIterator]();
  const end = async () => JSON.parse((await ends.next()).value);
  const first = await end();
  if (first.result !== "changed") throw new Error(`the first run came to ${JSON.stringify(first)}`);
  const before = written(bed.root);
  const memory = [];
  const began = performance.now();
  for (let run = 0; run < RUNS; run++) {
    daemon.kill("SIGHUP");
    const ended = await end();
    if (ended.result !== "unchanged") throw new Error(`run ${run} came to ${JSON.stringify(ended)}`);
    memory.push(resident(daemon.pid));
    if (process.stderr.isTTY && run % 100 === 0) process.stderr.write(`\r${run} `);
  }
  const took = (performance.now() - began) / RUNS;
  const after = written(bed.root);
  const touched = [...new Set([...before.keys(), ...after.keys()])].filter(
    (path) => before.get(path) !== after.get(path),
  );
  const tenth = Math.max(1, Math.floor(RUNS / 10));
  const [early, late] = [median(memory.slice(tenth, 2 * tenth)), median(memory.slice(-tenth))];
  console.log(
    `Node ${process.version}: ${RUNS} runs without change, ${took.toFixed(1)} ms each; written outside RAM: ${touched.length === 0 ? "nothing" : touched.join(", ")}; memory ${early.toFixed(1)} MB in the second tenth, ${late.toFixed(1)} MB in the last, ${Math.max(...memory).toFixed(1)} MB at most`,
  );
  if (touched.length > 0 || late - early > GROWTH) process.exitCode = 1;
}

/** A busy machine may let a name server on loopback wait: that says nothing about the program. */
function bePatient() {
  const settings = join(bed.root, "etc/config/uciprov");
  const text = readFileSync(settings, "utf8");
  const patient = text.replace(/(option timeout) '\d+'/, "$1 '60'");
  if (patient === text) throw new Error(`${settings} has no timeout for DNS`);
  writeFileSync(settings, patient);
}

/** What stands outside RAM, with all that a write would change. */
function written(root) {
  const found = new Map();
  const walk = (path) => {
    for (const name of readdirSync(join(root, path))) {
      const below = `${path}/${name}`;
      if (path === "" && (name === "tmp" || name === "var")) continue;
      const stat = lstatSync(join(root, below), { bigint: true });
      found.set(below, `${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}`);
      if (stat.isDirectory()) walk(below);
    }
  };
  walk("");
  return found;
}

/** VmRSS in MB. */
function resident(pid) {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]) / 1024;
}
