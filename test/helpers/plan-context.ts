/** What a module sees while it plans: a tree's files and a device's, as plain objects. */
import { createHash } from "node:crypto";
import type { FileStat, Finding, PlanContext, Resource } from "../../src/api.ts";
import { readSettings } from "../../src/settings.ts";
import type { UciPackage } from "../../src/uci/model.ts";
import { parsePackage } from "../../src/uci/parse.ts";

export interface Scene {
  readonly module: string;
  /** What the tree has, by the resource's name. */
  readonly tree?: Readonly<Record<string, string | Uint8Array>>;
  /** What the device has: text is a file, `->TARGET` a link, `/` a folder, `?` something else. */
  readonly device?: Readonly<Record<string, string>>;
  /** Planned UCI, as text of the files. */
  readonly uci?: Readonly<Record<string, string>>;
  readonly owned?: readonly string[];
  /** Text of /etc/config/uciprov. */
  readonly settings?: string;
  /** Whether resources come in memory, as small ones do. */
  readonly isSmall?: boolean;
}

/** A context and the findings that came up in it. */
export function planScene(scene: Scene): { context: PlanContext; findings: Finding[] } {
  const findings: Finding[] = [];
  const resources = Object.entries(scene.tree ?? {}).map(([name, content]) => resourceOf(scene, name, content));
  const named = (name: string): Resource | undefined => resources.find((resource) => resource.name === name);
  const bytesOf = (name: string): Buffer => Buffer.from(scene.tree?.[name] ?? "");
  const packages = scene.uci ?? {};
  const context: PlanContext = {
    resources,
    resource: named,
    text: (name) => (named(name) === undefined ? undefined : bytesOf(name).toString()),
    uci: (name): UciPackage | undefined => {
      const text = packages[name];
      return text === undefined ? undefined : parsePackage(text, { name });
    },
    files: filesOf(scene.device ?? {}),
    async *stream(resource) {
      const bytes = bytesOf(resource.name);
      for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
    },
    settings: readSettings(parsePackage(scene.settings ?? "", { name: "uciprov" })).settings,
    facts: {
      mac: "020000000001",
      hostname: "OpenWrt",
      serial: undefined,
      board: "acme,r1",
      model: "Acme R1",
      target: "x86/64",
      arch: "x86_64",
      distro: "OpenWrt",
      release: "24.10.2",
      revision: "r28739",
      built: 1_750_000_000,
    },
    macros: new Map(),
    signal: new AbortController().signal,
    owned: new Set(scene.owned),
    placed: new Set(scene.owned),
    finding: (severity, code, message, place) =>
      void findings.push({ severity, code, message, ...(place === undefined ? {} : { place }) }),
  };
  return { context, findings };
}

function resourceOf({ module, isSmall }: Scene, name: string, content: string | Uint8Array): Resource {
  const bytes = Buffer.from(content);
  const uri = `https://cfg.example/${name}`;
  return {
    name,
    uri,
    size: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
    origin: { module, uri },
    content: isSmall ? { bytes } : { spool: `/tmp/spool/${name}` },
  };
}

function filesOf(device: Readonly<Record<string, string>>): PlanContext["files"] {
  const kindOf = (path: string): FileStat["kind"] | undefined => {
    const content = device[path];
    if (content === undefined) return isFolder(path) ? "directory" : undefined;
    if (content === "/") return "directory";
    if (content === "?") return "other";
    return content.startsWith("->") ? "symlink" : "file";
  };
  const isFolder = (path: string): boolean => Object.keys(device).some((one) => one.startsWith(`${path}/`));
  return {
    readBytes: (path) => (kindOf(path) === "file" ? Buffer.from(device[path] ?? "", "latin1") : undefined),
    read: (path) => (kindOf(path) === "file" ? device[path] : undefined),
    list: (folder) =>
      Object.keys(device)
        .flatMap((path) => (path.startsWith(`${folder}/`) ? [path.slice(folder.length + 1)] : []))
        .filter((name) => !name.includes("/"))
        .sort(),
    stat(path) {
      const kind = kindOf(path);
      return kind === undefined ? undefined : { kind, mode: 0o644, uid: 0, gid: 0, size: 0, modified: 0 };
    },
    readLink: (path) => (kindOf(path) === "symlink" ? device[path]?.slice(2) : undefined),
  };
}
