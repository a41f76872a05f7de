import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { makeFleet } from "./make-fleet.mjs";

/** node bench/fleet.mjs: what `tree plan --inventory --against` costs, with the built program; bar: 10,000 devices of six layers in 10 s on 2 cores. */
const PROGRAM = "dist/uciprov.cjs";
const RUNS = 3;
const BAR = { devices: 10_000, seconds: 10 };

console.log(`Node ${process.version}, ${availableParallelism()} cores, load ${loadavg()[0].toFixed(1)}`);
console.log("devices   format   seconds (best of 3)   processor s   peak MB   written kB");
let isHeld = true;
for (const devices of [1000, BAR.devices]) isHeld = measure(devices) && isHeld;
console.log(`${isHeld ? "held" : "not held"}: ${BAR.devices} devices in ${BAR.seconds} s`);
process.exitCode = isHeld ? 0 : 1;

function measure(devices) {
  const folder = mkdtempSync(join(tmpdir(), "uciprov-bench-"));
  try {
    makeFleet(folder, devices);
    const at = (...names) => join(folder, ...names);
    uciprov("keys", "generate", at("keys"));
    const names = readdirSync(at("keys"));
    const [key = "", secret = ""] = [
      names.find((name) => !name.endsWith(".sec")),
      names.find((name) => name.endsWith(".sec")),
    ];
    uciprov("tree", "sign", at("before"), "--key", at("keys", secret), "--name", "fleet");
    copyFileSync(at("before", "MANIFEST"), at("after", "MANIFEST"));
    uciprov("tree", "sign", at("after"), "--key", at("keys", secret), "--rollout", "48");
    let worst = 0;
    for (const format of ["text", "json", "html"]) {
      const words = [
        "tree",
        "plan",
        at("after"),
        "--against",
        at("before"),
        "--inventory",
        at("inventory.csv"),
        "--from",
        at("root"),
        "--key",
        at("keys", key),
        "--format",
        format,
        "--out",
        at("out"),
      ];
      const runs = Array.from({ length: RUNS }, () => uciprov(...words));
      const best = runs.reduce((a, b) => (a.seconds < b.seconds ? a : b));
      const kilobytes = statSync(at("out")).size / 1000;
      console.log(
        `${String(devices).padStart(7)}   ${format.padEnd(6)}   ${best.seconds.toFixed(1).padStart(19)}   ${best.processor.toFixed(1).padStart(11)}   ${best.peak.toFixed(0).padStart(7)}   ${kilobytes.toFixed(0).padStart(10)}`,
      );
      worst = Math.max(worst, best.seconds);
    }
    return devices < BAR.devices || worst <= BAR.seconds;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs the program to its end; what it took is told by itself, at its exit. */
function uciprov(...words) {
  const teller =
    "process.on('exit', () => { const u = process.resourceUsage(); process.stderr.write(`\\nUSAGE ${(u.userCPUTime + u.systemCPUTime) / 1e6} ${u.maxRSS / 1000}`); });";
  const began = performance.now();
  const ended = spawnSync(
    process.execPath,
    ["--import", `data:text/javascript,${encodeURIComponent(teller)}`, PROGRAM, ...words],
    { encoding: "utf8" },
  );
  const seconds = (performance.now() - began) / 1000;
  if (ended.status !== 0)
    throw new Error(`uciprov ${words.join(" ")} ended with ${ended.status}: ${ended.stdout}${ended.stderr}`);
  const [, processor, peak] = /USAGE (\S+) (\S+)/.exec(ended.stderr) ?? [];
  return { seconds, processor: Number(processor), peak: Number(peak) };
}
