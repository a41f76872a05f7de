import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Invocation } from "../commands/command.ts";
import { usageOf } from "../commands/help.ts";
import { type ExitName, ProvisionError } from "../errors.ts";
import { printExport } from "../uci/print.ts";
import { writeNew } from "./disk-faults.ts";
import { makeFolder } from "./folders.ts";
import type { BackupFile, Left } from "./import/backup-files.ts";
import { type GoldenRouter, readGolden } from "./import/golden.ts";
import { packOverlay } from "./import/pack-overlay.ts";
import { splitUci } from "./import/split-uci.ts";
import { readInventory } from "./inventory.ts";
import { deviceWithMac, readDeviceFacts } from "./plan/device-facts.ts";

/** `tree import`: backups of golden routers become a tree: what is common, what is a board's, what is one device's. Secrets are told, and never in what is common. */
export async function importBackups({ words, options, flags, print, paint }: Invocation): Promise<ExitName> {
  const [, ...backups] = words;
  const { into } = options;
  const isTold = options.mac !== undefined || options.device !== undefined;
  if (backups.length === 0 || into === undefined || (isTold && backups.length > 1)) throw usageOf("tree import");
  if (existsSync(into) && readdirSync(into).length > 0) throw new ProvisionError("USAGE", `${into} is not empty`);
  const given = {
    ...(options.device === undefined ? {} : readDeviceFacts(options.device).facts),
    ...(options.mac === undefined ? {} : deviceWithMac(options.mac).facts),
  };
  const devices = options.inventory === undefined ? [] : readInventory(options.inventory).devices;
  const routers: GoldenRouter[] = [];
  for (const backup of backups) routers.push(await readGolden(backup, given, devices));
  const imported = importRouters(routers);
  makeFolder(into);
  const secret = new Set(imported.secrets.map(({ layer }) => `${layer}.uci`));
  // This machine has other users, too. A web server is one of them: `tree sign` says so once more.
  for (const [name, bytes] of imported.files) writeNew(join(into, name), bytes, secret.has(name) ? 0o600 : 0o666);
  const told = { ...imported, files: [...imported.files.keys()].sort() };
  const routersTold = routers.map(({ source, device, board, knownBy }) => ({ source, mac: device, board, knownBy }));
  if (flags.isJson) print(JSON.stringify({ exit: "provisioned", into, routers: routersTold, ...told }));
  else print(tell(into, routers, told, paint));
  return "provisioned";
}

export interface Imported {
  /** Name in the tree → content. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly secrets: readonly { readonly layer: string; readonly path: string }[];
  readonly left: readonly (Left & { readonly source: string })[];
}

/** The tree that these routers have in common and for themselves. USAGE if two are the same device, or a board's name is a device's. */
export function importRouters(routers: readonly GoldenRouter[]): Imported {
  checkNames(routers);
  const { layers, secrets } = splitUci(routers);
  const files = new Map<string, Uint8Array>();
  for (const [layer, packages] of layers)
    files.set(`${layer}.uci`, Buffer.concat(packages.map((pkg) => printExport(pkg))));
  const { common, left } = commonFiles(routers);
  if (common.length > 0) files.set("overlay.tar.gz", packOverlay(common));
  const keys = commonKeys(routers);
  if (keys.common.length > 0) files.set("authorized_keys", Buffer.from(`${keys.common.join("\n")}\n`));
  const own = routers.flatMap(({ source, left: all }) => all.map((one) => ({ ...one, source })));
  return { files, secrets, left: [...own, ...left, ...keys.left] };
}

function checkNames(routers: readonly GoldenRouter[]): void {
  const seen = new Map<string, string>();
  for (const { device, source } of routers) {
    const before = seen.get(device);
    if (before !== undefined)
      throw new ProvisionError("USAGE", `${before} and ${source} are the same device, ${device}`);
    seen.set(device, source);
  }
  for (const { board } of routers) {
    if (board === undefined) continue;
    if (board === "default" || seen.has(board) || /[/\\\u0000-\u001f]|^\.\.?$/.test(board))
      throw new ProvisionError("USAGE", `${JSON.stringify(board)} cannot be a board's name in a tree`);
  }
}

/** There is one overlay for all, so only what all of them have can go into it. */
function commonFiles(routers: readonly GoldenRouter[]) {
  const all = routers.map(({ overlay }) => new Map(overlay.map((file) => [file.path, file])));
  const isCommon = (file: BackupFile) => all.every((files) => isSame(files.get(file.path), file));
  const why = "it is not the same on all of these routers, and an overlay is for all";
  const left = routers.flatMap(({ source, overlay }) =>
    overlay.filter((file) => !isCommon(file)).map(({ path }) => ({ source, path, why, isSecret: false })),
  );
  return { common: routers[0]?.overlay.filter(isCommon) ?? [], left };
}

function isSame(a: BackupFile | undefined, b: BackupFile): boolean {
  if (a === undefined) return false;
  if (a.kind === "symlink" || b.kind === "symlink")
    return a.kind === "symlink" && b.kind === "symlink" && a.target === b.target;
  return a.mode === b.mode && Buffer.compare(a.bytes, b.bytes) === 0;
}

function commonKeys(routers: readonly GoldenRouter[]) {
  const isCommon = (line: string) => routers.every(({ sshKeys }) => sshKeys.includes(line));
  const common = routers[0]?.sshKeys.filter(isCommon) ?? [];
  const left = routers.flatMap(({ source, sshKeys }) =>
    sshKeys
      .filter((line) => !isCommon(line))
      .map((line) => ({
        source,
        path: `authorized_keys: …${line.slice(-40)}`,
        why: "only some of these routers have this key",
        isSecret: false,
      })),
  );
  return { common, left };
}

function tell(
  into: string,
  routers: readonly GoldenRouter[],
  { files, secrets, left }: Omit<Imported, "files"> & { readonly files: readonly string[] },
  paint: Invocation["paint"],
): string {
  const lines = routers.map(
    ({ source, device, board, knownBy }) =>
      `${source}: ${device} (${knownBy}), board ${board ?? "unknown: it has no layer"}`,
  );
  lines.push("", paint.strong(`written to ${into}`), ...files.map((name) => `  ${name}`));
  if (secrets.length > 0) {
    lines.push("", paint.warn("secrets, each in the file of the one device they were found on, mode 0600"));
    lines.push(
      "  a web server has to read what it gives out: there they need its group and 0640 (docs/admin/import.md)",
    );
    lines.push(...secrets.map(({ layer, path }) => `  ${layer}.uci: ${path}`));
  }
  if (left.length > 0) {
    lines.push("", paint.strong("left out"));
    lines.push(...left.map(({ path, why, isSecret }) => `  ${isSecret ? paint.bad("secret ") : ""}${path}: ${why}`));
  }
  lines.push("", `Look at it with: uciprov tree lint ${into}`);
  return lines.join("\n");
}
