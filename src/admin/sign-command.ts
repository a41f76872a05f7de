import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Invocation } from "../commands/command.ts";
import { usageOf } from "../commands/help.ts";
import { type ExitName, ProvisionError } from "../errors.ts";
import { readSettings } from "../settings.ts";
import { MANIFEST_LIMITS, type Manifest, parseManifest } from "../tree/manifest.ts";
import { TREE_NAME } from "../tree/manifest-headers.ts";
import { printManifest } from "../tree/manifest-print.ts";
import { LONGEST_ROLLOUT, type Rollout } from "../tree/rollout.ts";
import { parseSignatures } from "../tree/signature.ts";
import { isFolder } from "./folders.ts";
import { imageLines } from "./image-lines.ts";
import { isSecretSigningKey } from "./lint/check-secrets.ts";
import { publishSigned } from "./publish-signed.ts";
import { readBounded } from "./read-bounded.ts";
import { addSignatures, filesOfTree, leftOut, manifestOf, type Sign, type TreeLabel } from "./sign-tree.ts";
import { keySigner, programSigner } from "./signers.ts";

/** A secret key has some 200 bytes. */
const SECRET_KEY_LIMIT = 4096;

/** `tree sign DIR`: MANIFEST over all its files, and MANIFEST.sig. The serial goes up by itself unless it is given. `--add`: one more signature for the MANIFEST that is there. */
export async function signCommand(invocation: Invocation): Promise<ExitName> {
  const [, folder] = invocation.words;
  const { flags, print } = invocation;
  if (folder === undefined) throw usageOf("tree sign");
  if (!isFolder(folder)) throw new ProvisionError("USAGE", `${folder} is no folder`);
  refuseSecretKeys(folder);
  const signers = signersOf(invocation);
  const { bytes, signedBy } = flags.isAdded ? added(invocation, folder, signers) : signed(invocation, folder, signers);
  const { tree, serial, entries } = parseManifest(bytes, { file: join(folder, "MANIFEST") });
  const foreign = leftOut(folder);
  if (foreign.length > 0) invocation.tell(`left out, since they are no plain files: ${some(foreign)}`);
  tellOdd(invocation, folder);
  const taken = readSettings(undefined).settings.limits.small;
  if (bytes.length > taken)
    invocation.tell(
      `${join(folder, "MANIFEST")} has ${bytes.length} bytes, and devices take ${taken} unless \`option small\` in their section limits says more (docs/admin/hosting.md)`,
    );
  if (flags.isJson) print(JSON.stringify({ exit: "provisioned", tree, serial, files: entries.size, keys: signedBy }));
  else {
    const what = [tree && `tree ${tree}`, serial === undefined ? "" : `serial ${serial}`, `${entries.size} files`];
    print(`${join(folder, "MANIFEST")}: ${what.filter(Boolean).join(", ")}, signed by ${signedBy.join(", ")}`);
  }
  return "provisioned";
}

/** What may be meant, and would be noticed only by devices. */
function tellOdd({ tell }: Invocation, folder: string): void {
  const names = filesOfTree(folder);
  const closed = names.filter((name) => (statSync(join(folder, name)).mode & 0o044) === 0);
  if (closed.length > 0)
    tell(
      `only their owner can read ${some(closed)}: where they are published they need the web server's group and mode 0640`,
    );
  if (names.some((name) => /^tree\/(?:MANIFEST|[^/]+\.uci)$/.test(name)))
    tell(`all of ${folder} is signed, and ${join(folder, "tree")} looks like the tree itself`);
}

function some(names: readonly string[]): string {
  return `${names.slice(0, 20).join(", ")}${names.length > 20 ? ", …" : ""}`;
}

/** The last moment at which it can be said: whoever fetches the tree could sign the next one. */
function refuseSecretKeys(folder: string): void {
  for (const name of filesOfTree(folder)) {
    const path = join(folder, name);
    if (statSync(path).size > SECRET_KEY_LIMIT || !isSecretSigningKey(readFileSync(path, "latin1"))) continue;
    throw new ProvisionError(
      "USAGE",
      `${path} is a secret key that signs trees, and would be published with this one: take it out; if it ever was on a web server, make a new one and let \`# key\` lines replace it (docs/tree.md)`,
    );
  }
}

function signersOf({ options }: Invocation): readonly Sign[] {
  const { key, signer, signerArg, public: publicFile } = options;
  const isWhole =
    (signer === undefined) === (publicFile === undefined) && (signer !== undefined || signerArg.length === 0);
  if (!isWhole || (key.length === 0 && signer === undefined)) throw usageOf("tree sign");
  const program =
    signer === undefined || publicFile === undefined
      ? []
      : [programSigner({ program: signer, args: signerArg, publicFile })];
  return [...key.map(keySigner), ...program];
}

function added({ options }: Invocation, folder: string, signers: readonly Sign[]) {
  const changing = (["name", "serial", "expires", "rollout"] as const).find((one) => options[one] !== undefined);
  if (changing !== undefined)
    throw new ProvisionError("USAGE", `--${changing} would change MANIFEST, which --add leaves as it is`);
  return addSignatures(folder, signers);
}

