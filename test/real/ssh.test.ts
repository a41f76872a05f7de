/** Against dropbear and OpenSSH (Debian packages `dropbear-bin`, `openssh-server`, `openssh-client`): the keys that are written let people in. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import sshkeys from "../../hooks/sshkeys.ts";
import { planScene } from "../helpers/plan-context.ts";

const isRequired = process.env["UCIPROV_REQUIRE_REAL"] === "1";
const missing = [
  "/usr/sbin/dropbear",
  "/usr/sbin/sshd",
  "/usr/bin/ssh",
  "/usr/bin/ssh-keygen",
  "/usr/bin/unshare",
].filter((program) => spawnSync(program, ["--nonsense"]).error !== undefined);
const reason = process.getuid?.() === 0 ? missing.join(", ") : "root rights";
if (reason !== "" && !isRequired) console.warn(`skipped: SSH needs ${reason}`);
const real = reason !== "" && !isRequired ? describe.skip : describe;

let folder = "";
let server: ChildProcess | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "uciprov-ssh-"));
  mkdirSync(join(folder, "home/.ssh"), { recursive: true, mode: 0o700 });
});
afterEach(() => {
  if (server?.pid !== undefined) process.kill(-server.pid, "SIGKILL");
  server = undefined;
  rmSync(folder, { recursive: true });
});

const path = (name: string): string => join(folder, name);

function makeKey(name: string, ...args: string[]): string {
  execFileSync("ssh-keygen", ["-q", "-N", "", "-C", name, "-f", path(name), ...args]);
  return readFileSync(path(`${name}.pub`), "utf8").trim();
}

/** The file as the module makes it of a tree's keys and what lies there, put where the server of this test looks. */
async function provision(tree: string, there: string): Promise<void> {
  const device = { "/usr/sbin/sshd": "", "/root/.ssh/authorized_keys": there };
  const { context, findings } = planScene({ module: "sshkeys", tree: { authorized_keys: tree }, device });
  const [change] = (await sshkeys.plan?.(context)) ?? [];
  expect(findings.filter((finding) => finding.severity === "error")).toEqual([]);
  if (change?.kind !== "file" || change.content.kind !== "bytes") throw new Error("no file was planned");
  writeFileSync(path("home/.ssh/authorized_keys"), change.content.bytes);
  chmodSync(path("home/.ssh/authorized_keys"), change.mode);
}

/** Starts a server whose root lives in the scratch home: in a mount namespace of its own, so that nobody else sees it. */
async function start(port: number, command: string, ...args: string[]): Promise<void> {
  const inside = 'mount --make-rprivate / && mount --bind "$0" /root && exec "$@"';
  server = spawn("unshare", ["-m", "sh", "-c", inside, path("home"), command, ...args], {
    detached: true,
    stdio: "ignore",
  });
  for (let tries = 0; !(await isOpen(port)); tries++) {
    if (tries === 600) throw new Error(`${command} does not listen`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const end = (answer: boolean) => () => {
      socket.destroy();
      resolve(answer);
    };
    socket.on("connect", end(true)).on("error", end(false));
  });
}

function login(port: number, key: string): { status: number | null; stdout: string } {
  const options = [
    "BatchMode=yes",
    "IdentitiesOnly=yes",
    "StrictHostKeyChecking=no",
    "UserKnownHostsFile=/dev/null",
    "ConnectTimeout=5",
  ];
  const args = ["-F", "/dev/null", "-i", path(key), "-p", String(port), ...options.flatMap((option) => ["-o", option])];
  return spawnSync("ssh", [...args, "root@127.0.0.1", "echo", "in"], { encoding: "utf8", timeout: 20_000 });
}

const SERVERS = [
  {
    name: "OpenSSH",
    port: 42_201,
    start: async (port: number) => {
      makeKey("host", "-t", "ed25519");
      mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
      const config = [
        `Port ${port}`,
        "ListenAddress 127.0.0.1",
        `HostKey ${path("host")}`,
        "UsePAM no",
        "StrictModes yes",
      ];
      writeFileSync(path("config"), `${[...config, "PermitRootLogin prohibit-password", "PidFile none"].join("\n")}\n`);
      await start(port, "/usr/sbin/sshd", "-D", "-f", path("config"));
    },
  },
  {
    name: "dropbear",
    port: 42_202,
    start: async (port: number) => {
      execFileSync("dropbearkey", ["-t", "ed25519", "-f", path("host")], { stdio: "ignore" });
      await start(
        port,
        "/usr/sbin/dropbear",
        "-F",
        "-s",
        "-p",
        `127.0.0.1:${port}`,
        "-r",
        path("host"),
        "-P",
        path("pid"),
      );
    },
  },
];

real.each(SERVERS)("$name", ({ port, start: startServer }) => {
  test("the tree's keys and other people's let in, a key that was taken out does not", {
    timeout: 60_000,
  }, async () => {
    const keys = {
      ed25519: makeKey("ed25519", "-t", "ed25519"),
      rsa: makeKey("rsa", "-t", "rsa", "-b", "2048"),
      ecdsa: makeKey("ecdsa", "-t", "ecdsa", "-b", "256"),
      theirs: makeKey("theirs", "-t", "ed25519"),
    };
    await provision(
      `# team\nno-port-forwarding ${keys.ed25519}\n${keys.rsa}\n${keys.ecdsa}\n`,
      `# by hand\n${keys.theirs}`,
    );
    await startServer(port);
    for (const key of ["ed25519", "rsa", "ecdsa", "theirs"]) {
      expect({ key, ...login(port, key) }).toMatchObject({ key, status: 0, stdout: "in\n" });
    }

    await provision(keys.rsa, readFileSync(path("home/.ssh/authorized_keys"), "latin1"));
    expect(login(port, "rsa").status).toBe(0);
    expect(login(port, "theirs").status).toBe(0);
    expect(login(port, "ed25519").status).toBe(255);
  });
});
