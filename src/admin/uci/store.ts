import * as fs from "node:fs";
import { basename, join } from "node:path";
import { byteString, bytesOf } from "../../uci/bytes.ts";
import { Draft } from "../../uci/draft.ts";
import { UciFault } from "../../uci/fault.ts";
import type { UciPackage } from "../../uci/model.ts";
import { isPackageArgument } from "../../uci/names.ts";
import { type ParseRules, parsePackage } from "../../uci/parse.ts";
import { printConfig } from "../../uci/print.ts";
import { printStaged, readStaged, replay, type StagedChange } from "../../uci/staged.ts";
import { type FileLock, lockFile } from "./lock.ts";
import { replaceFile, signatureOf } from "./replace-file.ts";

/** Where things are, all as real paths. */
export interface StoreFolders {
  /** Where the path of a file outside of the folders really is. */
  readonly inRoot: (path: string) => string;
  /** `/etc/config`: `-c`. */
  config: string;
  /** `/var/run/uci`, whose files are read instead of those in `config`: `-C`. */
  override: string | undefined;
  /** Where staged changes are read, in this order; the last one is written: `-p`, `-P`, `-t`. */
  readonly staged: string[];
}

/** A package as it is with all staged changes. */
export interface Loaded {
  readonly draft: Draft;
  /** The staged changes as they were read, those that do not fit included. */
  readonly staged: StagedChange[];
  readonly path: string;
  /** False for a file outside of the folders, given by its path: it has no staged changes and is written at once. */
  readonly isStageable: boolean;
}

const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;

/** How often a commit starts again because somebody else wrote the file meanwhile. */
const ATTEMPTS = 5;

/** Configuration files and staged changes on disk, the way libuci keeps them (openwrt/uci file.c, delta.c). */
export class Store {
  readonly folders: StoreFolders;
  /** How configuration files are read. */
  rules: ParseRules = { readsNul: true };
  /** Called when a configuration file is about to be read. */
  onRead: () => void = () => undefined;
  private readonly remembered = new Map<string, { signature: string; loaded: Loaded }>();
  private remembers = false;
  private held: { readonly path: string; readonly lock: FileLock } | undefined;

  constructor(folders: StoreFolders) {
    this.folders = folders;
  }

  /** For a batch: keeps packages in memory as long as their files do not change, and the lock of the last one staged. */
  async remembering<T>(work: () => Promise<T>): Promise<T> {
    this.remembers = true;
    try {
      return await work();
    } finally {
      this.remembers = false;
      this.remembered.clear();
      await this.letGo();
    }
  }

  /** Names of packages, sorted by byte; files with a dot are none. Throws `not-found` if there is nothing at all. */
  names(): string[] {
    const entries = fileNames(this.folders.config).filter((name) => !name.startsWith("."));
    if (entries.length === 0) throw new UciFault({ status: "not-found" });
    return entries.filter((name) => !name.includes(".") && isPackageArgument(name) && !this.isFolder(name));
  }

  load(name: string): Loaded {
    const { path, label, isStageable } = this.locate(name);
    const files = isStageable ? [path, ...this.stagedFiles(label)] : [path];
    const signature = this.remembers ? files.map(signatureOf).join() : "";
    const known = this.remembered.get(name);
    if (known !== undefined && known.signature === signature) {
      this.onRead();
      return known.loaded;
    }
    const draft = this.readDraft(path, label);
    const staged: StagedChange[] = [];
    if (isStageable) this.replayAll(draft, staged);
    const loaded = { draft, staged, path, isStageable };
    if (this.remembers) this.remembered.set(name, { signature, loaded });
    return loaded;
  }

  /** Everything is read again from now on. */
  forget(): void {
    this.remembered.clear();
  }

