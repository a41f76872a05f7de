import type { DeviceFacts } from "../../api.ts";
import { ProvisionError } from "../../errors.ts";
import type { InventoryDevice } from "../inventory.ts";
import { readBounded } from "../read-bounded.ts";

/** What is known of one device beforehand: some of its facts, and macros besides. */
export type KnownDevice = Pick<InventoryDevice, "facts" | "macros">;

const LIMIT = 1_048_576;
const FACTS: ReadonlySet<string> = new Set([
  "mac",
  "hostname",
  "serial",
  "board",
  "model",
  "target",
  "arch",
  "distro",
  "release",
  "revision",
]);
/** What the run itself says; `uciprov macros` lists it along. */
const OF_THE_RUN: ReadonlySet<string> = new Set(["fd", "base_uri", "resolver", "fqdn", "subtarget"]);

/** Reads what `uciprov macros --json` prints on the device, or an object of plain words. INVENTORY_INVALID, and as `readBounded`. */
export function readDeviceFacts(file: string): KnownDevice {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(readBounded(file, LIMIT)).toString("utf8"));
  } catch (cause) {
    if (cause instanceof ProvisionError) throw cause;
    throw new ProvisionError("INVENTORY_INVALID", `${file} cannot be read as JSON`, { cause, place: { file } });
  }
  return asDevice(value, file);
}

/** The MAC alone, in any of the usual forms. USAGE if it is none. */
export function deviceWithMac(text: string): KnownDevice {
  const digits = text.toLowerCase().replaceAll(/[:.-]/g, "");
  if (!/^[0-9a-f]{12}$/.test(digits)) throw new ProvisionError("USAGE", `${text} is no MAC address`);
  return { facts: { mac: digits }, macros: {} };
}

function asDevice(value: unknown, file: string): KnownDevice {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(file, "it is no object of a device's macros");
  }
  const words = Object.entries(value).map(([name, one]) => [name, wordOf(one, name, file)] as const);
  const of = new Map(words);
  const target = of.get("target");
  const subtarget = of.get("subtarget");
  if (target !== undefined && !target.includes("/") && subtarget) of.set("target", `${target}/${subtarget}`);
  const facts: Partial<Record<keyof Omit<DeviceFacts, "built">, string>> = {};
  const macros: Record<string, string> = {};
  for (const [name, text] of of) {
    if (OF_THE_RUN.has(name)) continue;
    if (isFact(name)) facts[name] = name === "mac" ? (deviceWithMac(text).facts.mac ?? "") : text;
    else macros[name] = text;
  }
  return { facts, macros };
}

function isFact(name: string): name is keyof Omit<DeviceFacts, "built"> {
  return FACTS.has(name);
}

function wordOf(value: unknown, name: string, file: string): string {
  const text = typeof value === "object" && value !== null && "value" in value ? value.value : value;
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(name))
    throw invalid(file, `${JSON.stringify(name.slice(0, 80))} is no macro's name`);
  if (typeof text === "string" && text.length <= 1024 && !/[\u0000-\u001f\u007f]/.test(text)) return text;
  throw invalid(file, `${name} is no text of a line, 1024 characters at most`);
}

function invalid(file: string, message: string): ProvisionError {
  return new ProvisionError("INVENTORY_INVALID", message, { place: { file } });
}
