// Feeds damaged input to all that reads what a network says: `npm run fuzz [-- SUBJECT [RUNS [SEED]]]`; all, 200,000 and 1 if not given.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { rolldown } from "rolldown";

const [subject = "all", runs = "200000", seed = "1"] = process.argv.slice(2);

const subjects = await load(new URL("fuzz.ts", import.meta.url));
const chosen = Object.entries(subjects).filter(([name]) => subject === "all" || name === subject);
if (chosen.length === 0) throw new Error(`${subject} is none of ${Object.keys(subjects).join(", ")}`);
for (const [name, run] of chosen) {
  const start = performance.now();
  const { read, refused, slowest } = run(Number(runs), Number(seed));
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const memory = Math.round(process.resourceUsage().maxRSS / 1024);
  console.log(
    `${name}: ${runs} runs (seed ${seed}), ${read} read, ${refused} refused, slowest ${slowest.toFixed(1)} ms, ${seconds} s, ${memory} MB at most`,
  );
}

/** TypeScript needs bundling first, since Node 20 does not read it. */
async function load(source) {
  const folder = mkdtempSync(join(tmpdir(), "fuzz-"));
  try {
    const file = join(folder, "fuzz.mjs");
    const bundle = await rolldown({ input: fileURLToPath(source), platform: "node", logLevel: "silent" });
    await bundle.write({ file, format: "esm", codeSplitting: false });
    await bundle.close();
    return await import(pathToFileURL(file).href);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
