import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmdirSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const MAGIC = 0x6a736677736872n;
const SECTOR = 512;
const FLUSH = 1n;
const FUA = 2n;
const DISCARD = 4n;

/** A write as it reached the medium. */
export interface BlockWrite {
  readonly at: number;
  readonly bytes: Uint8Array;
  /** Everything before it was on the medium when it, or what came after it, was written. */
  readonly isBarrier: boolean;
}

/** What is missing here for recording block writes; undefined if nothing is. */
export function missingForBlockLog(): string | undefined {
  if (process.getuid?.() !== 0) return "root rights";
  if (!existsSync("/dev/fuse") || !existsSync("/dev/loop-control")) return "FUSE and loop devices";
  const tools = ["qemu-storage-daemon", "mkfs.ext4", "losetup", "mount"];
  return tools.find((tool) => spawnSync(tool, ["--version"]).error !== undefined);
}

/**
 * Records every block that a file system writes while `act` works on it: a small ext4 below qemu's `blklogwrites`, exported by FUSE and
 * mounted through a loop device. `plant` fills it before the recording begins. Answers the image from before, and the writes.
 */
export async function recordWrites(
  folder: string,
  options: string,
  plant: (root: string) => void,
  act: (root: string) => Promise<void>,
): Promise<{ base: string; writes: BlockWrite[] }> {
  const [disk, base, log, exported, root] = ["disk.img", "base.img", "log.img", "exported.img", "root"].map((name) =>
    join(folder, name),
  ) as [string, string, string, string, string];
  mkdirSync(folder, { recursive: true });
  writeFileSync(disk, "");
  truncateSync(disk, 16 << 20);
  execFileSync("mkfs.ext4", ["-q", "-F", "-m", "0", disk]);
  withMounted(disk, root, options, () => {
    rmdirSync(join(root, "lost+found"));
    plant(root);
  });
  copyFileSync(disk, base);
  writeFileSync(log, "");
  truncateSync(log, 256 << 20);
  writeFileSync(exported, "");
  const daemon = spawn(
    "qemu-storage-daemon",
    [
      ...["--blockdev", `driver=file,filename=${disk},node-name=f0`, "--blockdev", "driver=raw,file=f0,node-name=d0"],
      ...["--blockdev", `driver=file,filename=${log},node-name=l0`],
      ...["--blockdev", "driver=blklogwrites,file=d0,log=l0,node-name=lw0"],
      ...["--export", `type=fuse,id=e0,node-name=lw0,mountpoint=${exported},writable=on`],
    ],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  try {
    await until(() => statSync(exported).size === 16 << 20);
    const loop = execFileSync("losetup", ["-f", "--show", exported], { encoding: "utf8" }).trim();
    try {
      execFileSync("mount", ["-o", options, loop, root]);
      try {
        await act(root);
      } finally {
        execFileSync("sync", ["-f", root]);
        execFileSync("umount", [root]);
      }
    } finally {
      execFileSync("losetup", ["-d", loop]);
    }
  } finally {
    await ended(daemon);
  }
  return { base, writes: readLog(log) };
}

/** Mounts an image through a loop device, and unmounts it whatever `act` does. */
export function withMounted<T>(image: string, root: string, options: string, act: () => T): T {
  mkdirSync(root, { recursive: true });
  execFileSync("mount", ["-o", `loop,${options}`, image, root]);
  const unmount = (): void => {
    execFileSync("sync", ["-f", root]);
    execFileSync("umount", [root]);
  };
  let result: T;
  try {
    result = act();
  } catch (thrown) {
    unmount();
    throw thrown;
  }
  if (result instanceof Promise) return result.finally(unmount) as T;
  unmount();
  return result;
}

/** A medium as it was when only these writes had reached it. */
export function mediumWith(base: string, writes: readonly BlockWrite[], image: string): void {
  copyFileSync(base, image);
  const fd = openSync(image, "r+");
  for (const { at, bytes } of writes) writeSync(fd, bytes, 0, bytes.length, at);
  closeSync(fd);
}

/** The log as dm-log-writes lays it out: a super block, then for each entry a head of one sector, and its data. */
function readLog(file: string): BlockWrite[] {
  const log = readFileSync(file);
  if (log.readBigUInt64LE(0) !== MAGIC) throw new Error("this is no log of block writes");
  const count = Number(log.readBigUInt64LE(16));
  const writes: BlockWrite[] = [];
  let at = SECTOR;
  for (let entry = 0; entry < count; entry += 1) {
    const sector = Number(log.readBigUInt64LE(at));
    const length = Number(log.readBigUInt64LE(at + 8)) * SECTOR;
    const flags = log.readBigUInt64LE(at + 16);
    at += SECTOR;
    const isDiscard = (flags & DISCARD) !== 0n;
    const bytes = isDiscard ? new Uint8Array() : log.subarray(at, at + length);
    if (!isDiscard) at += length;
    writes.push({ at: sector * SECTOR, bytes, isBarrier: (flags & (FLUSH | FUA)) !== 0n });
  }
  return writes;
}

async function until(isSo: () => boolean): Promise<void> {
  for (let tries = 0; tries < 1200; tries += 1) {
    if (isSo()) return;
    await sleep(50);
  }
  throw new Error("the export did not come up");
}

async function ended(daemon: ChildProcess): Promise<void> {
  const gone = new Promise((done) => daemon.on("exit", done));
  daemon.kill("SIGTERM");
  await gone;
}
