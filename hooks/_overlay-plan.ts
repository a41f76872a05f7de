import {
  type ArchivedEntry,
  archiveLimits,
  type Change,
  copyArchived,
  isPackageName,
  type Origin,
  type Placeable,
  type PlanContext,
  ProvisionError,
  parsePackage,
  placeEntries,
  type Resource,
  readArchive,
  remove,
  symlink,
  uci,
} from "../src/api.ts";

/** The changes of all overlays that came, in their order. */
export async function planOverlays(context: PlanContext): Promise<Change[]> {
  const changes: Change[] = [];
  for (const resource of context.resources) changes.push(...(await changesIn(resource, context)));
  return changes;
}

async function changesIn(resource: Resource, context: PlanContext): Promise<Change[]> {
  const placement = await placeEntries(await entriesIn(resource, context), {
    kind: (path) => context.files.stat(path)?.kind,
    readLink: (path) => context.files.readLink(path),
    isOwned: (path) => context.placed.has(path),
  });
  const place = (option: string) => ({ file: resource.uri, option });
  for (const { code, message, path } of placement.faults) context.finding("error", code, message, place(path));
  for (const path of placement.emptyFolders) {
    context.finding(
      "warning",
      "PLAN_INVALID",
      `${path} is an empty folder, and folders come with their files only`,
      place(path),
    );
  }
  const [config, others] = divided(placement.placed);
  return [...(await packagesIn(config, resource, context)), ...others.map((entry) => change(entry, resource))];
}

async function entriesIn(resource: Resource, context: PlanContext): Promise<ArchivedEntry[]> {
  const entries: ArchivedEntry[] = [];
  try {
    await readArchive(context.stream(resource), archiveLimits(context.settings.limits), (entry) => entries.push(entry));
  } catch (thrown) {
    if (!(thrown instanceof ProvisionError) || thrown.exit !== "invalid-content") throw thrown;
    context.finding("error", thrown.code, thrown.message, { ...thrown.place, file: resource.uri });
    return [];
  }
  return entries;
}

function divided(entries: readonly Placeable[]): [config: Placeable[], others: Placeable[]] {
  const isConfig = (entry: Placeable): boolean => entry.path.startsWith("/etc/config/");
  return [entries.filter(isConfig), entries.filter((entry) => !isConfig(entry))];
}

function change(entry: Placeable, resource: Resource): Change {
  const origin = originOf(entry, resource);
  switch (entry.kind) {
    case "symlink":
      return symlink(entry.path, entry.target, origin);
    case "delete":
      return remove(entry.path, origin);
    case "file": {
      if (!("spool" in resource.content))
        throw new ProvisionError("INTERNAL", "an overlay was not fetched as a large one");
      const { path, index, size, sha256, mode } = entry;
      const content = { kind: "archived", archive: resource.content.spool, index } as const;
      return { kind: "file", path, content, size, sha256, mode, shared: false, origin };
    }
  }
}

function originOf(entry: Placeable, resource: Resource): Origin {
  return { ...resource.origin, detail: entry.path };
}

/** The files of /etc/config among the entries, read in a second pass and parsed; whatever is no package is a finding. */
async function packagesIn(entries: readonly Placeable[], resource: Resource, context: PlanContext): Promise<Change[]> {
  const contents = new Map<number, Uint8Array[]>();
  const readable = entries.filter((entry) => isReadable(entry, resource, context));
  for (const entry of readable) contents.set(entry.index, []);
  if (contents.size === 0) return [];
  const targets = [...contents].map(([index, chunks]) => {
    const write = (chunk: Uint8Array): void => void chunks.push(Uint8Array.from(chunk));
    return [index, { write, finish: () => undefined }] as const;
  });
  await copyArchived(context.stream(resource), archiveLimits(context.settings.limits), new Map(targets));
  return readable.flatMap((entry) =>
    packageIn(entry, Buffer.concat(contents.get(entry.index) ?? []), resource, context),
  );
}

function isReadable(entry: Placeable, resource: Resource, context: PlanContext): entry is Placeable & { kind: "file" } {
  const place = { file: resource.uri, option: entry.path };
  const refuse = (message: string): false => {
    context.finding("error", "PATH_FORBIDDEN", message, place);
    return false;
  };
  const name = entry.path.slice("/etc/config/".length);
  if (entry.kind !== "file")
    return refuse(`${entry.path}: in /etc/config only packages can be set; a link or deletion cannot`);
  if (!isPackageName(name)) return refuse(`${entry.path}: no package has such a name`);
  if (entry.size <= context.settings.limits.small) return true;
  context.finding("error", "TOO_LARGE", `${entry.path} has ${entry.size} bytes`, place);
  return false;
}

function packageIn(
  entry: Placeable & { kind: "file" },
  bytes: Uint8Array,
  resource: Resource,
  context: PlanContext,
): Change[] {
  const name = entry.path.slice("/etc/config/".length);
  try {
    const content = parsePackage(bytes, { name, file: `${resource.uri}:${entry.path}` });
    return [uci({ mode: "replace", content }, name, originOf(entry, resource))];
  } catch (thrown) {
    if (!(thrown instanceof ProvisionError)) throw thrown;
    const findings = thrown.findings.length > 0 ? thrown.findings : [thrown];
    for (const fault of findings)
      context.finding("error", fault.code, fault.message, fault.place ?? { file: resource.uri });
    return [];
  }
}
