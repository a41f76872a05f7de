/**
 * Asterisk and Kamailio of other Debian releases, unpacked beside the system without their install scripts, since OpenWrt's versions are not bookworm's:
 * Kamailio 5.7 and 6.0 (here 5.6 and 6.0), Asterisk 20 and 23 (here 16 and 22). Taken from the mirror that apt itself is set up with.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { chownSync, existsSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import pbx from "../../hooks/pbx/index.ts";
import type { Finding } from "../../src/api.ts";
import { planScene } from "../helpers/plan-context.ts";
import type { Host } from "./netns.ts";

const run = promisify(execFile);

/** What runs here: `system` is bookworm itself. */
export type Release = "system" | "bullseye" | "trixie" | "sid";

/** Packages unpacked, ready for chroot; `/` for the system's own. Kept between the files of one run of the tests. */
export async function rootOf(release: Release, ...programs: readonly string[]): Promise<string> {
  if (release === "system") return "/";
  const root = join(tmpdir(), "uciprov-telephony", [release, ...programs].join("-"));
  if (existsSync(root)) return root;
  const fresh = `${root}.${process.pid}`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(dirname(fresh), { recursive: true });
  const args = [
    "--variant=extract",
    "--quiet",
    '--aptopt=Acquire::Check-Valid-Until "false"',
    '--aptopt=Acquire::Retries "3"',
  ];
  await run("mmdebstrap", [...args, `--include=${programs.join(",")}`, release, fresh, mirror()], { timeout: 150_000 });
  for (const folder of ["lib", "lib64", "bin", "sbin"]) {
    if (existsSync(join(fresh, "usr", folder)) && !existsSync(join(fresh, folder)))
      symlinkSync(`usr/${folder}`, join(fresh, folder));
  }
  for (const folder of ["proc", "sys", "run/kamailio", "tmp", "var/run/kamailio"])
    mkdirSync(join(fresh, folder), { recursive: true });
  renameSync(fresh, root);
  return root;
}

/** The repository that apt has Debian from. */
function mirror(): string {
  const lines = execFileSync(
    "apt-get",
    ["indextargets", "--format", "$(ORIGIN) $(CODENAME) $(REPO_URI)", "Created-By: Packages"],
    {
      encoding: "utf8",
    },
  );
  const uri = /^Debian [a-z]+ (\S+)$/m.exec(lines)?.[1];
  if (uri === undefined) throw new Error(`apt knows no Debian repository: ${lines}`);
  return uri;
}

