import type { Finding, Resource } from "../../api.ts";
import type { Device, RunContext } from "../../context.ts";
import { ProvisionError } from "../../errors.ts";
import { MOST_IMAGE_TRIES } from "../../firmware-record.ts";
import type { MacroTable } from "../../macros.ts";
import { SPOOL } from "../../ram-folder.ts";
import type { Manifest } from "../../tree/manifest.ts";
import { memoryAvailable } from "../memory.ts";
import type { TreeProof } from "./proof.ts";

/** Whether an image is worth its download; a finding says why not, where it is not simply the one that runs. */
export type ImageChoice =
  | { readonly isWanted: true; readonly release: Resource["release"] }
  | { readonly isWanted: false; readonly finding?: Finding };

const RUNS: ImageChoice = { isWanted: false };

/**
 * What is known of an image before it is asked for: by the manifest's `# image` line, else by what uciprov itself wrote once. Only a manifest that is its
 * owner's counts; without a line, the image's own trailer decides once it is here. NO_SPACE: it would not fit into RAM and leave room to write it.
 */
export function chooseImage(
  ctx: RunContext,
  { facts, state: { firmware } }: Device,
  tree: { readonly manifest: Manifest; readonly proof: TreeProof },
  { name, uri }: { readonly name: string; readonly uri: string },
): ImageChoice {
  const entry = tree.manifest.entries.get(name);
  if (entry === undefined) return RUNS;
  const leave = (severity: Finding["severity"], code: Finding["code"], message: string): ImageChoice => ({
    isWanted: false,
    finding: { severity, code, message, place: { file: uri } },
  });
  if (tree.proof.by === "lab") {
    return leave(
      "warning",
      "UNTRUSTED",
      "firmware comes only from a tree that is proven, and `trust any` proves nothing",
    );
  }
  const line = tree.manifest.images.find((image) => image.path === name);
  if (line !== undefined && line.target !== facts.target) {
    return leave("warning", "IMAGE_INVALID", `it is for ${line.target}, and this is ${facts.target}: not written`);
  }
  const { running } = firmware;
  const isKnown = line === undefined && running?.sha256 === entry.sha256;
  if ((line ?? (isKnown ? running : undefined))?.revision === facts.revision) return RUNS;
  const failed = firmware.failed.find((one) => one.sha256 === entry.sha256);
  if (failed !== undefined && failed.tries >= MOST_IMAGE_TRIES) {
    return leave(
      "warning",
      "FIRMWARE_FAILED",
      `tried ${failed.tries} times, ${failed.reason}: left out until it changes`,
    );
  }
  if (!ctx.commands.has("sysupgrade") && !ctx.choices.isDry) {
    return leave("note", "COMMAND_FAILED", "there is no sysupgrade on this device: the image is left out");
  }
  if (entry.size !== undefined) refuseShortage(ctx, name, entry.size);
  return { isWanted: true, release: line };
}

/** Once uciprov has written an image here, the one for the first boot has done its work. */
export function imageMacros(device: Device, macros: MacroTable): MacroTable {
  const fd = macros.get("fd");
  return fd === undefined || device.state.firmware.running === undefined
    ? macros
    : new Map(macros).set("fd", { ...fd, value: "" });
}

/** Nothing in sysupgrade looks at memory; the image, the archive of the configuration and the system it writes from all lie in it. */
function refuseShortage(ctx: RunContext, name: string, size: number): void {
  const free = Math.min(memoryAvailable(ctx.disk) / 2, ctx.disk.free(SPOOL).bytes);
  if (size <= free) return;
  throw new ProvisionError(
    "NO_SPACE",
    `${name} has ${size} bytes, and twice as much must be free in RAM to write it; there is room for ${Math.floor(free)}`,
  );
}
