import type { FileStat, Files } from "../api.ts";
import { folderOf } from "./layout.ts";
import type { Action } from "./order.ts";

/** Files as they will be once these actions are done. Content that is still in an archive, and folders that are yet to be made, do not show. */
export function filesAfter(files: Files, actions: readonly Action[]): Files {
  const changed = new Map(actions.map((action) => [action.path, action]));
  const bytesOf = (path: string): Uint8Array | undefined => {
    const action = changed.get(path);
    return action?.kind === "write" && action.content.kind === "bytes" ? action.content.bytes : undefined;
  };
  return {
    readBytes: (path, limit) => (changed.has(path) ? bytesOf(path) : files.readBytes(path, limit)),
    read(path, limit) {
      const bytes = bytesOf(path);
      if (changed.has(path)) return bytes && Buffer.from(bytes).toString("utf8");
      return files.read(path, limit);
    },
    list(folder) {
      const here = [...changed.values()].filter(({ path }) => folderOf(path) === folder);
      const names = new Set(files.list(folder));
      for (const { kind, path } of here) {
        const name = path.slice(path.lastIndexOf("/") + 1);
        if (kind === "remove") names.delete(name);
        else names.add(name);
      }
      return [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    },
    stat(path) {
      const action = changed.get(path);
      return action === undefined ? files.stat(path) : statOf(action, files.stat(path));
    },
    readLink(path) {
      const action = changed.get(path);
      if (action === undefined) return files.readLink(path);
      return action.kind === "symlink" ? action.target : undefined;
    },
  };
}

function statOf(action: Action, before: FileStat | undefined): FileStat | undefined {
  if (action.kind === "remove") return undefined;
  const as = { uid: before?.uid ?? 0, gid: before?.gid ?? 0, modified: before?.modified ?? 0 };
  if (action.kind === "symlink") return { ...as, kind: "symlink", mode: 0o777, size: action.target.length };
  const { mode, size, uid = as.uid, gid = as.gid } = action;
  return { ...as, kind: "file", mode, size, uid, gid };
}