export interface Rendered {
  readonly files: ReadonlyMap<string, string>;
  readonly findings: readonly Finding[];
  /** Single options of the first section that is set in each package. */
  readonly uci: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** What the module makes of a configuration. */
export async function rendered(
  beesip: string,
  list?: string,
  network?: string,
  { hasTableFile = true } = {},
): Promise<Rendered> {
  const { context, findings } = planScene({
    module: "pbx",
    uci: { beesip, ...(network === undefined ? {} : { network }) },
    device: {
      "/etc/init.d/asterisk": "x",
      "/etc/init.d/kamailio": "x",
      "/etc/init.d/rtpengine": "x",
      ...(hasTableFile ? { "/usr/lib/kamailio/modules/db_text.so": "x" } : {}),
    },
    isSmall: true,
    ...(list === undefined ? {} : { tree: { gateways: list } }),
  });
  const changes = (await pbx.plan?.(context)) ?? [];
  const files = changes.flatMap((change) =>
    change.kind === "file" && change.content.kind === "bytes"
      ? [[change.path, Buffer.from(change.content.bytes).toString()] as const]
      : [],
  );
  const uci = changes.flatMap((change) => {
    if (change.kind !== "uci" || change.layer.mode === "batch") return [];
    const options = change.layer.content.sections[0]?.options ?? [];
    return [[change.package, Object.fromEntries(options.map(({ name, value }) => [name, String(value)]))] as const];
  });
  return { files: new Map(files), findings, uci: Object.fromEntries(uci) };
}

/** A program in a root, in a namespace of its host if one is given; ended by `close`. */
export interface Running {
  readonly child: ChildProcess;
  log(): string;
  close(): Promise<void>;
}

export function start(host: Host | undefined, root: string, command: readonly string[]): Running {
  const chrooted = root === "/" ? command : ["chroot", root, ...command];
  const [program = "", ...args] = host === undefined ? chrooted : ["ip", "netns", "exec", host.namespace, ...chrooted];
  const child = spawn(program, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" },
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (said += String(chunk)));
  return {
    child,
    log: () => said,
    async close() {
      child.kill("SIGTERM");
      for (let tries = 0; child.exitCode === null && child.signalCode === null; tries++) {
        if (tries === 60) child.kill("SIGKILL");
        await sleep(50);
      }
    },
  };
}

export interface Asterisk extends Running {
  /** Where its own folders are on this machine: `etc/asterisk`, `spool`, …; as Asterisk sees it, below its root. */
  readonly home: string;
  /** A command on its console. */
  ask(command: string): Promise<string>;
  /** Its files anew, as the init script's `reload` would find them. */
  put(files: ReadonlyMap<string, string>): void;
}

const EMPTY = [
  "acl",
  "ccss",
  "cdr",
  "cel",
  "features",
  "indications",
  "manager",
  "pjproject",
  "stasis",
  "udptl",
  "http",
];
let instances = 0;

/** Starts Asterisk with these files (paths below /etc/asterisk) and waits until it has loaded all of them. */
export async function startAsterisk(
  release: Release,
  files: ReadonlyMap<string, string>,
  host?: Host,
): Promise<Asterisk> {
  const root = await rootOf(release, "asterisk");
  const home = `/ast-${process.pid}-${instances++}`;
  // As a device has it: without this folder there is no TLS.
  mkdirSync(join(root, "etc/ssl/certs"), { recursive: true });
  const put = (path: string, text: string): void => {
    const whole = join(root, home, path);
    mkdirSync(dirname(whole), { recursive: true });
    writeFileSync(whole, text);
  };
  const putAll = (all: ReadonlyMap<string, string>): void => {
    for (const [path, text] of all) if (path.startsWith("/etc/asterisk/")) put(path, text);
  };
  for (const folder of ["lib", "spool", "run", "log"]) mkdirSync(join(root, home, folder), { recursive: true });
  const directories = [
    "astetcdir => HOME/etc/asterisk",
    "astvarlibdir => HOME/lib",
    "astdbdir => HOME/lib",
    "astkeydir => HOME/lib",
    "astspooldir => HOME/spool",
    "astrundir => HOME/run",
    "astlogdir => HOME/log",
  ];
  put("etc/asterisk/asterisk.conf", `[directories]\n${directories.join("\n")}\n`.replaceAll("HOME", home));
  for (const name of EMPTY) put(`etc/asterisk/${name}.conf`, "[general]\n");
  putAll(files);
  const conf = `${home}/etc/asterisk/asterisk.conf`;
  const running = start(host, root, ["/usr/sbin/asterisk", "-f", "-n", "-C", conf]);
  const ask = async (command: string): Promise<string> => {
    const { stdout } = await run("chroot", [root, "/usr/sbin/asterisk", "-n", "-C", conf, "-rx", command], {
      timeout: 20_000,
    });
    return stdout;
  };
  const asterisk: Asterisk = {
    ...running,
    home: join(root, home),
    ask,
    put: putAll,
    async close() {
      await running.close();
      rmSync(join(root, home), { recursive: true, force: true });
    },
  };
  for (let tries = 0; ; tries++) {
    try {
      if ((await ask("core waitfullybooted")).includes("fully booted")) return asterisk;
    } catch (thrown) {
      if (tries > 100 || running.child.exitCode !== null) {
        await asterisk.close();
        throw new Error(`asterisk does not start: ${running.log()}`, { cause: thrown });
      }
    }
    await sleep(100);
  }
}

/** Puts Kamailio's files where a check or a start finds them; the paths in them are made those of the scratch folder. */
async function kamailioFolder(
  release: Release,
  files: ReadonlyMap<string, string>,
): Promise<{ root: string; folder: string }> {
  const root = await rootOf(release, "kamailio");
  // Kamailio looks its user up.
  if (root !== "/") writeFileSync(join(root, "etc/passwd"), `nobody:x:${NOBODY}:${NOBODY}::/:/bin/false\n`);
  const folder = `/tmp/kam-${process.pid}-${instances++}`;
  mkdirSync(join(root, folder), { recursive: true });
  chownSync(join(root, folder), NOBODY, NOBODY);
  mkdirSync("/var/run/kamailio", { recursive: true });
  putKamailioFiles(root, folder, files);
  return { root, folder };
}

/** Whom Kamailio runs as: the roots of other releases have no users of their own. */
const NOBODY = 65_534;

/** Each is written beside its place and moved there, as a run does it: root's, for Kamailio's group to read. */
function putKamailioFiles(root: string, folder: string, files: ReadonlyMap<string, string>): void {
  for (const [path, text] of files) {
    if (!path.startsWith("/etc/kamailio/")) continue;
    const placed = text.replaceAll(/\/etc\/kamailio\b/g, folder).replaceAll("/var/run/kamailio/", `${folder}/`);
    const whole = join(root, folder, path.slice("/etc/kamailio/".length));
    writeFileSync(`${whole}.new`, placed, { mode: 0o640 });
    chownSync(`${whole}.new`, 0, NOBODY);
    renameSync(`${whole}.new`, whole);
  }
}

/** `kamailio -c`: its exit status and what it said. */
export async function checkKamailio(
  release: Release,
  files: ReadonlyMap<string, string>,
): Promise<{ status: number; said: string }> {
  const { root, folder } = await kamailioFolder(release, files);
  const command = ["/usr/sbin/kamailio", "-c", "-f", `${folder}/kamailio.cfg`, "-l", "udp:127.0.0.1:15060"];
  const [program = "", ...args] = root === "/" ? command : ["chroot", root, ...command];
  try {
    const { stdout, stderr } = await run(program, args, { timeout: 20_000 });
    return { status: 0, said: stdout + stderr };
  } catch (thrown) {
    const { code, stderr = "" } = thrown as { code?: number; stderr?: string };
    return { status: code ?? -1, said: stderr };
  } finally {
    rmSync(join(root, folder), { recursive: true, force: true });
  }
}

export interface Kamailio extends Running {
  /** Where its files are on this machine, and `pid`. */
  readonly home: string;
  /** The command with which it is asked on its control socket. */
  readonly kamcmd: readonly string[];
  /** Its files anew. */
  put(files: ReadonlyMap<string, string>): void;
}

/** It binds its ports before it looks whether all routes are there, and answers on its control socket when all its processes run. */
async function answersControl([program = "", ...args]: readonly string[], { child }: Running): Promise<void> {
  for (let tries = 0; ; tries++) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error("it ended");
    try {
      await run(program, [...args, "core.uptime"], { timeout: 5000 });
      return;
    } catch (thrown) {
      if (tries === 200) throw thrown;
      await sleep(100);
    }
  }
}

