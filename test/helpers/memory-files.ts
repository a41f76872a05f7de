/** A device's files in memory, for what only reads configuration. */
import { Volume } from "memfs";
import type { FileStat, Files } from "../../src/api.ts";

/** Path → content; a text that begins with `->` is a link to what follows. */
export function memoryFiles(content: Readonly<Record<string, string>>): Files {
  const volume = new Volume();
  for (const [path, text] of Object.entries(content)) {
    volume.mkdirSync(path.slice(0, path.lastIndexOf("/")) || "/", { recursive: true });
    if (text.startsWith("->")) volume.symlinkSync(text.slice(2), path);
    else volume.writeFileSync(path, text);
  }
  const files: Files = {
    readBytes: (path) => found(() => new Uint8Array(Buffer.from(volume.readFileSync(path)))),
    read: (path) => found(() => volume.readFileSync(path, "utf8").toString()),
    list: (path) => found(() => volume.readdirSync(path).map(String).sort()) ?? [],
    stat: (path) => found(() => asStat(statOf(volume, path))),
    readLink: (path) => found(() => volume.readlinkSync(path).toString()),
  };
  return files;
}

function asStat(stat: ReturnType<typeof statOf>): FileStat {
  const kind = stat.isFile() ? "file" : stat.isDirectory() ? "directory" : stat.isSymbolicLink() ? "symlink" : "other";
  return { kind, mode: stat.mode & 0o7777, uid: 0, gid: 0, size: stat.size, modified: 0 };
}

function statOf(volume: InstanceType<typeof Volume>, path: string) {
  return volume.lstatSync(path);
}

function found<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && (thrown.code === "ENOENT" || thrown.code === "ENOTDIR"))
      return undefined;
    throw thrown;
  }
}
