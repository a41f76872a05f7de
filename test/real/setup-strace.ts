/** System calls that can change a file system by name or by descriptor; opens count when they may write. */
const CHANGING =
  /^(?:creat|(?:sym)?link(?:at)?|unlink(?:at)?|rename(?:at2?)?|mkdir(?:at)?|rmdir|mknod(?:at)?|f?chmod(?:at2?)?|[fl]?chown(?:at)?|f?truncate|fallocate|utimes?|utimensat|futimesat|[lf]?(?:set|remove)xattr|p?writev?2?|pwrite64|sendfile|copy_file_range|splice|mount|umount2?|ioctl)\(/;
const OPENING = /^open(?:at2?)?\(.*\bO_(?:WRONLY|RDWR|CREAT|TRUNC|APPEND)\b/;

/** For `strace`: follows every process, writes to `file`, prints the path behind each descriptor. */
export function straceTo(file: string): string[] {
  const calls =
    "trace=/^(open|creat|.*link|unlink|rename|mk|rmdir|.*chmod|.*chown|.*truncate|fallocate|.*utime|.*xattr|.*write|sendfile|copy_file|splice|mount|umount)";
  return ["strace", "-f", "-qq", "-y", "-s", "4096", "-o", file, "-e", calls];
}

/** The lines of a trace that succeed in changing something below `root`, but not below `root/tmp`. Relative names count by their folder. */
export function changesBelow(trace: string, root: string): string[] {
  return trace.split("\n").filter((line) => {
    const call = line.replace(/^\d+\s+/, "");
    if (!(CHANGING.test(call) || OPENING.test(call)) || / = -1 E/.test(call)) return false;
    return pathsIn(call).some((path) => isBelow(path, root) && !isBelow(path, `${root}/tmp`));
  });
}

function pathsIn(call: string): string[] {
  const named = [...call.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, text = ""]) => text);
  const behind = [...call.matchAll(/(?:\d|AT_FDCWD)<([^>]*)>/g)].map(([, text = ""]) => text);
  return [...named, ...behind];
}

function isBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}
