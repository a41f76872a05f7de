import { spawnSync } from "node:child_process";
import { ProvisionError } from "../errors.ts";
import { type PublicKey, parsePublicKey, parseSecretKey } from "../tree/keys.ts";
import { parseSignatures, sign, verifySignatures } from "../tree/signature.ts";
import { readKeyFile } from "./key-files.ts";
import type { Sign } from "./sign-tree.ts";

/** Time for whoever must touch a token or type a passphrase. */
const PATIENCE = 5 * 60_000;
const OUTPUT_LIMIT = 65_536;

/** A program that signs without giving its key away: an agent, a token, another machine. */
export interface SigningProgram {
  /** Its path or name; no shell reads it, nor the arguments. */
  readonly program: string;
  readonly args: readonly string[];
  /** The file of the key that it signs with: what it prints is believed only if it fits. */
  readonly publicFile: string;
}

/** Signs with a secret key file. KEY_INVALID with the file, USAGE if it cannot be read. */
export function keySigner(file: string): Sign {
  const key = readKeyFile(file, "secret", parseSecretKey);
  return (message) => sign(message, key);
}

/** Signs by a program: the bytes on its standard input, one usign signature on its standard output. COMMAND_FAILED, SIGNATURE_WRONG. */
export function programSigner({ program, args, publicFile }: SigningProgram): Sign {
  const key = readKeyFile(publicFile, "public", parsePublicKey);
  return (message) => {
    const text = outputOf(program, args, message);
    const signatures = parseSignatures(text);
    const { valid } = verifySignatures(message, text, new Map([[key.fingerprint, key]]));
    if (signatures.length !== 1 || !valid.has(key.fingerprint))
      throw new ProvisionError("SIGNATURE_WRONG", `what ${program} printed is no signature by ${told(key)}`);
    return text;
  };
}

function outputOf(program: string, args: readonly string[], message: Uint8Array): string {
  const { error, status, signal, stdout } = spawnSync(program, [...args], {
    input: message,
    stdio: ["pipe", "pipe", "inherit"],
    timeout: PATIENCE,
    killSignal: "SIGKILL",
    maxBuffer: OUTPUT_LIMIT,
  });
  // A program that prints without reading all of its input is judged by what it prints.
  const isBroken = error !== undefined && !("code" in error && error.code === "EPIPE");
  if (isBroken) throw new ProvisionError("COMMAND_FAILED", `${program} did not sign`, { cause: error });
  if (status !== 0)
    throw new ProvisionError("COMMAND_FAILED", `${program} did not sign: ${signal ?? `status ${status}`}`);
  return stdout.toString("utf8");
}

function told(key: PublicKey): string {
  return `${key.fingerprint} over this MANIFEST`;
}
