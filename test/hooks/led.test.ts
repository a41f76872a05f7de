import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import led from "../../hooks/led.ts";
import type { HookPoint } from "../../src/api.ts";
import { openDisk } from "../../src/host/disk.ts";
import { setLed } from "../../src/host/led.ts";
import { keepsModuleContract } from "../contract/module.ts";
import { hookContext } from "../helpers/hook-context.ts";
import { planScene } from "../helpers/plan-context.ts";

keepsModuleContract(led, () => planScene({ module: "led" }));

async function shown(point: HookPoint, fd: string): Promise<readonly string[]> {
  const { context, leds } = hookContext(point, { macros: { fd } });
  await led.hooks?.[point]?.(context);
  return leds;
}

test("a device that was never provisioned blinks from the start, one that was only while files land", async () => {
  expect(await shown("preinit", "-fd")).toEqual(["slow"]);
  expect(await shown("preinit", "")).toEqual(["before"]);
  expect(await shown("preapply", "")).toEqual(["fast"]);
  for (const end of ["done", "failed"] as const) expect(await shown(end, "")).toEqual(["before"]);
});

/** A folder as the kernel has it: `trigger` tells all there are, the one in force in brackets. */
function aBoard(trigger: string, more: Record<string, string> = {}) {
  const root = mkdtempSync(join(tmpdir(), "uciprov-led-"));
  const folder = join(root, "sys/class/leds/green:status");
  mkdirSync(folder, { recursive: true });
  const files = {
    trigger,
    brightness: "255\n",
    max_brightness: "255\n",
    delay_on: "500\n",
    delay_off: "500\n",
    ...more,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  mkdirSync(join(root, "etc/config"), { recursive: true });
  const disk = openDisk(root);
  const read = (name: string) => readFileSync(join(folder, name), "utf8").trim();
  return { root, disk, read };
}

describe("the LED itself", () => {
  test("blinks, and is as it was before in the end, also by another run than the one that began", () => {
    const { disk, read } = aBoard("none [default-on] timer\n");
    setLed(disk, "green:status", "slow");
    expect([read("trigger"), read("delay_on"), read("delay_off")]).toEqual(["timer", "500", "500"]);
    setLed(disk, "green:status", "fast");
    expect(read("delay_on")).toBe("100");
    setLed(openDisk(disk.hostPath("/")), "green:status", "before");
    expect(read("trigger")).toBe("default-on");
    setLed(disk, "green:status", "before");
    expect(read("trigger")).toBe("default-on");
  });

  test("gets its own blinking back with its times, and its brightness if nothing drove it", () => {
    const timer = aBoard("none [timer] heartbeat\n", { delay_on: "30\n", delay_off: "970\n" });
    setLed(timer.disk, "green:status", "on");
    expect([timer.read("trigger"), timer.read("brightness")]).toEqual(["none", "255"]);
    setLed(timer.disk, "green:status", "before");
    expect([timer.read("trigger"), timer.read("delay_on"), timer.read("delay_off")]).toEqual(["timer", "30", "970"]);
    const dark = aBoard("[none] timer\n", { brightness: "0\n" });
    setLed(dark.disk, "green:status", "fast");
    setLed(dark.disk, "green:status", "before");
    expect([dark.read("trigger"), dark.read("brightness")]).toEqual(["none", "0"]);
  });

  test("is found by a led section of /etc/config/system, by its name or its option name", () => {
    const { root, disk, read } = aBoard("[none]\n");
    writeFileSync(
      join(root, "etc/config/system"),
      "config led 'led_status'\n\toption name 'Status'\n\toption sysfs 'green:status'\n",
    );
    for (const name of ["led_status", "Status"]) {
      setLed(disk, name, "slow");
      expect(read("trigger")).toBe("timer");
      setLed(disk, name, "before");
      expect(read("trigger")).toBe("none");
    }
  });

  test("that is not there, or would lie elsewhere, is an error that names it and touches nothing", () => {
    const { root, disk } = aBoard("[none]\n");
    for (const name of ["red:status", "../../etc", "", "."])
      expect(() => setLed(disk, name, "on")).toThrow("there is no LED");
    writeFileSync(join(root, "etc/config/system"), "config led 'x'\n\toption sysfs '../../../etc/config'\n");
    expect(() => setLed(disk, "x", "on")).toThrow("there is no LED");
  });
});
