import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { rolldown } from "rolldown";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Authority, makeAuthority } from "../../src/admin/certificates.ts";
import type { Asking, Fetched } from "./ask-http.ts";
import { logOf, type TwoHosts, twoHosts, whyNoHosts } from "./netns.ts";

const missing = whyNoHosts("nginx");
if (missing) console.warn(`skipped: nginx (${missing})`);

const overlay = randomBytes(3_000_000);
const overlaySum = createHash("sha256").update(overlay).digest("hex");
const https = "https://192.0.2.1";

describe.skipIf(missing)("nginx, between two hosts", () => {
  let net: TwoHosts;
  let script: string;
  const authority = makeAuthority("Provider CA");

  beforeAll(async () => {
    net = twoHosts();
    script = await bundledClient(net.folder);
    publish(net.folder);
    configure(net.folder, authority);
    net.prov.start("nginx", [
      "-p",
      net.folder,
      "-c",
      join(net.folder, "nginx.conf"),
      "-e",
      join(net.folder, "errors.log"),
    ]);
    for (const port of [80, 443, 7443, 8443, 9443]) await net.prov.listens("tcp", port);
  });

  afterAll(() => net?.close());

  async function ask(
    steps: Asking["steps"],
    more: Partial<Asking["settings"]> = {},
    isFar = false,
    through: readonly string[] = [],
  ): Promise<Fetched[][]> {
    const asking: Asking = { folder: net.folder, settings: { ...settings(authority), ...more }, isFar, steps };
    const [command = "", ...args] = [...through, process.execPath, script];
    const { status, stdout, stderr } = await net.dev.run(command, args, { input: JSON.stringify(asking) });
    expect({ status, stderr }, logOf(net.folder, "nginx")).toEqual({ status: 0, stderr: "" });
    return stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
  }

  /** What nginx noted since the last look: path, status, Range, and which request of its connection it was. */
  function noted(): string[] {
    const path = join(net.folder, "access.log");
    const lines = readFileSync(path, "utf8").trim().split("\n");
    writeFileSync(path, "");
    return lines;
  }

  /** How much of it a device has by now. */
  function spooled(name: string): number {
    return Math.max(
      ...readdirSync(net.folder)
        .filter((device) => device.startsWith("device-"))
        .map((device) => join(net.folder, device, "tmp", name))
        .map((path) => statSync(path, { throwIfNoEntry: false })?.size ?? 0),
    );
  }

  test("a second look costs one request on the wire and no body", async () => {
    const [[first] = []] = await ask([{ uris: [`${https}/MANIFEST`] }]);
    expect(first).toMatchObject({ kind: "body", size: 18, transport: { proof: { kind: "ca" } } });
    noted();
    const [[second] = []] = await ask([{ uris: [`${https}/MANIFEST`], etag: first?.etag ?? "" }]);
    expect(second).toMatchObject({ kind: "not-modified", transport: { proof: { kind: "ca" } } });
    expect(noted()).toEqual(["/MANIFEST 304 - 1"]);
  });

  test("many files at once use eleven connections at most, and one connection serves what comes after", async () => {
    const files = Array.from({ length: 9 }, (_, index) => `${https}/layer${index}.uci`);
    const [at, after] = await ask([
      { uris: [...files, `${https}/overlay.tar.gz`, `${https}/MANIFEST`, `${https}/gzip/layer0.uci`] },
      ...files.map((uri) => ({ uris: [uri] })),
    ]);
    expect(at?.map(({ kind }) => kind)).toEqual(new Array(12).fill("body"));
    expect(after?.map(({ kind }) => kind)).toEqual(["body"]);
    const requests = noted().map((line) => Number(line.split(" ").at(-1)));
    expect(requests).toHaveLength(21);
    expect(requests.filter((nth) => nth === 1).length).toBeLessThanOrEqual(11);
  });

  test("a large file of a far server comes in parts over eleven connections, which were opened before", async () => {
    const trace = join(net.folder, "trace");
    const [[manifest] = [], [answer] = []] = await ask(
      [
        { uris: [`${https}/MANIFEST`], expected: 11 },
        { uris: [`${https}/overlay.tar.gz`], spool: "/tmp/far", size: overlay.length },
      ],
      {},
      true,
      ["strace", "-f", "-e", "trace=setsockopt", "-o", trace],
    );
    expect(manifest).toMatchObject({ kind: "body" });
    expect(answer).toMatchObject({ kind: "body", size: overlay.length, sha256: overlaySum });
    const lines = noted();
    const ranges = lines.flatMap((line) => /^\/overlay.tar.gz 206 (bytes=\d+-\d+) /.exec(line)?.[1] ?? []);
    expect(new Set(ranges).size).toBe(12);
    expect(lines).toHaveLength(13);
    // Without it a part's question on a fresh connection waits for a round trip.
    expect(readFileSync(trace, "utf8")).toMatch(/TCP_NODELAY, \[1\]/);
  });

  test("the small files of a far server are asked for one behind the other, and come over one connection", async () => {
    const files = Array.from({ length: 9 }, (_, index) => `${https}/layer${index}.uci`);
    const sums = files.map((_, index) => createHash("sha256").update(layer(index)).digest("hex"));
    noted();
    const [, came = []] = await ask([{ uris: [`${https}/MANIFEST`] }, { uris: files, size: 2_000, sums }], {}, true);
    expect(came.map(({ kind }) => kind)).toEqual(files.map(() => "body"));
    const nths = noted()
      .slice(1)
      .map((line) => Number(line.split(" ").at(-1)));
    expect(nths).toEqual(files.map((_, index) => index + 1));
  });

  test("a server that allows an address three requests at a time gives all, the large file in parts among them", async () => {
    const of = (name: string) => `https://192.0.2.1:7443/${name}`;
    const small = Array.from({ length: 9 }, (_, index) => of(`layer${index}.uci`));
    noted();
    const [, files = [], [large] = [], both = []] = await ask(
      [
        { uris: [of("MANIFEST")] },
        { uris: small },
        { uris: [of("slow/overlay.tar.gz")], spool: "/tmp/limited", size: overlay.length },
        { uris: [...small, of("slow/overlay.tar.gz")], size: 1_900 },
      ],
      {},
      true,
    );
    expect(files.map(({ kind }) => kind)).toEqual(small.map(() => "body"));
    expect(large).toMatchObject({ kind: "body", sha256: overlaySum });
    expect(both.map(({ kind }) => kind)).toEqual(new Array(10).fill("body"));
    expect(noted().some((line) => / 503 /.test(line))).toBe(true);
  });

  test("IPv6 literals work, with names checked against the certificate's addresses", async () => {
    const [[answer] = []] = await ask([{ uris: ["https://[2001:db8:1::1]/MANIFEST"] }]);
    expect(answer).toMatchObject({ kind: "body", transport: { proof: { kind: "ca" } } });
  });

  test("each way it can refuse has its own class", async () => {
    const [answers = []] = await ask(
      [
        {
          uris: [
            `${https}/missing`,
            `${https}/auth/x`,
            `${https}/busy`,
            `${https}/close`,
            `${https}/portal`,
            `${https}/loop`,
            `${https}/down`,
            `${https}/moved`,
            "https://192.0.2.1:8443/MANIFEST",
            "https://192.0.2.1:9443/MANIFEST",
            "https://192.0.2.1:80/MANIFEST",
            "http://192.0.2.1:443/MANIFEST",
            "http://192.0.2.99/MANIFEST",
          ],
        },
      ],
      { connectSeconds: 5 },
    );
    expect(answers.map(({ kind, retryAfter }) => [kind, retryAfter])).toEqual([
      ["absent", undefined],
      ["HTTP_REFUSED", undefined],
      ["HTTP_UNAVAILABLE", 120],
      ["CONNECT_FAILED", undefined],
      ["PORTAL", undefined],
      ["REDIRECT_LOOP", undefined],
      ["REDIRECT_INSECURE", undefined],
      ["body", undefined],
      ["TLS_NAME", undefined],
      ["HTTP_REFUSED", undefined],
      ["CONNECT_FAILED", undefined],
      ["HTTP_REFUSED", undefined],
      ["CONNECT_FAILED", undefined],
    ]);
  });

  test("a device's own certificate opens what wants one", async () => {
    const client = authority.issue({ names: ["0200deadbeef"], isClient: true });
    const [[answer] = []] = await ask([{ uris: ["https://192.0.2.1:9443/MANIFEST"] }], { client });
    expect(answer).toMatchObject({ kind: "body" });
  });

  test("a CA it does not know is refused", async () => {
    const [[answer] = []] = await ask([{ uris: [`${https}/MANIFEST`] }], { ca: [makeAuthority("Provider CA").cert] });
    expect(answer).toMatchObject({ kind: "TLS_UNTRUSTED" });
  });

  test("what it would compress is asked for as it is", async () => {
    const [[answer] = []] = await ask([{ uris: [`${https}/gzip/layer0.uci`] }]);
    expect(answer).toMatchObject({ kind: "body", etag: expect.stringMatching(/^"/) });
  });

  test("a cable pulled in the middle of an overlay costs only what had not come yet", async () => {
    noted();
    const pulling = (async () => {
      await expect.poll(() => spooled("overlay"), { timeout: 60_000 }).toBeGreaterThan(400_000);
      await net.prov.run("ip", ["link", "set", "eth0", "down"]);
      await sleep(2500);
      await net.prov.run("ip", ["link", "set", "eth0", "up"]);
    })();
    const [[answer] = []] = await ask(
      [{ uris: ["http://192.0.2.1/slow/overlay.tar.gz"], spool: "/tmp/overlay", tries: 20 }],
      {
        bodyIdleSeconds: 1,
        connectSeconds: 1,
      },
    );
    await pulling;
    expect(answer).toMatchObject({ kind: "body", size: overlay.length, sha256: overlaySum });
    const kept = Number(/206 bytes=(\d+)-/.exec(noted().join("\n"))?.[1]);
    expect(kept).toBeGreaterThan(300_000);
  });

  test("a cable pulled while it comes in parts costs only what has not come in its order", async () => {
    noted();
    const pulling = (async () => {
      await expect.poll(() => spooled("parts"), { timeout: 60_000 }).toBeGreaterThan(200_000);
      await net.prov.run("ip", ["link", "set", "eth0", "down"]);
      await sleep(2500);
      await net.prov.run("ip", ["link", "set", "eth0", "up"]);
    })();
    const [, [answer] = []] = await ask(
      [
        { uris: ["http://192.0.2.1/MANIFEST"] },
        { uris: ["http://192.0.2.1/slow/overlay.tar.gz"], spool: "/tmp/parts", size: overlay.length, tries: 20 },
      ],
      { bodyIdleSeconds: 1, connectSeconds: 1 },
      true,
    );
    await pulling;
    expect(answer).toMatchObject({ kind: "body", size: overlay.length, sha256: overlaySum });
    expect(Number(/206 bytes=(\d+)- /.exec(noted().join("\n"))?.[1])).toBeGreaterThan(100_000);
  });
});

function settings(authority: Authority): Asking["settings"] {
  return {
    ca: [authority.cert],
    pins: [],
    useSystemCa: false,
    connectSeconds: 5,
    headerSeconds: 5,
    bodyIdleSeconds: 5,
    totalSeconds: 60,
    maxRedirects: 5,
    userAgent: "uciprov-test",
  };
}

async function bundledClient(folder: string): Promise<string> {
  const input = new URL("ask-http.ts", import.meta.url).pathname;
  const bundle = await rolldown({ input, platform: "node", logLevel: "silent" });
  await bundle.write({ dir: folder, format: "cjs", entryFileNames: "[name].cjs", chunkFileNames: "[name].cjs" });
  await bundle.close();
  return join(folder, "ask-http.cjs");
}

function layer(index: number): string {
  return `config layer '${index}'\n`.repeat(100);
}

function publish(folder: string): void {
  for (const name of ["www", "www/gzip", "www/slow"]) mkdirSync(join(folder, name));
  const put = (name: string, content: string | Uint8Array) => writeFileSync(join(folder, "www", name), content);
  put("MANIFEST", "# a manifest, say\n");
  put("gzip/layer0.uci", "config system\n".repeat(500));
  for (let index = 0; index < 9; index++) put(`layer${index}.uci`, layer(index));
  for (const name of ["overlay.tar.gz", "slow/overlay.tar.gz"]) put(name, overlay);
}

function configure(folder: string, authority: Authority): void {
  const put = (name: string, content: string) => writeFileSync(join(folder, name), content);
  const good = authority.issue({ names: ["192.0.2.1", "2001:db8:1::1"] });
  const other = authority.issue({ names: ["other.example"] });
  put("good.pem", good.cert + good.key);
  put("other.pem", other.cert + other.key);
  put("ca.pem", authority.cert);
  put("access.log", "");
  put("nginx.conf", NGINX.replaceAll("FOLDER", folder));
}

const NGINX = `
daemon off;
user root;
pid FOLDER/nginx.pid;
worker_processes 1;
events { worker_connections 200; }
http {
  log_format few '$request_uri $status $http_range_or_dash $connection_requests';
  map $http_range $http_range_or_dash { "" "-"; default $http_range; }
  access_log FOLDER/access.log few;
  client_body_temp_path FOLDER/t1; proxy_temp_path FOLDER/t2; fastcgi_temp_path FOLDER/t3; uwsgi_temp_path FOLDER/t4; scgi_temp_path FOLDER/t5;
  default_type application/octet-stream;
  ssl_certificate FOLDER/good.pem;
  ssl_certificate_key FOLDER/good.pem;
  ssl_client_certificate FOLDER/ca.pem;
  root FOLDER/www;
  server {
    listen 192.0.2.1:80; listen 192.0.2.1:443 ssl; listen [2001:db8:1::1]:443 ssl;
    location /slow/ { limit_rate 600k; }
    location /gzip/ { gzip on; gzip_types application/octet-stream; gzip_min_length 10; }
    location /auth/ { auth_basic x; auth_basic_user_file /dev/null; }
    location /busy { add_header Retry-After 120 always; return 503; }
    location /close { return 444; }
    location /portal { default_type text/html; return 200 "<html>log in</html>"; }
    location /loop { return 302 $scheme://$host/loop; }
    location /down { return 302 http://192.0.2.1/MANIFEST; }
    location /moved { return 301 $scheme://$host/MANIFEST; }
  }
  limit_conn_zone $binary_remote_addr zone=few:1m;
  server { listen 192.0.2.1:7443 ssl; limit_conn few 3; location /slow/ { limit_rate 600k; } }
  server { listen 192.0.2.1:8443 ssl; ssl_certificate FOLDER/other.pem; ssl_certificate_key FOLDER/other.pem; }
  server { listen 192.0.2.1:9443 ssl; ssl_verify_client on; }
}
`;
