/** Paths on the device, as trees may name them: which are paths at all, and which no tree may ever write. */
import { ProvisionError } from "./errors.ts";
import { strictUtf8 } from "./utf8.ts";

/** PATH_MAX less room for the temporaries that stand beside a file while it lands; NAME_MAX of every Linux file system. */
const LIMITS = { path: 1024, segment: 255 } as const;
const [SLASH, DOT] = [0x2f, 0x2e];

/**
 * An absolute path in its only form: no empty, `.` or `..` segment, no slash at its end, no control character, valid UTF-8,
 * at most 1024 bytes with segments of at most 255. Anything else is refused with ARCHIVE_UNSAFE; nothing is rewritten,
 * so that what was checked is what is used.
 */
export function devicePath(given: string | Uint8Array): string {
  const text = typeof given === "string" ? given : strictUtf8(given);
  const fault = text === undefined ? "is not valid UTF-8" : faultOfPath(text);
  if (text === undefined || fault !== undefined) {
    throw new ProvisionError("ARCHIVE_UNSAFE", `the path ${showBytes(given)} ${fault}`);
  }
  return text;
}

/** What is wrong with a text as a path of the device, or undefined; see `devicePath`. */
function faultOfPath(text: string): string | undefined {
  if (isPlainPath(text)) return undefined;
  if (!text.startsWith("/")) return "is not absolute";
  if (/[\ud800-\udfff]/u.test(text)) return "is not valid Unicode";
  if (hasControl(text)) return "holds a control character";
  if (Buffer.byteLength(text) > LIMITS.path) return `is longer than ${LIMITS.path} bytes`;
  for (const segment of text.slice(1).split("/")) {
    if (segment === "") return "has an empty segment";
    if (segment === "." || segment === "..") return `has the segment ${segment}`;
    if (Buffer.byteLength(segment) > LIMITS.segment) return `has a segment longer than ${LIMITS.segment} bytes`;
  }
  return undefined;
}

/** Whether a path is right and in printable ASCII, as nearly all are: told by one walk over it, without a piece cut off. */
function isPlainPath(text: string): boolean {
  if (!text.startsWith("/") || text.length > LIMITS.path) return false;
  let start = 1;
  for (let at = 1; at <= text.length; at++) {
    const code = at === text.length ? SLASH : text.charCodeAt(at);
    if (code < 0x20 || code > 0x7e) return false;
    if (code !== SLASH) continue;
    const length = at - start;
    if (length === 0 || length > LIMITS.segment) return false;
    const isDots =
      text.charCodeAt(start) === DOT && (length === 1 || (length === 2 && text.charCodeAt(start + 1) === DOT));
    if (isDots) return false;
    start = at + 1;
  }
  return true;
}

/** Whether a text holds a C0 or C1 control character or DEL: these split lines, and steer the terminal of whoever looks at a log. */
export function hasControl(text: string): boolean {
  return /[\u0000-\u001f\u007f-\u009f]/.test(text);
}

