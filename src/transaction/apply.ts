import type { Disk } from "../api.ts";
import { ProvisionError } from "../errors.ts";
import type { TransactionHost } from "./claim.ts";
import { makeFolders } from "./folders.ts";
import { writeJournal } from "./journal.ts";
import { refuseAnyEdited } from "./keep-originals.ts";
import { folderOf, temporaryBeside } from "./layout.ts";
import type { Prepared } from "./prepare.ts";
import { discard, takeBack } from "./roll-back.ts";
import { ownerOf, stagedPath } from "./stage.ts";
import type { Step } from "./steps.ts";

/**
 * Lets everything land; then the journal says `trial`. Whatever goes wrong is taken back here: APPLY_FAILED. Should taking back
 * fail too (a disk gone read-only), the journal stays open, and the watcher or the next boot goes on. DEVICE_CHANGED: somebody has edited a file since it
 * was kept; nothing has landed, and nothing is open.
 */
export function applyActions(host: TransactionHost, prepared: Prepared): void {
  const { journal, steps, claim } = prepared;
  try {
    refuseAnyEdited(host.disk, steps);
  } catch (thrown) {
    discard(host);
    claim.release();
    throw thrown;
  }
  try {
    writeJournal(host.disk, { ...journal, state: "applying" });
    const folders = new Set<string>();
    for (const step of steps) land(host, step, folders);
    for (const folder of new Set(steps.map(({ path }) => folderOf(path)))) host.disk.syncDirectory(folder);
    writeJournal(host.disk, { ...journal, state: "trial" });
  } catch (thrown) {
    if (!(thrown instanceof ProvisionError)) throw thrown;
    undoAfter(host, prepared, thrown);
  }
  claim.release();
}

function undoAfter(host: TransactionHost, { journal, claim }: Prepared, cause: ProvisionError): never {
  try {
    takeBack(host, { ...journal, state: "applying" }, `apply failed: ${cause.message}`);
  } catch (thrown) {
    if (!(thrown instanceof ProvisionError)) throw thrown;
    throw new ProvisionError(
      "APPLY_FAILED",
      "taking back failed as well; the next boot, or the watcher, goes on with it",
      {
        cause: new AggregateError([cause, thrown], `${cause.message}; then ${thrown.message}`),
      },
    );
  } finally {
    claim.release();
  }
  throw new ProvisionError("APPLY_FAILED", "applying the plan", { cause });
}

/** `folders` are known to be there. */
function land(host: TransactionHost, step: Step, folders: Set<string>): void {
  const { disk } = host;
  if (step.action.kind === "remove") {
    disk.unlink(step.path);
    return;
  }
  const folder = folderOf(step.path);
  if (!folders.has(folder)) makeFolders(disk, folder, 0o755);
  folders.add(folder);
  try {
    disk.rename(stagedPath(step), step.path);
  } catch (thrown) {
    if (!isOtherFileSystem(thrown)) throw thrown;
    landByCopy(host, step);
  }
}

function isOtherFileSystem(thrown: unknown): boolean {
  if (!(thrown instanceof ProvisionError)) return false;
  const { cause } = thrown;
  return cause instanceof Error && "code" in cause && cause.code === "EXDEV";
}

function landByCopy(host: TransactionHost, step: Step): void {
  const { disk } = host;
  const temporary = temporaryBeside(step.path, step.number);
  if (step.action.kind === "symlink") disk.symlink(step.action.target, temporary);
  if (step.action.kind === "write") {
    const bytes = stagedBytes(disk, step, step.action.size);
    disk.writeNew(temporary, bytes, { mode: step.action.mode, ...ownerOf(host.processes, step) });
  }
  disk.rename(temporary, step.path);
}

function stagedBytes(disk: Disk, step: Step, size: number): Uint8Array {
  const bytes = disk.readBytes(stagedPath(step), size);
  if (bytes === undefined) throw new ProvisionError("INTERNAL", `the staged file of ${step.path} is gone`);
  return bytes;
}
