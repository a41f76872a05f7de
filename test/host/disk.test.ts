import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Disk } from "../../src/api.ts";
import { ProvisionError } from "../../src/errors.ts";
import { openDisk } from "../../src/host/disk.ts";

let outside: string;
let root: string;
let disk: Disk;

beforeEach(() => {
  outside = mkdtempSync(join(tmpdir(), "disk-"));
  root = join(outside, "root");
  mkdirSync(join(root, "etc"), { recursive: true });
  mkdirSync(join(root, "tmp"));
  writeFileSync(join(outside, "secret"), "the host's own");
  disk = openDisk(root);
});

afterEach(() => rmSync(outside, { recursive: true }));

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function codeOf(act: () => unknown): string | undefined {
  try {
    act();
    return undefined;
  } catch (thrown) {
    return thrown instanceof ProvisionError ? thrown.code : String(thrown);
  }
}

describe("reading", () => {
  test("what is not there is undefined or an empty list", () => {
    expect(disk.readBytes("/etc/none")).toBeUndefined();
    expect(disk.read("/none/none")).toBeUndefined();
    expect(disk.list("/none")).toEqual([]);
    expect(disk.stat("/none")).toBeUndefined();
    expect(disk.readLink("/none")).toBeUndefined();
    writeFileSync(join(root, "etc/file"), "x");
    expect(disk.readBytes("/etc/file/below")).toBeUndefined();
    expect(disk.list("/etc/file")).toEqual([]);
    expect(disk.readLink("/etc/file")).toBeUndefined();
  });

  test("a file of exactly the limit is read whole, one byte more is refused", () => {
    writeFileSync(join(root, "etc/large"), Buffer.alloc(100_000, 7));
    expect(disk.readBytes("/etc/large", 100_000)).toHaveLength(100_000);
    expect(codeOf(() => disk.readBytes("/etc/large", 99_999))).toBe("FILE_UNREADABLE");
    writeFileSync(join(root, "etc/empty"), "");
    expect(disk.readBytes("/etc/empty", 0)).toHaveLength(0);
  });

  test("files of /proc are read although their size is 0", () => {
    expect(openDisk("/").read("/proc/self/status")).toContain("Pid:");
  });

  test("a folder, a FIFO, a device or a link loop is FILE_UNREADABLE, at once", () => {
    expect(codeOf(() => disk.readBytes("/etc"))).toBe("FILE_UNREADABLE");
    symlinkSync("loop", join(root, "etc/loop"));
    expect(codeOf(() => disk.readBytes("/etc/loop"))).toBe("FILE_UNREADABLE");
    execFileSync("mkfifo", [join(root, "etc/fifo")]);
    expect(codeOf(() => disk.readBytes("/etc/fifo"))).toBe("FILE_UNREADABLE");
    expect(codeOf(() => openDisk("/").readBytes("/dev/null"))).toBe("FILE_UNREADABLE");
  });

  test("bytes that are no UTF-8 become U+FFFD, and a byte order mark stays", () => {
    writeFileSync(join(root, "etc/odd"), Buffer.from([0xef, 0xbb, 0xbf, 0x61, 0xff]));
    expect(disk.read("/etc/odd")).toBe("\ufeffa\ufffd");
  });

  test("names are sorted by byte", () => {
    for (const name of ["b", "B", "ä", "-a", "_"]) writeFileSync(join(root, "tmp", name), "");
    expect(disk.list("/tmp")).toEqual(["-a", "B", "_", "b", "ä"]);
  });

  test("relative paths and NUL never reach the system", () => {
    expect(codeOf(() => disk.stat("etc"))).toBe("FILE_UNREADABLE");
    expect(codeOf(() => disk.readBytes("/etc\0/x"))).toBe("FILE_UNREADABLE");
  });
});

