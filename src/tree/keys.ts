/**
 * Ed25519 keys as usign and signify store them (openwrt/usign: main.c). Public: `Ed`, key number 8, key 32. Secret: `Ed`, `BK`,
 * rounds of the key derivation 4 (0: not encrypted), salt 16, checksum 8 (start of SHA-512 of what follows the number), key number 8, seed 32, public half 32.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import { ProvisionError } from "../errors.ts";
import { printBlock, readBlocks } from "./block.ts";

export interface PublicKey {
  /** The key number as 16 lower-case hex digits; in a key folder it is the file's name. */
  readonly fingerprint: string;
  /** 32 bytes. */
  readonly bytes: Uint8Array;
}

export interface SecretKey {
  readonly fingerprint: string;
  /** 32 bytes. */
  readonly seed: Uint8Array;
  /** The public half, 32 bytes. */
  readonly bytes: Uint8Array;
}

/** Reads a public key file. KEY_INVALID with the line. */
export function parsePublicKey(text: string): PublicKey {
  const bytes = readKey(text, "public key", 42);
  return { fingerprint: hex(bytes.subarray(2, 10)), bytes: bytes.slice(10) };
}

/** Reads a secret key file. KEY_INVALID, also if it is encrypted (usign cannot read those either) or its halves do not belong together. */
export function parseSecretKey(text: string): SecretKey {
  const bytes = readKey(text, "secret key", 104);
  const view = Buffer.from(bytes);
  if (view.toString("latin1", 2, 4) !== "BK") throw new ProvisionError("KEY_INVALID", "secret key: unknown derivation");
  if (view.readUInt32BE(4) !== 0) throw new ProvisionError("KEY_INVALID", "secret key: it is encrypted");
  const checksum = createHash("sha512").update(view.subarray(40)).digest().subarray(0, 8);
  if (!checksum.equals(view.subarray(24, 32))) throw new ProvisionError("KEY_INVALID", "secret key: wrong checksum");

  const key = { fingerprint: hex(bytes.subarray(32, 40)), seed: bytes.slice(40, 72), bytes: bytes.slice(72) };
  // Signing with a foreign public half would give the seed away to whoever sees the signature.
  if (publicHalf(key) !== base64url(key.bytes))
    throw new ProvisionError("KEY_INVALID", "secret key: its halves do not fit");
  return key;
}

/** What belongs to the seed, as JWK has it; undefined where Node itself (26) refuses halves that do not fit. */
function publicHalf(key: SecretKey): string | undefined {
  try {
    return createPublicKey(secretKeyObject(key)).export({ format: "jwk" }).x;
  } catch {
    return undefined;
  }
}

/** A new pair with a random key number. */
export function generateKeyPair(): { readonly publicKey: PublicKey; readonly secretKey: SecretKey } {
  const { d, x } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  const fingerprint = hex(randomBytes(8));
  const bytes = new Uint8Array(Buffer.from(x ?? "", "base64url"));
  const seed = new Uint8Array(Buffer.from(d ?? "", "base64url"));
  return { publicKey: { fingerprint, bytes }, secretKey: { fingerprint, seed, bytes } };
}

/** The file `usign -G -p` would write. */
export function printPublicKey(key: PublicKey, comment = `public key ${key.fingerprint}`): string {
  return printBlock(comment, Buffer.concat([Buffer.from("Ed"), number(key), key.bytes]));
}

/** The file `usign -G -s` would write, not encrypted: keep it readable by its owner alone. */
export function printSecretKey(key: SecretKey, comment = `private key ${key.fingerprint}`): string {
  const halves = Buffer.concat([key.seed, key.bytes]);
  const checksum = createHash("sha512").update(halves).digest().subarray(0, 8);
  const head = Buffer.from("EdBK\0\0\0\0", "latin1");
  return printBlock(comment, Buffer.concat([head, randomBytes(16), checksum, number(key), halves]));
}

/** For node's crypto. */
export function publicKeyObject(key: PublicKey): KeyObject {
  return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: base64url(key.bytes) }, format: "jwk" });
}

/** For node's crypto. */
export function secretKeyObject(key: SecretKey): KeyObject {
  const jwk = { kty: "OKP", crv: "Ed25519", d: base64url(key.seed), x: base64url(key.bytes) };
  return createPrivateKey({ key: jwk, format: "jwk" });
}

/** What stands in the middle of all three formats: the key's number. */
export function number(key: { readonly fingerprint: string }): Uint8Array {
  return new Uint8Array(Buffer.from(key.fingerprint, "hex"));
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function readKey(text: string, what: string, size: number): Uint8Array {
  const [block] = readBlocks(text, { what, code: "KEY_INVALID", size, most: 1 });
  if (block === undefined || block.bytes[0] !== 0x45 || block.bytes[1] !== 0x64) {
    throw new ProvisionError("KEY_INVALID", `${what}: not for Ed25519`, { place: { line: 2 } });
  }
  return block.bytes;
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}
