import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command, Invocation } from "../commands/command.ts";
import { ProvisionError } from "../errors.ts";
import { generateKeyPair, parseSecretKey, printPublicKey, printSecretKey, type SecretKey } from "../tree/keys.ts";
import { type Manifest, parseManifest } from "../tree/manifest.ts";
import { LONGEST_ROLLOUT, type Rollout } from "../tree/rollout.ts";
import { imageLines } from "./image-lines.ts";
import { filesOfTree, signTree } from "./sign-tree.ts";

/** `keys generate DIR`: a key pair as `usign -G` makes it; the public half is named as the device's key folder wants it. */
export const keys: Command = async (invocation) => {
  const [act, folder = "."] = invocation.words;
  if (act !== "generate") throw new ProvisionError("USAGE", "keys generate [DIR]");
  const { publicKey, secretKey } = generateKeyPair();
  const [open, secret] = [join(folder, publicKey.fingerprint), join(folder, `${publicKey.fingerprint}.sec`)];
  mkdirSync(folder, { recursive: true });
  writeFileSync(secret, printSecretKey(secretKey), { mode: 0o600, flag: "wx" });
  writeFileSync(open, printPublicKey(publicKey), { flag: "wx" });
  if (invocation.flags.isJson)
    invocation.print(JSON.stringify({ exit: "provisioned", fingerprint: publicKey.fingerprint, public: open, secret }));
  else
    invocation.print(
      `${open}\n  public: copy it to /etc/uciprov/keys on the devices\n${secret}\n  secret: keep it away from the web server`,
    );
  return "provisioned";
};

/** `tree sign DIR`: MANIFEST over all its files, and MANIFEST.sig. The serial goes up by itself unless it is given. */
export const tree: Command = async (invocation) => {
  const [act, folder] = invocation.words;
  if (act === "import") return (await import("./import-command.ts")).importBackups(invocation);
  if (act === "lint") return (await import("./lint-command.ts")).lint(invocation);
  if (act === "records") return (await import("./records/command.ts")).records(invocation);
  if (act === "plan") return (await import("./plan/command.ts")).planTree(invocation);
  if (act !== "sign" || folder === undefined || invocation.options.key.length === 0) {
    throw new ProvisionError(
      "USAGE",
      "tree sign DIR --key FILE [--key FILE…] [--name NAME] [--serial N] [--expires DATE] [--rollout HOURS|hold]",
    );
  }
  if (!existsSync(folder) || !statSync(folder).isDirectory())
    throw new ProvisionError("USAGE", `${folder} is no folder`);
  const secrets = invocation.options.key.map(readSecret);
  const before = previous(folder);
  const serial = serialOf(invocation, before?.serial);
  const name = invocation.options.name ?? before?.tree ?? "tree";
  const expires = expiryOf(invocation);
  const date = Math.floor(Number(process.env["SOURCE_DATE_EPOCH"] ?? Date.now() / 1000)) * 1000;
  const rollout = rolloutOf(invocation);
  const label = {
    ...(expires === undefined ? {} : { expires }),
    ...(rollout === undefined ? {} : { rollout }),
  };
  const images = imageLines(folder, filesOfTree(folder), before?.images ?? []);
  const bytes = signTree(folder, { tree: name, serial, date, images, ...label }, secrets);
  const { entries } = parseManifest(bytes, { file: "MANIFEST" });
  const told = {
    exit: "provisioned",
    tree: name,
    serial,
    files: entries.size,
    keys: secrets.map((one) => one.fingerprint),
  };
  invocation.print(
    invocation.flags.isJson
      ? JSON.stringify(told)
      : `${join(folder, "MANIFEST")}: tree ${name}, serial ${serial}, ${entries.size} files, signed by ${told.keys.join(", ")}`,
  );
  return "provisioned";
};

function readSecret(file: string): SecretKey {
  try {
    return parseSecretKey(readFileSync(file, "utf8"));
  } catch (cause) {
    if (cause instanceof ProvisionError)
      throw new ProvisionError(cause.code, cause.message, { cause, place: { file } });
    throw new ProvisionError("USAGE", `${file} cannot be read`, { cause });
  }
}

function previous(folder: string): Manifest | undefined {
  const file = join(folder, "MANIFEST");
  return existsSync(file) ? parseManifest(readFileSync(file), { file }) : undefined;
}

function serialOf({ options }: Invocation, before: number | undefined): number {
  const given = options.serial;
  if (given === undefined) return (before ?? 0) + 1;
  const serial = Number(given);
  if (!/^\d+$/.test(given) || !Number.isSafeInteger(serial)) throw new ProvisionError("USAGE", `${given} is no serial`);
  if (before !== undefined && serial <= before) {
    throw new ProvisionError("USAGE", `serial ${serial} is not above ${before}: devices would refuse it`);
  }
  return serial;
}

function rolloutOf({ options }: Invocation): Rollout | undefined {
  const given = options.rollout;
  if (given === undefined || given === "hold") return given;
  if (/^\d{1,3}$/.test(given) && Number(given) <= LONGEST_ROLLOUT) return Number(given);
  throw new ProvisionError("USAGE", `${given} is neither hours from 0 to ${LONGEST_ROLLOUT} nor hold`);
}

function expiryOf({ options }: Invocation): number | undefined {
  if (options.expires === undefined) return undefined;
  const instant = Date.parse(options.expires);
  if (Number.isNaN(instant) || instant % 1000 !== 0) {
    throw new ProvisionError("USAGE", `${options.expires} is no date: write it as 2027-01-31T00:00:00Z`);
  }
  return instant;
}
