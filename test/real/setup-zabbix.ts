/**
 * A device with Zabbix's agent, and a proxy of Zabbix, which takes what senders bring without a server behind it: 6.0 of the system, 7.0 (as OpenWrt 24.10 and 25.12 have it)
 * of another Debian, unpacked beside the system.
 */
import { execFile, execFileSync } from "node:child_process";
import { chownSync, copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import monitoring from "../../hooks/monitoring/index.ts";
import type { Change, Finding } from "../../src/api.ts";
import { macroTable } from "../helpers/hook-context.ts";
import { planScene } from "../helpers/plan-context.ts";
import type { Host } from "./netns.ts";
import { type Running, rootOf, start } from "./setup-telephony.ts";

const run = promisify(execFile);

export const RELEASES = ["6.0", "7.0"] as const;
export type Version = (typeof RELEASES)[number];

const AGENT = "/usr/sbin/zabbix_agentd";
/** OpenWrt's number of the user and the group `zabbix-agent` (feeds/packages: admin/zabbix/Makefile). */
const ID = 53;

/** The package's own file, as OpenWrt has it: what it sets stands before ours. Only the log goes elsewhere. */
const PACKAGE_CONF = `PidFile=/var/run/zabbix-agent/zabbix_agentd.pid
LogType=console
Server=127.0.0.1
StartAgents=1
User=zabbix-agent
Include=/etc/zabbix_agentd.conf.d/*.conf
`;

/** A root folder in which the agent and busybox are, as on a device. */
export async function deviceRoot(version: Version, scratch: string): Promise<string> {
  const root = version === "7.0" ? await trixie() : join(scratch, "device");
  if (version === "6.0") copyProgram(AGENT, root);
  for (const folder of ["etc/zabbix_agentd.conf.d", "tmp", "proc", "dev", "usr/bin", "var/run/zabbix-agent"])
    mkdirSync(join(root, folder), { recursive: true });
  for (const name of ["bin", "lib64"])
    if (!existsSync(join(root, name))) execFileSync("ln", ["-s", `usr/${name}`, join(root, name)]);
  if (!existsSync(join(root, "dev/null"))) execFileSync("mknod", ["-m", "666", join(root, "dev/null"), "c", "1", "3"]);
  for (const name of ["sh", "cat", "echo"]) {
    rmSync(join(root, "usr/bin", name), { force: true });
    copyFileSync("/bin/busybox", join(root, "usr/bin", name));
  }
  writeFileSync(join(root, "etc/passwd"), `root:x:0:0:root:/root:/bin/sh\nzabbix-agent:x:${ID}:${ID}::/:/bin/false\n`);
  writeFileSync(join(root, "etc/group"), `root:x:0:\nzabbix-agent:x:${ID}:\n`);
  writeFileSync(join(root, "etc/zabbix_agentd.conf"), PACKAGE_CONF);
  chownSync(join(root, "var/run/zabbix-agent"), ID, ID);
  return root;
}

const trixie = (): Promise<string> => rootOf("trixie", "zabbix-agent", "zabbix-proxy-sqlite3");

/** A program of the system with the libraries it needs. */
function copyProgram(program: string, root: string): void {
  const libraries = [...execFileSync("ldd", [program], { encoding: "utf8" }).matchAll(/(\/\S+) \(0x/g)].map(
    ([, path]) => path ?? "",
  );
  for (const path of [program, ...libraries]) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    copyFileSync(path, join(root, path));
  }
}

export interface Planned {
  readonly changes: readonly Change[];
  readonly findings: readonly Finding[];
}

/** What the module makes of a section. */
export async function planned(
  beesip: string,
  macros: Readonly<Record<string, string>> = {},
  tree: Readonly<Record<string, string>> = {},
): Promise<Planned> {
  const device = { "/etc/init.d/zabbix_agentd": "x", "/etc/zabbix_agentd.conf": PACKAGE_CONF };
  const { context, findings } = planScene({ module: "monitoring", uci: { beesip }, device, tree, isSmall: true });
  const table = macroTable({ hostname: "box-1", mac: "020000000001", board: "acme,r1", ...macros });
  return { changes: (await monitoring.plan?.({ ...context, macros: table })) ?? [], findings };
}

/** Puts the plan's files where they belong, with their rights. */
export function place(root: string, { changes }: Planned): void {
  rmSync(join(root, "etc/zabbix_agentd.conf.d"), { recursive: true, force: true });
  for (const change of changes) {
    if (change.kind !== "file" || change.content.kind !== "bytes") continue;
    const path = join(root, change.path);
    mkdirSync(dirname(path), { recursive: true });
    rmSync(path, { force: true });
    writeFileSync(path, change.content.bytes, { mode: change.mode });
    if (change.group === "zabbix-agent") chownSync(path, 0, ID);
  }
}

/** `zabbix_agentd -t KEY`: its exit status says nothing, its words do. */
export async function testKey(root: string, key: string): Promise<string> {
  const { stdout, stderr } = await run("chroot", [root, AGENT, "-c", "/etc/zabbix_agentd.conf", "-t", key], {
    timeout: 20_000,
  });
  return /\[([\s\S]*)\]\s*$/.exec(stdout)?.[0].trim() ?? `${stdout}${stderr}`;
}

/** `zabbix_agentd -T` of 7.0: whether it takes its settings, and what it says. */
export async function checkSettings(root: string): Promise<string> {
  const args = [root, AGENT, "-c", "/etc/zabbix_agentd.conf", "-T"];
  try {
    const { stdout, stderr } = await run("chroot", args, { timeout: 20_000 });
    return stdout + stderr;
  } catch (thrown) {
    const { stdout, stderr } = thrown as { stdout: string; stderr: string };
    return `refused: ${stdout}${stderr}`;
  }
}

/** The agent as procd starts it: 24.10 as root, which gives up its rights; 25.12 without them from the beginning. It listens then. */
export async function startAgent(host: Host, root: string, version: Version, port = 10_050): Promise<Running> {
  const user = version === "7.0" ? [`--userspec=${ID}:${ID}`, "--groups="] : [];
  const agent = start(host, "/", ["chroot", ...user, root, AGENT, "-c", "/etc/zabbix_agentd.conf", "-f"]);
  await listens(host, agent, port);
  return agent;
}

export interface Taken {
  readonly key: string;
  readonly value: string;
  readonly clock: number;
  readonly ns: number;
}

export interface ProxyRun extends Pick<Running, "close" | "log"> {
  /** What it has taken once it is that many values, the oldest first: it would hand them to its server. */
  taken(count: number): Promise<readonly Taken[]>;
}

interface Watched {
  readonly name: string;
  /** Keys of its trapper items. */
  readonly keys: readonly string[];
  /** It takes values with this proof alone. */
  readonly psk: { readonly identity: string; readonly key: string };
}

/** A proxy on port 10051 of a host that knows one device. */
export async function startProxy(host: Host, version: Version, device: Watched): Promise<ProxyRun> {
  const root = version === "7.0" ? await trixie() : "/";
  const folder = "/tmp/zabbix-proxy";
  // In RAM: it makes 170 tables, and waits for the disk at each.
  mkdirSync(join(root, folder), { recursive: true });
  execFileSync("mount", ["-t", "tmpfs", "none", join(root, folder)]);
  const unmount = () => void execFileSync("umount", ["-l", join(root, folder)]);
  const database = join(root, folder, "db");
  const sql = async (text: string) =>
    (await run("sqlite3", ["-json", "-cmd", ".timeout 10000", database, text], { timeout: 20_000 })).stdout;
  writeFileSync(join(root, folder, "proxy.conf"), proxyConf(folder));
  const begin = () => start(host, root, ["/usr/sbin/zabbix_proxy", "-f", "-c", `${folder}/proxy.conf`]);
  try {
    const first = begin();
    await listens(host, first, 10_051);
    await first.close();
    for (const name of ["pid", "zabbix_proxy_rtc.sock"]) rmSync(join(root, folder, name), { force: true });
    await sql(knowing(device));
    const running = begin();
    await listens(host, running, 10_051);
    return {
      log: running.log,
      async close() {
        await running.close();
        unmount();
      },
      async taken(count) {
        for (let tries = 0; ; tries++) {
          const rows: readonly Taken[] = JSON.parse((await sql(TAKEN)) || "[]");
          if (rows.length >= count || tries > 600) return rows;
          await sleep(100);
        }
      },
    };
  } catch (thrown) {
    unmount();
    throw thrown;
  }
}

const TAKEN =
  "select i.key_ as key, h.value, h.clock, h.ns from proxy_history h join items i on i.itemid = h.itemid order by h.id";

/** What a proxy's server would have told it. Trapper items are of type 2, text of type 4; `tls_accept` 2 is a shared key. */
function knowing({ name, keys, psk }: Watched): string {
  const text = (value: string) => `'${value.replaceAll("'", "''")}'`;
  return [
    "insert or ignore into config (configid) values (1);",
    `insert into hosts (hostid, host, name, status, tls_accept, tls_psk_identity, tls_psk)
       values (10001, ${text(name)}, ${text(name)}, 0, 2, ${text(psk.identity)}, ${text(psk.key)});`,
    ...keys.flatMap((key, at) => [
      `insert into items (itemid, type, hostid, name, key_, value_type, delay) values (${20_001 + at}, 2, 10001, ${text(key)}, ${text(key)}, 4, '0');`,
      `insert into item_rtdata (itemid) values (${20_001 + at});`,
    ]),
  ].join("\n");
}

/** As small as a proxy gets: nothing but what takes values. */
function proxyConf(folder: string): string {
  const none = ["Pollers", "PollersUnreachable", "Pingers", "Discoverers", "HTTPPollers"].map(
    (what) => `Start${what}=0`,
  );
  return [
    "ProxyMode=1",
    "Server=127.0.0.1",
    "Hostname=proxy",
    "LogType=console",
    "AllowRoot=1",
    "StartTrappers=2",
    "StartPreprocessors=1",
    `DBName=${folder}/db`,
    `PidFile=${folder}/pid`,
    `SocketDir=${folder}`,
    ...none,
    "",
  ].join("\n");
}

/** Until something listens there, or it has ended: its words are the error then. */
async function listens(host: Host, { child, log }: Running, port: number): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    if (child.exitCode !== null) break;
    const { stdout } = await host.run("ss", ["-H", "-ln", "-t", `sport = :${port}`]);
    if (stdout !== "") return;
    await sleep(100);
  }
  throw new Error(`nothing listens on ${port}: ${log()}`);
}
