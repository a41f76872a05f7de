import type { Device, RunContext } from "../context.ts";
import { ProvisionError } from "../errors.ts";
import type { Plan } from "../plan.ts";
import { readState } from "../state.ts";
import { TX } from "../transaction/layout.ts";
import { lookIn } from "../transaction/steps.ts";
import { treeName } from "./apply.ts";
import { noteFailure } from "./failed-tree.ts";
import { packagesWithDeltas } from "./foreign-deltas.ts";
import { installSoftware, noteRemovals } from "./software.ts";

/** Left free on the overlay whatever happens: a full one cannot even be mended. */
const RESERVE = 131_072;
/** What a file costs besides its bytes, on the file systems of flash. */
const PER_FILE = 4096;

/**
 * Makes sure, before anything is written, that all of it will fit: the new files, the originals, the list of the way back, and the way back itself. Then brings the packages
 * that the plan wants, and has the plan made again with what they brought: that one is applied. NO_SPACE, and what `installSoftware` throws.
 */
export async function preflight(
  ctx: RunContext,
  known: Device,
  first: Plan,
  planAgain: (ctx: RunContext, device: Device) => Promise<Plan>,
): Promise<{ readonly device: Device; readonly plan: Plan }> {
  refuseTooLarge(ctx, first);
  // Each such attempt writes to the flash: it counts like a trial that was taken back, and a tree has three.
  const countAttempt = (reason: string) => noteFailure(ctx, known.state, treeName(ctx, first), reason);
  const wasInstalled = await installSoftware(ctx, known, first.software, countAttempt);
  const device = wasInstalled ? { ...known, state: readState(ctx.disk) } : known;
  const plan = wasInstalled ? await planAgain(ctx, device) : first;
  if (wasInstalled) refuseTooLarge(ctx, plan);
  noteRemovals(ctx, device, plan.software);
  const waiting = packagesWithDeltas(
    ctx,
    plan.packages.map((one) => one.name),
  );
  if (waiting.length > 0) ctx.log("warning", `somebody has uncommitted changes of ${waiting.join(", ")}`);
  return { device, plan };
}

function refuseTooLarge(ctx: RunContext, plan: Plan): void {
  const need = neededBytes(ctx, plan);
  const free = ctx.disk.free(TX.folder);
  if (need.bytes + RESERVE <= free.bytes && need.files <= free.inodes) return;
  throw new ProvisionError(
    "NO_SPACE",
    `the plan needs ${need.bytes} bytes and ${need.files} files on the overlay, besides ${RESERVE} bytes kept free; free are ${free.bytes} and ${free.inodes}`,
  );
}

function neededBytes(ctx: RunContext, plan: Plan): { bytes: number; files: number } {
  let bytes = 0;
  let files = 8;
  const look = lookIn(ctx.disk);
  for (const action of plan.actions) {
    const original = look(action.path);
    if (original?.kind === "file") bytes += original.size + PER_FILE + roomToComeBack(ctx, action.path, original.size);
    if (action.kind === "write") bytes += action.size + PER_FILE;
    files += 2;
  }
  return { bytes, files };
}

/** A file of the image lies in the read-only part: what takes its place frees nothing, and to put it back takes its size once more. */
function roomToComeBack({ disk }: RunContext, path: string, size: number): number {
  const isOfImage = disk.stat(`/rom${path}`) !== undefined && disk.stat(`/overlay/upper${path}`) === undefined;
  return isOfImage ? size : 0;
}