describe("links below a scratch root", () => {
  test("an absolute link means a path below the root, as on the device", () => {
    symlinkSync("/tmp/resolv.conf", join(root, "etc/resolv.conf"));
    writeFileSync(join(root, "tmp/resolv.conf"), "nameserver 192.0.2.1\n");
    expect(disk.read("/etc/resolv.conf")).toBe("nameserver 192.0.2.1\n");
    expect(disk.stat("/etc/resolv.conf")?.kind).toBe("symlink");
    expect(disk.readLink("/etc/resolv.conf")).toBe("/tmp/resolv.conf");
    expect(disk.hostPath("/etc/resolv.conf")).toBe(join(root, "tmp/resolv.conf"));
  });

  test.each(["../secret", "../../../../secret", "/../secret"])("%s leads nowhere out of the root", (target) => {
    symlinkSync(target, join(root, "etc/way-out"));
    expect(disk.readBytes("/etc/way-out")).toBeUndefined();
    symlinkSync("../..", join(root, "etc/up"));
    expect(disk.readBytes("/etc/up/secret")).toBeUndefined();
    expect(disk.list("/etc/up")).toEqual(["etc", "tmp"]);
  });

  test("an absolute link to the host's own path shows nothing, and writing through it stays inside", () => {
    symlinkSync(outside, join(root, "etc/host"));
    expect(disk.list("/etc/host")).toEqual([]);
    expect(codeOf(() => disk.writeNew("/etc/host/secret", bytes("gone"), { mode: 0o644 }))).toBe("FILE_UNREADABLE");
    expect(readFileSync(join(outside, "secret"), "utf8")).toBe("the host's own");
  });

  test("writing never follows the last component", () => {
    symlinkSync("/tmp/target", join(root, "etc/link"));
    expect(codeOf(() => disk.writeNew("/etc/link", bytes("x"), { mode: 0o644 }))).toBe("FILE_UNREADABLE");
    writeFileSync(join(root, "tmp/target"), "kept");
    disk.writeNew("/etc/.new", bytes("new"), { mode: 0o644 });
    disk.rename("/etc/.new", "/etc/link");
    expect(disk.stat("/etc/link")?.kind).toBe("file");
    expect(disk.read("/tmp/target")).toBe("kept");
    expect(codeOf(() => disk.setMode("/etc/nothing", 0o600))).toBe("FILE_UNREADABLE");
  });

  test("a link has no mode that could be changed through it", () => {
    writeFileSync(join(root, "tmp/target"), "", { mode: 0o644 });
    symlinkSync("/tmp/target", join(root, "etc/link"));
    expect(codeOf(() => disk.setMode("/etc/link", 0o777))).toBe("FILE_UNREADABLE");
    expect(disk.stat("/tmp/target")?.mode).toBe(0o644);
  });

  test("no path and no links lead out of the root (property)", () => {
    const part = fc.constantFrom("..", ".", "", "etc", "tmp", "a", "b", "secret", "root");
    const path = fc.array(part, { maxLength: 6 }).map((parts) => `/${parts.join("/")}`);
    const target = fc.oneof(
      path,
      fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join("/") || "."),
    );
    fc.assert(
      fc.property(path, target, target, (asked, first, second) => {
        for (const [name, to] of [
          ["a", first],
          ["b", second],
        ] as const) {
          rmSync(join(root, "etc", name), { force: true });
          rmSync(join(root, name), { force: true });
          symlinkSync(to, join(root, "etc", name));
          symlinkSync(to, join(root, name));
        }
        const code = codeOf(() => {
          const host = disk.hostPath(asked);
          expect(host === root || host.startsWith(`${root}/`)).toBe(true);
          expect(host.split("/")).not.toContain("..");
        });
        expect([undefined, "FILE_UNREADABLE"]).toContain(code);
      }),
      { numRuns: 500 },
    );
  });
});

