import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { Bench, lineOf } from "../../src/admin/serve/progress.ts";
import { generateKeyPair, printPublicKey, printSecretKey } from "../../src/tree/keys.ts";
import { program, start } from "../helpers/scenario.ts";

const FIXTURES = join(import.meta.dirname, "../../fixtures");
const folders: string[] = [];
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

describe("tree serve", () => {
  test("a device that is told what it prints provisions itself; SIGINT ends it with 0", async () => {
    const folder = mkdtempSync(join(tmpdir(), "uciprov-serve-"));
    folders.push(folder);
    const [tree, root] = [join(folder, "tree"), join(folder, "root")];
    cpSync(join(FIXTURES, "trees/first-light/files"), tree, { recursive: true });
    cpSync(join(FIXTURES, "devices/factory"), root, { recursive: true, verbatimSymlinks: true });
    const { publicKey, secretKey } = generateKeyPair();
    writeFileSync(join(folder, "key"), printSecretKey(secretKey));
    expect((await start(["tree", "sign", tree, "--key", join(folder, "key"), "--name", "bench"])).status).toBe(0);

    const served = await serving(tree);
    cpSync(join(FIXTURES, "devices/factory/etc/config"), join(root, "etc/config"), { recursive: true });
    await import("node:fs/promises").then((fs) => fs.mkdir(join(root, "etc/uciprov/keys"), { recursive: true }));
    writeFileSync(join(root, "etc/uciprov/keys", publicKey.fingerprint), printPublicKey(publicKey));
    writeFileSync(join(root, "etc/uciprov/ca.pem"), served.told.ca);
    writeFileSync(join(root, "etc/config/uciprov"), "");
    const uci = async (...words: string[]) =>
      expect((await start(["uci", "-c", join(root, "etc/config"), "-t", join(folder, "delta"), ...words])).status).toBe(
        0,
      );
    await uci("set", "uciprov.main=uciprov");
    await uci("add_list", "uciprov.main.ca=/etc/uciprov/ca.pem");
    await uci("set", "uciprov.dns=uciprov");
    await uci("set", `uciprov.dns.name=${served.told.name}`);
    await uci("add_list", `uciprov.dns.server=${served.told.server}`);
    await uci("set", "uciprov.report=uciprov");
    await uci("set", `uciprov.report.uri=${served.told.uri}/.report`);
    await uci("commit", "uciprov");

    const ended = await start(["run", "--root", root, "--json"]);
    expect(ended.json, ended.stderr).toMatchObject({ result: "changed" });
    expect(readFileSync(join(root, "etc/config/system"), "utf8")).toContain("attic");
    await vi.waitFor(() => expect(served.log()).toMatch(/127\.0\.0\.1 DNS _uciprov\.bench\.example\n/));
    expect(served.log()).toMatch(/127\.0\.0\.1 200 \/default\.uci /);
    await vi.waitFor(() => expect(served.log()).toMatch(/127\.0\.0\.1 bootstrap-complete: changed\n/));

    writeFileSync(join(tree, "02005e100001.uci"), "package system\n\nconfig system\n\toption hostname 'cellar'\n");
    expect((await start(["tree", "sign", tree, "--key", join(folder, "key")])).status).toBe(0);
    expect((await start(["run", "--root", root, "--json"])).json).toMatchObject({ result: "changed" });
    expect(readFileSync(join(root, "etc/config/system"), "utf8")).toContain("cellar");
    served.child.kill("SIGINT");
    expect(await once(served.child, "exit")).toEqual([0, null]);
  });

  test("nothing but the tree is served, and an odd path cannot act on a terminal", async () => {
    const folder = mkdtempSync(join(tmpdir(), "uciprov-serve-"));
    folders.push(folder);
    writeFileSync(join(folder, "secret"), "x");
    cpSync(join(FIXTURES, "trees/first-light/files"), join(folder, "tree"), { recursive: true });
    const served = await serving(join(folder, "tree"));
    const { request } = await import("node:https");
    const status = (path: string) =>
      new Promise((resolve, reject) =>
        request(`${served.told.uri}`, { path, ca: served.told.ca, agent: false }, (answer) => {
          answer.resume();
          resolve(answer.statusCode);
        })
          .on("error", reject)
          .end(),
      );
    expect(await status("/../secret")).toBe(404);
    expect(await status("/%2e%2e/secret")).toBe(404);
    expect(await status("/%1b%5b2J")).toBe(404);
    expect(await status("/default.uci")).toBe(200);
    await vi.waitFor(() => expect(served.log()).toContain("default.uci"));
    expect(served.log()).not.toContain("\u001b");
  });

  test("a letter that is none is refused, and says nothing on the bench; elsewhere nothing is taken", async () => {
    const served = await serving(join(FIXTURES, "trees/first-light/files"));
    const { request } = await import("node:https");
    const status = (path: string, body: string) =>
      new Promise((resolve, reject) =>
        request(served.told.uri, { path, ca: served.told.ca, agent: false, method: "POST" }, (answer) => {
          answer.resume();
          resolve(answer.statusCode);
        })
          .on("error", reject)
          .end(body),
      );
    expect(await status("/.report", "nonsense")).toBe(400);
    expect(await status("/.report", '{"progress":"\\u001b[2J"}')).toBe(400);
    expect(await status("/.report", JSON.stringify({ progress: "bootstrap-complete", pad: "x".repeat(70_000) }))).toBe(
      400,
    );
    expect(await status("/default.uci", '{"progress":"bootstrap-complete"}')).toBe(405);
    expect(await status("/.report", '{"progress":"parsing-error","error":{"code":"UCI_INVALID"}}')).toBe(204);
    await vi.waitFor(() => expect(served.log()).toContain("127.0.0.1 parsing-error: UCI_INVALID\n"));
    expect(served.log()).not.toContain("bootstrap-complete");
  });

  test("listens on IPv6, too, and says so where a port is taken", async () => {
    const served = await serving(join(FIXTURES, "trees/first-light/files"), "::1");
    const [server, dns] = served.told.server.split("#");
    expect(server).toBe("::1");
    expect(served.told.uri).toMatch(/^https:\/\/\[::1\]:\d+$/);
    const words = ["tree", "serve", FIXTURES, "--listen", "::1", "--https-port", "0", "--dns-port", `${dns}`, "--json"];
    const second = await start(words);
    expect(second.json).toMatchObject({ error: { code: "USAGE", message: expect.stringContaining("EADDRINUSE") } });
  });

  test.each([
    ["no folder", ["tree", "serve"]],
    ["a file", ["tree", "serve", join(FIXTURES, "README.md")]],
    ["an address that is none", ["tree", "serve", FIXTURES, "--listen", "here"]],
    ["an address of another machine", ["tree", "serve", FIXTURES, "--listen", "192.0.2.77"]],
    ["a domain that a shell would act on", ["tree", "serve", FIXTURES, "--listen", "127.0.0.1", "--domain", "x;y"]],
    [
      "a place for the CA that is not there",
      ["tree", "serve", FIXTURES, "--listen", "127.0.0.1", "--out", "/nowhere/ca"],
    ],
    ["a port that is none", ["tree", "serve", FIXTURES, "--listen", "127.0.0.1", "--https-port", "65536"]],
  ])("%s is a fault of usage", async (_title, words) => {
    expect((await start([...words, "--json"])).json).toMatchObject({ error: { code: "USAGE" } });
  });
});

