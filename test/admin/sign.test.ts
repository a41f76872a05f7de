/** `tree sign` and `keys generate` as a publisher starts them; test/real/signify.test.ts asks stock tools about the same. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { EXIT } from "../../src/errors.ts";
import { parsePublicKey } from "../../src/tree/keys.ts";
import { parseManifest } from "../../src/tree/manifest.ts";
import { parseSignatures, verifySignatures } from "../../src/tree/signature.ts";
import { type RunChoices, start } from "../helpers/scenario.ts";

const DIE_AT = join(import.meta.dirname, "../helpers/die-at.cjs");

let folder = "";
let tree = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "uciprov-sign-"));
  tree = join(folder, "tree");
  mkdirSync(join(tree, "sites"), { recursive: true });
  writeFileSync(join(tree, "default.uci"), "package system\n");
  writeFileSync(join(tree, "sites/prague.uci"), "package network\n");
});
afterEach(() => rmSync(folder, { recursive: true }));

const read = (name: string) => readFileSync(join(tree, name), "utf8");

/** Signs, and expects it to go well. */
async function sign(args: readonly string[], choices: RunChoices = {}) {
  const ended = await start(["tree", "sign", tree, "--json", ...args], choices);
  expect(ended.status, ended.stdout + ended.stderr).toBe(0);
  return ended.json;
}

async function fails(args: readonly string[], exit: keyof typeof EXIT, says: string) {
  const before = contentOf(tree);
  const { status, stderr } = await start(["tree", "sign", tree, ...args]);
  expect({ status, stderr }).toEqual({ status: EXIT[exit], stderr: expect.stringContaining(says) });
  expect(contentOf(tree)).toEqual(before);
}

async function newKey(name: string) {
  const { json } = await start(["keys", "generate", join(folder, name), "--json"]);
  const secret = String(json["secret"]);
  return { secret, public: String(json["public"]), fingerprint: String(json["fingerprint"]) };
}

function contentOf(place: string): Record<string, string> {
  // A name that is no UTF-8 cannot be opened by what readdir makes of it; Node before 26.12 did not list what is in such a folder.
  const names = readdirSync(place, { recursive: true, encoding: "utf8" }).filter((name) =>
    /^[^\ufffd]*\.|^M/.test(name),
  );
  return Object.fromEntries(names.sort().map((name) => [name, readFileSync(join(place, name), "latin1")]));
}

function validSigners(place: string, publicFiles: readonly string[]): string[] {
  const keys = publicFiles.map((file) => parsePublicKey(readFileSync(file, "utf8")));
  const byName = new Map(keys.map((key) => [key.fingerprint, key]));
  const [manifest, signatures] = [join(place, "MANIFEST"), join(place, "MANIFEST.sig")];
  return [...verifySignatures(readFileSync(manifest), readFileSync(signatures, "utf8"), byName).valid].sort();
}

