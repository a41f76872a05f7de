/** The LED that shows a run, through the kernel's files (Documentation/leds/leds-class.rst). Loaded when the settings name one. */
import { writeFileSync } from "node:fs";
import type { Disk, LedState } from "../api.ts";
import { makeFolder, RAM_FOLDER } from "../ram-folder.ts";
import { optionText } from "../uci/model.ts";
import { parsePackage } from "../uci/parse.ts";

const LEDS = "/sys/class/leds";
/** How it was before: in RAM, so that also a run after one that died puts it back. */
const BEFORE = `${RAM_FOLDER}/led.json`;
const BLINK: Readonly<Partial<Record<LedState, string>>> = { slow: "500", fast: "100" };

/** Lets the LED show a state. What goes wrong is thrown; nobody is to care. */
export function setLed(disk: Disk, named: string, state: LedState): void {
  const led = folderOf(disk, named);
  if (led === undefined) throw new Error(`there is no LED ${named}`);
  const write = (file: string, text: string) => {
    if (disk.stat(`${led}/${file}`)?.kind === "file") writeFileSync(disk.hostPath(`${led}/${file}`), text);
  };
  if (state === "before") {
    const before = readBefore(disk, led);
    if (before === undefined) return;
    write("trigger", before.trigger);
    if (before.trigger === "timer") write("delay_on", before.on);
    if (before.trigger === "timer") write("delay_off", before.off);
    if (before.trigger === "none") write("brightness", before.brightness);
    disk.unlink(BEFORE);
    return;
  }
  keepBefore(disk, led);
  const blink = BLINK[state];
  if (blink !== undefined) {
    write("trigger", "timer");
    write("delay_on", blink);
    write("delay_off", blink);
    return;
  }
  write("trigger", "none");
  write("brightness", state === "on" ? (disk.read(`${led}/max_brightness`, 64)?.trim() ?? "255") : "0");
}

/** By its name in /sys/class/leds, or that of a `led` section of /etc/config/system (OpenWrt's /etc/init.d/led reads `sysfs`). */
function folderOf(disk: Disk, named: string): string | undefined {
  const isThere = (name: string) => /^[A-Za-z0-9:_-]{1,64}$/.test(name) && disk.list(LEDS).includes(name);
  if (isThere(named)) return `${LEDS}/${named}`;
  const bytes = disk.readBytes("/etc/config/system");
  const system = bytes && parsePackage(bytes, { name: "system", file: "/etc/config/system" });
  const section = system?.sections.find(
    (one) => one.type === "led" && (one.name === named || optionText(one, "name") === named),
  );
  const sysfs = section && optionText(section, "sysfs");
  return sysfs !== undefined && isThere(sysfs) ? `${LEDS}/${sysfs}` : undefined;
}

interface Before {
  readonly led: string;
  readonly trigger: string;
  readonly brightness: string;
  readonly on: string;
  readonly off: string;
}

function keepBefore(disk: Disk, led: string): void {
  if (readBefore(disk, led) !== undefined) return;
  const read = (file: string) => disk.read(`${led}/${file}`, 4096)?.trim() ?? "";
  // The trigger in force stands in brackets among all there are: `none [timer] heartbeat`.
  const trigger = /\[([^\]]+)\]/.exec(read("trigger"))?.[1] ?? "none";
  const before: Before = { led, trigger, brightness: read("brightness"), on: read("delay_on"), off: read("delay_off") };
  makeFolder(disk, RAM_FOLDER, 0o755);
  if (disk.stat(BEFORE)) disk.unlink(BEFORE);
  disk.writeNew(BEFORE, Buffer.from(`${JSON.stringify(before)}\n`), { mode: 0o600 });
}

function readBefore(disk: Disk, led: string): Before | undefined {
  try {
    const value: unknown = JSON.parse(disk.read(BEFORE, 4096) ?? "null");
    const { trigger, brightness, on, off, led: of } = Object.fromEntries(Object.entries(value ?? {}));
    if (of !== led || ![trigger, brightness, on, off].every((one) => typeof one === "string")) return undefined;
    return { led, trigger: String(trigger), brightness: String(brightness), on: String(on), off: String(off) };
  } catch {
    return undefined;
  }
}
