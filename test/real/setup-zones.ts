/** Zones that bind's own tools sign and bind serves, and unbound above them: for tests of DNSSEC. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TwoHosts } from "./netns.ts";

export interface Zone {
  /** `dnssec-keygen -a`; empty: the zone is not signed. */
  readonly algorithm: string;
  readonly bits?: string;
  readonly sign?: readonly string[];
  /** Its records but SOA and NS, as a zone file has them. */
  readonly text: string;
  /** What somebody does to the signed file. */
  readonly spoil?: ((text: string) => string) | undefined;
  /** What stands in the parent in place of the DS. */
  readonly ds?: ((text: string) => string) | undefined;
}

export const NSEC3 = ["-3", "aabbccdd", "-H", "0"];
export const BIND_PORT = 5302;

/** Signs the zones below `test.`, then that one; the DS line of `test.` for an anchor. */
export async function makeZones(net: TwoHosts, zones: Readonly<Record<string, Zone>>): Promise<string> {
  const dsOf: string[] = [];
  for (const [name, zone] of Object.entries(zones)) dsOf.push(await makeZone(net, `${name}.test`, zone));
  const children = Object.keys(zones).map((name) => `${name} NS ns\n`);
  const text = children.join("") + dsOf.join("\n");
  await makeZone(net, "test", { algorithm: "ECDSAP256SHA256", sign: NSEC3, text });
  const anchor = readFileSync(join(net.folder, "dsset-test."), "utf8").trim().split("\n")[0];
  if (!anchor) throw new Error("dnssec-signzone wrote no DS");
  return anchor;
}

/** Writes and signs a zone; the lines its parent has of it. */
async function makeZone(net: TwoHosts, name: string, zone: Zone): Promise<string> {
  const text = `$ORIGIN ${name}.\n$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 192.0.2.1\n${zone.text}\n`;
  net.prov.file(`${name}.zone`, text);
  if (zone.algorithm === "") {
    net.prov.file(`${name}.signed`, text);
    return "";
  }
  const bits = zone.bits === undefined ? [] : ["-b", zone.bits];
  await tool(net, "dnssec-keygen", "-q", "-a", zone.algorithm, ...bits, "-f", "KSK", name);
  await tool(net, "dnssec-keygen", "-q", "-a", zone.algorithm, ...bits, name);
  const dates = zone.sign?.includes("-s") ? [] : ["-s", "20250101000000", "-e", "20350101000000"];
  const how = [...dates, ...(zone.sign ?? []), "-o", name, "-f", `${name}.signed`];
  await tool(net, "dnssec-signzone", "-q", "-S", ...how, `${name}.zone`);
  const signed = join(net.folder, `${name}.signed`);
  if (zone.spoil) writeFileSync(signed, zone.spoil(readFileSync(signed, "utf8")));
  const ds = readFileSync(join(net.folder, `dsset-${name}.`), "utf8");
  return zone.ds ? zone.ds(ds) : ds;
}

async function tool(net: TwoHosts, command: string, ...args: string[]): Promise<void> {
  const inFolder = ["-c", 'cd "$0" && exec "$@"', net.folder, command, ...args];
  const { status, stderr } = await net.prov.run("sh", inFolder, { seconds: 60 });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr}`);
}

/** bind on port 5302, authoritative, and unbound on port 53, which validates from this anchor. */
export async function startServers(net: TwoHosts, zones: readonly string[], anchor: string): Promise<void> {
  const names = ["test", ...zones.map((name) => `${name}.test`)];
  const named = net.prov.file("named.conf", NAMED.replaceAll("FOLDER", net.folder) + names.map(namedZone).join(""));
  net.prov.start("named", ["-g", "-c", named]);
  await net.prov.listens("tcp", BIND_PORT);
  const anchors = net.prov.file("anchors", `${anchor}\n`);
  const text = UNBOUND.replaceAll("FOLDER", net.folder).replaceAll("ANCHORS", anchors) + names.map(stubZone).join("");
  net.prov.start("unbound", ["-d", "-c", net.prov.file("unbound.conf", text)]);
  await net.prov.listens("tcp", 53);
}

const NAMED = `options { directory "FOLDER"; pid-file "FOLDER/named.pid"; session-keyfile "FOLDER/session.key";
  listen-on port ${BIND_PORT} { any; }; listen-on-v6 { none; }; recursion no; dnssec-validation no; };
controls { };
`;

function namedZone(name: string): string {
  return `zone "${name}" { type primary; file "${name}.signed"; };\n`;
}

const UNBOUND = `server:
  interface: 0.0.0.0@53
  access-control: 0.0.0.0/0 allow
  do-not-query-localhost: no
  chroot: ""
  username: ""
  directory: "FOLDER"
  pidfile: "FOLDER/unbound.pid"
  use-syslog: no
  module-config: "validator iterator"
  trust-anchor-file: "ANCHORS"
  local-zone: "test." nodefault
  val-log-level: 2
remote-control:
  control-enable: no
`;

function stubZone(name: string): string {
  return `stub-zone:\n  name: "${name}"\n  stub-addr: 192.0.2.1@${BIND_PORT}\n`;
}

/** A signed zone file without the signatures over one type. */
export function withoutSignatures(text: string, type: string): string {
  return text.replaceAll(new RegExp(`^[^\\n]*\\bRRSIG\\s+${type}\\b[^(]*\\([^)]*\\)[^\\n]*\\n`, "gm"), "");
}
