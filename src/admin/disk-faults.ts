import { rmSync, writeFileSync } from "node:fs";
import { ProvisionError } from "../errors.ts";

/** Writes a file that is not there yet; what a full disk left of it goes again. FILE_UNWRITABLE. */
export function writeNew(file: string, content: string | Uint8Array, mode = 0o666): void {
  try {
    writeFileSync(file, content, { mode, flag: "wx" });
  } catch (cause) {
    if (codeOf(cause) !== "EEXIST") rmSync(file, { force: true });
    throw unwritable(file, cause);
  }
}

export function unwritable(file: string, cause: unknown): ProvisionError {
  return new ProvisionError("FILE_UNWRITABLE", `${file} cannot be written`, { cause, place: { file } });
}

const WRITING =
  /^(?:write|f(?:data)?sync|rename|mkdir|unlink|rm|rmdir|symlink|link|f?chmod|f?chown|f?utimes?|copyfile)$/;
const FOR_WRITING: ReadonlySet<unknown> = new Set(["ENOSPC", "EDQUOT", "EROFS", "EFBIG", "EEXIST"]);

/**
 * Runs a command on a person's own machine: what its disk refuses is no fault of ours, and is told as what it is. FILE_UNREADABLE, FILE_UNWRITABLE for
 * whatever the file system threw that nobody else has made a sentence of.
 */
export async function onDisk<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (thrown) {
    if (!(thrown instanceof Error) || !("syscall" in thrown) || thrown instanceof ProvisionError) throw thrown;
    const file = "path" in thrown && typeof thrown.path === "string" ? thrown.path : undefined;
    if (WRITING.test(String(thrown.syscall)) || FOR_WRITING.has(codeOf(thrown)))
      throw unwritable(file ?? "a file", thrown);
    throw new ProvisionError("FILE_UNREADABLE", `${file ?? "a file"} cannot be read`, {
      cause: thrown,
      ...(file === undefined ? {} : { place: { file } }),
    });
  }
}

function codeOf(thrown: unknown): unknown {
  return thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
}
