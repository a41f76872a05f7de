/** What a device's flash holds, so that a test can say that nothing at all was written. */
import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/** In RAM on a device. */
const RAM = ["/tmp", "/proc", "/sys", "/dev"];

/** Every path outside RAM with its kind, mode, owner, inode, time of change and content; `without` leaves out these and what is below. */
export function snapshotOf(root: string, without: readonly string[] = []): Record<string, string> {
  return walk(root, without, (file) => {
    const { mode, uid, gid, ino, nlink, mtimeNs } = lstatSync(file, { bigint: true });
    return `${mode.toString(8)} ${uid}:${gid} inode ${ino} links ${nlink} at ${mtimeNs}`;
  });
}

/** The same without inodes and times: what a configuration is, however it came to be so. */
export function contentOf(root: string, without: readonly string[] = []): Record<string, string> {
  return walk(root, without, (file) => {
    const { mode, uid, gid } = lstatSync(file);
    return `${mode.toString(8)} ${uid}:${gid}`;
  });
}

/** What the program remembers, and where it keeps the way back: no part of the configuration. */
export const OWN = ["/etc/uciprov/state", "/lib/uciprov", "/lib"];

function walk(root: string, without: readonly string[], describe: (file: string) => string): Record<string, string> {
  const found: Record<string, string> = {};
  const visit = (path: string): void => {
    if (RAM.includes(path) || without.includes(path)) return;
    const file = join(root, path);
    const stat = lstatSync(file);
    found[path === "" ? "/" : path] = `${describe(file)} ${contentIn(file, stat)}`;
    if (stat.isDirectory()) for (const name of readdirSync(file).sort()) visit(`${path}/${name}`);
  };
  visit("");
  return found;
}

function contentIn(file: string, stat: ReturnType<typeof lstatSync>): string {
  if (stat?.isSymbolicLink()) return `-> ${readlinkSync(file)}`;
  if (stat?.isFile()) return createHash("sha256").update(readFileSync(file)).digest("hex");
  return stat?.isDirectory() ? "folder" : "other";
}
