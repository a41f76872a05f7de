// Throughput of the UCI engine and what it costs in memory: `node bench/uci.mjs`. Each row runs in fresh processes, with a
// device's flags; "plain" is the same without them.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DEVICE_FLAGS, median } from "./measure.mjs";

const SOURCE = fileURLToPath(new URL("../src/uci/", import.meta.url));
const WARM_UP = 3;
const RUNS = 10;
/** Peak over idle, in inputs, for inputs of this size and more. */
const MEMORY_BAR = 12;
const SMALL = 900_000;

/** OpenWrt's uci on a like machine, with process start: MB/s of import, seconds of merge plus commit. */
const LIBUCI = {
  typical: { import: 2.3 },
  named1: { import: 9.7 },
  anonymous1: { import: 28.5 },
  named10: { import: 0.47 },
  mergeSame: { seconds: 0.21 + 1.3 },
  mergeNew: { seconds: 0.48 + 5.0 },
};

const INPUTS = {
  typical: () => sections(20, 200, (i) => ` 'section${i}'`),
  typicalAgain: () => sections(20, 200, (i) => ` 'section${i % 2 === 0 ? i : -i}'`.replace("-", "_"), "new"),
  named1: () => sections(5_000, 200, (i) => ` 'section${i}'`),
  anonymous1: () => sections(5_000, 200, () => ""),
  named1Again: () => sections(5_000, 200, (i) => ` 'section${i}'`, "new"),
  named1Other: () => sections(5_000, 200, (i) => ` 'other${i}'`, "new"),
  named10: () => sections(50_000, 200, (i) => ` 'section${i}'`),
};

const LABELS = {
  typical: "4 kB typical",
  named1: "1 MB, 5,000 named sections",
  anonymous1: "1 MB, 5,000 anonymous sections",
  named10: "10 MB, 50,000 named sections",
  mergeSame: "merge 1 MB over 1 MB, same names",
  mergeNew: "merge 1 MB over 1 MB, new names",
};

/** One input is read and printed; with two, the second is merged over the first. */
const INPUTS_OF = {
  typical: ["typical"],
  named1: ["named1"],
  anonymous1: ["anonymous1"],
  named10: ["named10"],
  mergeSame: ["named1", "named1Again"],
  mergeNew: ["named1", "named1Other"],
};
/** They make the code warm without making the heap large. */
const SMALL_INPUTS = ["typical", "typicalAgain"];
const SMALL_ONES = 500;

const [, self, mood, name, folder] = process.argv;
if (mood === undefined) await runAll();
else await runPart(mood, name, folder);

