/** Against OpenBSD's signify (Debian package `signify-openbsd`), which shares its formats with OpenWrt's usign. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  generateKeyPair,
  parsePublicKey,
  parseSecretKey,
  printPublicKey,
  printSecretKey,
} from "../../src/tree/keys.ts";
import { parseSignatures, sign, verifySignatures } from "../../src/tree/signature.ts";
import { start } from "../helpers/scenario.ts";

const SIGNIFY = ["signify-openbsd", "signify"].find((name) => spawnSync(name, []).error === undefined);
const isRequired = process.env["UCIPROV_REQUIRE_REAL"] === "1";
if (SIGNIFY === undefined && !isRequired) console.warn("skipped: signify-openbsd is not installed");

/** A skipped test proves nothing, so where real peers are required a missing one fails. */
const real = SIGNIFY === undefined && !isRequired ? test.skip : test;

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "uciprov-signify-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const path = (name: string) => join(folder, name);
const write = (name: string, content: string | Uint8Array) => writeFileSync(path(name), content);
const read = (name: string) => readFileSync(path(name), "utf8");
const signify = (...args: string[]) => execFileSync(SIGNIFY ?? "signify-openbsd", args, { cwd: folder, stdio: "pipe" });
const isVerified = () =>
  spawnSync(SIGNIFY ?? "signify-openbsd", ["-V", "-p", "k.pub", "-m", "m", "-x", "m.sig"], { cwd: folder });

const MESSAGES = [
  "x",
  "# uciprov-manifest 1\n# tree lab\n",
  Buffer.alloc(300_000, 0xa5),
  Buffer.from([0, 255, 10, 13, 0]),
];

real("signify verifies what we signed, and refuses it when it is changed", () => {
  const { publicKey, secretKey } = generateKeyPair();
  write("k.pub", printPublicKey(publicKey));
  for (const message of MESSAGES) {
    write("m", message);
    write("m.sig", sign(Buffer.from(message), secretKey));
    expect(isVerified().status).toBe(0);
    write("m", Buffer.concat([Buffer.from(message), Buffer.from("!")]));
    expect(isVerified().status).not.toBe(0);
  }
});

real("signify reads the first of several signatures", () => {
  const [first, second] = [generateKeyPair(), generateKeyPair()];
  const message = Buffer.from("MANIFEST\n");
  write("k.pub", printPublicKey(first.publicKey));
  write("m", message);
  write("m.sig", sign(message, first.secretKey) + sign(message, second.secretKey));
  expect(isVerified().status).toBe(0);
});

real("we verify what signify signed with its own key", () => {
  signify("-G", "-n", "-p", "own.pub", "-s", "own.sec", "-c", "made by signify");
  const key = parsePublicKey(read("own.pub"));
  const keys = new Map([[key.fingerprint, key]]);
  for (const message of MESSAGES) {
    write("m", message);
    signify("-S", "-s", "own.sec", "-m", "m", "-x", "m.sig");
    const bytes = Buffer.from(message);
    expect([...verifySignatures(bytes, read("m.sig"), keys).valid]).toEqual([key.fingerprint]);
    expect(verifySignatures(Buffer.concat([bytes, bytes]), read("m.sig"), keys).wrong).toEqual([key.fingerprint]);
  }
});

real("the same secret key gives the same signature in both, and each reads the other's file", () => {
  const { publicKey, secretKey } = generateKeyPair();
  write("k.pub", printPublicKey(publicKey));
  write("k.sec", printSecretKey(secretKey));
  write("m", "message\n");
  signify("-S", "-s", "k.sec", "-m", "m", "-x", "m.sig");
  const message = Buffer.from("message\n");
  expect(parseSignatures(read("m.sig"))[0]?.bytes).toEqual(parseSignatures(sign(message, secretKey))[0]?.bytes);

  signify("-G", "-n", "-p", "other.pub", "-s", "other.sec");
  const theirs = parseSecretKey(read("other.sec"));
  expect(theirs.bytes).toEqual(parsePublicKey(read("other.pub")).bytes);
  write("k.pub", read("other.pub"));
  write("m.sig", sign(message, theirs));
  expect(isVerified().status).toBe(0);
});

real("an encrypted secret key of signify's is refused", () => {
  const child = spawnSync(SIGNIFY ?? "signify-openbsd", ["-G", "-p", "e.pub", "-s", "e.sec"], {
    cwd: folder,
    input: "passphrase\npassphrase\n",
  });
  expect(child.status).toBe(0);
  expect(() => parseSecretKey(read("e.sec"))).toThrow("encrypted");
});

real(
  "a tree of several signers: sha256sum accepts MANIFEST, signify each signature, also one that signify made as our --signer",
  async () => {
    const tree = path("tree");
    mkdirSync(join(tree, "boards"), { recursive: true });
    write("tree/default.uci", "package system\n");
    write("tree/boards/a b,é.uci", "package network\n");
    const pairs = [generateKeyPair(), generateKeyPair()];
    for (const { publicKey, secretKey } of pairs) {
      write(`${publicKey.fingerprint}.pub`, printPublicKey(publicKey));
      write(`${publicKey.fingerprint}.sec`, printSecretKey(secretKey));
    }
    signify("-G", "-n", "-p", "agent.pub", "-s", "agent.sec");
    const agent = parsePublicKey(read("agent.pub")).fingerprint;
    write(`${agent}.pub`, read("agent.pub"));

    const keys = pairs.flatMap(({ publicKey }) => ["--key", path(`${publicKey.fingerprint}.sec`)]);
    const args = ["-S", "-s", path("agent.sec"), "-m", "-", "-x", "-"].map((one) => `--signer-arg=${one}`);
    expect(await start(["tree", "sign", tree, ...keys])).toMatchObject({ status: 0 });
    const added = await start([
      ...["tree", "sign", tree, "--add", "--signer", SIGNIFY ?? "signify-openbsd"],
      ...[...args, "--public", path("agent.pub")],
    ]);
    expect(added.status, added.stderr).toBe(0);

    execFileSync("sha256sum", ["--strict", "-c", "MANIFEST"], { cwd: tree, stdio: "pipe" });
    for (const fingerprint of [agent, ...pairs.map(({ publicKey }) => publicKey.fingerprint)])
      signify("-V", "-p", `${fingerprint}.pub`, "-m", "tree/MANIFEST", "-x", `tree/MANIFEST.sig.${fingerprint}`);
    const first = pairs[0]?.publicKey.fingerprint;
    signify("-V", "-p", `${first}.pub`, "-m", "tree/MANIFEST");
  },
);
