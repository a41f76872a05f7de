import type { RunContext } from "../context.ts";
import { copyArchived as copyEntries } from "../lazy-archive.ts";
import type { Settings } from "../settings.ts";
import type { CopyArchived } from "../transaction/order.ts";
import { archiveLimits } from "../tree/archive-limits.ts";

/** Reads an overlay that lies in RAM again and writes what is wanted of it to where it is staged. */
export function copyArchived(ctx: RunContext, settings: Settings): CopyArchived {
  return (archive, wanted) => copyEntries(ctx.stream(archive), archiveLimits(settings.limits), wanted);
}
