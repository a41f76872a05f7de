import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { openCommands, runToEnd } from "../../src/host/commands.ts";

const signal = () => new AbortController().signal;
const sh = (script: string, how: Partial<Parameters<typeof runToEnd>[2]> = {}) =>
  runToEnd("/bin/sh", ["-c", script], { deadline: 5000, signal: signal(), ...how });

describe("a program", () => {
  test("gets its arguments as they are, its input, and a clean environment", async () => {
    process.env["UCIPROV_SECRET"] = "x";
    process.env["LD_PRELOAD"] = "";
    const result = await sh('cat; printf "%s|%s" "$UCIPROV_SECRET" "$GIVEN"; env | grep -c LD_', {
      stdin: "in;$(id)",
      env: { GIVEN: "a b" },
    });
    expect(result.stdout).toBe("in;$(id)|a b0\n");
  });

  test("tells how it ended, on both streams", async () => {
    expect(await sh("echo out; echo err >&2; exit 7")).toMatchObject({
      status: 7,
      stdout: "out\n",
      stderr: "err\n",
      timedOut: false,
    });
  });

  test("that floods is heard out to the limit", async () => {
    const result = await sh("head -c 100000 /dev/zero | tr '\\0' x", { limit: 1000 });
    expect(result.stdout).toBe("x".repeat(1000));
  });

  test("is killed at its deadline, children and all", async () => {
    const began = performance.now();
    const result = await sh("sleep 30 & echo $!; wait", { deadline: 300 });
    expect(result).toMatchObject({ timedOut: true, signal: "SIGKILL" });
    expect(performance.now() - began).toBeLessThan(5000);
    await expect.poll(() => isAlive(Number(result.stdout)), { timeout: 5000 }).toBe(false);
  });

  test("that leaves a child with its pipes behind has ended all the same", async () => {
    const began = performance.now();
    const result = await sh("sleep 30 & echo $!");
    expect(result.status).toBe(0);
    expect(performance.now() - began).toBeLessThan(4000);
    await expect.poll(() => isAlive(Number(result.stdout)), { timeout: 5000 }).toBe(false);
  });

  test("is killed when the run is asked to stop, and not started after that", async () => {
    const stop = new AbortController();
    const running = sh("sleep 30", { signal: stop.signal });
    setTimeout(() => stop.abort(), 100);
    expect(await running).toMatchObject({ signal: "SIGKILL", timedOut: false });
    await expect(sh("true", { signal: stop.signal })).rejects.toMatchObject({ code: "STOPPED" });
  });
});

test("below a scratch root there are no programs at all", async () => {
  const commands = openCommands("/tmp/some-root");
  expect(commands.has("sh")).toBe(false);
  await expect(commands.run("sh", ["-c", "true"], { deadline: 1000, signal: signal() })).rejects.toMatchObject({
    code: "COMMAND_FAILED",
  });
});

test("an init script by its path is a program, and nothing else by its path is", async () => {
  const commands = openCommands("/");
  for (const name of [
    "/etc/init.d/../../bin/sh",
    "/etc/init.d/",
    "/etc/init.d/.x",
    "/etc/init.d/-r",
    "/etc/init.d/a b",
    "/etc/init.d/none",
  ]) {
    expect(commands.has(name)).toBe(false);
  }
  const [first] = readdirSync("/etc/init.d").filter((name) => /^[a-z]+$/.test(name));
  if (first !== undefined) expect(commands.has(`/etc/init.d/${first}`)).toBe(true);
  expect(openCommands("/tmp/some-root").has(`/etc/init.d/${first}`)).toBe(false);
});

test("what a program leaves running stays only if that is meant, and never past the deadline", async () => {
  const leaving = "sleep 30 >/dev/null 2>&1 & echo $!";
  const meant = await sh(leaving, { leavesChildren: true });
  expect(isAlive(Number(meant.stdout))).toBe(true);
  process.kill(Number(meant.stdout), "SIGKILL");
  const late = await sh(`${leaving}; sleep 30`, { leavesChildren: true, deadline: 300 });
  expect(late.timedOut).toBe(true);
  await expect.poll(() => isRunning(Number(late.stdout))).toBe(false);
});

test("a name that is a path, or none, is not searched for", () => {
  const commands = openCommands("/");
  for (const name of ["/bin/sh", "../bin/sh", "", "sh;id", "no-such-program-here"])
    expect(commands.has(name)).toBe(false);
});

/** Not one that has ended and that nobody has asked about yet. */
function isRunning(pid: number): boolean {
  return isAlive(pid) && !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
