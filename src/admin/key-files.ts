import { ProvisionError } from "../errors.ts";
import { parsePublicKey, parseSecretKey } from "../tree/keys.ts";
import { readBounded } from "./read-bounded.ts";

const KEY_LIMIT = 4096;

/** A key that a person named. KEY_INVALID with the file, and with a word if it is the other `half`; USAGE if it cannot be read. */
export function readKeyFile<Key>(file: string, half: "public" | "secret", parse: (text: string) => Key): Key {
  const text = readText(file);
  try {
    return parse(text);
  } catch (cause) {
    if (!(cause instanceof ProvisionError)) throw cause;
    throw new ProvisionError(cause.code, otherHalf(file, text) ?? `${file} is no ${half} key`, {
      cause,
      place: { file },
    });
  }
}

function readText(file: string): string {
  try {
    return Buffer.from(readBounded(file, KEY_LIMIT)).toString("utf8");
  } catch (cause) {
    throw new ProvisionError("USAGE", `${file} cannot be read`, { cause });
  }
}

function otherHalf(file: string, text: string): string | undefined {
  if (isA(parseSecretKey, text)) return `${file} is a secret key; the public one is asked for`;
  return isA(parsePublicKey, text)
    ? `${file} is a public key, and only the secret one signs: ${file}.sec perhaps`
    : undefined;
}

function isA(parse: (text: string) => unknown, text: string): boolean {
  try {
    parse(text);
    return true;
  } catch {
    return false;
  }
}
