/** What docs/security-model.md says of the process itself, tried with the real program. */
import { spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, test } from "vitest";
import { program, provisioned, scenario, start } from "./helpers/scenario.ts";

const folder = mkdtempSync(join(tmpdir(), "uciprov-security-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

scenario("what a run leaves on the device is for root alone, but its status and what is public", async (scene) => {
  await provisioned(scene);
  const open = ["etc/uciprov", "lib/uciprov", "var/run/uciprov"].flatMap((top) => openFiles(scene.root, top)).sort();
  const key = scene.bed.key.fingerprint;
  expect(open).toEqual([
    "etc/uciprov/ca.pem",
    `etc/uciprov/keys/${key}`,
    "var/run/uciprov/checked.json",
    "var/run/uciprov/status.json",
  ]);
  // Their folder alone would do, until somebody opens it.
  const state = join(scene.root, "etc/uciprov/state");
  expect(
    readdirSync(state, { withFileTypes: true })
      .filter((one) => one.isFile() && (statSync(join(state, one.name)).mode & 0o777) !== 0o600)
      .map(({ name }) => name),
  ).toEqual([]);
  const status = readFileSync(join(scene.root, "var/run/uciprov/status.json"), "utf8");
  expect(status).not.toMatch(/password|PRIVATE KEY|RWR/);
});

test("a secret key is written for its owner alone", async () => {
  const at = join(folder, "keys");
  expect(await start(["keys", "generate", at])).toMatchObject({ status: 0 });
  const secret = readdirSync(at).filter((name) => readFileSync(join(at, name), "utf8").includes("private key"));
  expect(secret.map((name) => (statSync(join(at, name)).mode & 0o777).toString(8))).toEqual(["600"]);
});

test("the signal that makes Node open a debugger's port opens none", async () => {
  const root = mkdtempSync(join(folder, "root-"));
  const child = spawn(process.execPath, [program(), "daemon", "--root", root], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  try {
    for (let tries = 0; said === "" && tries < 200; tries++) await sleep(50);
    const heard = said.length;
    expect(child.kill("SIGUSR1")).toBe(true);
    await sleep(500);
    expect(said.slice(heard)).not.toMatch(/debugger/i);
    expect(child.exitCode).toBeNull();
  } finally {
    child.kill("SIGKILL");
  }
});

const hasPermissions = process.allowedNodeEnvironmentFlags.has("--permission");

describe.skipIf(!hasPermissions)("Node's permission model", () => {
  const asked = (flags: readonly string[], code: string): Promise<string> =>
    new Promise((resolve) => {
      const child = spawn(process.execPath, ["--permission", ...flags, "-e", code], {
        stdio: ["ignore", "pipe", "ignore"],
      });
      let told = "";
      child.stdout.on("data", (chunk: Buffer) => {
        told += chunk.toString();
      });
      child.on("close", () => resolve(told.trim()));
    });
  const trying = (act: string) =>
    `const fs = require("node:fs"); try { ${act}; console.log("allowed") } catch (e) { console.log(e.code) }`;
  const EVERY_FILE = ["--allow-fs-read=*", "--allow-fs-write=*"];

  test("refuses to flush a file and to set its mode by its descriptor, even with every right: a durable write is not possible under it", async () => {
    const file = join(folder, "flushed");
    const open = `const d = fs.openSync(${JSON.stringify(file)}, "w")`;
    expect(await asked(EVERY_FILE, trying(open))).toBe("allowed");
    expect(await asked(EVERY_FILE, trying(`${open}; fs.fsyncSync(d)`))).toBe("ERR_ACCESS_DENIED");
    expect(await asked(EVERY_FILE, trying(`${open}; fs.fchmodSync(d, 0o600)`))).toBe("ERR_ACCESS_DENIED");
  });

  test("confines files, but not through a link that is there, and nothing that a program it may start does", async () => {
    const inside = join(folder, "inside");
    const outside = join(folder, "outside");
    for (const one of [inside, outside]) mkdirSync(one);
    const only = [`--allow-fs-read=${inside}/*`, `--allow-fs-write=${inside}/*`];
    const writing = (path: string) => trying(`fs.writeFileSync(${JSON.stringify(path)}, "x")`);
    expect(await asked(only, writing(join(inside, "a")))).toBe("allowed");
    expect(await asked(only, writing(join(outside, "a")))).toBe("ERR_ACCESS_DENIED");
    symlinkSync(outside, join(inside, "link"));
    expect(await asked(only, writing(join(inside, "link", "b")))).toBe("allowed");
    expect(existsSync(join(outside, "b"))).toBe(true);
    const shell = trying(
      `const { error } = require("node:child_process").spawnSync("sh", ["-c", "echo x > ${outside}/c"]); if (error) throw error`,
    );
    expect(await asked(only, shell)).toBe("ERR_ACCESS_DENIED");
    expect(await asked([...only, "--allow-child-process"], shell)).toBe("allowed");
    expect(existsSync(join(outside, "c"))).toBe(true);
  });

  test("makes the program refuse before it has written anything of a tree, and not half way", async () => {
    const root = mkdtempSync(join(folder, "root-"));
    mkdirSync(join(root, "etc/config"), { recursive: true });
    writeFileSync(join(root, "etc/config/uciprov"), "config uciprov 'main'\n\toption ready_seconds '0'\n");
    const child = spawn(process.execPath, ["--permission", ...EVERY_FILE, program(), "run", "--root", root], {
      stdio: "ignore",
    });
    const status = await new Promise((resolve) => child.on("close", resolve));
    expect(status).not.toBe(0);
    expect(readdirSync(join(root, "etc"))).toEqual(["config"]);
    expect(existsSync(join(root, "lib"))).toBe(false);
  });
});

/** Files that others than root may read, in folders that they may enter. */
function openFiles(root: string, path: string): string[] {
  const full = join(root, path);
  if (!existsSync(full)) return [];
  const { mode } = statSync(full);
  if (!statSync(full).isDirectory()) return (mode & 0o077) === 0 ? [] : [path];
  return (mode & 0o011) === 0 ? [] : readdirSync(full).flatMap((name) => openFiles(root, join(path, name)));
}
