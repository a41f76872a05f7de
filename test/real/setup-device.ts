import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fromText } from "../../src/uci/bytes.ts";
import { makeSection } from "../../src/uci/model.ts";
import { printConfig } from "../../src/uci/print.ts";
import type { Ended } from "./netns.ts";
import { DOMAIN, keyFile, type Provider } from "./setup-provider.ts";

/** Options of /etc/config/uciprov by section. */
export type Options = Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;

interface Running extends Promise<Ended> {
  /** Process ids of all that runs below it, as this host numbers them. */
  readonly child: ChildProcess;
}

interface HowToRun {
  /** A program and its arguments that runs the rest, such as strace; not with `chroot`. */
  readonly through?: readonly string[];
  /** Told whatever the program writes to standard error, as it comes. */
  readonly onStderr?: (text: string) => void;
}

/**
 * A device: its root is an overlay over a factory image that is never written, in a mount and process namespace of its own, on the cable's
 * far end. What a run changed is exactly what lies in `upper`.
 */
export interface Device {
  /** Where the root is for programs inside. */
  readonly root: string;
  /** The overlay's upper layer, as this host sees it. */
  readonly upper: string;
  /** The device's /tmp (in RAM), as this host sees it. */
  readonly ram: string;
  /** `uciprov ARGS --root ROOT` by this host's Node: no command of the device runs. */
  run(args: readonly string[], how?: HowToRun): Running;
  /** `uciprov ARGS` inside, through the package's wrapper, where the root is /: commands, reload and watcher are the device's own. */
  runInside(args: readonly string[], how?: HowToRun): Running;
  /** What the device's commands were called with, in order: `reload_config`, `ubus …`. */
  calls(): string[];
  /** Command lines of what runs inside, besides the one that holds the namespaces. */
  processes(): string[];
  /**
   * Another boot: all processes are gone, so is what lay in RAM, the kernel has another boot id and counts its uptime anew, and recover.sh runs as init
   * runs it, `uptime` seconds after its begin. What runs inside from now on belongs to this boot.
   */
  boot(uptime?: number): void;
  /** SIGKILL to the process inside whose command line says this. */
  kill(text: string): void;
  /** The root as the device sees it, from this host: both layers. */
  readonly seen: string;
  close(): Promise<void>;
}

/** What all devices of a test have in common: the image, and the program as it is installed. Made once. */
export interface Image {
  readonly folder: string;
  remove(): void;
}

const REPOSITORY = new URL("../../", import.meta.url).pathname;
const RECOVER = "openwrt-package/files/lib/uciprov/recover.sh";
const WRAPPER = "openwrt-package/files/usr/bin/uciprov";
/** What must not reach Node: with any of it no program would run. The wrapper keeps it away. */
const HOSTILE = { NODE_OPTIONS: "--require /nowhere.cjs", SSL_CERT_FILE: "/nowhere", LD_LIBRARY_PATH: "/nowhere" };

export function makeImage(): Image {
  const folder = mkdtempSync(join(tmpdir(), "uciprov-image-"));
  const lower = join(folder, "lower");
  cpSync(join(REPOSITORY, "fixtures/devices/factory"), lower, { recursive: true, verbatimSymlinks: true });
  rmSync(join(lower, "tmp"), { recursive: true });
  // A copy: somebody may build anew while tests run.
  cpSync(join(REPOSITORY, "dist"), join(lower, "usr/lib/uciprov"), { recursive: true });
  mkdirSync(join(lower, "lib/uciprov"), { recursive: true });
  copyFileSync(join(REPOSITORY, RECOVER), join(lower, "lib/uciprov/recover.sh"));
  for (const name of ["tmp", "proc", "dev", "sys", "root", "overlay", "bin", "sbin", "usr/bin", "usr/sbin"]) {
    mkdirSync(join(lower, name), { recursive: true });
  }
  symlinkSync("2", join(lower, "overlay/.fs_state"));
  copyFileSync(join(REPOSITORY, WRAPPER), join(lower, "usr/bin/uciprov"));
  installBusybox(lower);
  installStubs(lower);
  installLibraries(lower);
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Boots a device with these settings, hands it over, and takes it away in the end. The web server's notes begin anew. */
export async function bootedDevice(
  image: Image,
  provider: Provider,
  options: Options,
  act: (device: Device) => Promise<void>,
): Promise<void> {
  const device = await boot(image, provider, options);
  try {
    provider.noted();
    await act(device);
  } finally {
    await device.close();
  }
}

/** How often procd was told that a package changed; that of the tree which is always among those that change, if none is named. */
export function reloads(device: Device, name = "system"): number {
  const event = `ubus call service event {"type":"config.change","data":{"package":"${name}"}}`;
  return device.calls().filter((call) => call === event).length;
}

/** Waits for what is bound to come; a busy machine gets a minute, and more for what takes long by itself. */
export async function until(isSo: () => boolean, milliseconds = 60_000): Promise<void> {
  const end = performance.now() + milliseconds;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`still not so after ${milliseconds} ms: ${isSo}`);
    await sleep(50);
  }
}

