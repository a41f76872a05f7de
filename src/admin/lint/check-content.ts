import { createReadStream, readFileSync } from "node:fs";
import type { Change, DeviceFacts, Files, PlanContext, Resource } from "../../api.ts";
import { type Finding, ProvisionError } from "../../errors.ts";
import type { Settings } from "../../settings.ts";
import { strictUtf8 } from "../../utf8.ts";
import { checkUciPackage, checkUciText } from "./check-uci.ts";
import type { ResourceShape } from "./resource-shapes.ts";
import type { Report, RuleName } from "./rules.ts";
import type { TreeFile } from "./tree-files.ts";

/** The modules whose `plan` can be asked about one file without a device. */
const ASKED: ReadonlySet<string> = new Set(["uci", "overlay", "sshkeys", "services", "certs", "packages"]);

/**
 * Reads a file exactly as a device would, by the module that is to get it, and tells all it finds. Back come the changes the module makes of it; none if
 * the module needs a device for that, or the file is faulty.
 */
export async function checkContent(
  file: TreeFile,
  shape: ResourceShape,
  settings: Settings,
  report: Report,
): Promise<readonly Change[]> {
  const limit = settings.limits[shape.size];
  if (file.size > limit) {
    report({ rule: "too-large", message: `${file.size} bytes, and devices take ${limit}`, file: file.name });
    return [];
  }
  if (!ASKED.has(shape.module.name)) {
    if (shape.template.text.endsWith(".json")) checkJson(file, report);
    return [];
  }
  const bytes = shape.size === "small" ? readFileSync(file.path) : undefined;
  const resource: Resource = {
    name: shape.name,
    uri: file.name,
    size: file.size,
    sha256: "",
    origin: { module: shape.module.name, uri: file.name },
    content: bytes === undefined ? { spool: file.path } : { bytes },
  };
  const findings: Finding[] = [];
  const changes = await planned(shape, contextFor(resource, settings, findings), findings, file.name);
  for (const finding of findings) report(told(finding, shape, file.name));
  const isReadable = findings.every(({ severity }) => severity !== "error");
  const mode = settings.resources.find(({ name }) => name === shape.name)?.mode ?? "merge";
  if (shape.module.name === "uci" && bytes !== undefined && isReadable && mode !== "batch")
    checkUciText(bytes.toString("latin1"), undefined, file.name, report);
  if (shape.module.name === "overlay") {
    for (const change of changes) {
      if (change.kind !== "uci" || !("sections" in change.layer.content)) continue;
      checkUciPackage(change.layer.content, `${file.name}:${change.origin.detail ?? change.package}`, report);
    }
  }
  return changes;
}

/** What it says is for its module, which needs the whole plan to read it; that it can be read at all is seen here. */
function checkJson(file: TreeFile, report: Report): void {
  try {
    JSON.parse(readFileSync(file.path, "utf8").replace(/^\ufeff/, ""));
  } catch {
    report({ rule: "content", message: "this is no JSON", file: file.name });
  }
}

async function planned(
  { module }: ResourceShape,
  context: PlanContext,
  findings: Finding[],
  file: string,
): Promise<readonly Change[]> {
  try {
    return (await module.plan?.(context)) ?? [];
  } catch (thrown) {
    if (!(thrown instanceof ProvisionError)) throw thrown;
    findings.push({ code: thrown.code, severity: "error", message: thrown.message, place: thrown.place ?? { file } });
    return [];
  }
}

function told({ code, severity, message, place }: Finding, shape: ResourceShape, file: string) {
  const at = place?.option === undefined || message.includes(place.option) ? "" : ` (${place.option})`;
  return {
    rule: ruleFor(code, shape),
    level: severity,
    message: `${message}${at}`,
    file: place?.file?.startsWith(file) ? place.file : file,
    ...(place?.line === undefined ? {} : { line: place.line }),
    ...(place?.byte === undefined ? {} : { byte: place.byte }),
  };
}

function ruleFor(code: Finding["code"], { module }: ResourceShape): RuleName {
  if (code === "UCI_INVALID") return "uci-syntax";
  if (code === "PATH_FORBIDDEN") return "path-forbidden";
  if (code === "TOO_LARGE") return "too-large";
  return module.name === "overlay" ? "archive" : "content";
}

function contextFor(resource: Resource, settings: Settings, findings: Finding[]): PlanContext {
  const bytes = "bytes" in resource.content ? resource.content.bytes : undefined;
  const finding: PlanContext["finding"] = (severity, code, message, place) =>
    findings.push({ severity, code, message, ...(place === undefined ? {} : { place }) });
  return {
    resources: [resource],
    resource: (name) => (name === resource.name ? resource : undefined),
    text: (name) => (name === resource.name ? textOf(bytes, resource, finding) : undefined),
    uci: () => undefined,
    files: SOME_DEVICE,
    stream: (one) => ("spool" in one.content ? createReadStream(one.content.spool) : once(one.content.bytes)),
    settings,
    facts: FACTS,
    macros: new Map(),
    signal: new AbortController().signal,
    owned: new Set(),
    placed: new Set(),
    finding,
  };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function textOf(
  bytes: Uint8Array | undefined,
  resource: Resource,
  finding: PlanContext["finding"],
): string | undefined {
  if (bytes === undefined) return undefined;
  const text = strictUtf8(bytes);
  if (text === undefined) finding("error", "PLAN_INVALID", `${resource.name} is no UTF-8 text`, { file: resource.uri });
  return text?.replace(/^\ufeff/, "");
}

const FACTS: DeviceFacts = {
  mac: undefined,
  hostname: "OpenWrt",
  serial: undefined,
  board: "generic",
  model: "unknown",
  target: "unknown/unknown",
  arch: "unknown",
  distro: "OpenWrt",
  release: "unknown",
  revision: "unknown",
  built: undefined,
};

/** A device that has every service and dropbear, so that only what is wrong on any device is told. */
const SOME_DEVICE: Files = {
  readBytes: () => undefined,
  read: (path) => (path.startsWith("/etc/init.d/") ? "START=99\nSTOP=10\n" : undefined),
  list: () => [],
  stat: (path) =>
    path === "/usr/sbin/dropbear" ? { kind: "file", mode: 0o755, uid: 0, gid: 0, size: 0, modified: 0 } : undefined,
  readLink: () => undefined,
};
