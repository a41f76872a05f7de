import type { NewFile } from "../api.ts";
import type { FileContent } from "../changes.ts";
import type { RunContext } from "../context.ts";
import { copyArchived as copyEntries } from "../lazy-archive.ts";
import type { Settings } from "../settings.ts";
import type { CopyArchived } from "../transaction/order.ts";
import { archiveLimits } from "../tree/archive-limits.ts";

/** Reads an overlay that lies in RAM again and writes what is wanted of it to where it is staged. */
export function copyArchived(ctx: RunContext, settings: Settings): CopyArchived {
  return (archive, wanted) => copyEntries(ctx.stream(archive), archiveLimits(settings.limits), wanted);
}

/** The bytes of a file that is small enough to be in memory, wherever they lie. */
export async function smallContent(ctx: RunContext, settings: Settings, content: FileContent): Promise<Uint8Array> {
  if (content.kind === "bytes") return content.bytes;
  const chunks: Uint8Array[] = [];
  const sink: NewFile = {
    write: (chunk) => {
      chunks.push(Uint8Array.from(chunk));
    },
    finish: () => undefined,
    abandon: () => undefined,
  };
  await copyArchived(ctx, settings)(content.archive, new Map([[content.index, sink]]));
  return Buffer.concat(chunks);
}