test("what a device reports counts for more than what its questions let guess", () => {
  const bench = new Bench();
  const client = "192.0.2.50";
  bench.see({ kind: "name", client, name: "_uciprov.bench.example" });
  for (const path of ["/MANIFEST", "/MANIFEST.sig", "/default.uci", "/MANIFEST"])
    bench.see({ kind: "file", client, path, status: 200, bytes: 10 });
  expect(bench.lines(200)[0]).toContain("[#####]");
  bench.see({ kind: "letter", client, progress: "config-error", about: "CONFIRM_FAILED" });
  expect(bench.lines(200)[0]).toMatch(/\[####-\].*config-error: CONFIRM_FAILED$/);
  bench.see({ kind: "letter", client, progress: "bootstrap-complete", about: "changed" });
  expect(bench.lines(200)[0]).toContain("[#####]");
});

test("a device's bar grows with what it asks for, and begins anew with the next run", () => {
  const bench = new Bench();
  const client = "192.0.2.50";
  const file = (path: string, status = 200) => bench.see({ kind: "file", client, path, status, bytes: 1500 });
  bench.see({ kind: "name", client, name: "_uciprov.bench.example" });
  file("/MANIFEST");
  file("/MANIFEST.sig");
  file("/default.uci");
  expect(bench.lines(200)).toEqual(["192.0.2.50       [####-] 1 files, 4.5 kB, default.uci 200"]);
  file("/MANIFEST");
  expect(bench.lines(200)[0]).toContain("[#####]");
  bench.see({ kind: "name", client, name: "_uciprov.bench.example" });
  expect(bench.lines(200)[0]).toContain("[#----] 0 files, 0 B");
  file("/MANIFEST", 304);
  expect(bench.lines(200)[0]).toContain("[#####]");
  expect(bench.lines(20)[0]).toHaveLength(20);
  expect(lineOf({ kind: "file", client, path: "/\u001b[2J", status: 404, bytes: 9 })).toBe("192.0.2.50 404 /?[2J 9 B");
});

interface Serving {
  readonly child: ChildProcess;
  readonly told: { uri: string; name: string; server: string; ca: string };
  log(): string;
}

async function serving(tree: string, address = "127.0.0.1"): Promise<Serving> {
  const words = ["tree", "serve", tree, "--listen", address, "--https-port", "0", "--dns-port", "0", "--json"];
  const child = spawn(process.execPath, [program(), ...words], { stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString("utf8");
  });
  child.stderr.on("data", (chunk: Buffer) => {
    err += chunk.toString("utf8");
  });
  await vi.waitFor(() => expect(out, err).toContain("\n"), { timeout: 20_000 });
  return { child, told: JSON.parse(out), log: () => err };
}
