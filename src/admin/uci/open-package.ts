import { join } from "node:path";
import { parseAddress } from "../../uci/address.ts";
import { fromText } from "../../uci/bytes.ts";
import type { Draft } from "../../uci/draft.ts";
import { editAddList, editDelete, editDelList, editRename, editReorder, editSet } from "../../uci/edit.ts";
import { UciFault } from "../../uci/fault.ts";
import type { UciPackage } from "../../uci/model.ts";
import { isTypedValue } from "../../uci/names.ts";
import { replay, type StagedChange } from "../../uci/staged.ts";
import { FOLDERS, type Loaded, Store } from "./store.ts";

/** A package in files, with edits as `uci` makes them. Arguments are UTF-8 text; errors are `UCI_INVALID`. */
export interface OpenPackage {
  /** As it is with all staged changes and all edits. */
  read(): UciPackage;
  /** `path` is `section` or `section.option`; an empty value deletes. */
  set(path: string, value: string): void;
  addList(path: string, item: string): void;
  delList(path: string, item: string): void;
  delete(path: string): void;
  rename(path: string, name: string): void;
  reorder(section: string, position: number): void;
  /** Appends an anonymous section and gives the name that libuci makes up for it. */
  add(type: string): string;
  /** Writes the edits to the staged changes, where `uci changes` shows them. */
  stage(): Promise<void>;
  /** Stages, and makes all that is staged for this package final. */
  commit(): Promise<void>;
}

/** Opens a package of /etc/config below `root` for editing. Throws `UCI_INVALID` if it is not there or cannot be read. */
export function openPackage(name: string, root = "/"): OpenPackage {
  const inRoot = (path: string) => join(root, path);
  const store = new Store({
    inRoot,
    config: inRoot(FOLDERS.config),
    override: inRoot(FOLDERS.override),
    staged: [inRoot(FOLDERS.staged)],
  });
  return new OpenFile(store, name);
}

class OpenFile implements OpenPackage {
  readonly #store: Store;
  readonly #name: string;
  #loaded: Loaded;
  #changes: StagedChange[] = [];

  constructor(store: Store, name: string) {
    this.#store = store;
    this.#name = name;
    this.#loaded = store.load(name);
  }

  read(): UciPackage {
    return this.#loaded.draft.package();
  }

  set(path: string, value: string): void {
    this.#edit(editSet, path, value);
  }

  addList(path: string, item: string): void {
    this.#edit(editAddList, path, item);
  }

  delList(path: string, item: string): void {
    this.#edit(editDelList, path, item);
  }

  delete(path: string): void {
    this.#edit(editDelete, path, undefined);
  }

  rename(path: string, name: string): void {
    this.#edit(editRename, path, name);
  }

  reorder(section: string, position: number): void {
    this.#edit(editReorder, section, String(position));
  }

  add(type: string): string {
    const section = this.#loaded.draft.nextGeneratedName(fromText(type));
    this.#change({ kind: "add", section, option: undefined, value: fromText(type) });
    return section;
  }

  async stage(): Promise<void> {
    const changes = this.#changes;
    this.#changes = [];
    await this.#store.stageMerged(this.#loaded, changes);
  }

  async commit(): Promise<void> {
    await this.stage();
    await this.#store.commit(this.#loaded);
    this.#loaded = this.#store.load(this.#name);
  }

  #edit(
    edit: (draft: Draft, address: ReturnType<typeof parseAddress>) => StagedChange | undefined,
    path: string,
    value: string | undefined,
  ): void {
    const address = parseAddress(fromText(`${this.#name}.${path}`));
    const change = edit(this.#loaded.draft, { ...address, value: value === undefined ? undefined : checked(value) });
    if (change !== undefined) this.#change(change);
  }

  #change(change: StagedChange): void {
    if (!replay(this.#loaded.draft, change)) throw new UciFault({ status: "invalid" });
    this.#changes.push(change);
  }
}

function checked(value: string): string {
  const bytes = fromText(value);
  if (!isTypedValue(bytes)) throw new UciFault({ status: "invalid", reason: "control characters in a value" });
  return bytes;
}
