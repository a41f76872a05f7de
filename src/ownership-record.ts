/** The ownership record of files, as it lies in the device's state. */

/** What is, was or shall be at a path. */
export type FileState =
  | { readonly kind: "absent" }
  | {
      readonly kind: "file";
      /** 64 lower-case hex digits. */
      readonly sha256: string;
      readonly mode: number;
      readonly size: number;
      /** Of what was there before us, so that it comes back as it was; of what we set, if its change named them. */
      readonly uid?: number;
      readonly gid?: number;
    }
  | { readonly kind: "symlink"; readonly target: string }
  /** A folder, a device: nothing uciprov would set. */
  | { readonly kind: "other" };

export interface OwnedPath {
  readonly module: string;
  readonly set: FileState;
  /** The device's own; a file's bytes are kept by their digest as long as a record names them. */
  readonly before: FileState;
}

/** By path. Plain, so that it goes into a file and comes back as it is. */
export type FileRecord = Readonly<Record<string, OwnedPath>>;

/** The record in a value that came out of JSON; a TypeError says what is no record about it. */
export function parseFileRecord(value: unknown): FileRecord {
  return Object.fromEntries(
    Object.entries(asObject(value, "the record")).map(([path, owned]) => {
      if (!path.startsWith("/")) throw new TypeError(`${path} is no path`);
      const { module, set, before } = asObject(owned, path);
      if (typeof module !== "string") throw new TypeError(`${path} has no module`);
      return [path, { module, set: parseState(set, path), before: parseState(before, path) }];
    }),
  );
}

function parseState(value: unknown, path: string): FileState {
  const { kind, sha256, mode, size, uid, gid, target } = asObject(value, path);
  if (kind === "absent") return { kind };
  if (kind === "symlink" && typeof target === "string") return { kind, target };
  const isDigest = typeof sha256 === "string" && /^[0-9a-f]{64}$/.test(sha256);
  if (kind !== "file" || !isDigest || !isCount(mode) || mode > 0o7777 || !isCount(size)) {
    throw new TypeError(`${path} has no state`);
  }
  return { kind, sha256, mode, size, ...(isCount(uid) ? { uid } : {}), ...(isCount(gid) ? { gid } : {}) };
}

function asObject(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new TypeError(`${what} is no object`);
  return Object.fromEntries(Object.entries(value));
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
