import type { Device } from "../context.ts";
import type { Source } from "./geturi.ts";

/** The macros resource URIs may use: the device's, the answer's, and `base_uri`. */
export function baseMacros(device: Device, source: Source): Source["macros"] {
  const hooked = [...device.macros].filter(([name]) => !source.macros.has(name));
  return new Map([
    ...hooked,
    ...source.macros,
    ["base_uri", { value: source.base.text, isTainted: false, origin: source.resolver, isLiteral: true }],
  ]);
}
