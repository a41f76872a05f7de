import { join } from "node:path";
import type { Command, Invocation } from "../commands/command.ts";
import { usageOf } from "../commands/help.ts";
import { type ExitName, ProvisionError } from "../errors.ts";
import { generateKeyPair, printPublicKey, printSecretKey } from "../tree/keys.ts";
import { onDisk, writeNew } from "./disk-faults.ts";
import { makeFolder } from "./folders.ts";
import { planTree } from "./plan/command.ts";
import { signCommand } from "./sign-command.ts";

/** `keys generate DIR`: a key pair as `usign -G` makes it; the public half is named as the device's key folder wants it. */
export const keys: Command = async (invocation) => {
  const [act, folder = "."] = invocation.words;
  if (act !== "generate") throw usageOf("keys");
  // usign: "Password protected secret keys are not supported" (openwrt/usign: main.c, sign()).
  if (invocation.flags.hasPassphrase)
    throw new ProvisionError(
      "USAGE",
      "password protected secret keys are not supported: usign could not sign with them. Let a program that guards the key sign: tree sign --signer",
    );
  const { publicKey, secretKey } = generateKeyPair();
  const [open, secret] = [join(folder, publicKey.fingerprint), join(folder, `${publicKey.fingerprint}.sec`)];
  makeFolder(folder);
  writeNew(secret, printSecretKey(secretKey), 0o600);
  writeNew(open, printPublicKey(publicKey));
  if (invocation.flags.isJson)
    invocation.print(JSON.stringify({ exit: "provisioned", fingerprint: publicKey.fingerprint, public: open, secret }));
  else
    invocation.print(
      `${open}\n  public: copy it to /etc/uciprov/keys on the devices\n${secret}\n  secret: keep it away from the web server`,
    );
  return "provisioned";
};

/** `tree …`: what an admin does with a tree before it is published. */
export const tree: Command = (invocation) => onDisk(() => treeCommand(invocation));

async function treeCommand(invocation: Invocation): Promise<ExitName> {
  switch (invocation.words[0]) {
    case "init":
      return (await import("./init-command.ts")).init(invocation);
    case "import":
      return (await import("./import-command.ts")).importBackups(invocation);
    case "lint":
      return (await import("./lint-command.ts")).lint(invocation);
    case "plan":
      return planTree(invocation);
    case "records":
      return (await import("./records/command.ts")).records(invocation);
    case "serve":
      return (await import("./serve/command.ts")).serve(invocation);
    case "sign":
      return signCommand(invocation);
    default:
      throw new ProvisionError(
        "USAGE",
        "tree init | import | lint | plan | records | serve | sign; `uciprov help` tells more",
      );
  }
}
