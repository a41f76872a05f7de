import type { Files } from "../api.ts";

/** Bytes that programs can still get without swapping (`MemAvailable`, proc(5)); no bound where the kernel does not say. */
export function memoryAvailable(files: Files): number {
  const kilobytes = /^MemAvailable:[ \t]+([0-9]{1,12}) kB$/m.exec(files.read("/proc/meminfo") ?? "")?.[1];
  return kilobytes === undefined ? Number.POSITIVE_INFINITY : Number(kilobytes) * 1024;
}
