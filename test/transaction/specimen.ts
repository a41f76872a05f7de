import { createHash } from "node:crypto";
import type { Disk, Files, NewFile } from "../../src/api.ts";
import type { Processes, TransactionHost } from "../../src/transaction/claim.ts";
import type { Action, CopyArchived, TransactionOrder } from "../../src/transaction/order.ts";

export const FIRMWARE = "r28597-0425664679";
export const KEEP = { generations: 5, bytes: 1 << 20 };

const ODD = "/etc/odd/a b 'q' \"d\" $(reboot) `x` \\n ;&|*?[!]";

/** What the device holds before, nasty names included. */
const OLD: readonly (readonly [path: string, content: string, mode?: number, owner?: number])[] = [
  ["/etc/openwrt_release", `DISTRIB_ID='OpenWrt'\nDISTRIB_REVISION='${FIRMWARE}'\n`],
  ["/etc/config/network", "config interface 'lan'\n\toption ipaddr '192.168.1.1'\n", 0o600],
  ["/etc/config/system", "config system\n\toption hostname 'OpenWrt'\n"],
  ["/etc/config/uciprov", "config uciprov 'main'\n", 0o600],
  ["/etc/same", "stays\n"],
  ["/etc/banner", "old banner\n", 0o755, 1000],
  ["/etc/old", "goes\n", 0o640, 7],
  ["/etc/empty", ""],
  [ODD, "odd old\n", 0o600],
  ["/etc/odd/-rf", "dash old\n"],
  ["/etc/odd/ lead and trail ", "blank old\n"],
  ["/etc/odd/ünïcødé €", "goes too\n"],
  ["/etc/odd/100% %s", "percent\n"],
  ["/etc/uciprov/state/ownership", "nothing is ours\n", 0o600],
  ["/tmp/motd", "behind a link\n"],
];

const OLD_LINKS: readonly (readonly [path: string, target: string])[] = [
  ["/etc/motd", "/tmp/motd"],
  ["/etc/oldlink", "nowhere at all"],
  ["/etc/relink", "old target"],
  ["/etc/to-folder", "odd"],
  ["/var", "tmp"],
];

/** Puts the old tree onto a disk. */
export function plantOld(disk: Disk): void {
  for (const folder of [
    "/etc",
    "/etc/config",
    "/etc/odd",
    "/etc/uciprov",
    "/etc/uciprov/state",
    "/tmp",
    "/lib",
    "/lib/uciprov",
  ]) {
    disk.makeDirectory(folder, 0o755);
  }
  const mayChown = process.geteuid?.() === 0;
  for (const [path, content, mode = 0o644, owner = 0] of OLD) {
    disk.writeNew(path, bytes(content), { mode, ...(mayChown ? { uid: owner, gid: owner } : {}) });
  }
  for (const [path, target] of OLD_LINKS) disk.symlink(target, path);
  flushAll(disk, "/");
}

function flushAll(disk: Disk, folder: string): void {
  disk.syncDirectory(folder);
  for (const name of disk.list(folder)) {
    const path = `${folder === "/" ? "" : folder}/${name}`;
    if (disk.stat(path)?.kind === "directory") flushAll(disk, path);
  }
}

const ARCHIVE = "/tmp/overlay.tar";
const ARCHIVED = new Map([
  [3, "from the archive\n".repeat(20)],
  [8, ""],
]);

