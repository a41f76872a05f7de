import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { rolldown } from "rolldown";

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Host {
  readonly namespace: string;
  /** Runs a program to its end; never throws for its exit status. `seconds` bounds it (30 if not given). */
  run(
    command: string,
    args?: readonly string[],
    how?: { input?: string; env?: NodeJS.ProcessEnv; seconds?: number },
  ): Promise<Ended>;
  /** Starts a program that stays; `close()` ends it. Its output goes to `PROGRAM.log` in the folder. */
  start(command: string, args: readonly string[], how?: { env?: NodeJS.ProcessEnv }): ChildProcess;
  /** Waits until something listens on a port; throws with the daemons' output when nothing does within a minute. */
  listens(protocol: "udp" | "tcp", port: number): Promise<void>;
  /** Writes a file into the folder and says where. */
  file(name: string, content: string): string;
}

export interface TwoHosts {
  /** The provider: 192.0.2.1, 2001:db8:1::1 and fe80::1 on eth0. */
  readonly prov: Host;
  /** The device: 192.0.2.50, 2001:db8:1::50 and fe80::50 on eth0. */
  readonly dev: Host;
  /** A folder for both, removed in the end. */
  readonly folder: string;
  /** One more host on a cable of its own to one of the two: `eth0` here, `to` there, with an IPv4 address of the same /24 each. No way leads further. */
  beside(to: Host, addresses: { readonly there: string; readonly here: string }): Host;
  close(): Promise<void>;
}

/** Why there can be no namespaces here, or undefined if there can; for `describe.skipIf`, with the reason printed. */
export function whyNoHosts(...programs: string[]): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "needs root rights on Linux";
  const missing = ["ip", "ss", ...programs].filter((name) => !isInstalled(name));
  return missing.length > 0 ? `needs ${missing.join(", ")}` : undefined;
}

function isInstalled(name: string): boolean {
  return [...(process.env["PATH"] ?? "").split(":"), "/usr/sbin", "/sbin"].some((folder) =>
    existsSync(join(folder, name)),
  );
}

/**
 * Two hosts on one cable, each in a network namespace of its own, so that nothing they send can leave. Call `close` in the end: it ends
 * all that was started, by id, and takes the namespaces away.
 */
