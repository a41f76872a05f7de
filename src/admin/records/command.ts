import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "../../commands/command.ts";
import { usageOf } from "../../commands/help.ts";
import { ProvisionError } from "../../errors.ts";
import { MANIFEST_LIMITS, parseManifest } from "../../tree/manifest.ts";
import { domainName } from "../domain-name.ts";
import { readBounded } from "../read-bounded.ts";
import { phoneRecipes } from "./phones.ts";
import { type Announcement, recipes } from "./records.ts";

const CERTIFICATE_LIMIT = 65_536;

/** `tree records DIR --base URI --domain D`: how every kind of name, DHCP and LLDP server says where this tree is. */
export const records: Command = async (invocation) => {
  const [, folder] = invocation.words;
  const { base, domain, certificate, phones } = invocation.options;
  if (folder === undefined || base === undefined || domain === undefined) throw usageOf("tree records");
  if (!existsSync(folder) || !statSync(folder).isDirectory())
    throw new ProvisionError("USAGE", `${folder} is no folder`);
  const serial = serialOf(folder);
  const announcement: Announcement = {
    uri: base,
    domain: domainName(domain),
    ...(serial === undefined ? {} : { serial }),
    ...(certificate === undefined
      ? {}
      : { certificate: Buffer.from(readBounded(certificate, CERTIFICATE_LIMIT)).toString("utf8") }),
  };
  const made = [...recipes(announcement), ...(phones === undefined ? [] : phoneRecipes(phones))];
  if (invocation.flags.isJson) {
    invocation.print(JSON.stringify({ exit: "provisioned", version: 1, records: made }));
    return "provisioned";
  }
  for (const { name, where, text } of made) invocation.print(`# ${name}: into ${where}\n${text}\n`);
  if (serial === undefined) invocation.print(`# ${join(folder, "MANIFEST")} is not there: no serial in the TXT record`);
  return "provisioned";
};

/** Of the signed tree, so that the record and the tree say the same. */
function serialOf(folder: string): number | undefined {
  const file = join(folder, "MANIFEST");
  return existsSync(file) ? parseManifest(readBounded(file, MANIFEST_LIMITS.bytes), { file }).serial : undefined;
}
