import { execFile } from "node:child_process";
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeAuthority } from "../../src/admin/certificates.ts";
import { always } from "../helpers/web.ts";
import { claimingToStandBelow, fingerprintOf } from "./certificates.ts";
import { scene } from "./scene.ts";

const repository = realpathSync(join(import.meta.dirname, "../.."));
const run = promisify(execFile);
const { server } = scene();
let folder = "";

/** A program with nothing but our HTTP in it, bundled as the real one is. It tells as JSON what it found and which files it loaded, before and after. */
const PROBE = `
import { openHttp } from ${JSON.stringify(join(repository, "src/host/http.ts"))};
import { clock } from ${JSON.stringify(join(repository, "src/host/clock.ts"))};

const { uri, settings, stopAfter, times = 1 } = JSON.parse(process.argv[2]);
const peak = () => Number(/VmHWM:\\s+(\\d+)/.exec(require("node:fs").readFileSync("/proc/self/status", "latin1"))[1]) / 1024;
const loaded = () => Object.keys(require.cache).map((path) => path.replace(/^.*\\//, ""));
const http = openHttp({ settings }, {}, clock, () => true);
const control = new AbortController();
const before = loaded();
const peakBefore = process.platform === "linux" ? peak() : 0;
if (stopAfter !== undefined) setTimeout(() => control.abort(), stopAfter);
for (let time = 1; time < times; time++) await http.get({ uri, limit: 1000, signal: control.signal });
const asked = uri === undefined ? undefined : await http
  .get({ uri, limit: 1000, signal: control.signal })
  .then(({ kind, transport }) => ({ kind, transport }), ({ code, message }) => ({ code, message }));
await http.close();
// V8 compiles on while nothing else is to be done.
if (times > 1) await clock.sleep(500, control.signal);
const megabytes = process.platform === "linux" ? peak() - peakBefore : 0;
console.log(JSON.stringify({ before, after: loaded(), megabytes, asked, active: process.getActiveResourcesInfo() }));
`;

const CONFIG = `
import { leaveOut } from ${JSON.stringify(join(repository, "scripts/leave-out.mjs"))};
import { parserFile } from ${JSON.stringify(join(repository, "scripts/parser-file.mjs"))};
export default {
  input: { probe: "probe.ts" },
  platform: "node",
  external: /^node:/,
  plugins: [leaveOut(), parserFile("llhttp.wasm")],
  output: { dir: ".", format: "cjs", minify: true, entryFileNames: "[name].cjs", chunkFileNames: "[name].cjs" },
};
`;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "uciprov-bundle-"));
  // CommonJS knows no await at the top.
  const [imports = "", ...rest] = PROBE.split("\n\n");
  writeFileSync(join(folder, "probe.ts"), `${imports}\nvoid (async () => {\n${rest.join("\n\n")}\n})();\n`);
  writeFileSync(join(folder, "rolldown.config.mjs"), CONFIG);
  const cli = join(repository, "node_modules/rolldown/bin/cli.mjs");
  await run(process.execPath, [cli, "-c", "rolldown.config.mjs", "--logLevel", "silent"], { cwd: folder });
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Told {
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly asked?: { kind?: string; code?: string; transport?: { proof: { kind: string; fingerprint?: string } } };
  readonly active: readonly string[];
  readonly megabytes: number;
}

async function probe(asked: object, how: { flags?: string[]; env?: Record<string, string> } = {}): Promise<Told> {
  const args = [...(how.flags ?? []), join(folder, "probe.cjs"), JSON.stringify({ settings: SETTINGS, ...asked })];
  const { stdout, stderr } = await run(process.execPath, args, { env: { ...how.env }, timeout: 20_000 });
  // Node 22 says that NODE_USE_ENV_PROXY is new.
  expect(stderr.replace(/^.*(?:UNDICI-EHPA|--trace-warnings).*\n/gm, "")).toBe("");
  return JSON.parse(stdout);
}

const SETTINGS = {
  ca: [] as string[],
  pins: [],
  useSystemCa: false,
  connectSeconds: 10,
  headerSeconds: 10,
  bodyIdleSeconds: 10,
  totalSeconds: 20,
  maxRedirects: 5,
  userAgent: "uciprov-test",
};