async function boot(image: Image, provider: Provider, options: Options): Promise<Device> {
  const folder = mkdtempSync(join(tmpdir(), "uciprov-device-"));
  for (const name of ["w", "lower"]) mkdirSync(join(folder, name));
  writeOwnFiles(join(folder, "lower"), provider, options);
  const holder = spawn(
    "ip",
    ["netns", "exec", provider.net.dev.namespace, "unshare", "-m", "-p", "-f", "--kill-child", "--mount-proc"].concat(
      ["sh", "-ec", MOUNTS, "sh"],
      [join(folder, "w"), join(folder, "lower"), join(image.folder, "lower"), process.execPath],
    ),
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  const said: string[] = [];
  for (const stream of [holder.stdout, holder.stderr]) stream.on("data", (chunk) => said.push(String(chunk)));
  for (let tries = 0; !said.join("").includes("mounted"); tries++) {
    if (holder.exitCode !== null || tries > 3000) throw new Error(`the device does not boot: ${said.join("")}`);
    await sleep(20);
  }
  return deviceOf(folder, holder);
}

/** $1 is the folder for the mounts, $2 the device's own files, $3 the image, $4 Node. */
const MOUNTS = `
mount -t tmpfs -o size=64m none $1; mkdir $1/upper $1/work $1/root
mount -t overlay overlay -o lowerdir=$2:$3,upperdir=$1/upper,workdir=$1/work $1/root
mount -t proc proc $1/root/proc
mount -t tmpfs none $1/root/tmp; mount -t tmpfs none $1/root/dev
mknod -m 666 $1/root/dev/null c 1 3; mknod -m 666 $1/root/dev/urandom c 1 9
mount --bind $4 $1/root/usr/bin/node
mkdir -p $1/root/tmp/sysinfo $1/root/tmp/state
touch $1/root/tmp/state/dnsmasqsec  # as dnsmasq's hotplug script does once NTP has set the clock
echo example,router-one >$1/root/tmp/sysinfo/board_name
printf 'search ${DOMAIN}\\nnameserver 192.0.2.1\\n' >$1/root/tmp/resolv.conf
echo mounted
exec sleep 3600`;

function deviceOf(folder: string, holder: ChildProcess): Device {
  const init = Number(readFileSync(`/proc/${holder.pid}/task/${holder.pid}/children`, "utf8").trim());
  const root = join(folder, "w/root");
  const seen = (path: string) => join(`/proc/${init}/root`, folder, "w", path);
  const enter = ["-t", String(init), "-m", "-n", "-p", "--"];
  const program = join(root, "usr/lib/uciprov/uciprov.cjs");
  let booted: string[] = [];
  let isBooted = false;
  const killAll = () => {
    for (const { pid, command } of inside(init)) if (!command.startsWith("sleep 3600")) killIfThere(pid);
  };
  return {
    root,
    upper: seen("upper"),
    ram: seen("root/tmp"),
    seen: seen("root"),
    run: (args, how = {}) =>
      started([...enter, ...(how.through ?? []), process.execPath, program, ...args, "--root", root], how),
    runInside: (args, how = {}) =>
      started([...enter, ...booted, "chroot", root, "/usr/bin/uciprov", ...args], how, HOSTILE),
    calls: () => linesOf(seen("root/tmp/calls")),
    boot(uptime = 10) {
      killAll();
      const now = Number(readFileSync("/proc/uptime", "utf8").split(".")[0]);
      booted = ["unshare", "--time", "--boottime", String(uptime - now), "--"];
      for (const name of readdirSync(seen("root/tmp"))) {
        if (!KEPT_IN_RAM.includes(name)) rmSync(seen(`root/tmp/${name}`), { recursive: true });
      }
      writeFileSync(seen("root/tmp/boot-id"), `${randomUUID()}\n`);
      const id = [`${root}/tmp/boot-id`, `${root}/proc/sys/kernel/random/boot_id`];
      if (!isBooted) execFileSync("nsenter", [...enter, "mount", "--bind", ...id]);
      isBooted = true;
      execFileSync("nsenter", [...enter, ...booted, "chroot", root, ...BOOT], { stdio: "ignore" });
    },
    processes: () => inside(init).map(({ command }) => command),
    kill: (text) => {
      for (const { pid, command } of inside(init)) if (command.includes(text)) process.kill(pid, "SIGKILL");
    },
    async close() {
      const gone = once(holder, "exit");
      holder.kill("SIGKILL"); // with the first process of the namespace all of it ends, its mounts too
      await gone;
      await untilGone(init);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What the mounts put there, and what a test reads or tells the stand-ins. */
const KEPT_IN_RAM = ["boot-id", "sysinfo", "state", "resolv.conf", "calls", "on-reload", "on-sysupgrade", "on-reboot"];
const BOOT = ["/bin/sh", "/lib/uciprov/recover.sh"];

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it ended by itself
  }
}

function started(args: readonly string[], { onStderr }: HowToRun, env: Readonly<Record<string, string>> = {}): Running {
  const child = spawn("nsenter", args, {
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C", ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 120_000,
    killSignal: "SIGKILL",
  });
  const out: string[] = [];
  const err: string[] = [];
  child.stdout.on("data", (chunk) => out.push(String(chunk)));
  child.stderr.on("data", (chunk) => {
    err.push(String(chunk));
    onStderr?.(String(chunk));
  });
  const ended = once(child, "close").then(([status]) => ({ status, stdout: out.join(""), stderr: err.join("") }));
  return Object.assign(ended, { child });
}

/** All living processes in the process namespace of `init`, but itself. */
function inside(init: number): { readonly pid: number; readonly command: string }[] {
  const namespace = readlinkSync(`/proc/${init}/ns/pid`);
  return readdirSync("/proc").flatMap((name) => {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === init) return [];
    try {
      if (readlinkSync(`/proc/${pid}/ns/pid`) !== namespace) return [];
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
      return command === "" ? [] : [{ pid, command }]; // a zombie has none
    } catch {
      return []; // it has just ended
    }
  });
}

async function untilGone(pid: number): Promise<void> {
  for (let tries = 0; tries < 1500 && existsSync(`/proc/${pid}/ns/mnt`); tries++) await sleep(20);
}

function linesOf(path: string): string[] {
  return existsSync(path)
    ? readFileSync(path, "utf8")
        .split("\n")
        .filter((line) => line !== "")
    : [];
}

/** What makes this device itself: keys, CA, settings. */
function writeOwnFiles(lower: string, provider: Provider, options: Options): void {
  const key = keyFile(provider);
  const put = (name: string, text: string | Uint8Array) => {
    mkdirSync(dirname(join(lower, name)), { recursive: true });
    writeFileSync(join(lower, name), text);
  };
  const sections: Options = { main: { ca: ["/etc/uciprov/ca.pem"], tries: "1" }, dns: { timeout: "4" }, ...options };
  put(`etc/uciprov/keys/${key.name}`, key.text);
  put("etc/uciprov/ca.pem", provider.authority.cert);
  put(
    "etc/config/uciprov",
    printConfig({
      name: fromText("uciprov"),
      sections: Object.entries(sections).map(([name, values]) => makeSection("uciprov", name, values)),
    }),
  );
}

function installBusybox(lower: string): void {
  copyFileSync("/bin/busybox", join(lower, "bin/busybox"));
  execFileSync("chroot", [lower, "/bin/busybox", "--install", "-s", "/bin"]);
}

/** Commands that only tell what they were called with; at a package's `config.change` event procd does what the test put into /tmp/on-reload. */
function installStubs(lower: string): void {
  const put = (name: string, text: string) => {
    rmSync(join(lower, name), { force: true });
    writeFileSync(join(lower, name), `#!/bin/sh\necho "\${0##*/}\${*:+ $*}" >>/tmp/calls\n${text}`);
    chmodSync(join(lower, name), 0o755);
  };
  put("sbin/reload_config", "");
  put(
    "bin/ubus",
    `case "$*" in
'call service event'*) [ ! -e /tmp/on-reload ] || . /tmp/on-reload ;;
*) echo '{"interface":[{"interface":"loopback","up":true},{"interface":"wan","up":true}]}' ;;
esac
`,
  );
  put("sbin/service", "");
  put("sbin/reboot", "[ ! -e /tmp/on-reboot ] || . /tmp/on-reboot\n");
  put("sbin/sysupgrade", SYSUPGRADE);
  rmSync(join(lower, "bin/logger"), { force: true });
}

/** As it was seen: `-T` and `-l` end well; with an image it hands over, and answers with a failure while everybody is being ended. */
const SYSUPGRADE = `case $1 in
-T) [ -s "$2" ] ;;
-l) find /etc/config /etc/uciprov -type f ;;
*)
  . /tmp/on-sysupgrade
  ;;
esac
`;

/** This host's Node needs this host's libraries. */
function installLibraries(lower: string): void {
  writeFileSync(join(lower, "usr/bin/node"), "");
  const told = execFileSync("ldd", [process.execPath], { encoding: "utf8" });
  for (const [, path = ""] of told.matchAll(/(\/\S+) \(0x/g)) {
    mkdirSync(join(lower, dirname(path)), { recursive: true });
    copyFileSync(path, join(lower, path));
  }
}

/** Every name below a folder with all that a write of any kind would change. */
export function snapshot(folder: string): string[] {
  const lines: string[] = [];
  const walk = (path: string): void => {
    const stat = lstatSync(join(folder, path), { bigint: true });
    const what = stat.isFile()
      ? readFileSync(join(folder, path)).toString("base64")
      : stat.isSymbolicLink()
        ? readlinkSync(join(folder, path))
        : "";
    const { mode, uid, gid, ino, size, mtimeNs, ctimeNs } = stat;
    lines.push(
      [`/${path}`, mode.toString(8), uid, gid, ino, stat.isDirectory() ? "" : size, mtimeNs, ctimeNs, what].join(" "),
    );
    if (stat.isDirectory()) for (const name of readdirSync(join(folder, path)).sort()) walk(join(path, name));
  };
  walk("");
  return lines;
}

/** What a reader of the device's configuration finds: names, modes and contents below /etc but for what uciprov notes of itself. */
export function contents({ seen }: Device): string[] {
  return filesBelow(join(seen, "etc")).flatMap((name) => {
    if (name.startsWith("uciprov/state/")) return [];
    const stat = lstatSync(join(seen, "etc", name));
    const what = stat.isSymbolicLink()
      ? readlinkSync(join(seen, "etc", name))
      : readFileSync(join(seen, "etc", name), "base64");
    return `${name} ${stat.mode.toString(8)} ${stat.uid}:${stat.gid} ${what}`;
  });
}

/** Names of all that is no directory below a folder, sorted. */
export function filesBelow(folder: string, path = ""): string[] {
  return readdirSync(join(folder, path), { withFileTypes: true })
    .flatMap((entry) => {
      const name = join(path, entry.name);
      return entry.isDirectory() ? filesBelow(folder, name) : [name];
    })
    .sort();
}
