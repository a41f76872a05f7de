/** Against OpenSSL (Debian package `openssl`): the files that are written are authorities it believes and a client it lets in. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import certs from "../../hooks/certs.ts";
import { makeAuthority } from "../../src/admin/certificates.ts";
import { planScene } from "../helpers/plan-context.ts";

const isRequired = process.env["UCIPROV_REQUIRE_REAL"] === "1";
const isThere = spawnSync("openssl", ["version"]).error === undefined;
if (!isThere && !isRequired) console.warn("skipped: certificates need openssl");
const real = isThere || isRequired ? describe : describe.skip;

let root = "";
let server: ChildProcess | undefined;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "uciprov-certs-"));
});
afterEach(() => {
  server?.kill("SIGKILL");
  server = undefined;
  rmSync(root, { recursive: true });
});

/** Puts what the module makes of a tree below the root; the paths of what it wrote. */
async function provision(tree: Readonly<Record<string, string>>): Promise<string[]> {
  const { context, findings } = planScene({ module: "certs", tree, isSmall: true });
  const changes = (await certs.plan?.(context)) ?? [];
  expect(findings).toEqual([]);
  return changes.flatMap((change) => {
    if (change.kind === "symlink") symlinkSync(change.target, join(root, change.path));
    if (change.kind !== "file" || change.content.kind !== "bytes") return [];
    const path = join(root, change.path);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, change.content.bytes, { mode: change.mode });
    return [change.path];
  });
}

function openssl(...args: string[]): { status: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync("openssl", args, { encoding: "utf8", input: "", timeout: 20_000 });
  return { status, said: `${stdout}${stderr}` };
}

/** A certificate and its key as an admin makes them by hand, issued by an authority of its own in `devices.pem`. */
function issueClient(): string {
  const fresh = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const steps = [
    [
      "req",
      "-x509",
      ...fresh,
      "-subj",
      "/CN=Devices",
      "-days",
      "2",
      "-keyout",
      at("ca.key"),
      "-out",
      at("devices.pem"),
    ],
    ["req", ...fresh, "-subj", "/CN=02005e100001", "-keyout", at("own.key"), "-out", at("own.csr")],
    [
      "x509",
      "-req",
      "-in",
      at("own.csr"),
      "-CA",
      at("devices.pem"),
      "-CAkey",
      at("ca.key"),
      "-CAcreateserial",
      "-days",
      "2",
      "-out",
      at("own.pem"),
    ],
  ];
  for (const step of steps) expect(openssl(...step)).toMatchObject({ status: 0 });
  return readFileSync(at("own.pem"), "utf8") + readFileSync(at("own.key"), "utf8");
}

const at = (path: string) => join(root, path);

real("what certs writes, for OpenSSL", () => {
  test("authorities: a server's certificate is proven by the file, and another's is not", async () => {
    const [fleet, others] = [makeAuthority("Fleet CA"), makeAuthority("Somebody's CA")];
    const [path = ""] = await provision({ ca: `# ours\n${fleet.cert}` });
    expect(path).toMatch(/^\/etc\/ssl\/certs\/tree-[0-9a-f]{16}\.crt$/);
    for (const [authority, status] of [
      [fleet, 0],
      [others, 2],
    ] as const) {
      writeFileSync(at("server.pem"), authority.issue({ names: ["prov.example"] }).cert);
      expect(openssl("verify", "-no-CApath", "-no-CAfile", "-CAfile", at(path), at("server.pem")).status).toBe(status);
    }
  });

  test("the folder: programs on OpenSSL find authorities in it by name, however the name is written", async () => {
    const subjects = [
      "/CN=Fleet CA",
      "/C=CZ/O=  Fleet   Inc. /CN=ROOT ca",
      "/O=Flotte & Söhne/CN=Größe",
      `/CN=${"long ".repeat(12)}`,
    ];
    const issued = subjects.map((subject, at) => {
      const [cert, key] = [join(root, `${at}.pem`), join(root, `${at}.key`)];
      const fresh = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-utf8", "-days", "2"];
      expect(openssl("req", "-x509", ...fresh, "-subj", subject, "-keyout", key, "-out", cert)).toMatchObject({
        status: 0,
      });
      return readFileSync(cert, "utf8");
    });
    await provision({ ca: [...issued, makeAuthority("Fleet CA").cert].join("\n") });
    for (const at of subjects.keys()) {
      const folder = join(root, "etc/ssl/certs");
      expect(openssl("verify", "-no-CAfile", "-CApath", folder, join(root, `${at}.pem`)), subjects[at]).toMatchObject({
        status: 0,
      });
    }
  });

  test("the device's own: a server that asks for a client's certificate lets it in, and without it nobody", async () => {
    const fleet = makeAuthority("Fleet CA");
    const device = issueClient();
    const web = fleet.issue({ names: ["localhost"] });
    const written = await provision({ ca: fleet.cert, client: device });
    expect(written).toContain("/etc/ssl/client.crt");
    expect(written).toContain("/etc/ssl/private/client.key");
    const authority = at(written.find((path) => path.includes("/tree-")) ?? "");
    writeFileSync(at("web.pem"), `${web.cert}${web.key}`);
    const port = 20_000 + (process.pid % 20_000);
    server = spawn(
      "openssl",
      [
        "s_server",
        "-accept",
        String(port),
        "-cert",
        at("web.pem"),
        "-CAfile",
        at("devices.pem"),
        "-Verify",
        "2",
        "-verify_return_error",
        "-www",
      ],
      { stdio: "ignore" },
    );
    for (let tries = 0; !(await isOpen(port)); tries++) {
      if (tries > 600) throw new Error("openssl s_server does not listen");
      await sleep(50);
    }
    const shown = ["-cert", at("/etc/ssl/client.crt"), "-key", at("/etc/ssl/private/client.key")];
    const ask = (...more: string[]) =>
      openssl(
        "s_client",
        "-connect",
        `127.0.0.1:${port}`,
        "-tls1_2",
        "-CAfile",
        authority,
        "-verify_return_error",
        ...more,
      );
    expect(ask(...shown)).toMatchObject({ status: 0, said: expect.stringContaining("Verify return code: 0 (ok)") });
    expect(ask().status).not.toBe(0);
  });
});

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const end = (isSo: boolean) => {
      socket.destroy();
      resolve(isSo);
    };
    socket.on("connect", () => end(true));
    socket.on("error", () => end(false));
  });
}
