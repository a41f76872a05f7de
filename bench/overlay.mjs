import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rolldown } from "rolldown";
import { measure, median } from "./measure.mjs";

/**
 * node bench/overlay.mjs [RUNS]: an overlay of 5,000 files and 50 MB, read and staged by the device's own code (a whole process, Node's start included) and
 * unpacked by `tar -xzf`, in turn; then with the flush of the set, against `tar` and `sync -f`. Bars: 1.6 times tar, 85 MB.
 */
const RUNS = Number(process.argv[2] ?? 7);
const [FILES, SIZE] = [5000, 10_000];
const BAR = { ratio: 1.6, megabytes: 85 };
let roots = 0;
const SUBJECT = "build/overlay-subject.cjs";

const folder = mkdtempSync(join(tmpdir(), "uciprov-overlay-"));
const archive = join(folder, "overlay.tar.gz");
try {
  await bundle();
  pack();
  const pairs = [];
  for (let run = 0; run <= RUNS; run++) {
    const ours = await byUs();
    const theirs = byTar();
    if (run > 0) pairs.push({ ours, theirs });
  }
  tell(pairs);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function bundle() {
  const made = await rolldown({
    input: "bench/overlay-subject.ts",
    platform: "node",
    external: /^node:/,
    logLevel: "silent",
  });
  await made.write({ file: SUBJECT, format: "cjs", minify: true, codeSplitting: false });
  await made.close();
}

/** Half of each file does not pack, half does: some 2:1, as programs and texts have it. */
function pack() {
  const source = join(folder, "source");
  for (let n = 0; n < FILES; n++) {
    const under = join(source, `srv/${n % 50}`);
    mkdirSync(under, { recursive: true });
    const noise = Array.from({ length: SIZE / 64 }, (_, at) => createHash("sha256").update(`${n} ${at}`).digest("hex"));
    writeFileSync(join(under, `file${n}`), noise.join("").slice(0, SIZE));
  }
  execFileSync("tar", ["-C", source, "--owner=0", "--group=0", "-czf", archive, "."]);
  rmSync(source, { recursive: true });
}

async function byUs() {
  const root = fresh();
  const { milliseconds, cpu, megabytes, said } = await measure([SUBJECT, archive, root]);
  const { files, read, staged, flushed } = JSON.parse(said);
  if (files !== FILES) throw new Error(`${files} files were staged, not ${FILES}`);
  return { milliseconds: milliseconds - flushed, cpu, megabytes, read, staged, flushed };
}

function byTar() {
  const root = fresh();
  const [began, cpu] = [performance.now(), childCpu()];
  execFileSync("tar", ["-xzf", archive, "-C", root]);
  const unpacked = performance.now();
  const used = childCpu() - cpu;
  if (spawnSync("sync", ["-f", root]).status !== 0) throw new Error("sync -f failed");
  return { milliseconds: unpacked - began, cpu: used, flushed: performance.now() - unpacked };
}

function fresh() {
  if (roots > 0) rmSync(join(folder, `root${roots}`), { recursive: true });
  const root = join(folder, `root${++roots}`);
  mkdirSync(root);
  return root;
}

/** Milliseconds that children which have ended took of the processor (proc(5), in hundredths of a second). */
function childCpu() {
  const stat = readFileSync("/proc/self/stat", "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return 10 * (Number(fields[13]) + Number(fields[14]));
}

function tell(pairs) {
  const figure = (pick) => median(pairs.map(pick)).toFixed(0);
  const ratio = median(pairs.map(({ ours, theirs }) => ours.milliseconds / theirs.milliseconds));
  const cpu = median(pairs.map(({ ours, theirs }) => ours.cpu / theirs.cpu));
  const whole = median(
    pairs.map(({ ours, theirs }) => (ours.milliseconds + ours.flushed) / (theirs.milliseconds + theirs.flushed)),
  );
  const megabytes = median(pairs.map(({ ours }) => ours.megabytes));
  console.log(
    `overlay, Node ${process.version}, ${FILES} files, ${RUNS} pairs: we ${figure(({ ours }) => ours.milliseconds)} ms (read ${figure(({ ours }) => ours.read)}, staged ${figure(({ ours }) => ours.staged)}), tar ${figure(({ theirs }) => theirs.milliseconds)} ms; ratio ${ratio.toFixed(2)}, of processor time ${cpu.toFixed(2)}, with the flush ${whole.toFixed(2)}; ${megabytes.toFixed(1)} MB   bar: ${BAR.ratio}, ${BAR.megabytes} MB`,
  );
  if (ratio <= BAR.ratio && megabytes <= BAR.megabytes) return;
  console.log("OVER");
  process.exitCode = 1;
}
