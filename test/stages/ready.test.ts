import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { Commands } from "../../src/api.ts";
import type { Follow, RunContext } from "../../src/context.ts";
import { clock } from "../../src/host/clock.ts";
import { runToEnd } from "../../src/host/commands.ts";
import { followLines } from "../../src/host/follow.ts";
import { waitUntilReady } from "../../src/stages/ready.ts";
import { aClock, aRunContext } from "../helpers/run-context.ts";

const NEVER_CAME = "/var/run/uciprov/clock-never-came";
/** A device whose clock counts only what is slept, with its log. */
function aScene(more: Partial<RunContext> = {}) {
  const time = aClock();
  const logged: string[] = [];
  const ctx = aRunContext({ clock: time, log: (level, message) => logged.push(`${level} ${message}`), ...more });
  return { ctx, time, logged };
}

describe("without ubus", () => {
  test("a device that lacks nothing is not kept waiting", async () => {
    const { ctx, time, logged } = aScene();
    await waitUntilReady(ctx, () => 60, 0);
    expect(time.elapsed()).toBe(0);
    expect(logged).toEqual([]);
  });

  test("the clock is waited for until NTP has set it", async () => {
    let proven = false;
    const { ctx, time, logged } = aScene({ isClockProven: () => proven });
    const sleep = time.sleep;
    ctx.clock.sleep = async (ms, signal) => {
      await sleep(ms, signal);
      proven = time.elapsed() >= 7000;
    };
    await waitUntilReady(ctx, () => 60, 0);
    expect(time.elapsed()).toBe(7000);
    expect(logged).toEqual(["info waiting: nothing has set the clock since boot"]);
  });

  test("a clock before the floor is wrong, whatever has set it", async () => {
    const { ctx, time, logged } = aScene();
    await waitUntilReady(ctx, () => 10, time.now() + 1e9);
    expect(time.elapsed()).toBe(10_000);
    expect(logged.join()).toContain("which cannot be");
    expect(logged.at(-1)).toMatch(/^warning going on although/);
  });

  test("where nothing sets the clock, only the first run since boot waits for it", async () => {
    const { ctx, time } = aScene({ isClockProven: () => false });
    await waitUntilReady(ctx, () => 60, 0);
    expect(time.elapsed()).toBe(60_000);
    expect(ctx.disk.stat(NEVER_CAME)).toBeDefined();
    await waitUntilReady(ctx, () => 60, 0);
    expect(time.elapsed()).toBe(60_000);
  });

  test("an overlay still in RAM at the end of the wait is NOT_READY: what is written would be lost", async () => {
    const { ctx, time } = aScene();
    ctx.disk.makeDirectory("/overlay", 0o755);
    ctx.disk.symlink("1", "/overlay/.fs_state");
    await expect(waitUntilReady(ctx, () => 20, 0)).rejects.toMatchObject({ code: "NOT_READY" });
    expect(time.elapsed()).toBe(20_000);
    ctx.disk.unlink("/overlay/.fs_state");
    ctx.disk.symlink("2", "/overlay/.fs_state");
    await waitUntilReady(ctx, () => 20, 0);
    expect(time.elapsed()).toBe(20_000);
  });

  test("a bound of nothing looks once", async () => {
    const { ctx, time } = aScene({ isClockProven: () => false });
    await waitUntilReady(ctx, () => 0, 0);
    expect(time.elapsed()).toBe(0);
  });

  test("a run that is asked to stop stops here, too", async () => {
    const stop = new AbortController();
    const { ctx } = aScene({ isClockProven: () => false, signal: stop.signal, clock });
    const waiting = waitUntilReady(ctx, () => 60, 0);
    setTimeout(() => stop.abort(), 20);
    await expect(waiting).rejects.toMatchObject({ code: "STOPPED" });
  });
});

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/**
 * A program `ubus` in sh: `call` prints the state that stands in a file, `listen` what is put into `events`, and every call is written down.
 * `listen` has a child of its own, so that killing the program alone would leave one behind.
 */
function aUbus(listen: "tells" | "ends" | "is silent" = "tells") {
  const folder = mkdtempSync(join(tmpdir(), "uciprov-ubus-"));
  folders.push(folder);
  const program = join(folder, "ubus");
  const tail = `tail -n 0 -s 0.05 -f "${folder}/events" & echo $! >"${folder}/child"; wait`;
  writeFileSync(
    program,
    `#!/bin/sh
echo "$*" >>"${folder}/calls"
case "$*" in
*call*) cat "${folder}/dump" ;;
*listen*) ${listen === "tells" ? tail : listen === "ends" ? "exit 255" : "sleep 60"} ;;
*) exit 1 ;;
esac
`,
  );
  chmodSync(program, 0o755);
  writeFileSync(join(folder, "events"), "");
  writeFileSync(join(folder, "calls"), "");
  const env = { PATH: "/usr/bin:/bin" };
  const commands: Commands = {
    has: (name) => name === "ubus",
    run: (_, args, how) => runToEnd(program, args, how),
  };
  const follow: Follow = (_, args, how) => followLines(program, args, env, how);
  const ubus = {
    door: { commands, follow, clock },
    calls: () => readFileSync(join(folder, "calls"), "utf8").split("\n").filter(Boolean),
    dump: (text: string) => writeFileSync(join(folder, "dump"), text),
    wan: (up: boolean) =>
      ubus.dump(
        JSON.stringify({
          interface: [
            { interface: "loopback", up: true },
            { interface: "wan", up, pending: !up },
          ],
        }),
      ),
    event: (text: string) => writeFileSync(join(folder, "events"), `${text}\n`, { flag: "a" }),
    /** The child of `listen`, once there is one. */
    child: () => (existsSync(join(folder, "child")) ? readFileSync(join(folder, "child"), "utf8").trim() : undefined),
  };
  ubus.wan(false);
  return ubus;
}

