import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  generateKeyPair,
  parsePublicKey,
  parseSecretKey,
  printPublicKey,
  printSecretKey,
} from "../../src/tree/keys.ts";
import { parseSignatures, sign, verifySignatures } from "../../src/tree/signature.ts";
import { failure } from "../macros/table.ts";

const { publicKey, secretKey } = generateKeyPair();
const message = Buffer.from("hello\n");
const decoded = (text: string) => Buffer.from(text.split("\n")[1] ?? "", "base64");
const encoded = (bytes: Uint8Array) => `untrusted comment: x\n${Buffer.from(bytes).toString("base64")}\n`;
const changed = (text: string, change: (bytes: Buffer) => void) => {
  const bytes = decoded(text);
  change(bytes);
  return encoded(bytes);
};

test("keys are read as they were printed", () => {
  expect(parsePublicKey(printPublicKey(publicKey))).toEqual(publicKey);
  expect(parseSecretKey(printSecretKey(secretKey))).toEqual(secretKey);
  expect(publicKey.fingerprint).toMatch(/^[0-9a-f]{16}$/);
  expect(generateKeyPair().publicKey).not.toEqual(publicKey);
});

test("the bytes are laid out as usign has them", () => {
  const pub = decoded(printPublicKey(publicKey));
  expect(pub).toHaveLength(42);
  expect(pub.toString("latin1", 0, 2)).toBe("Ed");
  expect(pub.toString("hex", 2, 10)).toBe(publicKey.fingerprint);
  const sec = decoded(printSecretKey(secretKey));
  expect(sec).toHaveLength(104);
  expect(sec.toString("latin1", 0, 8)).toBe("EdBK\0\0\0\0");
  expect(sec.subarray(24, 32)).toEqual(createHash("sha512").update(sec.subarray(40)).digest().subarray(0, 8));
  expect(sec.toString("hex", 32, 40)).toBe(publicKey.fingerprint);
  expect(sec.subarray(72)).toEqual(pub.subarray(10));
  expect(printPublicKey(publicKey)).toMatch(/^untrusted comment: public key [0-9a-f]{16}\n[A-Za-z0-9+/]+={0,2}\n$/);
});

test("RFC 8032 test 2: the seed gives the known public key and signature", () => {
  const seed = Buffer.from("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "hex");
  const half = Buffer.from("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "hex");
  const key = { fingerprint: "0000000000000001", seed: new Uint8Array(seed), bytes: new Uint8Array(half) };
  expect(parseSecretKey(printSecretKey(key))).toEqual(key);
  expect(Buffer.from(parseSignatures(sign(Buffer.from([0x72]), key))[0]?.bytes ?? []).toString("hex")).toBe(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" +
      "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
  );
});

const secretText = printSecretKey(secretKey);
test.each([
  ["encrypted", changed(secretText, (bytes) => bytes.writeUInt32BE(42, 4))],
  ["another derivation", changed(secretText, (bytes) => bytes.write("XX", 2))],
  ["another algorithm", changed(secretText, (bytes) => bytes.write("Ec", 0))],
  ["wrong checksum", changed(secretText, (bytes) => bytes.fill(0, 24, 32))],
  ["damaged seed", changed(secretText, (bytes) => bytes.fill(0, 40, 72))],
  ["a public key", printPublicKey(publicKey)],
  [
    "halves of two keys",
    changed(secretText, (bytes) => {
      bytes.set(generateKeyPair().publicKey.bytes, 72);
      createHash("sha512").update(bytes.subarray(40)).digest().copy(bytes, 24, 0, 8);
    }),
  ],
])("a secret key that is %s is refused", (_, text) => {
  expect(failure(() => parseSecretKey(text)).code).toBe("KEY_INVALID");
});

const publicText = printPublicKey(publicKey);
test.each([
  ["empty", ""],
  ["one line", "untrusted comment: x\n"],
  ["without comment", publicText.split("\n")[1] ?? ""],
  ["with another comment", publicText.replace("untrusted", "trusted")],
  ["another algorithm", changed(publicText, (bytes) => bytes.write("Ec", 0))],
  ["short", encoded(decoded(publicText).subarray(1))],
  ["long", encoded(Buffer.concat([decoded(publicText), Buffer.from("x")]))],
  ["two keys", publicText + publicText],
  ["followed by text", `${publicText}x\n`],
  ["followed by blank lines", `${publicText}\n\n`],
  ["from Windows", publicText.replaceAll("\n", "\r\n")],
  ["loose base64", publicText.replace(/\n$/, " \n")],
  ["base64 of the other alphabet", encoded(Buffer.alloc(42, 0xff)).replaceAll("/", "_")],
  ["a secret key", secretText],
  ["huge", `untrusted comment: ${"x".repeat(1_000_000)}\n${publicText.split("\n")[1]}\n`],
])("a public key that is %s is refused", (_, text) => {
  expect(failure(() => parsePublicKey(text)).code).toBe("KEY_INVALID");
});

test("a comment stays one line", () => {
  expect(failure(() => printPublicKey(publicKey, "a\nb")).code).toBe("KEY_INVALID");
  expect(failure(() => sign(message, secretKey, "a\rb")).code).toBe("KEY_INVALID");
});

test("any text is a key or KEY_INVALID", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string(), (first, second) => {
      for (const text of [first, `untrusted comment: ${first}\n${second}\n`]) {
        expect(failure(() => parsePublicKey(text)).code).toBe("KEY_INVALID");
        expect(failure(() => parseSecretKey(text)).code).toBe("KEY_INVALID");
        expect(failure(() => verifySignatures(message, text, new Map())).code).toBe("SIGNATURE_WRONG");
      }
    }),
  );
});
