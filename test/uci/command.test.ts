import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { lockFile } from "../../src/admin/uci/lock.ts";
import { openPackage } from "../../src/admin/uci/open-package.ts";
import { replaceFile, signatureOf } from "../../src/admin/uci/replace-file.ts";
import { inProcess } from "./golden.ts";

let root: string;
const config = (name: string) => join(root, "etc/config", name);
const staged = (name: string) => join(root, "tmp/.uci", name);
const read = (path: string) => readFileSync(path, "utf8");

async function uci(...argv: string[]): Promise<{ exit: number; stdout: string; stderr: string }> {
  const { exit, stdout, stderr } = await inProcess(argv, new Uint8Array(), root);
  return { exit, stdout: Buffer.from(stdout).toString(), stderr: Buffer.from(stderr).toString() };
}

async function batch(input: string, ...argv: string[]): Promise<string> {
  const { stdout, stderr } = await inProcess([...argv, "batch"], Buffer.from(input), root);
  return Buffer.from(stdout).toString() + Buffer.from(stderr).toString();
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "uci-command-"));
  mkdirSync(join(root, "etc/config"), { recursive: true });
  mkdirSync(join(root, "tmp"));
  writeFileSync(config("demo"), "config thing 'one'\n\toption a '1'\n\tlist l 'x'\n");
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true });
});

describe("files", () => {
  test("staged changes and new files are for their owner only, committed ones keep their mode", async () => {
    chmodSync(join(root, "etc/config"), 0o755);
    chmodSync(config("demo"), 0o640);
    await uci("set", "demo.one.a=2");
    expect(statSync(staged("demo")).mode & 0o777).toBe(0o640);
    await uci("commit", "demo");
    expect(statSync(config("demo")).mode & 0o777).toBe(0o640);
    expect(read(staged("demo"))).toBe("");
    await inProcess(["import", "fresh"], Buffer.from("config a\n"), root);
    expect(statSync(config("fresh")).mode & 0o777).toBe(0o600);
  });

  test("a link is followed and stays a link", async () => {
    writeFileSync(join(root, "real"), read(config("demo")));
    rmSync(config("demo"));
    symlinkSync(join(root, "real"), config("demo"));
    await uci("set", "demo.one.a=2");
    await uci("commit");
    expect(lstatSync(config("demo")).isSymbolicLink()).toBe(true);
    expect(read(join(root, "real"))).toContain("option a '2'");
  });

  test("no path leads out of the folder, and nothing is left there", async () => {
    for (const name of ["../x", "/x", "a/../../x"]) {
      const { exit } = await inProcess(["import", name], Buffer.from("config a\n"), root);
      expect(exit).toBe(1);
    }
    expect(readdirSync(join(root, "etc"))).toEqual(["config"]);
    expect(readdirSync(join(root, "etc/config"))).toEqual(["demo"]);
    expect(existsSync(join(root, "x"))).toBe(false);
  });

  test("an override is read, and import writes the file behind it", async () => {
    mkdirSync(join(root, "var/run/uci"), { recursive: true });
    writeFileSync(join(root, "var/run/uci/demo"), "config thing 'over'\n");
    expect((await uci("show", "demo")).stdout).toBe("demo.over=thing\n");
    await inProcess(["import", "demo"], Buffer.from("config a 'b'\n"), root);
    expect((await uci("show", "demo")).stdout).toBe("demo.over=thing\n");
    expect(read(config("demo"))).toBe("\nconfig a 'b'\n\n");
  });

  test("no temporary file is left when the folder cannot be written", async () => {
    const missing = join(root, "nowhere/file");
    expect(() => replaceFile(missing, new Uint8Array(), undefined)).toThrow(expect.objectContaining({ status: "io" }));
    expect(existsSync(join(root, "nowhere"))).toBe(false);
  });

  test("what somebody wrote since is not overwritten", () => {
    const before = signatureOf(config("demo"));
    writeFileSync(config("demo"), "config other\n");
    expect(replaceFile(config("demo"), Buffer.from("config mine\n"), before)).toBe(false);
    expect(read(config("demo"))).toBe("config other\n");
    expect(readdirSync(join(root, "etc/config"))).toEqual(["demo"]);
  });
});

