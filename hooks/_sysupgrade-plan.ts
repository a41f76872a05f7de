import {
  asProvisionError,
  type Change,
  firmware,
  type ImageMetadata,
  imageReader,
  type PlanContext,
  type Resource,
} from "../src/api.ts";

/** The one change an image asks for; a fault of the image is told, and then nothing is to be written. */
export async function planImage(context: PlanContext, image: Resource): Promise<readonly Change[]> {
  const place = { file: image.uri };
  const metadata = await metadataOf(context, image);
  if (metadata === "faulty" || !("spool" in image.content)) return [];
  const faults = metadata === undefined ? [] : await faultsOf(context, image, metadata);
  for (const fault of faults) context.finding("error", "IMAGE_INVALID", fault, place);
  if (faults.length > 0) return [];

  const release = image.release ?? metadata?.version;
  if (!release?.target || !release.revision) {
    const message = "neither the manifest nor the image says what it is: write an `# image` line; it is not written";
    context.finding("warning", "IMAGE_INVALID", message, place);
    return [];
  }
  const { target, revision } = release;
  return revision === context.facts.revision ? [] : [firmware(image, image.content.spool, { target, revision })];
}

async function metadataOf(context: PlanContext, image: Resource): Promise<ImageMetadata | "faulty" | undefined> {
  try {
    const { IMAGE_TAIL, readImageMetadata, checkImage } = await imageReader();
    const metadata = readImageMetadata(await endOf(context.stream(image), IMAGE_TAIL));
    if (metadata !== undefined) await checkImage(metadata, image.size, context.stream(image));
    return metadata;
  } catch (thrown) {
    const error = asProvisionError(thrown);
    if (error.code !== "IMAGE_INVALID") throw thrown;
    context.finding("error", error.code, error.message, { file: image.uri });
    return "faulty";
  }
}

async function endOf(chunks: AsyncIterable<Uint8Array>, most: number): Promise<Uint8Array> {
  let end = Buffer.alloc(0);
  for await (const chunk of chunks) end = Buffer.concat([end, chunk]).subarray(-most);
  return end;
}

/** An image for another device, or one that is not what the manifest says of it. */
async function faultsOf(
  { facts }: PlanContext,
  { release }: Resource,
  metadata: ImageMetadata,
): Promise<readonly string[]> {
  const { imageBoards } = await imageReader();
  const boards = imageBoards(metadata);
  const { target, revision } = metadata.version;
  return [
    ...(boards.includes(facts.board) ? [] : [`it is for ${told(boards)}, and this is ${facts.board}`]),
    ...(target === "" || target === facts.target ? [] : [`it is for ${target}, and this is ${facts.target}`]),
    ...(release === undefined || target === "" || release.target === target
      ? []
      : [`the manifest says target ${release.target}, the image ${target}`]),
    ...(release === undefined || revision === "" || release.revision === revision
      ? []
      : [`the manifest says revision ${release.revision}, the image ${revision}`]),
  ];
}

function told(boards: readonly string[]): string {
  return boards.length === 0 ? "no device by its own word" : boards.slice(0, 4).join(", ").slice(0, 200);
}