describe("writing", () => {
  test("a new file has its mode whatever the umask is, and is never made twice", () => {
    const umask = process.umask(0o077);
    try {
      disk.writeNew("/etc/a", bytes("one"), { mode: 0o755 });
      disk.makeDirectory("/etc/folder", 0o755);
    } finally {
      process.umask(umask);
    }
    expect(disk.stat("/etc/a")).toMatchObject({ kind: "file", mode: 0o755, size: 3 });
    expect(disk.stat("/etc/folder")).toMatchObject({ kind: "directory", mode: 0o755 });
    expect(codeOf(() => disk.writeNew("/etc/a", bytes("two"), { mode: 0o644 }))).toBe("FILE_UNREADABLE");
    expect(disk.read("/etc/a")).toBe("one");
  });

  test.skipIf(process.getuid?.() !== 0)(
    "the owner of each loose file is as asked, whatever its folder gives to new ones",
    () => {
      const loose = openDisk(root);
      const made = (path: string, as: { mode: number; uid?: number; gid?: number }) => {
        loose.createLoose(path, as).finish();
        const { uid, gid, mode } = statSync(join(root, path));
        return [uid, gid, mode & 0o7777];
      };
      for (const round of [1, 2]) {
        for (const gid of [0, 9]) {
          const folder = `/tmp/${round}-${gid}`;
          mkdirSync(join(root, folder));
          chownSync(join(root, folder), 0, gid);
          chmodSync(join(root, folder), 0o2700);
          expect(made(`${folder}/a`, { mode: 0o644, uid: 0, gid: 0 })).toEqual([0, 0, 0o644]);
          expect(made(`${folder}/b`, { mode: 0o600, uid: 0, gid: 0 })).toEqual([0, 0, 0o600]);
          expect(made(`${folder}/c`, { mode: 0o4711, uid: 1, gid: 9 })).toEqual([1, 9, 0o4711]);
          expect(made(`${folder}/d`, { mode: 0o644, gid: 9 })).toEqual([0, 9, 0o644]);
          expect(made(`${folder}/e`, { mode: 0o644, uid: 1 })).toEqual([1, gid, 0o644]);
          expect(made(`${folder}/f`, { mode: 0o644 })).toEqual([0, gid, 0o644]);
        }
        loose.flushLoose(["/tmp/1-9/a"]);
        chownSync(join(root, "tmp/1-9"), 0, 8);
        expect(made(`/tmp/1-9/after${round}`, { mode: 0o644, uid: 0, gid: 9 })).toEqual([0, 9, 0o644]);
        loose.flushLoose(["/tmp/1-9/a"]);
        chownSync(join(root, "tmp/1-9"), 0, 9);
      }
    },
  );

  test.skipIf(process.getuid?.() !== 0)("owner and mode are as asked, links included", () => {
    disk.writeNew("/etc/a", bytes(""), { mode: 0o4750, uid: 12, gid: 34 });
    expect(disk.stat("/etc/a")).toMatchObject({ mode: 0o4750, uid: 12, gid: 34 });
    disk.symlink("nowhere", "/etc/l");
    disk.setOwner("/etc/l", 5, 6);
    expect(disk.stat("/etc/l")).toMatchObject({ kind: "symlink", uid: 5, gid: 6 });
  });

  test("a file made in chunks holds them in order; abandoned it can be removed", () => {
    const file = disk.createNew("/etc/chunks", { mode: 0o600 });
    for (const chunk of ["a", "", "bc"]) file.write(bytes(chunk));
    file.finish();
    expect(disk.read("/etc/chunks")).toBe("abc");
    const other = disk.createNew("/etc/other", { mode: 0o600 });
    other.abandon();
    other.abandon();
    disk.unlink("/etc/other");
    expect(disk.list("/etc")).toEqual(["chunks"]);
  });

  test("loose files are whole after one flush, also where no `sync` is found", () => {
    const path = process.env["PATH"];
    for (const [index, tools] of [path ?? "", "/nowhere"].entries()) {
      const paths = [1, 2, 3].map((number) => `/tmp/${index}-${number}`);
      for (const one of paths) {
        const file = openDisk(root).createLoose(one, { mode: 0o640 });
        file.write(bytes(one));
        file.finish();
      }
      process.env["PATH"] = tools;
      try {
        openDisk(root).flushLoose(paths);
      } finally {
        process.env["PATH"] = path;
      }
      expect(paths.map((one) => disk.read(one))).toEqual(paths);
      expect(disk.stat(paths[0] ?? "")?.mode).toBe(0o640);
    }
    process.env["PATH"] = "/nowhere";
    try {
      expect(codeOf(() => openDisk(root).flushLoose(["/tmp/gone"]))).toBe("FILE_UNREADABLE");
    } finally {
      process.env["PATH"] = path;
    }
  });

  test("an error of the system is FILE_UNREADABLE, with that error as cause", () => {
    const file = disk.createNew("/etc/closed", { mode: 0o600 });
    file.finish();
    let seen: unknown;
    try {
      file.write(bytes("late"));
    } catch (thrown) {
      seen = thrown;
    }
    expect(seen).toMatchObject({ code: "FILE_UNREADABLE", cause: { code: "EBADF" }, place: { file: "/etc/closed" } });
  });

  test("free space is told for what does not exist yet", () => {
    const { bytes: free, inodes } = disk.free("/not/yet/there");
    expect(free).toBeGreaterThan(0);
    expect(inodes).toBeGreaterThan(0);
    expect(statSync(root).isDirectory()).toBe(true);
  });

  test("folders are made, flushed and removed, full ones stay", () => {
    disk.makeDirectory("/etc/d", 0o700);
    disk.writeNew("/etc/d/f", bytes(""), { mode: 0o600 });
    disk.syncDirectory("/etc/d");
    expect(codeOf(() => disk.removeDirectory("/etc/d"))).toBe("FILE_UNREADABLE");
    disk.unlink("/etc/d/f");
    disk.removeDirectory("/etc/d");
    expect(disk.stat("/etc/d")).toBeUndefined();
    expect(codeOf(() => disk.syncDirectory("/etc/d"))).toBe("FILE_UNREADABLE");
  });
});
