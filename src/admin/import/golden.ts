import { basename } from "node:path";
import type { Files, Finding } from "../../api.ts";
import { ProvisionError } from "../../errors.ts";
import { readFacts } from "../../host/facts.ts";
import { toText } from "../../uci/bytes.ts";
import type { UciPackage } from "../../uci/model.ts";
import { isPackageName } from "../../uci/names.ts";
import { parsePackage } from "../../uci/parse.ts";
import type { InventoryDevice } from "../inventory.ts";
import { openRoot } from "../plan/backup.ts";
import { type Left, type SortedFiles, sortFiles } from "./backup-files.ts";
import type { Golden } from "./split-uci.ts";

/** A golden router as its backup shows it. */
export interface GoldenRouter extends Golden, SortedFiles {
  readonly source: string;
  /** How its MAC address came to be known, for people. */
  readonly knownBy: string;
}

const PACKAGE_LIMIT = 16_777_216;

/**
 * Reads one backup (or a folder like a device's root). `given`: what the admin says of it; `devices`: an inventory it may be found in. USAGE if nobody can tell
 * its MAC address; the archive's own errors as devices tell them; UCI_INVALID with all faults.
 */
export async function readGolden(
  path: string,
  given: InventoryDevice["facts"],
  devices: readonly InventoryDevice[],
): Promise<GoldenRouter> {
  const files = await openRoot(path);
  const { packages, left } = readPackages(files, path);
  const sorted = sortFiles(files);
  const { mac, board, knownBy } = identity(path, files, packages, given, devices);
  return { source: path, device: mac, board, knownBy, packages, ...sorted, left: [...sorted.left, ...left] };
}

function readPackages(
  files: Files,
  source: string,
): { readonly packages: readonly UciPackage[]; readonly left: readonly Left[] } {
  const packages: UciPackage[] = [];
  const left: Left[] = [];
  const findings: Finding[] = [];
  for (const name of files.list("/etc/config")) {
    const path = `/etc/config/${name}`;
    if (name === "uciprov") {
      left.push({ path, why: "whom a device believes is not a tree's to say", isSecret: false });
    } else if (!isPackageName(name) || files.stat(path)?.kind !== "file") {
      left.push({ path, why: "no package has such a name, or it is no file", isSecret: false });
    } else {
      try {
        const pkg = parsePackage(files.readBytes(path, PACKAGE_LIMIT) ?? new Uint8Array(), {
          name,
          file: `${source}:${path}`,
        });
        if (pkg.sections.length > 0) packages.push(pkg);
      } catch (thrown) {
        if (!(thrown instanceof ProvisionError)) throw thrown;
        findings.push({
          code: thrown.code,
          severity: "error",
          message: thrown.message,
          place: thrown.place ?? { file: `${source}:${path}` },
        });
      }
    }
  }
  if (findings.length > 0) throw new ProvisionError("UCI_INVALID", `${source} cannot be read`, { findings });
  return { packages, left };
}

function identity(
  path: string,
  files: Files,
  packages: readonly UciPackage[],
  given: InventoryDevice["facts"],
  devices: readonly InventoryDevice[],
) {
  const facts = readFacts(files);
  const inName = /(?<![0-9a-f])[0-9a-f]{2}(?:[:-]?[0-9a-f]{2}){5}(?![0-9a-f])/i.exec(basename(path))?.[0];
  const named = inName?.toLowerCase().replaceAll(/[:-]/g, "");
  const inUci = macInUci(packages);
  const byHostname = devices.filter(
    (device) => device.facts.hostname !== undefined && device.facts.hostname === facts.hostname,
  );
  const listed = (mac: string | undefined) => devices.find((device) => mac !== undefined && device.facts.mac === mac);
  const [mac, knownBy] = (
    [
      [given.mac, "as you said"],
      [named, "by the file's name"],
      [facts.mac, "by /etc/board.json"],
      [byHostname.length === 1 ? byHostname[0]?.facts.mac : undefined, "by its hostname in the inventory"],
      [listed(inUci?.mac)?.facts.mac, "by the inventory"],
      [inUci?.mac, `by ${inUci?.path}; make sure that it is the one on the label`],
    ] as const
  ).find(([one]) => one !== undefined) ?? [undefined, ""];
  if (mac === undefined)
    throw new ProvisionError(
      "USAGE",
      `${path} does not tell the router's MAC address: name the file MAC.tar.gz, or give --mac`,
    );
  const own = facts.board === "generic" ? undefined : facts.board;
  return { mac, board: given.board ?? own ?? listed(mac)?.facts.board, knownBy };
}

/** The first address that the network's configuration sets, of LAN first. */
function macInUci(packages: readonly UciPackage[]): { readonly mac: string; readonly path: string } | undefined {
  const sections = packages.find(({ name }) => name === "network")?.sections ?? [];
  const found = sections.flatMap((section) => {
    const value = section.options.find(({ name }) => name === "macaddr")?.value;
    const label = section.options.find(({ name }) => name === "name")?.value ?? section.name ?? section.type;
    const mac = typeof value === "string" ? value.toLowerCase().replaceAll(/[:-]/g, "") : "";
    return /^[0-9a-f]{12}$/.test(mac)
      ? [{ mac, path: `macaddr of ${toText(String(label))}`, isLan: /lan/.test(String(label)) }]
      : [];
  });
  return found.find(({ isLan }) => isLan) ?? found[0];
}