function signed(invocation: Invocation, folder: string, signers: readonly Sign[]) {
  const file = join(folder, "MANIFEST");
  const old = existsSync(file) ? readBounded(file, MANIFEST_LIMITS.bytes) : undefined;
  const before = old === undefined ? undefined : parseManifest(old, { file });
  const bytes = printManifest(manifestOf(folder, labelOf(invocation, folder, before)));
  // Before anything is written: what no device could read must not replace what they read now.
  parseManifest(bytes, { file });
  const serial = invocation.options.serial;
  // The same once more is the same; anything else under a known serial devices refuse.
  if (
    serial !== undefined &&
    before?.serial === Number(serial) &&
    !(old !== undefined && Buffer.compare(old, bytes) === 0)
  )
    throw new ProvisionError("USAGE", `serial ${serial} is not above ${before.serial}: devices would refuse it`);
  // One key given twice is one signer.
  const signatures = [...new Set(signers.map((one) => one(bytes)))];
  publishSigned(folder, bytes, signatures);
  return { bytes, signedBy: signatures.flatMap(parseSignatures).map(({ fingerprint }) => fingerprint) };
}

/** `# key` and `# successor`, which no option says, stay as somebody wrote them into MANIFEST. */
function labelOf(invocation: Invocation, folder: string, before: Manifest | undefined): TreeLabel {
  const expires = expiryOf(invocation);
  const rollout = rolloutOf(invocation);
  if (before?.expires !== undefined && expires === undefined)
    invocation.tell("this manifest never expires, as the one before did: --expires says when");
  if (before?.rollout === "hold" && rollout === undefined)
    invocation.tell("the manifest before was held; this one is taken at once: --rollout says when");
  const tree = nameOf(invocation) ?? before?.tree ?? "tree";
  if (before?.tree !== undefined && before.tree !== tree)
    invocation.tell(
      `this tree was ${before.tree} before: devices that have taken it refuse ${tree}, unless \`# successor ${tree}\` reached them first`,
    );
  return {
    tree,
    serial: serialOf(invocation, before?.serial),
    date: dateOf(),
    ...(expires === undefined ? {} : { expires }),
    ...(rollout === undefined ? {} : { rollout }),
    ...(before?.successor === undefined ? {} : { successor: before.successor }),
    images: imageLines(folder, filesOfTree(folder), before?.images ?? []),
    keys: before?.keys ?? [],
  };
}

/** SOURCE_DATE_EPOCH if it is set (reproducible-builds.org), else now; milliseconds. */
function dateOf(): number {
  const epoch = process.env["SOURCE_DATE_EPOCH"];
  if (epoch === undefined || epoch === "") return Math.floor(Date.now() / 1000) * 1000;
  if (!/^\d{1,11}$/.test(epoch))
    throw new ProvisionError("USAGE", `SOURCE_DATE_EPOCH=${epoch} is no number of seconds`);
  return Number(epoch) * 1000;
}

function serialOf({ options }: Invocation, before: number | undefined): number {
  const given = options.serial;
  if (given === undefined) return (before ?? 0) + 1;
  const serial = Number(given);
  if (!/^\d+$/.test(given) || !Number.isSafeInteger(serial)) throw new ProvisionError("USAGE", `${given} is no serial`);
  if (before !== undefined && serial < before) {
    throw new ProvisionError("USAGE", `serial ${serial} is not above ${before}: devices would refuse it`);
  }
  return serial;
}

function nameOf({ options: { name } }: Invocation): string | undefined {
  if (name === undefined || TREE_NAME.test(name)) return name;
  throw new ProvisionError(
    "USAGE",
    `--name ${JSON.stringify(name)} is not 1 to 64 letters, digits, \`.\`, \`_\` and \`-\`, the first one a letter or digit`,
  );
}

function rolloutOf({ options }: Invocation): Rollout | undefined {
  const given = options.rollout;
  if (given === undefined || given === "hold") return given;
  if (/^\d{1,3}$/.test(given) && Number(given) <= LONGEST_ROLLOUT) return Number(given);
  throw new ProvisionError("USAGE", `${given} is neither hours from 0 to ${LONGEST_ROLLOUT} nor hold`);
}

function expiryOf({ options }: Invocation): number | undefined {
  if (options.expires === undefined) return undefined;
  const instant = instantOf(options.expires);
  if (instant === undefined)
    throw new ProvisionError("USAGE", `${options.expires} is no date: write it as 2027-01-31T00:00:00Z`);
  if (instant <= dateOf())
    throw new ProvisionError("USAGE", `${options.expires} is over: no device would take this tree`);
  return instant;
}

/** RFC 3339, or a day alone, in UTC. Other forms mean another moment elsewhere, and JavaScript takes the 30th of February for the 2nd of March. */
function instantOf(text: string): number | undefined {
  const day = /^(\d{4}-\d{2}-\d{2})(?:T\d{2}:\d{2}:\d{2}(?:Z|[+-]\d{2}:\d{2}))?$/.exec(text)?.[1];
  const instant = Date.parse(text);
  if (day === undefined || Number.isNaN(instant)) return undefined;
  return new Date(`${day}T00:00:00Z`).toISOString().startsWith(day) ? instant : undefined;
}
