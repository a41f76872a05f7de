/**
 * Signatures as usign and signify make them: plain Ed25519 over the message's bytes, in the two-line form (`Ed`, key number 8, signature 64).
 * Several signers' files one after the other are one signature file; signify reads the first of them, usign (main.c, get_base64_file) none.
 */
import { sign as cryptoSign, verify as cryptoVerify } from "node:crypto";
import { ProvisionError } from "../errors.ts";
import { printBlock, readBlocks } from "./block.ts";
import { hex, number, type PublicKey, publicKeyObject, type SecretKey, secretKeyObject } from "./keys.ts";

/** Signers of one message, far above any real n-of-m; bounds the work of verifying. */
export const MOST_SIGNATURES = 16;

export interface Signature {
  /** Of the key that claims to have made it. */
  readonly fingerprint: string;
  /** 64 bytes. */
  readonly bytes: Uint8Array;
  readonly comment: string;
}

/** What a signature file is worth. */
export interface Verified {
  /** Keys that signed, one fingerprint for each distinct public key. */
  readonly valid: ReadonlySet<string>;
  /** Signers we hold no key of. */
  readonly unknown: readonly string[];
  /** Signers we know whose signature does not fit the message. */
  readonly wrong: readonly string[];
}

/** Signs as `usign -S` does, which refuses an empty message (MANIFEST_INVALID), so we do too. */
export function sign(
  message: Uint8Array,
  secretKey: SecretKey,
  comment = `signed by key ${secretKey.fingerprint}`,
): string {
  if (message.length === 0) throw new ProvisionError("MANIFEST_INVALID", "an empty file cannot be signed");
  const signature = cryptoSign(null, message, secretKeyObject(secretKey));
  return printBlock(comment, Buffer.concat([Buffer.from("Ed"), number(secretKey), signature]));
}

/** Reads 1 to 16 signatures. SIGNATURE_WRONG with the line if the text is anything else. */
export function parseSignatures(text: string): readonly Signature[] {
  const blocks = readBlocks(text, { what: "signature", code: "SIGNATURE_WRONG", size: 74, most: MOST_SIGNATURES });
  return blocks.map(({ bytes, comment, line }) => {
    if (bytes[0] !== 0x45 || bytes[1] !== 0x64) {
      throw new ProvisionError("SIGNATURE_WRONG", "signature: not of Ed25519", { place: { line: line + 1 } });
    }
    return { fingerprint: hex(bytes.subarray(2, 10)), bytes: bytes.slice(10), comment };
  });
}

/** The block that says this again; a comment that was not one short line of text is left out. */
export function printSignature({ fingerprint, bytes, comment }: Signature): string {
  const isPlain = /^[\x20-\x7e]{1,512}$/.test(comment);
  const told = isPlain ? comment : `signed by key ${fingerprint}`;
  return printBlock(told, Buffer.concat([Buffer.from("Ed"), number({ fingerprint }), bytes]));
}

/**
 * Who of `keys` (by fingerprint) signed these bytes. Counts keys, not signatures: one signer twice, or one public key under two numbers, is one.
 * SIGNATURE_WRONG if the text is no signature file; everything else is in the answer.
 */
export function verifySignatures(
  message: Uint8Array,
  signatures: string,
  keys: ReadonlyMap<string, PublicKey>,
): Verified {
  const valid = new Set<string>();
  const unknown = new Set<string>();
  const wrong = new Set<string>();
  const counted = new Set<string>();

  const parsed = parseSignatures(signatures);
  for (const { fingerprint, bytes } of parsed.toSorted((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1))) {
    const key = keys.get(fingerprint);
    if (key === undefined) {
      unknown.add(fingerprint);
    } else if (!isSignedBy(key, message, bytes)) {
      wrong.add(fingerprint);
    } else if (!counted.has(hex(key.bytes))) {
      counted.add(hex(key.bytes));
      valid.add(fingerprint);
    }
  }
  for (const fingerprint of valid) wrong.delete(fingerprint);
  return { valid, unknown: [...unknown], wrong: [...wrong] };
}

function isSignedBy(key: PublicKey, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return cryptoVerify(null, message, publicKeyObject(key), signature);
  } catch {
    return false; // 32 bytes that are no point of the curve: nobody can have signed with it
  }
}
