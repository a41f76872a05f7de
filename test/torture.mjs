/**
 * `npm run torture [-- --minutes N] [-- --seed S]`: cuts the power everywhere in a transaction and prints what came of it.
 * The work is in test/transaction/torture.ts; this makes plain JavaScript of it, so that the oldest Node we support can run it.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { rolldown } from "rolldown";

process.chdir(join(import.meta.dirname, ".."));
const folder = mkdtempSync(join(tmpdir(), "uciprov-torture-"));
try {
  const file = join(folder, "torture.mjs");
  const bundle = await rolldown({ input: "test/transaction/torture.ts", platform: "node", logLevel: "silent" });
  await bundle.write({ file, format: "esm" });
  const { torture } = await import(pathToFileURL(file).href);
  process.exitCode = await torture(process.argv.slice(2));
} finally {
  rmSync(folder, { recursive: true });
}