async function runAll() {
  // Here, since a row's process must not load it.
  const { rolldown } = await import("rolldown");
  const folder = mkdtempSync(join(tmpdir(), "uci-bench-"));
  try {
    await bundleEngine(folder, rolldown);
    for (const [name, make] of Object.entries(INPUTS)) writeFileSync(join(folder, name), make());
    printRows(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function printRows(folder) {
  const heads = ["MB", "cold ms", "warm ms", "MB/s", "best", "memory MB", "/ input", "plain MB/s", "/ input"];
  console.log(
    `Node ${process.version}; load ${loadavg()[0].toFixed(1)}; device flags (${DEVICE_FLAGS.join(" ")}), "plain" is without them`,
  );
  console.log(`${"row".padEnd(34)}${heads.map((head) => head.padStart(11)).join("")}   libuci (recorded)`);
  for (const [name, label] of Object.entries(LABELS)) {
    const { size, times, memory } = runRow(DEVICE_FLAGS, "warm", name, folder);
    const cold = runRow(DEVICE_FLAGS, "cold", name, folder).times[0];
    const plain = runRow([], "warm", name, folder);
    const rate = (milliseconds) => (size / 1e6 / (milliseconds / 1e3)).toFixed(1);
    const inInputs = (bytes) => (size < SMALL ? "" : (bytes / size).toFixed(1));
    const cells = [
      (size / 1e6).toFixed(2),
      cold.toFixed(1),
      median(times).toFixed(2),
      rate(median(times)),
      rate(Math.min(...times)),
      (memory / 1e6).toFixed(1),
      inInputs(memory),
      rate(median(plain.times)),
      inInputs(plain.memory),
    ];
    const isOver = size >= SMALL && memory / size >= MEMORY_BAR;
    const { import: theirs, seconds } = LIBUCI[name];
    const recorded = theirs === undefined ? `${seconds.toFixed(2)} s with commit` : `${theirs} MB/s`;
    console.log(
      `${label.padEnd(34)}${cells.map((cell) => cell.padStart(11)).join("")}   ${recorded}${isOver ? "   OVER" : ""}`,
    );
    if (isOver) process.exitCode = 1;
  }
}

/** In a process of its own, so that memory and warmth are the row's own, too. */
function runRow(flags, mood, name, folder) {
  const args = [...flags, self, mood, name, folder];
  const { stdout, status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

/**
 * In the row's process. `cold` is the very first round trip. Else memory is the peak of one round trip over what was
 * resident before it, with the inputs loaded and the code made warm by small ones; time is that of the ones that follow.
 */
async function runPart(mood, name, folder) {
  const engine = await import(join(folder, "engine.mjs"));
  const read = (input) => readFileSync(join(folder, input));
  const { work, size } = makeWork(engine, INPUTS_OF[name].map(read));
  if (mood === "cold") {
    console.log(JSON.stringify({ size, times: [timed(work)] }));
    return;
  }
  const small = makeWork(engine, SMALL_INPUTS.slice(0, INPUTS_OF[name].length).map(read));
  for (let i = 0; i < SMALL_ONES; i++) small.work();
  const idle = beginPeak();
  work();
  const memory = peak() - idle;
  for (let i = 1; i < WARM_UP; i++) work();
  const times = Array.from({ length: RUNS }, () => timed(work));
  console.log(JSON.stringify({ size, times, memory }));
}

function timed(work) {
  const from = performance.now();
  work();
  return performance.now() - from;
}

/** The engine as one file, so that a row's process holds nothing else. */
async function bundleEngine(folder, rolldown) {
  const entry = join(folder, "entry.mjs");
  const files = ["parse", "print", "settle"].map(
    (file) => `export * from ${JSON.stringify(join(SOURCE, `${file}.ts`))};`,
  );
  writeFileSync(entry, files.join("\n"));
  const bundle = await rolldown({ input: entry, platform: "node" });
  await bundle.write({ file: join(folder, "engine.mjs"), format: "esm" });
}

function makeWork(engine, [input, over]) {
  return over === undefined ? roundTrip(engine, input) : merge(engine, input, over);
}

function roundTrip({ parsePackage, printConfig }, bytes) {
  const work = () => check(printConfig(parsePackage(bytes, { name: "bench" })).length === bytes.length);
  return { size: bytes.length, work };
}

function merge({ parsePackage, printConfig, settle }, before, after) {
  const work = () => {
    const current = parsePackage(before, { name: "bench" });
    const content = parsePackage(after, { name: "bench" });
    const { desired } = settle(current, undefined, [{ mode: "merge", content, origin: "bench" }], []);
    check(printConfig(desired).length > 0);
  };
  return { size: before.length + after.length, work };
}

/** What is resident now, in bytes; the peak is counted anew from here. */
function beginPeak() {
  writeFileSync("/proc/self/clear_refs", "5");
  return fromStatus("VmRSS");
}

function peak() {
  return fromStatus("VmHWM");
}

/** Not ru_maxrss: a process inherits that one from whoever started it. */
function fromStatus(field) {
  const [, kilobytes] = new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync("/proc/self/status", "latin1"));
  return Number(kilobytes) * 1024;
}

/** Sections of about `bytes` each, as `uci export` prints them. */
function sections(count, bytes, name, mark = "value") {
  let text = "";
  for (let i = 0; i < count; i++) {
    let section = `\nconfig row${name(i)}\n`;
    for (let j = 0; section.length < bytes - 20; j++) {
      section +=
        j % 4 === 3 ? `\tlist entries '${mark} ${i} of ${j}'\n` : `\toption option_${j} '${mark} ${i} of ${j}'\n`;
    }
    text += section;
  }
  return `${text}\n`;
}

function check(isTrue) {
  if (!isTrue) throw new Error("the engine changed what it was given");
}