describe("what is written", () => {
  test("the same tree, key and SOURCE_DATE_EPOCH give the same bytes, and signing that again changes nothing", async () => {
    const { secret } = await newKey("keys");
    const copy = join(folder, "copy");
    cpSync(tree, copy, { recursive: true });
    const args = ["--key", secret, "--serial", "7", "--name", "lab"];
    const env = { SOURCE_DATE_EPOCH: "1700000000" };
    await sign(args, { env });
    const once = contentOf(tree);
    await sign(args, { env });
    expect(contentOf(tree)).toEqual(once);
    const other = await start(["tree", "sign", copy, ...args], { env });
    expect(other.status).toBe(0);
    expect(contentOf(copy)).toEqual(once);
    expect(once["MANIFEST"]).toContain("# date 2023-11-14T22:13:20Z\n");
  });

  test("version control's folders are not listed, nor what a killed sign left", async () => {
    const { secret } = await newKey("keys");
    mkdirSync(join(tree, ".git/objects"), { recursive: true });
    writeFileSync(join(tree, ".git/objects/0"), "x");
    writeFileSync(join(tree, ".MANIFEST.new"), "half");
    await sign(["--key", secret]);
    const names = [...parseManifest(readFileSync(join(tree, "MANIFEST")), { file: "MANIFEST" }).entries.keys()];
    expect(names).toEqual(["default.uci", "sites/prague.uci"]);
    expect(existsSync(join(tree, ".MANIFEST.new"))).toBe(false);
  });

  test.each(["a\nb.uci", Buffer.from([0xff, 0xfe]), Buffer.from("no\xc3utf8/default.uci", "latin1")])(
    "a name that no manifest can hold is told, and nothing is signed (%j)",
    async (name) => {
      const { secret } = await newKey("keys");
      const path = Buffer.concat([Buffer.from(`${tree}/`), Buffer.from(name)]);
      const slash = path.lastIndexOf("/");
      mkdirSync(path.subarray(0, slash), { recursive: true });
      writeFileSync(path, "");
      await fails(["--key", secret], "invalid-content", "MANIFEST_INVALID");
    },
  );

  test("lines for keys and a successor, once written into MANIFEST, stay", async () => {
    const { secret, fingerprint } = await newKey("keys");
    await sign(["--key", secret]);
    const lines = `# serial 1\n# successor next\n# key REMOVE ${fingerprint}\n`;
    writeFileSync(join(tree, "MANIFEST"), read("MANIFEST").replace("# serial 1\n", lines));
    await sign(["--key", secret]);
    expect(read("MANIFEST")).toContain(`# successor next\n# key REMOVE ${fingerprint}\n`);
    expect(read("MANIFEST")).toContain("# serial 2\n");
  });

  test("a manifest larger than devices take by default is signed, and told", async () => {
    const { secret } = await newKey("k");
    const deep = join(tree, "d".repeat(200), "e".repeat(200));
    mkdirSync(deep, { recursive: true });
    for (let i = 0; i < 1000; i++) writeFileSync(join(deep, `${i}.${"u".repeat(200)}`), "");
    const { status, stderr } = await start(["tree", "sign", tree, "--key", secret]);
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: expect.stringMatching(/MANIFEST has 1\d{6} bytes, and devices take 1048576 unless/),
    });
    const told = await start(["tree", "lint", tree, "--json"]);
    expect(told.stdout).toContain("too-large");
  });

  test("a link in the tree is not listed, and that is told", async () => {
    const { secret } = await newKey("k");
    symlinkSync("default.uci", join(tree, "board.uci"));
    const { status, stderr } = await start(["tree", "sign", tree, "--key", secret]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "left out, since they are no plain files: board.uci\n" });
    expect(read("MANIFEST")).not.toContain("board.uci");
  });

  test("what no device could read does not take the place of what they read now", async () => {
    const { secret } = await newKey("k");
    await sign(["--key", secret]);
    const deep = join(tree, ...Array<string>(6).fill("d".repeat(200)));
    mkdirSync(deep, { recursive: true });
    writeFileSync(join(deep, "x.uci"), "");
    await fails(["--key", secret], "invalid-content", "longer than 1024 bytes");
  });

  test("a known serial for another tree, and a date that is none, are refused", async () => {
    const { secret } = await newKey("keys");
    await sign(["--key", secret, "--serial", "7"]);
    writeFileSync(join(tree, "default.uci"), "package network\n");
    await fails(["--key", secret, "--serial", "7"], "usage", "serial 7 is not above 7");
    await fails(["--key", secret, "--serial", "6"], "usage", "serial 6 is not above 7");
    const { status } = await start(["tree", "sign", tree, "--key", secret], { env: { SOURCE_DATE_EPOCH: "today" } });
    expect(status).toBe(EXIT.usage);
  });
});

