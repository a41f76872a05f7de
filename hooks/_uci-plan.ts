import {
  batchPackages,
  type Change,
  isPackageName,
  type PlanContext,
  ProvisionError,
  parseBatch,
  parseExport,
  type Resource,
  uci,
} from "../src/api.ts";

/** U+FEFF in UTF-8, as some editors begin a file; nobody sees it. */
const MARK = Buffer.from("\ufeff");

export function planLayers(context: PlanContext): readonly Change[] {
  return context.resources.flatMap((resource) => layersIn(resource, context));
}

/** Faults of all layers are told together, each with its file and line. */
function layersIn(resource: Resource, context: PlanContext): readonly Change[] {
  const bytes = "bytes" in resource.content ? resource.content.bytes : new Uint8Array();
  const file = resource.origin.uri ?? resource.uri;
  if (Buffer.from(bytes.subarray(0, 3)).equals(MARK)) {
    const message =
      "a byte order mark stands before the first line, and uci takes it for a word: save the file without it";
    context.finding("error", "UCI_INVALID", message, { file, line: 1, byte: 1 });
    return [];
  }
  const mode = context.settings.resources.find((setting) => setting.name === resource.name)?.mode ?? "merge";
  try {
    const read = () =>
      mode === "batch" ? batchLayers(bytes, file, resource) : exportLayers(bytes, file, mode, resource);
    const changes = context.once?.(resource, read) ?? read();
    for (const change of changes) checkName(change.package, file, context);
    return changes;
  } catch (thrown) {
    if (!(thrown instanceof ProvisionError)) throw thrown;
    const findings = thrown.findings.length > 0 ? thrown.findings : [thrown];
    for (const fault of findings) context.finding("error", fault.code, fault.message, fault.place ?? { file });
    return [];
  }
}

function exportLayers(bytes: Uint8Array, file: string, mode: "merge" | "replace", { origin }: Resource) {
  return parseExport(bytes, { file }).map((content) => uci({ mode, content }, content.name, origin));
}

function batchLayers(bytes: Uint8Array, file: string, { origin }: Resource) {
  const lines = parseBatch(bytes, { file });
  return batchPackages(lines).map((name) =>
    uci({ mode: "batch", content: lines.filter((line) => line.package === name) }, name, origin),
  );
}

/** OpenWrt itself would write `../x`; a package is a file of /etc/config and nothing else. */
function checkName(name: string, file: string, context: PlanContext): void {
  if (isPackageName(name)) return;
  context.finding("error", "UCI_INVALID", `"${name}" is no name a package can have: letters, digits, _ and -`, {
    file,
  });
}
