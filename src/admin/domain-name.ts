import { ProvisionError } from "../errors.ts";

/**
 * `--domain` without the dot at its end: letters, digits and hyphens in labels of 63 bytes at most (RFC 1123, 2.1), and short enough for a name below it.
 * USAGE for anything else: it is printed into lines for shells and servers.
 */
export function domainName(given: string): string {
  const name = given.replace(/\.$/, "");
  const isName = name.length <= 240 && /^(?:(?!-)[a-z0-9-]{1,63}(?<!-)\.)*(?!-)[a-z0-9-]{1,63}(?<!-)$/i.test(name);
  if (!isName) throw new ProvisionError("USAGE", `--domain ${JSON.stringify(given)} is no domain name`);
  return name;
}