const UP = '{ "network.interface": {"action":"ifup","interface":"wan"} }';
const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const isAlive = (pid: string) => /^[^ZX]/.test(stateOf(pid));
function stateOf(pid: string): string {
  try {
    return execFileSync("ps", ["-o", "stat=", "-p", pid], { encoding: "utf8" }).trim();
  } catch {
    return "";
  }
}

describe.concurrent("with ubus", () => {
  test("an interface that is up is one question and no listener", async () => {
    const ubus = aUbus();
    ubus.wan(true);
    await waitUntilReady(aScene(ubus.door).ctx, () => 60, 0);
    expect(ubus.calls()).toEqual(["-S -t 5 call network.interface dump"]);
  });

  test("an event ends the wait, well before it would have looked again; the listener goes with all its children", async () => {
    const ubus = aUbus();
    const { ctx, logged } = aScene(ubus.door);
    const began = performance.now();
    const waiting = waitUntilReady(ctx, () => 60, 0);
    await later(700);
    const child = ubus.child() ?? "";
    expect(isAlive(child)).toBe(true);
    ubus.wan(true);
    ubus.event(UP);
    await waiting;
    expect(performance.now() - began).toBeLessThan(4000);
    expect(logged).toEqual(["info waiting: no interface is up"]);
    await later(200);
    expect(isAlive(child)).toBe(false);
  });

  test.each([
    ["another interface's end", '{ "network.interface": {"action":"ifdown","interface":"wan"} }'],
    ["the loopback", '{ "network.interface": {"action":"ifup","interface":"loopback"} }'],
    ["no JSON", "Failed to connect"],
    ["odd JSON", "[[1]]"],
    ["null", "null"],
    ["a line without end", "x".repeat(200_000)],
  ])("%s wakes nobody", async (_, line) => {
    const ubus = aUbus();
    const waiting = waitUntilReady(aScene(ubus.door).ctx, () => 2, 0);
    await later(500);
    ubus.event(line);
    await waiting;
    expect(ubus.calls().filter((call) => call.includes("dump")).length).toBeLessThanOrEqual(3);
  });

  test("an event that is not told is found by asking again", async () => {
    const ubus = aUbus("is silent");
    const began = performance.now();
    const waiting = waitUntilReady(aScene(ubus.door).ctx, () => 60, 0);
    await later(300);
    ubus.wan(true);
    await waiting;
    expect(performance.now() - began).toBeLessThan(7000);
  });

  test("a listener that ends at once is replaced by looking each second", async () => {
    const ubus = aUbus("ends");
    const began = performance.now();
    const waiting = waitUntilReady(aScene(ubus.door).ctx, () => 60, 0);
    await later(500);
    ubus.wan(true);
    await waiting;
    expect(performance.now() - began).toBeLessThan(3000);
  });

  test("the wait ends at its bound, and the listener with it", async () => {
    const ubus = aUbus();
    const { ctx, logged } = aScene(ubus.door);
    const began = performance.now();
    await waitUntilReady(ctx, () => 2, 0);
    expect(performance.now() - began).toBeGreaterThan(1900);
    expect(performance.now() - began).toBeLessThan(4000);
    expect(logged.at(-1)).toBe("warning going on although no interface is up");
    expect(ctx.disk.stat(NEVER_CAME)).toBeUndefined();
    await later(200);
    expect(isAlive(ubus.child() ?? "")).toBe(false);
  });

  test("a run that is asked to stop takes the listener along", async () => {
    const ubus = aUbus();
    const stop = new AbortController();
    const waiting = waitUntilReady(aScene({ ...ubus.door, signal: stop.signal }).ctx, () => 60, 0);
    await later(500);
    stop.abort();
    await expect(waiting).rejects.toBeDefined();
    await later(200);
    expect(isAlive(ubus.child() ?? "")).toBe(false);
  });

  test("what nobody can read does not keep a device from its run", async () => {
    const ubus = aUbus();
    ubus.dump("{ not json");
    await waitUntilReady(aScene(ubus.door).ctx, () => 60, 0);
  });

  test("nothing but questions is said to netifd: no link is touched", async () => {
    const ubus = aUbus();
    await waitUntilReady(aScene(ubus.door).ctx, () => 1, 0);
    for (const call of ubus.calls())
      expect(call).toMatch(/^-S (?:-t 5 call network\.interface dump|listen network\.interface)$/);
  });
});