describe("in the bundle", () => {
  test("HTTP is not loaded by opening and closing it", async () => {
    const { before, after } = await probe({});
    expect(before).toEqual(["probe.cjs"]);
    expect(after).toEqual(["probe.cjs"]);
  });

  test("HTTP is loaded by the first request, from a chunk of its own, and works there", async () => {
    const web = await server(always(200, {}, "x"));
    const { before, after, asked } = await probe({ uri: web.origin });
    expect(before).toEqual(["probe.cjs"]);
    expect(after).toContain("client.cjs");
    expect(asked).toMatchObject({ kind: "body" });
  });

  // It took 30 to 46 MB on Node 20 to 26 before its parser was kept from being compiled twice.
  test.skipIf(process.platform !== "linux")(
    "HTTP takes less than 25 MB at its peak, however often it is used",
    async () => {
      const web = await server(always(200, {}, "x"));
      expect((await probe({ uri: web.origin, times: 30 })).megabytes).toBeLessThan(25);
    },
  );

  test("no variable of the environment sends a request elsewhere", async () => {
    const web = await server(always(200, {}, "x"));
    const proxy = await server(always(200, {}, "forged"));
    const env = {
      http_proxy: proxy.origin,
      HTTP_PROXY: proxy.origin,
      ALL_PROXY: proxy.origin,
      NODE_USE_ENV_PROXY: "1",
    };
    expect((await probe({ uri: web.origin }, { env })).asked).toMatchObject({ kind: "body" });
    expect(proxy.opened()).toBe(0);
  });

  test("an errors' class is the same on both sides of the chunk's border", async () => {
    const web = await server(always(500));
    expect((await probe({ uri: web.origin })).asked).toMatchObject({ code: "HTTP_UNAVAILABLE" });
  });
});

describe("a process that fetched", () => {
  test("ends by itself after close(), with nothing left open", async () => {
    const authority = makeAuthority("Probing CA");
    const web = await server(always(200, {}, "x"), authority.issue({ names: ["localhost"] }));
    const told = await probe({ uri: web.origin, settings: { ...SETTINGS, ca: [authority.cert] } });
    expect(told.asked).toMatchObject({ kind: "body", transport: { proof: { kind: "ca" } } });
    expect(told.active.filter((name) => /TCP|TLS|Timeout/.test(name))).toEqual([]);
  });

  test.each(["http", "https"])("ends at once when it is stopped while its server is silent (%s)", async (scheme) => {
    const silent = createServer((socket) => void socket.on("error", () => undefined).resume());
    await new Promise<void>((done) => silent.listen(0, "127.0.0.1", done));
    const address = silent.address();
    const port = typeof address === "object" ? address?.port : 0;
    const begun = performance.now();
    try {
      const told = await probe({ uri: `${scheme}://127.0.0.1:${port}/`, stopAfter: 100 });
      expect(told.asked).toMatchObject({ code: "STOPPED" });
    } finally {
      silent.close();
    }
    // All deadlines are 10 s and more: only the signal can have ended it.
    expect(performance.now() - begun).toBeLessThan(5000);
  });
});

describe("the system's CAs", () => {
  const system = makeAuthority("System CA");
  const own = makeAuthority("Fleet CA");
  const settings = { ...SETTINGS, useSystemCa: true, ca: [own.cert] };
  const bySystem = (uri: string) => {
    writeFileSync(join(folder, "system.pem"), system.cert);
    return probe(
      { uri, settings },
      { flags: ["--use-openssl-ca"], env: { SSL_CERT_FILE: join(folder, "system.pem") } },
    );
  };

  test("count beside the configured ones, as a device runs Node (--use-openssl-ca)", async () => {
    const [one, other] = [system, own].map((authority) => authority.issue({ names: ["localhost"] }));
    const web = await server(always(200), one);
    const first = await bySystem(web.origin);
    // The configured CAs are tried first, since reading the system's takes long; nothing is asked before one fits.
    expect([web.opened(), web.asked.length]).toEqual([2, 1]);
    const second = await bySystem((await server(always(200), other)).origin);
    const third = await bySystem(
      (await server(always(200), makeAuthority("System CA").issue({ names: ["localhost"] }))).origin,
    );
    expect(first.asked?.transport?.proof).toEqual({ kind: "ca", fingerprint: "" });
    expect(second.asked?.transport?.proof).toEqual({ kind: "ca", fingerprint: fingerprintOf(own.cert) });
    expect(third.asked).toMatchObject({ code: "TLS_UNTRUSTED" });
  });

  test("are not even looked at for a server of a configured one", async () => {
    const pipe = join(folder, "never-written.pem");
    await run("mkfifo", [pipe]);
    const web = await server(always(200), own.issue({ names: ["localhost"] }));
    // Whoever reads it waits for ever.
    const env = { SSL_CERT_FILE: pipe };
    const { asked } = await probe({ uri: web.origin, settings }, { flags: ["--use-openssl-ca"], env });
    expect(asked?.transport?.proof).toEqual({ kind: "ca", fingerprint: fingerprintOf(own.cert) });
  });

  test("cannot be made to look like a configured one by what a server sends", async () => {
    const leaf = system.issue({ names: ["localhost"] });
    const forged = claimingToStandBelow(own.cert, makeAuthority("Fleet CA"), system);
    const web = await server(always(200), { cert: leaf.cert + forged + own.cert, key: leaf.key });
    const { asked } = await bySystem(web.origin);
    expect(asked?.transport?.proof).toEqual({ kind: "ca", fingerprint: "" });
  });
});
