import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rolldown } from "rolldown";

/** Makes one file of plain JavaScript of a program in this folder, so that the oldest Node we support can run it; answers where it is. */
export async function bundle(name: string): Promise<string> {
  const file = join(mkdtempSync(join(tmpdir(), "uciprov-bundle-")), `${name}.mjs`);
  const made = await rolldown({ input: join(import.meta.dirname, `${name}.ts`), platform: "node", logLevel: "silent" });
  await made.write({ file, format: "esm" });
  await made.close();
  return file;
}