describe("command line", () => {
  test("options may follow the command, and -- ends them", async () => {
    expect((await uci("get", "demo.one.a", "-q")).stdout).toBe("1\n");
    expect((await uci("get", "--", "demo.one.a")).stdout).toBe("1\n");
  });

  test("an option that is none prints the help and is no failure", async () => {
    const { exit, stderr } = await uci("-Z", "show");
    expect(exit).toBe(0);
    expect(stderr).toMatch(/^uci: invalid option -- 'Z'\nUsage: uci /);
    expect((await uci("-c")).stderr).toMatch(/^uci: option requires an argument -- 'c'\n/);
  });

  test("quiet says nothing but keeps the status", async () => {
    expect(await uci("-q", "get", "demo.nope")).toEqual({ exit: 1, stdout: "", stderr: "" });
  });

  test("input comes from a file, once", async () => {
    writeFileSync(join(root, "in"), "get demo.one.a\n");
    expect((await uci("-f", "/in", "batch")).stdout).toBe("1\n");
    expect((await uci("-f", "/in", "-f", "/in", "batch")).stderr).toBe("Too many input files.\n");
    expect((await uci("-f", "/nope", "batch")).stderr).toBe("uci: No such file or directory");
  });

  test("a batch sees its own changes, whoever else writes meanwhile", async () => {
    const lines =
      "add demo thing\nset demo.@thing[-1].n=1\nget demo.@thing[1].n\nrevert demo.one\ncommit demo\nshow demo\n";
    expect(await batch(lines)).toMatch(
      /^cfg02\w{4}\n1\ndemo\.one=thing\ndemo\.one\.a='1'\ndemo\.one\.l='x'\ndemo\.@thing\[1\]=thing\ndemo\.@thing\[1\]\.n='1'\n$/,
    );
  });

  test("5,000 lines of a batch over 5,000 sections take time in line with their number", {
    timeout: 60_000,
  }, async () => {
    const count = 5_000;
    writeFileSync(
      config("big"),
      Array.from({ length: count }, (_, i) => `config row 'r${i}'\n\toption a '${i}'\n`).join(""),
    );
    const lines = Array.from({ length: count }, (_, i) => `set big.@row[${i}].a=x${i}\n`).join("");
    const from = performance.now();
    expect(await batch(`${lines}commit big\n`)).toBe("");
    // Reading the package for every line anew would take minutes.
    expect(performance.now() - from).toBeLessThan(20_000);
    expect(read(config("big"))).toContain(`option a 'x${count - 1}'`);
  });
});

describe("locking", () => {
  test("writers at the same time lose nothing", { timeout: 30_000 }, async () => {
    await Promise.all(Array.from({ length: 12 }, (_, i) => uci("add_list", `demo.one.n=${i}`)));
    await Promise.all([uci("commit", "demo"), uci("add_list", "demo.one.n=late"), uci("commit", "demo")]);
    await uci("commit", "demo");
    const items = [...read(config("demo")).matchAll(/list n '(\w+)'/g)].map(([, item]) => item);
    expect(items.sort()).toEqual([...Array.from({ length: 12 }, (_, i) => String(i)), "late"].sort());
  });

  test("a commit waits for who holds the file", { timeout: 30_000 }, async () => {
    await uci("set", "demo.one.a=2");
    const lock = await lockFile(config("demo"));
    const commit = uci("commit", "demo");
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(read(config("demo"))).toContain("option a '1'");
    await lock.release();
    await commit;
    expect(read(config("demo"))).toContain("option a '2'");
  });

  test("without the flock program everything works", async () => {
    vi.stubEnv("PATH", "");
    await uci("set", "demo.one.a=3");
    await uci("commit");
    expect(read(config("demo"))).toContain("option a '3'");
  });
});

describe("library", () => {
  test("a package is opened, edited, staged and committed", async () => {
    const demo = openPackage("demo", root);
    demo.set("one.a", "ü");
    demo.addList("one.l", "y");
    demo.delList("one.l", "x");
    const added = demo.add("thing");
    demo.set(`${added}.b`, "2");
    demo.rename(`${added}.b`, "c");
    demo.reorder(added, 0);
    await demo.stage();
    expect(read(staged("demo")).split("\n")[0]).toBe("demo.one.a='ü'");
    expect(read(config("demo"))).toContain("option a '1'");
    demo.delete("one.l");
    await demo.commit();
    expect(read(config("demo"))).toBe("\nconfig thing\n\toption c '2'\n\nconfig thing 'one'\n\toption a 'ü'\n\n");
    expect(demo.read().sections.length).toBe(2);
  });

  test("what cannot be is an error of the engine's own kind", () => {
    expect(() => openPackage("nope", root)).toThrow(expect.objectContaining({ code: "UCI_INVALID" }));
    const demo = openPackage("demo", root);
    for (const wrong of [
      () => demo.set("nope.a", "1"),
      () => demo.set("one.a", "\u0001"),
      () => demo.set("one.a b", "1"),
      () => demo.delete("one.nope"),
      () => demo.add("a b"),
      () => demo.rename("one", "a-b"),
    ])
      expect(wrong).toThrow(expect.objectContaining({ code: "UCI_INVALID" }));
  });
});