export function twoHosts(): TwoHosts {
  const prefix = `u${randomBytes(3).toString("hex")}`;
  const folder = mkdtempSync(join(tmpdir(), "two-hosts-"));
  // Daemons that give up root's rights have their sockets and files in it.
  chmodSync(folder, 0o755);
  const started: ChildProcess[] = [];
  const hosts = { prov: host(`${prefix}-prov`, folder, started), dev: host(`${prefix}-dev`, folder, started) };
  const ip = (...args: string[]) => execFileSync("ip", args);

  for (const { namespace } of Object.values(hosts)) ip("netns", "add", namespace);
  ip("link", "add", `${prefix}p`, "type", "veth", "peer", "name", `${prefix}d`);
  for (const [end, { namespace }, last] of [
    ["p", hosts.prov, "1"],
    ["d", hosts.dev, "50"],
  ] as const) {
    ip("link", "set", `${prefix}${end}`, "netns", namespace, "name", "eth0");
    ip("-n", namespace, "addr", "add", `192.0.2.${last}/24`, "dev", "eth0");
    for (const net of ["2001:db8:1", "fe80"]) {
      ip("-n", namespace, "addr", "add", `${net}::${last}/64`, "dev", "eth0", "nodad");
    }
    for (const device of ["lo", "eth0"]) ip("-n", namespace, "link", "set", device, "up");
  }

  const more: Host[] = [];
  return {
    ...hosts,
    folder,
    beside(to, { there, here }) {
      const other = host(`${prefix}-${more.length}`, folder, started);
      const [near, far] = [`${prefix}h${more.length}`, `${prefix}t${more.length}`];
      ip("netns", "add", other.namespace);
      more.push(other);
      ip("link", "add", near, "type", "veth", "peer", "name", far);
      for (const [end, { namespace }, name, address] of [
        [near, other, "eth0", here],
        [far, to, "to", there],
      ] as const) {
        ip("link", "set", end, "netns", namespace, "name", name);
        ip("-n", namespace, "addr", "add", `${address}/24`, "dev", name);
        for (const device of ["lo", name]) ip("-n", namespace, "link", "set", device, "up");
      }
      return other;
    },
    async close() {
      for (const child of started) await end(child);
      for (const { namespace } of [...Object.values(hosts), ...more]) ip("netns", "del", namespace);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export interface Star {
  /** 192.0.2.1 on the bridge that all others hang on. */
  readonly hub: Host;
  /** 192.0.2.10 and 2001:db8:1::10 and up, on eth0. */
  readonly hosts: readonly Host[];
  /** A folder for all, removed in the end. */
  readonly folder: string;
  close(): Promise<void>;
}

/** Many hosts on one switch, as `twoHosts` makes two. */
export function starOf(count: number): Star {
  const prefix = `u${randomBytes(3).toString("hex")}`;
  const folder = mkdtempSync(join(tmpdir(), "star-"));
  chmodSync(folder, 0o755);
  const started: ChildProcess[] = [];
  const hub = host(`${prefix}-hub`, folder, started);
  const hosts = Array.from({ length: count }, (_, index) => host(`${prefix}-${index}`, folder, started));
  const ip = (...args: string[]) => execFileSync("ip", args);
  const inside = (namespace: string, ...args: string[]) => ip("-n", namespace, ...args);

  for (const { namespace } of [hub, ...hosts]) ip("netns", "add", namespace);
  inside(hub.namespace, "link", "add", "br0", "type", "bridge");
  inside(hub.namespace, "addr", "add", "192.0.2.1/24", "dev", "br0");
  for (const device of ["lo", "br0"]) inside(hub.namespace, "link", "set", device, "up");
  for (const [index, { namespace }] of hosts.entries()) {
    ip("link", "add", `${prefix}h${index}`, "type", "veth", "peer", "name", `${prefix}d${index}`);
    ip("link", "set", `${prefix}h${index}`, "netns", hub.namespace, "name", `port${index}`);
    ip("link", "set", `${prefix}d${index}`, "netns", namespace, "name", "eth0");
    inside(hub.namespace, "link", "set", `port${index}`, "master", "br0", "up");
    inside(namespace, "addr", "add", `192.0.2.${10 + index}/24`, "dev", "eth0");
    inside(namespace, "addr", "add", `2001:db8:1::${10 + index}/64`, "dev", "eth0", "nodad");
    for (const device of ["lo", "eth0"]) inside(namespace, "link", "set", device, "up");
  }
  return {
    hub,
    hosts,
    folder,
    async close() {
      for (const child of started) await end(child);
      for (const { namespace } of [hub, ...hosts]) ip("netns", "del", namespace);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function host(namespace: string, folder: string, started: ChildProcess[]): Host {
  const inside = (command: string, args: readonly string[]) => ["netns", "exec", namespace, command, ...args];
  const clean = { PATH: `${process.env["PATH"]}:/usr/sbin:/sbin`, LC_ALL: "C" };
  const self: Host = {
    namespace,
    run: (command, args = [], { input, env, seconds = 30 } = {}) =>
      new Promise((resolve) => {
        const options = { env: { ...clean, ...env }, timeout: seconds * 1000, maxBuffer: 64 << 20 };
        const child = execFile("ip", inside(command, args), options, (error, stdout, stderr) => {
          resolve({ status: error ? (typeof error.code === "number" ? error.code : null) : 0, stdout, stderr });
        });
        // A program that does not read its input may be gone before it is written.
        child.stdin?.on("error", () => {});
        child.stdin?.end(input ?? "");
      }),
    start(command, args, { env } = {}) {
      const child = spawn("ip", inside(command, args), {
        env: { ...clean, ...env },
        stdio: ["ignore", "pipe", "pipe"],
      });
      const log = join(folder, `${command.split("/").at(-1)}.log`);
      for (const stream of [child.stdout, child.stderr])
        stream?.on("data", (chunk) => writeFileSync(log, chunk, { flag: "a" }));
      started.push(child);
      return child;
    },
    async listens(protocol, port) {
      for (const end = Date.now() + 60_000; Date.now() < end; ) {
        const { stdout } = await self.run("ss", ["-H", "-ln", protocol === "udp" ? "-u" : "-t", `sport = :${port}`]);
        if (stdout !== "") return;
        await sleep(100);
      }
      throw new Error(`nothing listens on ${protocol} ${port} in ${namespace}; see ${folder}/*.log`);
    },
    file(name, content) {
      const path = join(folder, name);
      writeFileSync(path, content);
      return path;
    },
  };
  return self;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  const stubborn = setTimeout(() => child.kill("SIGKILL"), 3000);
  await gone;
  clearTimeout(stubborn);
}

/** A TypeScript file of the tests as one that plain Node runs inside a namespace; says where it put it. */
export async function bundled(source: URL, folder: string): Promise<string> {
  const bundle = await rolldown({ input: source.pathname, platform: "node", logLevel: "silent" });
  const name = `${source.pathname.split("/").at(-1)?.replace(/\.ts$/, "")}.mjs`;
  await bundle.write({ file: join(folder, name), format: "esm", codeSplitting: false });
  await bundle.close();
  return join(folder, name);
}

/** What a daemon said so far, for a failing test's message. */
export function logOf(folder: string, program: string): string {
  const path = join(folder, `${program}.log`);
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}
