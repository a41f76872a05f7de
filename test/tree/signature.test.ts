import fc from "fast-check";
import { expect, test } from "vitest";
import { generateKeyPair, type PublicKey } from "../../src/tree/keys.ts";
import { parseSignatures, sign, verifySignatures } from "../../src/tree/signature.ts";
import { failure } from "../macros/table.ts";

const [a, b, c] = [generateKeyPair(), generateKeyPair(), generateKeyPair()];
const message = Buffer.from("# uciprov-manifest 1\n");
const holds = (...pairs: readonly { publicKey: PublicKey }[]) =>
  new Map(pairs.map(({ publicKey }) => [publicKey.fingerprint, publicKey]));
const name = (pair: typeof a) => pair.publicKey.fingerprint;

test("several signatures stand one after the other", () => {
  const text = sign(message, a.secretKey) + sign(message, b.secretKey) + sign(message, c.secretKey);
  const verified = verifySignatures(message, text, holds(a, b));
  expect([...verified.valid].sort()).toEqual([name(a), name(b)].sort());
  expect(verified.unknown).toEqual([name(c)]);
  expect(verified.wrong).toEqual([]);
});

test("a signer is counted once, however often it signs", () => {
  const text = sign(message, a.secretKey, "one") + sign(message, a.secretKey, "two");
  expect([...verifySignatures(message, text, holds(a)).valid]).toEqual([name(a)]);
});

test("one public key under two numbers is one signer", () => {
  const other = { ...a.secretKey, fingerprint: "00000000000000ff" };
  const keys = holds(a).set(other.fingerprint, { ...a.publicKey, fingerprint: other.fingerprint });
  const text = sign(message, a.secretKey) + sign(message, other);
  const swapped = sign(message, other) + sign(message, a.secretKey);
  expect(verifySignatures(message, text, keys).valid.size).toBe(1);
  expect(verifySignatures(message, swapped, keys)).toEqual(verifySignatures(message, text, keys));
});

test("another message, or another key of the same number, is wrong", () => {
  expect(verifySignatures(Buffer.from("x"), sign(message, a.secretKey), holds(a))).toEqual({
    valid: new Set(),
    unknown: [],
    wrong: [name(a)],
  });
  const impostor = { ...b.secretKey, fingerprint: name(a) };
  expect(verifySignatures(message, sign(message, impostor), holds(a)).wrong).toEqual([name(a)]);
});

test("a wrong signature beside a right one of the same key does no harm", () => {
  const text = sign(Buffer.from("x"), a.secretKey) + sign(message, a.secretKey);
  expect(verifySignatures(message, text, holds(a))).toEqual({ valid: new Set([name(a)]), unknown: [], wrong: [] });
});

test("a key that is no point of the curve has signed nothing", () => {
  const odd = { fingerprint: name(a), bytes: new Uint8Array(32).fill(0xff) };
  expect(verifySignatures(message, sign(message, a.secretKey), new Map([[name(a), odd]])).wrong).toEqual([name(a)]);
});

test("no single flipped bit in message or signature is overlooked", () => {
  const text = sign(message, a.secretKey);
  const [head = "", body = ""] = text.split("\n");
  fc.assert(
    fc.property(fc.nat(8 * (message.length + 74) - 1), (bit) => {
      const signed = Buffer.from(message);
      const signature = Buffer.from(body, "base64");
      const at = bit >> 3;
      const flip = (bytes: Buffer, index: number) => bytes.writeUInt8(bytes.readUInt8(index) ^ (1 << (bit & 7)), index);
      if (at < message.length) flip(signed, at);
      else flip(signature, at - message.length);
      const changed = `${head}\n${signature.toString("base64")}\n`;
      const isStillOurs = signature.toString("latin1", 0, 2) === "Ed";
      if (isStillOurs) expect(verifySignatures(signed, changed, holds(a)).valid.size).toBe(0);
      else expect(failure(() => verifySignatures(signed, changed, holds(a))).code).toBe("SIGNATURE_WRONG");
    }),
    { numRuns: 400 },
  );
});

test("16 signatures are read, 17 are not", () => {
  const one = sign(message, a.secretKey);
  expect(parseSignatures(one.repeat(16))).toHaveLength(16);
  expect(failure(() => parseSignatures(one.repeat(17))).code).toBe("SIGNATURE_WRONG");
});

test("a fault is told with its line", () => {
  const one = sign(message, a.secretKey);
  expect(failure(() => parseSignatures(`${one}untrusted comment: x\nnonsense\n`)).place).toEqual({ line: 4 });
  expect(failure(() => parseSignatures(`${one}nonsense\n`)).place).toEqual({ line: 3 });
  expect(failure(() => parseSignatures("<html>")).place).toEqual({ line: 1 });
  expect(failure(() => parseSignatures("")).code).toBe("SIGNATURE_WRONG");
});

test("nothing is no message", () => {
  expect(failure(() => sign(new Uint8Array(), a.secretKey)).code).toBe("MANIFEST_INVALID");
});
