import type { RunContext } from "../context.ts";
import { STATE } from "../state.ts";
import { makeFolders } from "../transaction/folders.ts";
import { replaceFile } from "../transaction/replace-file.ts";

/** Writes one state file so that a cut leaves the old or the new one; nothing is written if it says so already. */
export function writeState(ctx: RunContext, path: string, bytes: Uint8Array): void {
  const before = ctx.disk.readBytes(path, bytes.length + 1_048_576);
  if (before !== undefined && Buffer.compare(before, bytes) === 0) return;
  makeFolders(ctx.disk, STATE.folder, 0o700);
  const name = path.slice(path.lastIndexOf("/") + 1);
  replaceFile(ctx.disk, path, `${STATE.folder}/.${name}.new`, bytes, { mode: 0o600 });
}
