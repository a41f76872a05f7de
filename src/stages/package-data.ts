import type { RunContext } from "../context.ts";
import { type InstalledSet, type PackageTool, parseApkInstalled, parseOpkgStatus } from "../software.ts";

const OPKG = "/usr/lib/opkg/status";
const APK = "/lib/apk/db/installed";
const LIMIT = 33_554_432;

/** What the package manager itself says is installed: its data base, since its exit statuses lie. */
export function readInstalled(ctx: RunContext): { readonly tool: PackageTool | undefined; readonly set: InstalledSet } {
  const apk = ctx.disk.read(APK, LIMIT);
  if (apk !== undefined) return { tool: "apk", set: parseApkInstalled(apk) };
  const opkg = ctx.disk.read(OPKG, LIMIT);
  return opkg === undefined ? { tool: undefined, set: new Map() } : { tool: "opkg", set: parseOpkgStatus(opkg) };
}

/** What the firmware image brought: the same data base in the read-only part. */
export function readImageSet(ctx: RunContext): InstalledSet {
  const apk = ctx.disk.read(`/rom${APK}`, LIMIT);
  if (apk !== undefined) return parseApkInstalled(apk);
  const opkg = ctx.disk.read(`/rom${OPKG}`, LIMIT);
  return opkg === undefined ? new Map() : parseOpkgStatus(opkg);
}
