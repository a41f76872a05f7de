import { execFile, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { noAsh } from "../helpers/ash.ts";

const FILES = "openwrt-package/files";
const PLUGIN = readFileSync(join(FILES, "usr/libexec/rpcd/uciprov"), "utf8");

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "uciprov-rpcd-"));
  mkdirSync(join(folder, "ram"));
  program("ubus", "exit 4");
  program("uciprov", "exit 1");
  // The plugin with its two places in this test's folder; all else is as shipped.
  const text = PLUGIN.replace("PROG=/usr/bin/uciprov", `PROG=${folder}/uciprov`);
  writeFileSync(join(folder, "plugin"), text.replace("RAM=/var/run/uciprov", `RAM=${folder}/ram`));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function program(name: string, text: string): void {
  writeFileSync(join(folder, name), `#!/bin/sh\necho "${name} $*" >>${folder}/called\n${text}\n`);
  chmodSync(join(folder, name), 0o755);
}

function ubus(words: readonly string[], input = "{}"): unknown {
  const { status, stdout, stderr } = spawnSync("busybox", ["ash", join(folder, "plugin"), ...words], {
    env: { PATH: `${folder}:/usr/bin:/bin` },
    input,
    encoding: "utf8",
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return JSON.parse(stdout);
}

const call = (method: string, args: unknown = {}) => ubus(["call", method], JSON.stringify(args));
const called = () =>
  existsSync(join(folder, "called")) ? readFileSync(join(folder, "called"), "utf8").trim().split("\n") : [];

/** As a page does: asks until the job has ended. */
async function ended(job: string): Promise<unknown> {
  for (let left = 100; left > 0; left--) {
    const answer = call("result", { job });
    if (typeof answer === "object" && answer !== null && "state" in answer && answer.state !== "running") return answer;
    await new Promise((wake) => setTimeout(wake, 20));
  }
  return "still running";
}

test.skipIf(noAsh)(
  "the methods that are listed are those that the ACL gives out, and reading ones start nothing",
  () => {
    const acl = JSON.parse(readFileSync(join(FILES, "usr/share/rpcd/acl.d/uciprov.json"), "utf8")).uciprov;
    const listed = Object.keys(Object(ubus(["list"])));
    expect([...acl.read.ubus.uciprov, ...acl.write.ubus.uciprov].sort()).toEqual(listed.sort());
    for (const method of acl.read.ubus.uciprov) call(method, { job: "run" });
    expect(called().filter((line) => !/^uciprov (?:status --json|history --json --quiet)$/.test(line))).toEqual([]);
  },
);

test.skipIf(noAsh)("however many ask at once, one Node runs at a time, and everybody gets an answer", async () => {
  program(
    "uciprov",
    `mkdir ${folder}/busy || echo overlap >>${folder}/overlaps; sleep 0.1; rmdir ${folder}/busy; echo '{}'`,
  );
  const ask = (method: string) =>
    new Promise<string>((resolve) => {
      const env = { PATH: `${folder}:/usr/bin:/bin` };
      const child = execFile("busybox", ["ash", join(folder, "plugin"), "call", method], { env }, (_, told) =>
        resolve(told),
      );
      child.stdin?.end("{}");
    });
  const told = await Promise.all(["overview", "history", "overview", "history", "overview"].map(ask));
  expect(told).toEqual(Array(5).fill("{}\n"));
  expect(existsSync(join(folder, "overlaps"))).toBe(false);
  writeFileSync(join(folder, "file"), "");
  const plugin = readFileSync(join(folder, "plugin"), "utf8");
  writeFileSync(join(folder, "plugin"), plugin.replace(`RAM=${folder}/ram`, `RAM=${folder}/file`));
  expect(await ask("overview")).toBe("{}\n");
});

test.skipIf(noAsh)("status is the file in RAM, byte for byte, and an object before the first run, too", () => {
  expect(call("status")).toEqual({ version: 1, state: "none" });
  const status = { version: 1, state: "ended", told: 'it\'s "odd" \\ <b>\u0001é' };
  writeFileSync(join(folder, "ram/status.json"), `${JSON.stringify(status)}\n`);
  expect(call("status")).toEqual(status);
  expect(called()).toEqual([]);
});

test.skipIf(noAsh)("what rpcd would cut off is not sent", () => {
  writeFileSync(join(folder, "ram/status.json"), JSON.stringify({ text: "x".repeat(300_000) }));
  expect(call("status")).toEqual({ tooLarge: true });
});

test.skipIf(noAsh)("history is an object with the list; a program that fails is an empty one", () => {
  expect(call("history")).toEqual({});
  program("uciprov", `echo '[{"number":1,"paths":2}]'`);
  expect(call("history")).toEqual({ generations: [{ number: 1, paths: 2 }] });
});

test.skipIf(noAsh)(
  "a plan is made in the background, once at a time, and its answer is there when it is whole",
  async () => {
    program("uciprov", `sleep 0.3; echo '{"exit":"provisioned","plan":{}}'`);
    expect(call("result", { job: "plan" })).toEqual({ state: "none" });
    expect(call("plan")).toEqual({ started: true, by: "process" });
    expect(call("plan")).toEqual({ started: false, running: true });
    expect(call("result", { job: "plan" })).toEqual({ state: "running" });
    expect(await ended("plan")).toEqual({ state: "ended", answer: { exit: "provisioned", plan: {} } });
    expect(called()).toEqual(["uciprov plan --json"]);
  },
);

test.skipIf(noAsh).each(["", "Killed\n", '{"exit":"provisioned","plan":{"pack', "[1]\n"])(
  "a plan that came to %j came to nothing, and the answer is an object all the same",
  async (said) => {
    writeFileSync(join(folder, "said"), said);
    program("uciprov", `cat ${folder}/said`);
    call("plan");
    expect(await ended("plan")).toEqual({ state: "none" });
  },
);

test.skipIf(noAsh)("a job that is the first thing after the boot hides nothing but itself", async () => {
  rmSync(join(folder, "ram"), { recursive: true });
  call("plan");
  await ended("plan");
  expect(["ram", "ram/jobs"].map((path) => statSync(join(folder, path)).mode & 0o777)).toEqual([0o755, 0o700]);
});

test.skipIf(noAsh)(
  "run asks a daemon that is there, and is a process of its own where none is, or with force",
  async () => {
    const list = `{"uciprov":{"instances":{"instance1":{"running":true,"command":["/usr/bin/uciprov","daemon"]}}}}`;
    program("ubus", `case "$*" in *list*) echo '${list}';; esac`);
    program("uciprov", `echo '{"exit":"provisioned"}'`);
    expect(call("run")).toEqual({ started: true, by: "daemon" });
    expect(called().filter((line) => line.includes("signal"))).toHaveLength(1);
    expect(call("run", { force: true })).toEqual({ started: true, by: "process" });
    await ended("run");
    program(
      "ubus",
      `echo '{"uciprov":{"instances":{"instance1":{"running":false,"command":["/usr/bin/uciprov","run"]}}}}'`,
    );
    expect(call("run", { force: false })).toEqual({ started: true, by: "process" });
    expect(await ended("run")).toEqual({ state: "ended", answer: { exit: "provisioned" } });
    expect(called().filter((line) => line.startsWith("uciprov"))).toEqual([
      "uciprov run --force --json --quiet",
      "uciprov run --json --quiet",
    ]);
  },
);

test.skipIf(noAsh).each([
  [{ generation: 3 }, "uciprov rollback --json 3"],
  [{ ubus_rpc_session: "0123", generation: 12 }, "uciprov rollback --json 12"],
  [{}, "uciprov rollback --json"],
  [{ text: '{"generation":7}' }, "uciprov rollback --json"],
  [{ text: 'x","generation":7,"' }, "uciprov rollback --json"],
])("rollback %j runs %j", async (args, line) => {
  call("rollback", args);
  await ended("rollback");
  expect(called()).toEqual([line]);
});

test.skipIf(noAsh).each([-1, 1.5, 1e21, "x", "", null, true, [], {}, "12345678901", "1 2", "$(id)"])(
  "a generation that is none, %j, starts no rollback to another one",
  (generation) => {
    expect(call("rollback", { generation, ubus_rpc_session: "0" })).toEqual({ error: "no such generation" });
    expect(called()).toEqual([]);
  },
);

test.skipIf(noAsh)("whatever is asked for, the answer is an object and no word of it gets into a command", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string(), (job, generation) => {
      call("result", { job });
      call("rollback", { generation });
      expect(called().filter((line) => !/^uciprov rollback --json \d{1,9}$/.test(line))).toEqual([]);
    }),
    { numRuns: 20 },
  );
});

test.skipIf(noAsh)("input that is no JSON, an unknown method and an unknown job are answered, too", () => {
  expect(ubus(["call", "status"], "\0\xff{")).toEqual({ version: 1, state: "none" });
  expect(call("format")).toEqual({ error: "no such method" });
  expect(call("result", { job: "../status" })).toEqual({ error: "no such job" });
});
