import { lstatSync, readlinkSync } from "node:fs";

/** As many links as the kernel follows in one path (Linux `MAXSYMLINKS`). */
const MAX_LINKS = 40;

/**
 * Where a path of the device lies on the host. Every link on the way is followed as the device would follow it: an absolute
 * target starts again at the root and `..` stops there, so that no link, hostile or ordinary, leads out of a scratch root.
 * The last component is followed only if `follow` says so. Throws the system's errors (ENOTDIR, EACCES, ELOOP); a path
 * that does not exist is no error here.
 */
export function pathUnderRoot(root: string, path: string, follow: boolean): string {
  if (root === "/") return path;
  const waiting = components(path).reverse();
  let walked: string[] = [];
  let links = 0;

  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (name === "..") {
      walked.pop();
      continue;
    }
    const isLast = waiting.length === 0;
    const here = `${root}/${[...walked, name].join("/")}`;
    const found = isLast && !follow ? "no link" : look(here);
    // `..` behind a name that is not there: the kernel stops at that name, so the rest must not be folded away.
    if (found === "missing") return [here, ...waiting.reverse().filter((part) => part !== "..")].join("/");
    if (found === "no link") {
      walked.push(name);
      continue;
    }
    links += 1;
    if (links > MAX_LINKS) throw systemError("ELOOP", "too many links", path);
    if (found.target.startsWith("/")) walked = [];
    waiting.push(...components(found.target).reverse());
  }
  return walked.length === 0 ? root : `${root}/${walked.join("/")}`;
}

function components(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}

/** `lstat` answers most questions without throwing, which counts in an archive of thousands of paths. */
function look(hostPath: string): { readonly target: string } | "missing" | "no link" {
  const found = lstatSync(hostPath, { throwIfNoEntry: false });
  if (found === undefined) return "missing";
  return found.isSymbolicLink() ? { target: readlinkSync(hostPath) } : "no link";
}

/** The system's name for an error, `ENOENT`; undefined if it is none of the system's. */
export function systemCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !("code" in thrown)) return undefined;
  return typeof thrown.code === "string" ? thrown.code : undefined;
}

/** An error as the kernel would report it, where we look at a path in its place. */
export function systemError(code: string, message: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${message}, '${path}'`), { code });
}
