// Throughput of the UCI engine and what it costs in memory: `node bench/uci.mjs`.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SOURCE = fileURLToPath(new URL("../src/uci/", import.meta.url));
const WARM_UP = 3;
const RUNS = 10;

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
  typical: () => sections(20, 20, (i) => ` 'section${i}'`),
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

const [, self, part, folder] = process.argv;
if (part === undefined) await runAll();
else await runPart(part, folder);

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
  console.log(
    `${"row".padEnd(36)}${"MB".padStart(7)}${"cold ms".padStart(10)}${"warm ms".padStart(10)}${"MB/s".padStart(8)}${"RSS/input".padStart(11)}   libuci (recorded)`,
  );
  for (const [name, label] of Object.entries(LABELS)) {
    const { stdout, status, stderr } = spawnSync(process.execPath, [self, name, folder], { encoding: "utf8" });
    if (status !== 0) throw new Error(stderr);
    const { size, cold, warm, memory } = JSON.parse(stdout);
    const rate = size / 1e6 / (warm / 1e3);
    const { import: theirs, seconds } = LIBUCI[name];
    const recorded = theirs === undefined ? `${seconds.toFixed(2)} s with commit` : `${theirs} MB/s`;
    const cells = [
      (size / 1e6).toFixed(2).padStart(7),
      cold.toFixed(1).padStart(10),
      warm.toFixed(1).padStart(10),
      rate.toFixed(1).padStart(8),
      memory.toFixed(1).padStart(11),
    ];
    console.log(`${label.padEnd(36)}${cells.join("")}   ${recorded}`);
  }
}

/** One row in a process of its own, so that memory and warmth are its own, too. Prints JSON. */
async function runPart(name, folder) {
  const engine = await import(join(folder, "engine.mjs"));
  const read = (input) => readFileSync(join(folder, input));
  const { work, size } = name.startsWith("merge") ? mergeWork(engine, read, name) : roundTripWork(engine, read(name));
  const idle = process.resourceUsage().maxRSS * 1024;
  const times = [];
  let peakOfFirst = 0;
  for (let i = 0; i < WARM_UP + RUNS; i++) {
    const from = performance.now();
    work();
    times.push(performance.now() - from);
    if (i === 0) peakOfFirst = process.resourceUsage().maxRSS * 1024;
  }
  const warm = times.slice(WARM_UP).sort((a, b) => a - b)[RUNS >> 1];
  console.log(JSON.stringify({ size, cold: times[0], warm, memory: (peakOfFirst - idle) / size }));
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

function roundTripWork({ parsePackage, printConfig }, bytes) {
  return {
    size: bytes.length,
    work: () => check(printConfig(parsePackage(bytes, { name: "bench" })).length === bytes.length),
  };
}

function mergeWork({ parsePackage, printConfig, settle }, read, name) {
  const before = read("named1");
  const after = read(name === "mergeSame" ? "named1Again" : "named1Other");
  const work = () => {
    const current = parsePackage(before, { name: "bench" });
    const content = parsePackage(after, { name: "bench" });
    const { desired } = settle(current, undefined, [{ mode: "merge", content, origin: "bench" }], []);
    check(printConfig(desired).length > 0);
  };
  return { size: before.length + after.length, work };
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