/** One of everything: replaced, new and removed files and links, links that become files and files that become links, deep new folders. */
export const ACTIONS: readonly Action[] = [
  write("/etc/config/network", "config interface 'lan'\n\toption ipaddr '10.0.0.1'\n", 0o600),
  write("/etc/config/uciprov", "config uciprov 'main'\n\toption trust 'signed'\n", 0o600),
  write("/etc/config/system", "config system\n\toption hostname 'gw7'\n"),
  write("/etc/same", "stays\n"),
  write("/etc/motd", "a file now\n", 0o755),
  { kind: "symlink", path: "/etc/banner", target: "/tmp/banner" },
  { kind: "symlink", path: "/etc/relink", target: "new target" },
  { kind: "remove", path: "/etc/old" },
  { kind: "remove", path: "/etc/oldlink" },
  { kind: "remove", path: "/etc/never-there" },
  write("/etc/empty", "no longer empty\n"),
  write(ODD, "odd new\n", 0o600),
  write("/etc/odd/-rf", "dash new\n"),
  write("/etc/odd/ lead and trail ", "blank new\n"),
  { kind: "remove", path: "/etc/odd/ünïcødé €" },
  write("/etc/odd/100% %s", "%d %n\n", 0o4755),
  write("/etc/to-folder/through a link", "lands in odd\n"),
  write("/var/lib/spool", "lands in /tmp\n"),
  archived("/usr/share/deep/er/$HOME/from-archive", 3, 0o600),
  archived("/usr/share/deep/empty", 8),
  { kind: "symlink", path: "/usr/share/deep/link", target: "er" },
  write("/top", "in the root itself\n", 0o755),
  write("/etc/uciprov/state/ownership", "network is ours\n", 0o600),
];

export const PROMOTIONS = [
  { path: "/etc/uciprov/state/latch", bytes: bytes("key 1234\n") },
  { path: "/etc/uciprov/state/confirmed", bytes: bytes("serial 42\n") },
];

export function specimenOrder(changed: Partial<TransactionOrder> = {}): TransactionOrder {
  return {
    id: "t-1",
    actions: ACTIONS,
    onConfirm: PROMOTIONS,
    packages: ["network", "system"],
    services: ["pbx:reload", "odhcpd:start"],
    tree: { uri: "https://cfg.example/a/", name: "fleet", sha256: "ab".repeat(32), serial: 42 },
    windowSeconds: 60,
    firmware: FIRMWARE,
    rebootAllowed: false,
    attempt: 2,
    at: 1_700_000_000,
    ...changed,
  };
}

export const copyArchived: CopyArchived = async (archive, wanted: ReadonlyMap<number, NewFile>) => {
  if (archive !== ARCHIVE) throw new Error(`unknown archive ${archive}`);
  for (const [index, content] of ARCHIVED) {
    const file = wanted.get(index);
    if (file === undefined) continue;
    const all = bytes(content);
    for (let at = 0; at < all.length; at += 100) file.write(all.subarray(at, at + 100));
    file.finish();
  }
};

/** Everything below a folder, one line each: kind, mode, owner, content. uciprov's transaction folder is left out unless asked for. */
export function snapshot(files: Files, withTransaction = false): string {
  const lines: string[] = [];
  const walk = (folder: string): void => {
    for (const name of files.list(folder === "" ? "/" : folder)) {
      const path = `${folder}/${name}`;
      if (path === "/lib/uciprov" && !withTransaction) continue;
      const stat = files.stat(path);
      if (stat === undefined) continue;
      const what =
        stat.kind === "file"
          ? createHash("sha256")
              .update(files.readBytes(path) ?? "")
              .digest("hex")
              .slice(0, 16)
          : (files.readLink(path) ?? "");
      lines.push(`${stat.kind} ${stat.mode.toString(8)} ${stat.uid}:${stat.gid} ${JSON.stringify(path)} ${what}`);
      if (stat.kind === "directory") walk(path);
    }
  };
  walk("");
  return lines.join("\n");
}

/** One boot of one process: the only one alive. */
export function life(disk: Disk, name: string, bootId = "boot-a"): TransactionHost {
  const self = `${name}-1-${bootId}`;
  const processes: Processes = {
    self,
    bootId,
    isRoot: process.geteuid?.() === 0,
    isAlive: (token) => token === self,
  };
  return { disk, processes };
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function write(path: string, content: string, mode = 0o644): Action {
  const encoded = bytes(content);
  return {
    kind: "write",
    path,
    content: { kind: "bytes", bytes: encoded },
    size: encoded.length,
    sha256: sha256(encoded),
    mode,
  };
}

function archived(path: string, index: number, mode = 0o644): Action {
  const content = bytes(ARCHIVED.get(index) ?? "");
  return {
    kind: "write",
    path,
    content: { kind: "archived", archive: ARCHIVE, index },
    size: content.length,
    sha256: sha256(content),
    mode,
  };
}

function sha256(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