/** Starts Kamailio on a host's address, port 5060, and waits until it runs. */
export async function startKamailio(
  release: Release,
  files: ReadonlyMap<string, string>,
  host: Host,
  address: string,
  more: readonly string[] = [],
): Promise<Kamailio> {
  const { root, folder } = await kamailioFolder(release, files);
  const running = start(host, root, [
    "/usr/sbin/kamailio",
    "-DD",
    "-E",
    "-f",
    `${folder}/kamailio.cfg`,
    "-l",
    `udp:${address}:5060`,
    "-P",
    `${folder}/pid`,
    "-u",
    String(NOBODY),
    "-g",
    String(NOBODY),
    ...more,
  ]);
  const close = async (): Promise<void> => {
    await running.close();
    rmSync(join(root, folder), { recursive: true, force: true });
  };
  const ours = ["/usr/sbin/kamcmd", "-s", `unix:${folder}/kamailio_ctl`];
  const kamcmd = root === "/" ? ours : ["chroot", root, ...ours];
  try {
    await answersControl(kamcmd, running);
  } catch (thrown) {
    await close();
    throw new Error(`kamailio does not start: ${running.log()}`, { cause: thrown });
  }
  return { ...running, close, home: join(root, folder), kamcmd, put: (all) => putKamailioFiles(root, folder, all) };
}
