import type { Files } from "../../api.ts";
import { resolveLinks, whyForbidden, whyNotLinkable } from "../../paths.ts";

/** Something of a backup outside /etc/config. */
export type BackupFile =
  | { readonly kind: "file"; readonly path: string; readonly bytes: Uint8Array; readonly mode: number }
  | { readonly kind: "symlink"; readonly path: string; readonly target: string };

/** What does not come into the tree, and why. */
export interface Left {
  readonly path: string;
  readonly why: string;
  /** It is secret: somebody has to think of another way for it. */
  readonly isSecret: boolean;
}

export interface SortedFiles {
  readonly overlay: readonly BackupFile[];
  /** Lines of root's authorized_keys, for dropbear or OpenSSH. */
  readonly sshKeys: readonly string[];
  readonly left: readonly Left[];
}

const FILE_LIMIT = 67_108_864;
const DEEPEST = 32;

interface Exclusion {
  readonly path: RegExp;
  readonly why: string;
  readonly isSecret?: true;
}

/** What a backup holds and no tree should. */
const EXCLUDED: readonly Exclusion[] = [
  {
    path: /^\/etc\/dropbear\/dropbear_\w+_host_key$|^\/etc\/ssh\/ssh_host_\w+_key(?:\.pub)?$/,
    why: "a host key is one device's own; each makes its own",
    isSecret: true,
  },
  {
    path: /^\/etc\/(?:shadow|gshadow)-?$/,
    why: "it holds password hashes: set the password by another way, or log in with keys only",
    isSecret: true,
  },
  { path: /^\/etc\/(?:passwd|group)-?$/, why: "users belong to the firmware and its packages" },
  {
    path: /^\/etc\/(?:ppp\/[a-z]+-secrets|ipsec\.secrets|swanctl\/private\/.*|openvpn\/.*\.key|ssl\/private\/.*|uhttpd\.key)$/,
    why: "it is secret: put it into a place that only one device can fetch",
    isSecret: true,
  },
  { path: /^\/etc\/board\.json$|^\/etc\/(?:openwrt|device)_\w+$|^\/etc\/os-release$/, why: "the firmware makes it" },
  { path: /^\/etc\/backup\//, why: "it only lists packages; name those you want in `packages`" },
  { path: /^\/etc\/(?:urandom\.seed|\.?uci-defaults.*|mtab|resolv\.conf)$/, why: "the device makes it anew" },
  { path: /^\/etc\/rc\.d\//, why: "say it in `services`: NAME enabled or NAME disabled" },
  { path: /(?:\.apk-new|-opkg|\.orig|~)$/, why: "a package manager left it there" },
];

const PRIVATE_KEY = /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----/;
const SSH_KEYS = new Set(["/etc/dropbear/authorized_keys", "/root/.ssh/authorized_keys"]);

/** Sorts a backup's files outside /etc/config into what a tree can carry and what it must not. */
export function sortFiles(files: Files): SortedFiles {
  const overlay: BackupFile[] = [];
  const left: Left[] = [];
  const sshKeys = new Set<string>();
  for (const path of pathsIn(files)) {
    if (path.startsWith("/etc/config/")) continue;
    const one = readOne(files, path);
    if (one === undefined) {
      left.push({ path, why: `it is no file or link, or larger than ${FILE_LIMIT} bytes`, isSecret: false });
      continue;
    }
    if (SSH_KEYS.has(path) && one.kind === "file") {
      for (const line of keyLines(one.bytes)) sshKeys.add(line);
      continue;
    }
    const reason = whyLeft(one, files);
    if (reason === undefined) overlay.push(one);
    else left.push({ path, ...reason });
  }
  return { overlay, sshKeys: [...sshKeys], left };
}

function whyLeft(one: BackupFile, files: Files): Omit<Left, "path"> | undefined {
  const excluded = EXCLUDED.find(({ path }) => path.test(one.path));
  if (excluded !== undefined) return { why: excluded.why, isSecret: excluded.isSecret === true };
  const forbidden = whyForbidden(one.path);
  if (forbidden !== undefined) return { why: forbidden, isSecret: false };
  if (one.kind === "file") {
    return PRIVATE_KEY.test(Buffer.from(one.bytes).toString("latin1"))
      ? { why: "it holds a private key: put it into a place that only one device can fetch", isSecret: true }
      : undefined;
  }
  const named = one.target.startsWith("/")
    ? one.target
    : `${one.path.slice(0, one.path.lastIndexOf("/"))}/${one.target}`;
  const leadsTo = resolveLinks(named, (path) => files.readLink(path))?.path;
  const unlinkable = leadsTo === undefined ? "it leads nowhere" : whyNotLinkable(leadsTo);
  return unlinkable === undefined ? undefined : { why: `the link leads to ${leadsTo}: ${unlinkable}`, isSecret: false };
}

function pathsIn(files: Files, folder = "", depth = 0): string[] {
  if (depth > DEEPEST) return [];
  return files.list(folder === "" ? "/" : folder).flatMap((name) => {
    const path = `${folder}/${name}`;
    return files.stat(path)?.kind === "directory" ? pathsIn(files, path, depth + 1) : [path];
  });
}

function readOne(files: Files, path: string): BackupFile | undefined {
  const stat = files.stat(path);
  if (stat?.kind === "symlink") return { kind: "symlink", path, target: files.readLink(path) ?? "" };
  if (stat?.kind !== "file" || stat.size > FILE_LIMIT) return undefined;
  return { kind: "file", path, bytes: files.readBytes(path, FILE_LIMIT) ?? new Uint8Array(), mode: stat.mode & 0o777 };
}

function keyLines(bytes: Uint8Array): string[] {
  return Buffer.from(bytes)
    .toString("utf8")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}
