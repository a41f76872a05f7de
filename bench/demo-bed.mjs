import { mkdirSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { rolldown } from "rolldown";

/** The demo's device and servers are TypeScript, which Node 20 does not read. */
export async function demoBed() {
  mkdirSync("build", { recursive: true });
  const bundle = await rolldown({
    input: "src/admin/demo-bed.ts",
    platform: "node",
    external: [/^node:/, /^[a-z@]/],
    logLevel: "silent",
  });
  await bundle.write({ file: "build/demo-bed.mjs", format: "esm" });
  await bundle.close();
  return import(pathToFileURL("build/demo-bed.mjs").href);
}
