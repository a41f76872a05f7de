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

/** Bytes: an archive that unpacks to no more stays in memory, and is not unpacked a second time when it is put in place. */
const AT_HAND = 2_097_152;

/** Contents by the index of their entry; undefined: there are too many bytes of them. */
type Contents = ReadonlyMap<number, Uint8Array> | undefined;

async function changesIn(resource: Resource, context: PlanContext): Promise<Change[]> {
  const { entries, contents } = await entriesIn(resource, context);
  const placement = await placeEntries(entries, {
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
  return [
    ...(await packagesIn(config, contents, resource, context)),
    ...others.map((entry) => change(entry, contents, resource)),
  ];
}

async function entriesIn(
  resource: Resource,
  context: PlanContext,
): Promise<{ entries: readonly ArchivedEntry[]; contents: Contents }> {
  const entries: ArchivedEntry[] = [];
  const contents = new Map<number, Uint8Array>();
  let isAtHand = true;
  try {
    const limits = archiveLimits(context.settings.limits);
    await readArchive(
      context.stream(resource),
      limits,
      (entry, content) => {
        entries.push(entry);
        if (entry.kind !== "file") return;
        if (content === undefined) isAtHand = false;
        else contents.set(entry.index, content);
      },
      context.once === undefined ? AT_HAND : 0, // a plan for many devices is kept, and put in place nowhere
    );
  } catch (thrown) {
    if (!(thrown instanceof ProvisionError) || thrown.exit !== "invalid-content") throw thrown;
    context.finding("error", thrown.code, thrown.message, { ...thrown.place, file: resource.uri });
    return { entries: [], contents };
  }
  return { entries, contents: isAtHand ? contents : undefined };
}

function divided(entries: readonly Placeable[]): [config: Placeable[], others: Placeable[]] {
  const isConfig = (entry: Placeable): boolean => entry.path.startsWith("/etc/config/");
  return [entries.filter(isConfig), entries.filter((entry) => !isConfig(entry))];
}

function change(entry: Placeable, contents: Contents, resource: Resource): Change {
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
      const bytes = contents?.get(index);
      const archived = { kind: "archived", archive: resource.content.spool, index } as const;
      const content = bytes === undefined ? archived : ({ kind: "bytes", bytes, isUntold: true } as const);
      return { kind: "file", path, content, size, sha256, mode, shared: false, origin };
    }
  }
}

function originOf(entry: Placeable, resource: Resource): Origin {
  return { ...resource.origin, detail: entry.path };
}

/** The files of /etc/config among the entries, parsed; whatever is no package is a finding. */
async function packagesIn(
  entries: readonly Placeable[],
  atHand: Contents,
  resource: Resource,
  context: PlanContext,
): Promise<Change[]> {
  const readable = entries.filter((entry) => isReadable(entry, resource, context));
  if (readable.length === 0) return [];
  const contents = atHand ?? (await read(readable, resource, context));
  return readable.flatMap((entry) =>
    packageIn(entry, contents.get(entry.index) ?? new Uint8Array(), resource, context),
  );
}

/** Some files' contents, read in a second pass. */
async function read(
  entries: readonly { readonly index: number }[],
  resource: Resource,
  context: PlanContext,
): Promise<ReadonlyMap<number, Uint8Array>> {
  const chunks = new Map<number, Uint8Array[]>(entries.map(({ index }) => [index, []]));
  const targets = [...chunks].map(([index, pieces]) => {
    const write = (chunk: Uint8Array): void => void pieces.push(Uint8Array.from(chunk));
    return [index, { write, finish: () => undefined }] as const;
  });
  await copyArchived(context.stream(resource), archiveLimits(context.settings.limits), new Map(targets));
  return new Map([...chunks].map(([index, pieces]) => [index, Buffer.concat(pieces)]));
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