  /** Writes changes down, and makes them come true in what was loaded. */
  async stage(loaded: Loaded, changes: readonly StagedChange[]): Promise<void> {
    const { draft } = loaded;
    if (!loaded.isStageable) {
      for (const change of changes) replay(draft, change);
      await this.write(loaded.path, draft.package());
      return;
    }
    await this.append(draft.name, changes);
    for (const change of changes) {
      // Only what can be read back counts, as when it is loaded again.
      const again = [...readStaged(printStaged(draft.name, change))][0];
      if (again === undefined) continue;
      loaded.staged.push(again);
      replay(draft, again);
    }
    const known = this.remembered.get(draft.name);
    const files = [loaded.path, ...this.stagedFiles(draft.name)];
    if (known !== undefined) known.signature = files.map(signatureOf).join();
  }

  /** Writes changes down that have come true in what was loaded; it is not to be used any more. */
  async stageMerged(loaded: Loaded, changes: readonly StagedChange[]): Promise<void> {
    this.remembered.clear();
    if (loaded.isStageable) await this.append(loaded.draft.name, changes);
    else await this.write(loaded.path, loaded.draft.package());
  }

  /** Makes staged changes final. Nothing is written if there are none. */
  async commit(loaded: Loaded): Promise<void> {
    await this.letGo();
    this.remembered.clear();
    const { path, draft } = loaded;
    if (!loaded.isStageable) return this.write(path, draft.package());
    const lock = await lockFile(path);
    const stagedPath = join(this.savePath(), draft.name);
    const stagedLock = fs.existsSync(stagedPath) ? await lockFile(stagedPath) : undefined;
    try {
      this.commitLocked(path, draft.name, stagedPath);
    } finally {
      await stagedLock?.release();
      await lock.release();
    }
  }

  /** Replaces a whole package, whatever is staged for it. */
  async replace(pkg: UciPackage): Promise<void> {
    await this.letGo();
    this.remembered.clear();
    const path = join(this.folders.config, pkg.name);
    // libuci would create an empty file before it finds out that it cannot write its temporary one there.
    if (pkg.name.includes("/")) throw new UciFault({ status: "io" });
    createFile(path, FILE_MODE);
    await this.write(path, pkg);
  }

  /**
   * Forgets staged changes of a package, of one of its sections, or of one option. If a line of the file cannot be read
   * nothing is forgotten, as libuci does.
   */
  async revert(name: string, section: string | undefined, option: string | undefined): Promise<void> {
    await this.letGo();
    this.remembered.clear();
    const path = join(this.savePath(), name);
    if (!fs.existsSync(path)) return;
    const lock = await lockFile(path);
    try {
      const kept: string[] = [];
      for (const line of readStaged(byteString(readFile(path) ?? ""))) {
        if (line === undefined) return;
        const isMeant =
          (section === undefined || line.section === section) && (option === undefined || line.option === option);
        if (!isMeant) kept.push(printStaged(name, line));
      }
      overwriteFile(path, kept.join(""));
    } finally {
      await lock.release();
    }
  }

  private async append(name: string, changes: readonly StagedChange[]): Promise<void> {
    if (changes.length === 0) return;
    const path = this.writableStaged(name);
    await this.hold(path);
    appendFile(path, changes.map((change) => printStaged(name, change)).join(""));
    if (!this.remembers) await this.letGo();
  }

