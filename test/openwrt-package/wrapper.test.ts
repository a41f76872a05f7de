import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RUN_FLAGS, STAY_FLAGS } from "../../bench/device-flags.mjs";
import { noAsh } from "../helpers/ash.ts";
import { program } from "../helpers/scenario.ts";

const FILES = "openwrt-package/files";
const WRAPPER = readFileSync(join(FILES, "usr/bin/uciprov"), "utf8");
const hasShellcheck = spawnSync("shellcheck", ["--version"]).status === 0;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "uciprov-wrapper-"));
  writeFileSync(join(folder, "node"), '#!/bin/sh\nenv | sort\nfor word; do echo "word $word"; done\numask\n');
  chmodSync(join(folder, "node"), 0o755);
  // As shipped, but with a `node` that tells how it was called before the device's.
  writeFileSync(join(folder, "uciprov"), WRAPPER.replace("PATH=/usr/sbin", `PATH=${folder}:/usr/sbin`));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function start(args: readonly string[], env: Record<string, string>): string[] {
  const { stdout } = spawnSync("busybox", ["ash", join(folder, "uciprov"), ...args], { env, encoding: "utf8" });
  return stdout.trim().split("\n");
}

test.skipIf(noAsh)("nothing of the caller's environment reaches Node but how the terminal looks", () => {
  const hostile = {
    PATH: "/tmp/evil:/usr/bin:/bin",
    HOME: "/root",
    NODE_OPTIONS: "--inspect=0.0.0.0 --require /tmp/evil.js",
    NODE_PATH: "/tmp/evil",
    NODE_TLS_REJECT_UNAUTHORIZED: "0",
    NODE_EXTRA_CA_CERTS: "/tmp/evil.pem",
    SSL_CERT_FILE: "/tmp/evil.pem",
    OPENSSL_CONF: "/tmp/evil.cnf",
    UV_THREADPOOL_SIZE: "1024",
    TERM: "xterm -x $(id)",
    NO_COLOR: "1",
  };
  const told = start([], hostile);
  expect(told.filter((line) => /^[A-Z_]+=/.test(line) && !/^(?:_|PWD|SHLVL|OLDPWD)=/.test(line))).toEqual([
    "NO_COLOR=1",
    `PATH=${folder}:/usr/sbin:/usr/bin:/sbin:/bin`,
    "TERM=xterm -x $(id)",
    "UV_THREADPOOL_SIZE=2",
  ]);
  expect(told.at(-1)).toBe("0022");
});

test.skipIf(noAsh)("Node gets the flags that docs and bench speak of, then the program and each word as it is", () => {
  const words = ["resolve", "a b", "", "$(id)", "--json"];
  const told = start(words, { PATH: "/usr/bin" }).filter((line) => line.startsWith("word "));
  expect(told).toEqual([...RUN_FLAGS, "/usr/lib/uciprov/uciprov.cjs", ...words].map((word) => `word ${word}`));
  expect(readFileSync("docs/packager.md", "utf8")).toContain(RUN_FLAGS.join(" "));
});

test.skipIf(noAsh).each(["daemon", "guard", "probe"])("%s, which stays, looks through its memory earlier", (name) => {
  const told = start([name], { PATH: "/usr/bin" }).filter((line) => line.startsWith("word "));
  expect(told).toEqual([...STAY_FLAGS, "/usr/lib/uciprov/uciprov.cjs", name].map((word) => `word ${word}`));
});

test.skipIf(noAsh)("without node it says so and fails", () => {
  writeFileSync(join(folder, "lost"), WRAPPER.replace(/^PATH=.*$/m, `PATH=${folder}/none`));
  const { status, stderr } = spawnSync("busybox", ["ash", join(folder, "lost")], { env: {}, encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining("there is no node") });
});

test.skipIf(noAsh)("without node a daemon says so once in five minutes, and not at each of procd's starts", () => {
  const lost = WRAPPER.replace(/^PATH=.*$/m, `PATH=${folder}/none\nsleep() { echo "sleep $*"; }`);
  writeFileSync(join(folder, "lost"), lost);
  const { status, stdout } = spawnSync("busybox", ["ash", join(folder, "lost"), "daemon"], {
    env: {},
    encoding: "utf8",
  });
  expect({ status, stdout }).toEqual({ status: 1, stdout: "sleep 300\n" });
});

test("a Node that is too old says so, and a daemon under it is not started again and again", async () => {
  writeFileSync(join(folder, "old.cjs"), "delete process.getBuiltinModule;\n");
  const words = ["--require", join(folder, "old.cjs"), program()];
  const { status, stderr } = spawnSync(process.execPath, [...words, "run"], { encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining("install a package of Node 20.19") });
  const child = spawn(process.execPath, [...words, "daemon"], { stdio: ["ignore", "ignore", "pipe"] });
  await new Promise((told) => child.stderr.once("data", told));
  await new Promise((wake) => setTimeout(wake, 300));
  expect(child.exitCode).toBeNull();
  child.kill();
});

test("what runs is executable, and nobody but its owner may write anything", () => {
  const all = readdirSync(FILES, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
  const run = /\/(?:bin|init\.d|libexec\/rpcd|uci-defaults)\/[\w-]+$|recover\.sh$/;
  const paths = all.map(({ parentPath, name }) => join(parentPath, name));
  expect(paths.filter((path) => run.test(path)).length).toBeGreaterThanOrEqual(4);
  expect(paths.filter((path) => run.test(path) !== ((statSync(path).mode & 0o100) !== 0))).toEqual([]);
});

test.skipIf(!hasShellcheck)("every shell file is clean by shellcheck", () => {
  const scripts = readdirSync(FILES, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((path) => !/\.json$|etc\/config\/|keep\.d/.test(path));
  expect(scripts.length).toBeGreaterThan(10);
  const { stdout, status } = spawnSync("shellcheck", ["-s", "dash", ...scripts], { encoding: "utf8" });
  expect({ status, stdout }).toEqual({ status: 0, stdout: "" });
});
