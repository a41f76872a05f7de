import { closeSync, createReadStream, openSync, readSync } from "node:fs";
import { ProvisionError } from "../../errors.ts";
import { checkImage, IMAGE_TAIL, type ImageMetadata, readImageMetadata } from "../../tree/fwtool.ts";
import type { Report } from "./rules.ts";
import type { TreeFile } from "./tree-files.ts";

/**
 * What an image says of itself, checked as the device's `fwtool` does; undefined: it says nothing, or nothing that can be read. `isNamed`: MANIFEST says by an
 * `# image` line what it is.
 */
export async function imageMetadata(
  file: TreeFile,
  isNamed: boolean,
  report: Report,
): Promise<ImageMetadata | undefined> {
  try {
    const metadata = readImageMetadata(tailOf(file));
    if (metadata === undefined && !isNamed) {
      const message = "it does not say what it is for, and MANIFEST has no `# image` line that does";
      report({ rule: "image", level: "note", message, file: file.name });
    }
    if (metadata !== undefined) await checkImage(metadata, file.size, createReadStream(file.path));
    return metadata;
  } catch (thrown) {
    if (!(thrown instanceof ProvisionError)) throw thrown;
    report({ rule: "image", message: thrown.message, file: file.name });
    return undefined;
  }
}

/** Boards of the inventory that would be offered an image which does not name them. */
export function checkBoards(
  file: TreeFile,
  metadata: ImageMetadata | undefined,
  boards: ReadonlyMap<string, number>,
  report: Report,
): void {
  if (metadata === undefined || boards.size === 0) return;
  const names = new Set([...metadata.supported_devices, ...(metadata.new_supported_devices ?? [])]);
  // An image names boards with a comma, as the device tree does, or in the older form with a dash.
  const isNamed = (board: string) =>
    names.has(board) || names.has(board.replace(",", "_")) || names.has(board.replace(",", "-"));
  for (const [board, devices] of boards) {
    if (isNamed(board)) continue;
    const told = [...names].slice(0, 3).join(", ");
    const message = `${devices} devices of board ${board} would be offered this image, which is for ${told}`;
    report({ rule: "image-board", message, file: file.name });
  }
}

function tailOf(file: TreeFile): Uint8Array {
  const bytes = Buffer.alloc(Math.min(IMAGE_TAIL, file.size));
  const descriptor = openSync(file.path, "r");
  try {
    const length = readSync(descriptor, bytes, 0, bytes.length, file.size - bytes.length);
    return bytes.subarray(0, length);
  } finally {
    closeSync(descriptor);
  }
}