/** Bytes or text from outside, fit for a message: quoted, controls escaped, bounded. */
export function showBytes(given: string | Uint8Array): string {
  const text = typeof given === "string" ? given : new TextDecoder().decode(given);
  const short = text.length > 120 ? `${text.slice(0, 120)}…` : text;
  return JSON.stringify(short).replace(
    /[\u007f-\u009f]/g,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

interface Forbidden {
  /** Tested against the whole path; matches the thing itself and all below it. */
  readonly path: RegExp;
  readonly why: string;
  /** Whether a link may lead there: RAM and the kernel's files may be read through links, they just cannot be provisioned. */
  readonly mayBeLinkedTo?: true;
}

const at = (...names: string[]): RegExp => new RegExp(`^/(?:${names.join("|")})(?:/|$)`, "s");

/**
 * What no tree may ever write, delete or put a link to: whatever would let a tree take over who owns this device, switch
 * off the way back, or do nothing but wear the flash. (Design §5; OpenWrt's boot: `base-files`, `fstools`, `procd`.)
 */
const FORBIDDEN: readonly Forbidden[] = [
  {
    // /etc/uciprov (keys, state, modules), /lib/uciprov (transaction, recovery), /usr/lib/uciprov, /usr/sbin/uciprov, /etc/init.d/uciprov*,
    // /etc/rc.d/S??uciprov*, keep.d, hotplug.d, udhcpc.user.d, odhcp6c.user.d, rpcd: the package puts its name into each.
    path: /\/[^/]*uciprov[^/]*(?:\/|$)/s,
    why: "it is uciprov's own: a tree must not change who is trusted, nor how the way back works",
  },
  { path: at("overlay"), why: "it is the flash itself, below all paths that have a meaning" },
  { path: at("rom"), why: "it is the read-only image", mayBeLinkedTo: true },
  { path: at("proc/[^/]*self", "proc/[0-9]+"), why: "it leads to every file by another name" },
  { path: at("proc", "sys", "dev"), why: "the kernel makes it", mayBeLinkedTo: true },
  { path: at("tmp", "var", "run"), why: "it is in RAM", mayBeLinkedTo: true },
  { path: at("boot"), why: "the boot loader reads it; `image` replaces it" },
  {
    path: at(
      "init",
      "(?:usr/)?s?bin/(?:init|procd|mount_root|preinit|upgraded|sysupgrade|kmodloader)",
      "etc/preinit",
      "etc/inittab",
      "etc/rc\\.common",
    ),
    why: "the device does not boot if it is wrong, and nothing could take it back",
    mayBeLinkedTo: true,
  },
  {
    path: at("(?:usr/)?lib/(?:preinit|upgrade|functions|functions\\.sh|config|modules)"),
    why: "boot and recovery run it; a package or `image` replaces it",
    mayBeLinkedTo: true,
  },
  {
    // With /usr merged into the root, as some builds have it, the same things have the other name.
    path: at(
      "(?:usr/)?bin/(?:busybox|sh|ash)",
      "(?:usr/)?s?bin/(?:cp|ln|mv|rm|rmdir|mkdir|sed|tail|wc|sleep|sync|fsync|grep|logger|reboot)",
      "(?:usr/)?lib/(?:libc\\.so|ld-[^/]*|lib(?:gcc_s|ubox|uci|ubus)[^/]*)",
    ),
    why: "recovery needs it to take a bad configuration back",
    mayBeLinkedTo: true,
  },
  {
    // What runs goes on until the next boot, so that no trial would tell.
    path: at(
      "(?:usr/)?s?bin/(?:ubusd?|uci|netifd|jshn)",
      "usr/share/libubox/jshn\\.sh",
      "etc/hotplug(?:-preinit)?\\.json",
    ),
    why: "without it the next boot brings no network up; a package or `image` replaces it",
    mayBeLinkedTo: true,
  },
  // The wrapper looks for them in all these folders.
  {
    path: at("(?:usr/)?s?bin/(?:node|env)", "usr/lib/node"),
    why: "uciprov runs on it; its package replaces it",
    mayBeLinkedTo: true,
  },
  {
    path: /^\/etc\/(?:init\.d\/(?:boot|done|rcS)|rc\.d\/[SK][0-9]+(?:boot|done))$/s,
    why: "OpenWrt's boot and overlay depend on it",
    mayBeLinkedTo: true,
  },
  {
    path: at("etc/openwrt_release", "etc/openwrt_version", "etc/os-release", "usr/lib/os-release", "etc/device_info"),
    why: "it tells which firmware runs; `image` changes that",
    mayBeLinkedTo: true,
  },
  {
    path: at("etc/uci-defaults"),
    why: "scripts there run once and delete themselves, so it would be written at every run; say the same in UCI",
  },
];

/** Why a tree may not write or delete at this path (as `devicePath` gives it), as the rest of a sentence; undefined if it may. */
export function whyForbidden(path: string): string | undefined {
  return FORBIDDEN.find((rule) => rule.path.test(path))?.why;
}

/** Why no link may lead there, or undefined if one may. Fewer places than `whyForbidden`: `/etc/resolv.conf -> /tmp/…` is OpenWrt's own. */
export function whyNotLinkable(path: string): string | undefined {
  return FORBIDDEN.find((rule) => rule.mayBeLinkedTo !== true && rule.path.test(path))?.why;
}

/** Whether `list protect` names this path or a folder above it; a slash at the end makes no difference there. Its other words name packages. */
export function isProtectedPath(protect: readonly string[], path: string): boolean {
  return protect.some((one) => one.startsWith("/") && `${path}/`.startsWith(`${one.replace(/\/+$/, "")}/`));
}

/** Where a path leads when links on its way, and at its end, are followed as Linux does: 40 at most. */
export interface Resolved {
  readonly path: string;
  /** The links that were followed, in order. */
  readonly through: readonly string[];
}

/** Follows links; `readLink` tells the target of a path that is one. Undefined for a circle. `..` above the root stays at the root. */
export function resolveLinks(path: string, readLink: (path: string) => string | undefined): Resolved | undefined {
  const through: string[] = [];
  let done: string[] = [];
  let todo = path.split("/");
  for (let segment = todo.shift(); segment !== undefined; segment = todo.shift()) {
    if (segment === "" || segment === ".") continue;
    if (segment === "..") {
      done.pop();
      continue;
    }
    const here = `/${[...done, segment].join("/")}`;
    const target = readLink(here);
    if (target === undefined) {
      done.push(segment);
      continue;
    }
    through.push(here);
    if (through.length > 40) return undefined;
    if (target.startsWith("/")) done = [];
    todo = [...target.split("/"), ...todo];
  }
  return { path: `/${done.join("/")}`, through };
}
