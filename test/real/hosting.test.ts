/** The server configuration of docs/admin/hosting.md, as it stands there. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeAuthority } from "../../src/admin/certificates.ts";
import { signTree } from "../../src/admin/sign-tree.ts";
import { generateKeyPair } from "../../src/tree/keys.ts";
import { type TwoHosts, twoHosts, whyNoHosts } from "./netns.ts";

const missing = whyNoHosts("nginx");
if (missing) console.warn(`skipped: hosting (${missing})`);

describe.skipIf(missing)("nginx as the page has it", () => {
  let hosts: TwoHosts;
  const authority = makeAuthority("Hosting CA");

  beforeAll(async () => {
    hosts = twoHosts();
    const { folder } = hosts;
    cpSync("fixtures/trees/first-light/files", join(folder, "srv/tree"), { recursive: true });
    signTree(join(folder, "srv/tree"), { tree: "hosting", serial: 1 }, [generateKeyPair().secretKey]);
    const { cert, key } = authority.issue({ names: ["192.0.2.1"] });
    hosts.prov.file("cfg.pem", cert);
    hosts.prov.file("cfg.key", key);
    const page = readFileSync("docs/admin/hosting.md", "utf8");
    const server = /```nginx\n(.*?)```/s.exec(page)?.[1] ?? "";
    const here = server.replaceAll("/etc/nginx/", `${folder}/`).replaceAll("/srv/uciprov", join(folder, "srv"));
    expect(here).not.toBe(server);
    const file = hosts.prov.file(
      "nginx.conf",
      `daemon off;\nuser root;\npid ${folder}/pid;\nevents {}\nhttp {\naccess_log off;\n${here}\n}\n`,
    );
    mkdirSync(join(folder, "logs"));
    const tested = await hosts.prov.run("nginx", ["-t", "-p", folder, "-c", file, "-e", join(folder, "errors.log")]);
    expect(tested.status, tested.stderr).toBe(0);
    hosts.prov.start("nginx", ["-p", folder, "-c", file, "-e", join(folder, "errors.log")]);
    await hosts.prov.listens("tcp", 443);
  });
  afterAll(() => hosts?.close());

  test("answers 304 to whom has the manifest, with the headers that caches need, and ranges of files", async () => {
    writeFileSync(join(hosts.folder, "ca.pem"), authority.cert);
    const script = `
      const { get } = require("node:https");
      const ca = require("node:fs").readFileSync(process.argv[1]);
      const ask = (path, headers = {}) => new Promise((done, fail) =>
        get("https://192.0.2.1/tree/" + path, { ca, headers }, (answer) => { answer.resume(); done({ status: answer.statusCode, ...answer.headers }); }).on("error", fail));
      (async () => {
        const first = await ask("MANIFEST");
        const again = await ask("MANIFEST", { "if-none-match": first.etag });
        const part = await ask("default.uci", { range: "bytes=5-" });
        console.log(JSON.stringify([first, again, part]));
      })();`;
    const told = await hosts.dev.run(process.execPath, ["-e", script, join(hosts.folder, "ca.pem")]);
    expect(told.status, told.stderr).toBe(0);
    expect(JSON.parse(told.stdout)).toMatchObject([
      { status: 200, "cache-control": "no-cache", etag: expect.any(String) },
      { status: 304 },
      { status: 206, "cache-control": "max-age=60" },
    ]);
  });
});
