import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { demoBed } from "./demo-bed.mjs";
import { makeJail } from "./jail.mjs";
import { measure, pair } from "./measure.mjs";

/**
 * Whole runs of the built program against servers on loopback, each paired with a bare `node -e 0` under the same flags: what a run costs a device
 * beyond starting Node at all. There is no round trip in these figures. `node bench/run.mjs [RUNS]`, after a build. Runs without change work on `/`, as
 * on a device, if root measures them; else on a scratch root, where they take longer.
 */
const PROGRAM = "dist/uciprov.cjs";
const BARE = ["-e", "0"];
const RUNS = Number(process.argv[2] ?? 15);

/** Milliseconds and megabytes over a bare Node that design and docs/performance.md promise, where they do. */
const ROWS = [
  { name: "graph: starts, prints, ends", bar: undefined, make: starting },
  { name: "no change, by DNS beacon", bar: { milliseconds: 40, megabytes: 12 }, make: byBeacon },
  { name: "no change, over HTTPS", bar: { milliseconds: 120, megabytes: 30 }, make: overHttps },
  { name: "first run", bar: undefined, make: firstRun },
];

const { DEMO_NAME, makeDemoBed } = await demoBed();
const bed = await makeDemoBed("fixtures");
const factory = join(bed.folder, "factory");
cpSync(bed.root, factory, { recursive: true, verbatimSymlinks: true });

try {
  console.log(
    `Node ${process.version}, ${RUNS} pairs; medians; "more" is over a bare node -e 0 (the median of pairs), "least" between the best of both`,
  );
  console.log(
    `${"".padEnd(30)}${["ms", "more", "least", "cpu more", "MB", "more"].map((head) => head.padStart(10)).join("")}`,
  );
  for (const row of ROWS) await report(row);
} finally {
  await bed.close();
  rmSync(bed.folder, { recursive: true, force: true });
}

async function report({ name, bar, make }) {
  const { args, before, place, program = PROGRAM, after = () => {} } = await make();
  const { milliseconds, cpu, megabytes } = await pair(RUNS, [program, ...args], BARE, before, place).finally(after);
  const figures = [milliseconds.a, milliseconds.more, milliseconds.least, cpu.more, megabytes.a, megabytes.more];
  const isOver = bar && (milliseconds.more > bar.milliseconds || megabytes.more > bar.megabytes);
  const told = bar ? `   bar: ${bar.milliseconds} ms, ${bar.megabytes} MB${isOver ? "  OVER" : ""}` : "";
  console.log(`${name.padEnd(30)}${figures.map((figure) => figure.toFixed(1).padStart(10)).join("")}${told}`);
  if (isOver) process.exitCode = 1;
}

async function starting() {
  return { args: ["graph"] };
}

/** The tree is confirmed, its beacon in the TXT record unchanged: one query, and no HTTP. */
async function byBeacon() {
  bed.names.publish(DEMO_NAME, [[`provuri=${bed.uri}`, "serial=1"]]);
  await confirmed();
  const requests = bed.web.served.length;
  return {
    ...device(),
    async before() {
      if (bed.web.served.length !== requests) throw new Error("the beacon did not save the HTTP request");
    },
  };
}

/** The tree is confirmed: one query, and one conditional request for its manifest. */
async function overHttps() {
  bed.names.publish(DEMO_NAME, [[`provuri=${bed.uri}`]]);
  await confirmed();
  let requests = bed.web.served.length;
  let runs = 0;
  return {
    ...device(),
    async before() {
      const made = bed.web.served.length - requests;
      if (runs++ > 0 && made !== 1) throw new Error(`a run without change made ${made} HTTPS requests, not one`);
      requests = bed.web.served.length;
    },
  };
}

/** A device nobody has touched, time and again. */
async function firstRun() {
  bed.names.publish(DEMO_NAME, [[`provuri=${bed.uri}`]]);
  return { args: ["run", "--root", bed.root], before: async () => reset() };
}

/** The confirmed device, on `/` where that can be. */
function device() {
  if (process.geteuid?.() !== 0) return { args: ["run", "--root", bed.root] };
  const { program, place, remove } = makeJail(bed.root, join(bed.folder, "jail"));
  return { args: ["run"], program, place, after: remove };
}

async function confirmed() {
  reset();
  for (let run = 0; run < 2; run++) await measure([PROGRAM, "run", "--root", bed.root]);
}

function reset() {
  rmSync(bed.root, { recursive: true, force: true });
  cpSync(factory, bed.root, { recursive: true, verbatimSymlinks: true });
}
