/** What a run without news loads: each of Node's own files costs a device about a millisecond, and most have more in tow (docs/performance.md). */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { provisioned, type Scene, scenario } from "../helpers/scenario.ts";

const PRELOAD = join(import.meta.dirname, "../helpers/tell-loaded.cjs");
const HEAVY = ["stream", "net", "zlib", "crypto", "tls", "child_process", "perf_hooks", "dns", "assert"];

describe("a run without news", () => {
  scenario("by beacon loads no sockets, streams, cryptography or child processes, and no HTTP", async (scene) => {
    scene.txt(`provuri=${scene.web.uri}`, "serial=1");
    await provisioned(scene);
    const loaded = await loadedBy(scene);
    expect(loaded).toContain("dgram");
    expect(loaded.filter((name) => HEAVY.includes(name))).toEqual([]);
    expect(loaded.filter((name) => /^(?:fetch|http|change|archive|p-retry)\.cjs$/.test(name))).toEqual([]);
  });

  scenario("over HTTPS loads none that plans or changes", async (scene) => {
    await provisioned(scene);
    const loaded = await loadedBy(scene);
    expect(loaded).toContain("http.cjs");
    expect(loaded.filter((name) => ["child_process", "assert", "zlib", "http"].includes(name))).toEqual([]);
    expect(loaded.filter((name) => /^(?:change|archive|p-retry)\.cjs$/.test(name))).toEqual([]);
  });
});

async function loadedBy(scene: Scene): Promise<string[]> {
  const file = join(scene.bed.folder, "loaded");
  const { json } = await scene.run(["run"], { preload: PRELOAD, env: { LOADED: file } });
  expect(json).toMatchObject({ result: "unchanged" });
  return readFileSync(file, "utf8").split("\n");
}
