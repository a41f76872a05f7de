/** A device of one guard: a namespace of its own for network and mounts, with an /etc, a /run and programs that are nobody else's. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { program } from "../helpers/scenario.ts";
import type { Host } from "./netns.ts";

/** `/usr/sbin` with stand-ins among the real programs: `logread` and `sendmail` are files of the device, as OpenWrt's packages would bring them. */
const PREPARE = `
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/etc /run/real /run/sbin /run/mails
cp -a /etc/. /run/etc/
mount --bind /run/etc /etc
mount --bind /usr/sbin /run/real
ln -s /run/real/* /run/sbin/
rm -f /run/sbin/logread /run/sbin/sendmail
printf '#!/bin/sh\\nexec tail -n 0 -F /run/syslog\\n' >/run/sbin/logread
printf '#!/bin/sh\\ncat >/run/mails/$$\\n' >/run/sbin/sendmail
chmod 755 /run/sbin/logread /run/sbin/sendmail
mount --bind /run/sbin /usr/sbin
: >/run/syslog
mkdir -p /run/beesip
echo ready >/run/ready
exec sleep 600
`;

export interface GuardedDevice {
  put(path: string, text: string): void;
  append(path: string, text: string): void;
  remove(path: string): void;
  /** As a rotation does it. */
  rename(from: string, to: string): void;
  read(path: string): string;
  has(path: string): boolean;
  /** Runs a program of the device; throws if it fails. */
  run(command: string, ...args: readonly string[]): string;
  nft(text: string): void;
  /** Addresses in both sets, with the seconds that each ban has in all. */
  bans(): Record<string, number>;
  /** `uciprov guard`, for good. */
  start(...args: readonly string[]): Guarding;
  close(): Promise<void>;
}

export interface Guarding {
  readonly child: ChildProcess;
  said(): string;
  end(signal: NodeJS.Signals): Promise<number | null>;
}

export async function guardedDevice(host: Host): Promise<GuardedDevice> {
  const holder = host.start("unshare", ["--mount", "--propagation", "private", "sh", "-c", PREPARE]);
  const at = (path: string) => `/proc/${holder.pid}/root${path}`;
  await until("the device is ready", () => existsSync(at("/run/ready")));
  const inside = ["-t", String(holder.pid), "-m", "-n", "--"];
  const running = new Set<Guarding>();
  const device: GuardedDevice = {
    put(path, text) {
      mkdirSync(dirname(at(path)), { recursive: true });
      writeFileSync(at(path), text);
    },
    append: (path, text) => appendFileSync(at(path), text),
    remove: (path) => rmSync(at(path)),
    rename: (from, to) => renameSync(at(from), at(to)),
    read: (path) => readFileSync(at(path), "utf8"),
    has: (path) => existsSync(at(path)),
    run: (command, ...args) =>
      execFileSync("nsenter", [...inside, command, ...args], { encoding: "utf8", timeout: 30_000 }),
    nft(text) {
      execFileSync("nsenter", [...inside, "nft", "-f", "-"], { input: text, timeout: 30_000 });
    },
    bans() {
      const all = ["ban4", "ban6"].flatMap((set) =>
        elementsOf(device.run("nft", "-j", "list", "set", "inet", "beesip", set)),
      );
      return Object.fromEntries(all);
    },
    start(...args) {
      const words = [process.execPath, program(), "guard", ...args];
      const child = spawn("nsenter", [...inside, ...words], { stdio: ["ignore", "pipe", "pipe"] });
      let said = "";
      for (const stream of [child.stdout, child.stderr])
        stream.on("data", (chunk) => {
          said += String(chunk);
        });
      const guarding: Guarding = {
        child,
        said: () => said,
        async end(signal) {
          running.delete(guarding);
          if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
          const gone = once(child, "exit");
          child.kill(signal);
          await gone;
          return child.exitCode;
        },
      };
      running.add(guarding);
      return guarding;
    },
    async close() {
      for (const one of running) await one.end("SIGKILL");
      // A follower of the log that a killed guard left behind goes, too: whoever sees the device's mounts.
      const mounts = readlinkSync(`/proc/${holder.pid}/ns/mnt`);
      for (const pid of readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name) && mountsOf(name) === mounts))
        process.kill(Number(pid), "SIGKILL");
    },
  };
  return device;
}

function mountsOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`);
  } catch {
    return undefined;
  }
}

function elementsOf(text: string): [string, number][] {
  const { nftables }: { nftables: { set?: { elem?: unknown[] } }[] } = JSON.parse(text);
  return nftables.flatMap(({ set }) =>
    (set?.elem ?? []).map((one): [string, number] => {
      const { elem } = one as { elem: { val: string; timeout: number } };
      return [elem.val, elem.timeout];
    }),
  );
}

/** Waits for what is bound to come; a busy machine gets a minute. */
export async function until(what: string, isThere: () => boolean): Promise<void> {
  for (const end = Date.now() + 60_000; Date.now() < end; await sleep(100)) if (isThere()) return;
  throw new Error(`in vain: ${what}`);
}
