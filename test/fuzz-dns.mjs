// Feeds damaged DNS messages to all that reads them: `npm run fuzz:dns [-- RUNS [SEED]]`, 200,000 and 1 if not given.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { rolldown } from "rolldown";

const runs = Number(process.argv[2] ?? 200_000);
const seed = Number(process.argv[3] ?? 1);

const { fuzzMessages } = await load(fileURLToPath(new URL("dns/fuzz.ts", import.meta.url)));
const start = performance.now();
const { read, refused, slowest } = fuzzMessages(runs, seed);
const seconds = (performance.now() - start) / 1000;
const memory = Math.round(process.resourceUsage().maxRSS / 1024);
console.log(
  `${runs} messages (seed ${seed}): ${read} read, ${refused} refused, slowest ${slowest.toFixed(1)} ms, ${seconds.toFixed(1)} s, ${memory} MB at most`,
);

/** TypeScript needs bundling first, since Node 20 does not read it. */
async function load(input) {
  const folder = mkdtempSync(join(tmpdir(), "fuzz-"));
  try {
    const bundle = await rolldown({ input, platform: "node", logLevel: "silent" });
    const { output } = await bundle.generate({ format: "esm" });
    await bundle.close();
    const file = join(folder, "fuzz.mjs");
    writeFileSync(file, output[0].code);
    return await import(pathToFileURL(file).href);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