  private commitLocked(path: string, name: string, stagedPath: string): void {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const before = signatureOf(path);
      const draft = this.readDraft(path, name);
      const stagedBefore = signatureOf(stagedPath);
      if (this.replayAll(draft, []) === 0) return;
      if (!replaceFile(path, printConfig(draft.package()), before)) continue;
      // Who stages without a lock may have added a line: then it is staged again rather than lost.
      if (signatureOf(stagedPath) === stagedBefore && fs.existsSync(stagedPath)) overwriteFile(stagedPath, "");
      return;
    }
    throw new UciFault({ status: "io", reason: `${path} is written all the time by somebody else` });
  }

  private async write(path: string, pkg: UciPackage): Promise<void> {
    const lock = await lockFile(path);
    try {
      replaceFile(path, printConfig(pkg), undefined);
    } finally {
      await lock.release();
    }
  }

  private readDraft(path: string, name: string): Draft {
    const bytes = readFile(path);
    if (bytes === undefined) throw new UciFault({ status: "not-found" });
    this.onRead();
    return new Draft(parsePackage(bytes, { ...this.rules, name, file: path }));
  }

  /** Replays all staged changes; how many of them fitted. */
  private replayAll(draft: Draft, staged: StagedChange[]): number {
    let fitting = 0;
    for (const path of this.stagedFiles(draft.name)) {
      for (const line of readStaged(byteString(readFile(path) ?? ""))) {
        if (line === undefined || line.package !== draft.name) continue;
        staged.push(line);
        if (replay(draft, line)) fitting++;
      }
    }
    return fitting;
  }

  private locate(name: string): { path: string; label: string; isStageable: boolean } {
    if (name.startsWith("/") || name.startsWith("./"))
      return { path: this.folders.inRoot(name), label: basename(name), isStageable: false };
    if (name.startsWith(".")) throw new UciFault({ status: "not-found" });
    if (!isPackageArgument(name)) throw new UciFault({ status: "invalid" });
    const { config, override } = this.folders;
    const first = override === undefined ? undefined : join(override, name);
    const path = first !== undefined && fs.existsSync(first) ? first : join(config, name);
    return { path, label: name, isStageable: true };
  }

  private stagedFiles(name: string): string[] {
    return this.folders.staged.map((folder) => join(folder, name));
  }

  private savePath(): string {
    return this.folders.staged.at(-1) ?? "";
  }

  /** Makes folder and file if need be, as readable as the configuration they are about. */
  private writableStaged(name: string): string {
    const folder = this.savePath();
    const found = fs.statSync(folder, { throwIfNoEntry: false });
    if (found === undefined) makeFolder(folder, modeOf(this.folders.config) ?? DIRECTORY_MODE);
    else if (!found.isDirectory()) throw new UciFault({ status: "io" });
    const path = join(folder, name);
    createFile(path, modeOf(join(this.folders.config, basename(name))) ?? FILE_MODE);
    return path;
  }

  private async hold(path: string): Promise<void> {
    if (this.held?.path === path) return;
    await this.letGo();
    this.held = { path, lock: await lockFile(path) };
  }

  private async letGo(): Promise<void> {
    const held = this.held;
    this.held = undefined;
    await held?.lock.release();
  }

  private isFolder(name: string): boolean {
    return fs.statSync(join(this.folders.config, name), { throwIfNoEntry: false })?.isDirectory() === true;
  }
}

/** The folder's entries sorted by byte, as `glob` gives them in the C locale. */
function fileNames(folder: string): string[] {
  try {
    const names = fs.readdirSync(folder, "latin1");
    return names.sort((a, b) => (a < b ? -1 : 1));
  } catch {
    return [];
  }
}

/** A regular file's bytes; `undefined` if there is none. */
function readFile(path: string): Uint8Array | undefined {
  if (fs.statSync(path, { throwIfNoEntry: false })?.isFile() !== true) return undefined;
  return orIoFault(() => fs.readFileSync(path));
}

function createFile(path: string, mode: number): void {
  orIoFault(() => fs.closeSync(fs.openSync(path, "a", mode & 0o7777)));
}

/** One write, so that another process that appends does not come in between. */
function appendFile(path: string, text: string): void {
  orIoFault(() => fs.appendFileSync(path, bytesOf(text)));
}

/** In place: others may have the file open, and libuci keeps it, too. */
function overwriteFile(path: string, text: string): void {
  orIoFault(() => {
    const file = fs.openSync(path, "r+");
    try {
      fs.ftruncateSync(file, 0);
      fs.writeFileSync(file, bytesOf(text));
    } finally {
      fs.closeSync(file);
    }
  });
}

function makeFolder(path: string, mode: number): void {
  try {
    fs.mkdirSync(path, mode & 0o7777);
  } catch {
    // What is wrong shows when the file in it is made, as libuci has it.
  }
}

function modeOf(path: string): number | undefined {
  return fs.statSync(path, { throwIfNoEntry: false })?.mode;
}

/** Whatever the system says about a file is "I/O error" here, with the cause kept. */
function orIoFault<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new UciFault({ status: "io", cause });
  }
}
