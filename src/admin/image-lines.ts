import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { asProvisionError } from "../errors.ts";
import { IMAGE_TAIL, readImageMetadata } from "../tree/fwtool.ts";
import type { ManifestImage } from "../tree/manifest.ts";

/** As many as a manifest holds; devices read the trailers of the others themselves. */
const MOST = 256;
/** What can stand in a line (src/tree/manifest-headers.ts). */
const WORD = /^[!-~]{1,64}$/;

/**
 * The `# image` lines of these files: what an image says of itself by its fwtool trailer; for one that says nothing, what the manifest before said, which a
 * person wrote there.
 */
export function imageLines(
  folder: string,
  names: readonly string[],
  before: readonly ManifestImage[],
): readonly ManifestImage[] {
  return names
    .flatMap((path) => ownWords(folder, path) ?? before.find((one) => one.path === path) ?? [])
    .slice(0, MOST);
}

function ownWords(folder: string, path: string): ManifestImage | undefined {
  try {
    const version = readImageMetadata(endOf(join(folder, path)))?.version;
    if (version === undefined || !WORD.test(version.target) || !WORD.test(version.revision)) return undefined;
    return { path, target: version.target, revision: version.revision };
  } catch (thrown) {
    if (asProvisionError(thrown).code === "IMAGE_INVALID") return undefined; // `tree lint` tells of it
    throw thrown;
  }
}

function endOf(file: string): Uint8Array {
  const fd = openSync(file, "r");
  try {
    const { size } = fstatSync(fd);
    const end = Buffer.alloc(Math.min(size, IMAGE_TAIL));
    return end.subarray(0, readSync(fd, end, 0, end.length, size - end.length));
  } finally {
    closeSync(fd);
  }
}