describe("several signers", () => {
  test("one signs, another adds: MANIFEST stays, both count, and each stands alone, too", async () => {
    const [anna, bert, cleo] = [await newKey("anna"), await newKey("bert"), await newKey("cleo")];
    await sign(["--key", anna.secret]);
    const manifest = read("MANIFEST");
    expect(readdirSync(tree).filter((name) => name.startsWith("MANIFEST.sig."))).toEqual([]);
    expect(await sign(["--add", "--key", bert.secret])).toMatchObject({ keys: [anna.fingerprint, bert.fingerprint] });
    await sign(["--add", "--key", cleo.secret]);
    expect(read("MANIFEST")).toBe(manifest);
    const all = [anna, bert, cleo].map(({ fingerprint }) => fingerprint);
    expect(
      validSigners(
        tree,
        [anna, bert, cleo].map((one) => one.public),
      ),
    ).toEqual(all.toSorted());
    expect(read("MANIFEST.sig")).toBe(all.map((one) => read(`MANIFEST.sig.${one}`)).join(""));

    await sign(["--add", "--key", bert.secret]);
    expect(parseSignatures(read("MANIFEST.sig"))).toHaveLength(3);

    await sign(["--key", anna.secret]);
    expect(readdirSync(tree).filter((name) => name.startsWith("MANIFEST.sig."))).toEqual([]);
  });

  test("who adds vouches for the files: they must be what MANIFEST says", async () => {
    const [anna, bert] = [await newKey("anna"), await newKey("bert")];
    await fails(["--add", "--key", bert.secret], "usage", "nothing to add to");
    await sign(["--key", anna.secret]);
    await fails(["--add", "--key", bert.secret, "--serial", "9"], "usage", "--serial would change MANIFEST");
    writeFileSync(join(tree, "sites/prague.uci"), "package firewall\n");
    await fails(["--add", "--key", bert.secret], "trust-refused", "sites/prague.uci is not what MANIFEST says");
    rmSync(join(tree, "sites/prague.uci"));
    await fails(["--add", "--key", bert.secret], "trust-refused", "sites/prague.uci");
  });

  test("a list that sha256sum printed can be signed as it is", async () => {
    const { secret, public: open, fingerprint } = await newKey("keys");
    const digest = "2c".repeat(32);
    writeFileSync(join(tree, "MANIFEST"), `${digest}  default.uci\n`);
    await fails(["--add", "--key", secret], "trust-refused", "default.uci");
    await sign(["--key", secret]);
    const bare = read("MANIFEST").replace(/^#.*\n/gm, "");
    writeFileSync(join(tree, "MANIFEST"), bare);
    rmSync(join(tree, "MANIFEST.sig"));
    await sign(["--add", "--key", secret]);
    expect(read("MANIFEST")).toBe(bare);
    expect(validSigners(tree, [open])).toEqual([fingerprint]);
  });
});

describe("a program that signs", () => {
  /** A program in JavaScript; its arguments come behind it. */
  const program = (text: string) => {
    const file = join(folder, `signer-${text.length}.cjs`);
    writeFileSync(file, text);
    return ["--signer", process.execPath, `--signer-arg=${file}`];
  };
  const AGENT = `
    const { createPrivateKey, sign } = require("node:crypto");
    const { readFileSync } = require("node:fs");
    const secret = Buffer.from(readFileSync(process.argv[2], "utf8").split("\\n")[1], "base64");
    const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), secret.subarray(40, 72)]);
    const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
    const message = Buffer.concat([readFileSync(0), Buffer.from(process.argv[3] ?? "")]);
    const block = Buffer.concat([Buffer.from("Ed"), secret.subarray(32, 40), sign(null, message, key)]);
    process.stdout.write("untrusted comment: by the agent\\n" + block.toString("base64") + "\\n");`;

  test("gets the manifest, and what it prints stands in MANIFEST.sig; no shell reads its arguments", async () => {
    const key = await newKey("own; touch keys");
    await sign([...program(AGENT), `--signer-arg=${key.secret}`, "--public", key.public]);
    expect(validSigners(tree, [key.public])).toEqual([key.fingerprint]);
    expect(read("MANIFEST.sig")).toContain("by the agent");
    const { secret, fingerprint } = await newKey("more");
    await sign(["--add", ...program(AGENT), `--signer-arg=${secret}`, "--public", join(folder, "more", fingerprint)]);
    expect(parseSignatures(read("MANIFEST.sig")).map(({ comment }) => comment)).toEqual([
      "by the agent",
      "by the agent",
    ]);
  });

  test("changes nothing if it fails, or prints no signature, or one of other bytes or by another key", async () => {
    const [key, other] = [await newKey("keys"), await newKey("other")];
    await sign(["--key", other.secret]);
    const open = ["--public", key.public];
    await fails([...program("process.exit(3)"), ...open], "failed", "status 3");
    await fails([...program("process.stdin.resume()"), ...open], "trust-refused", "signature");
    await fails([...program('console.log("x".repeat(100000))'), ...open], "failed", "did not sign");
    await fails(
      [...program(AGENT), `--signer-arg=${key.secret}`, "--signer-arg=!", ...open],
      "trust-refused",
      "no signature",
    );
    await fails([...program(AGENT), `--signer-arg=${other.secret}`, ...open], "trust-refused", "no signature");
    await fails(["--signer", join(folder, "nothing"), ...open], "failed", "did not sign");
    await fails(program(AGENT), "usage", "--public FILE");
    await fails(["--key", key.secret, "--signer-arg=x"], "usage", "--signer PROGRAM");
  });
});

test("a sign that is killed leaves a tree that devices accept, the old or the new one", async () => {
  const [before, after] = [await newKey("before"), await newKey("after")];
  await sign(["--key", before.secret]);
  const old = join(folder, "old");
  cpSync(tree, old, { recursive: true });
  const serials: (number | undefined)[] = [];
  for (let rename = 1; ; rename += 1) {
    const place = join(folder, `killed-${rename}`);
    cpSync(old, place, { recursive: true });
    const env = { UCIPROV_TEST_RENAME: String(rename) };
    const args = ["tree", "sign", place, "--key", before.secret, "--key", after.secret];
    const { signal } = await start(args, { preload: DIE_AT, env });
    const { serial } = parseManifest(readFileSync(join(place, "MANIFEST")), { file: "MANIFEST" });
    serials.push(serial);
    expect(validSigners(place, [before.public]), `at rename ${rename}`).toEqual([before.fingerprint]);
    if (signal === null) break;
    const again = await start(["tree", "sign", place, "--key", before.secret]);
    expect(again.status).toBe(0);
    expect(validSigners(place, [before.public])).toEqual([before.fingerprint]);
    expect(
      readdirSync(place)
        .filter((name) => name.includes("MANIFEST"))
        .sort(),
    ).toEqual(["MANIFEST", "MANIFEST.sig"]);
  }
  expect(serials).toEqual([1, 2, 2, 2, 2, 2]);
});

test("keys generate makes no key behind a passphrase, as usign cannot sign with one", async () => {
  const { status, stderr } = await start(["keys", "generate", join(folder, "keys"), "--passphrase"]);
  expect({ status, stderr }).toEqual({
    status: EXIT.usage,
    stderr: expect.stringContaining("password protected secret keys are not supported"),
  });
  expect(existsSync(join(folder, "keys"))).toBe(false);
});

describe("what is not signed, and says why", () => {
  test("a tree with a secret key that signs trees in it, however it is called", async () => {
    const { secret } = await newKey("keys");
    cpSync(secret, join(tree, "sites/notes.txt"));
    await fails(["--key", secret], "usage", "sites/notes.txt is a secret key");
  });

  test.each([
    [["--name", ""], "--name"],
    [["--name", "a b"], "--name"],
    [["--expires", "2031-02-30T00:00:00Z"], "no date"],
    [["--expires", "1/2/2031"], "no date"],
    [["--expires", "2031-01-02T00:00:00"], "no date"],
    [["--expires", "2020-01-01T00:00:00Z"], "is over"],
  ])("%j is wrong use", async (args, says) => {
    const { secret } = await newKey("keys");
    await fails(["--key", secret, ...args], "usage", says);
  });

  test("the wrong half of a key is told as that", async () => {
    const key = await newKey("keys");
    await fails(["--key", key.public], "trust-refused", "is a public key, and only the secret one signs");
    for (const words of [
      ["lint", tree],
      ["plan", tree, "--mac", "020000000001"],
    ]) {
      const { status, stderr } = await start(["tree", ...words, "--key", key.secret]);
      expect({ status, stderr }).toMatchObject({ status: EXIT["trust-refused"] });
      expect(stderr).toContain(`${key.secret} is a secret key; the public one is asked for`);
    }
  });

  test("a folder in the place of a file is told as what it is, and nothing is left behind", async () => {
    const { secret } = await newKey("keys");
    mkdirSync(join(tree, "MANIFEST.sig"));
    const { status, stderr } = await start(["tree", "sign", tree, "--key", secret]);
    expect({ status, stderr }).toEqual({ status: EXIT.failed, stderr: expect.stringContaining("FILE_UNWRITABLE: ") });
    expect(readdirSync(tree).sort()).toEqual(["MANIFEST.sig", "default.uci", "sites"]);
    rmSync(join(tree, "MANIFEST.sig"), { recursive: true });
    mkdirSync(join(tree, "MANIFEST"));
    for (const words of [
      ["sign", tree, "--key", secret],
      ["records", tree, "--base", "https://a/", "--domain", "a.example"],
    ]) {
      const { status, stderr } = await start(["tree", ...words]);
      expect({ status, stderr }).toEqual({
        status: EXIT.failed,
        stderr: expect.stringContaining("FILE_UNREADABLE: "),
      });
      expect(stderr).toContain("MANIFEST cannot be read");
    }
  });
});

test("an expiry and a hold that the next manifest drops are told", async () => {
  const { secret } = await newKey("keys");
  await sign(["--key", secret, "--expires", "2031-01-31", "--rollout", "hold"]);
  const next = await start(["tree", "sign", tree, "--key", secret]);
  expect(next.stderr).toMatch(/never expires[\s\S]*was held/);
  expect((await start(["tree", "sign", tree, "--key", secret])).stderr).toBe("");
});

test("one key given twice signs once", async () => {
  const { secret, fingerprint } = await newKey("keys");
  expect((await sign(["--key", secret, "--key", secret]))["keys"]).toEqual([fingerprint]);
});

test("an output that its disk cannot hold is no success", async () => {
  const { secret } = await newKey("keys");
  await sign(["--key", secret]);
  const words = ["tree", "records", tree, "--base", "https://a.example/", "--domain", "a.example"];
  const full = openSync("/dev/full", "w");
  try {
    const program = join(import.meta.dirname, "../../dist/uciprov.cjs");
    const { status, stderr } = spawnSync(process.execPath, [program, ...words], { stdio: ["ignore", full, "pipe"] });
    expect({ status, stderr: String(stderr) }).toEqual({
      status: 1,
      stderr: expect.stringContaining("FILE_UNWRITABLE"),
    });
  } finally {
    closeSync(full);
  }
});

test("a plan for many devices ends at once when it is asked to", async () => {
  const devices = Array.from({ length: 60_000 }, (_, at) => `02${at.toString(16).padStart(10, "0")},h${at}`);
  writeFileSync(join(folder, "fleet.csv"), `mac,hostname\n${devices.join("\n")}\n`);
  const program = join(import.meta.dirname, "../../dist/uciprov.cjs");
  const words = ["tree", "plan", tree, "--inventory", join(folder, "fleet.csv")];
  const child = spawn(process.execPath, [program, ...words], { stdio: "ignore" });
  const ended = once(child, "exit");
  await sleep(700);
  child.kill("SIGINT");
  expect(await ended).toEqual([null, "SIGINT"]);
});

test("a file that its owner alone can read is told, for the web server is somebody else; one of the group's is not", async () => {
  const { secret } = await newKey("keys");
  chmodSync(join(tree, "default.uci"), 0o600);
  chmodSync(join(tree, "sites/prague.uci"), 0o640);
  const { status, stderr } = await start(["tree", "sign", tree, "--key", secret]);
  expect({ status, stderr }).toEqual({
    status: 0,
    stderr: expect.stringMatching(/^only their owner can read default.uci: .*0640\n$/),
  });
});

test("another name than before is told, and a folder that holds the tree in place of the tree", async () => {
  const { secret } = await newKey("keys");
  await sign(["--key", secret, "--name", "fleet"]);
  expect((await start(["tree", "sign", tree, "--key", secret])).stderr).toBe("");
  expect((await start(["tree", "sign", tree, "--key", secret, "--name", "site"])).stderr).toMatch(
    /^this tree was fleet before: .* refuse site, .*# successor site/,
  );
  rmSync(join(folder, "keys"), { recursive: true });
  const { secret: other } = await newKey("../elsewhere");
  try {
    expect((await start(["tree", "sign", folder, "--key", other])).stderr).toContain(
      `${tree} looks like the tree itself`,
    );
  } finally {
    rmSync(dirname(other), { recursive: true });
  }
});
