/** All modules of a device: those that ship, then those that lie in its folders, in the order of their numbers. */
import { createHash } from "node:crypto";
import type { Module } from "./api.ts";
import { asProvisionError } from "./errors.ts";
import { findModuleFiles, type ModuleFile } from "./module-files.ts";
import { loadScriptModule } from "./script-modules.ts";
import { loadShellModule, type ShellDoor } from "./shell-modules.ts";

export interface DeviceModules {
  readonly modules: readonly Module[];
  /** What lies in the folders and takes no part, with the reason as the rest of a sentence. */
  readonly left: readonly { readonly path: string; readonly reason: string }[];
}

/**
 * Loads them. A file that must not be run (owner, mode, name) is left out and told; one that may be run and does not load is an
 * error, HOOK_FAILED or HOOK_TIMEOUT: the device would else become what nobody planned.
 * Below a scratch root nothing is run that lies there.
 */
export async function loadDeviceModules(
  door: ShellDoor,
  shipped: readonly Module[],
  signal: AbortSignal,
): Promise<DeviceModules> {
  const { found, refused } = findModuleFiles(door.disk);
  const left = [...refused];
  const modules: Module[] = [...shipped];
  const leave = (from: ModuleFile, reason: string): void => void left.push({ path: from.path, reason });
  for (const from of found) {
    if (!door.commands.has("sh")) leave(from, "is not run: below this root no program is");
    else if (modules.some((module) => module.name === from.name))
      leave(from, `has the name of another module, ${from.name}`);
    else modules.push(await load(door, from, signal));
  }
  for (const { path, reason } of left) door.log("warning", `${path} ${reason}`);
  return { modules, left };
}

/** A changed file is another module: what was planned with the old one has to be looked at again. */
function revisionOf(door: ShellDoor, { path }: ModuleFile): string {
  const bytes = door.disk.readBytes(path) ?? new Uint8Array();
  return createHash("sha256").update(bytes).digest("hex");
}

/** One file as a module; see `loadDeviceModules` for the errors. */
export async function load(door: ShellDoor, from: ModuleFile, signal: AbortSignal): Promise<Module> {
  try {
    const revision = revisionOf(door, from);
    const module = await (from.kind === "shell"
      ? loadShellModule(door, from, signal)
      : loadScriptModule(from, door.disk.hostPath(from.path), revision));
    return { ...module, revision };
  } catch (thrown) {
    throw asProvisionError(thrown);
  }
}
