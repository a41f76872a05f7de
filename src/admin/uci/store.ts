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

/** libuci's default folders (openwrt/uci uci.h). */
export const FOLDERS = { config: "/etc/config", override: "/var/run/uci", staged: "/tmp/.uci" } as const;

/** A package as it is with all staged changes. */
export interface Loaded {
  readonly draft: Draft;
  /** The staged changes as they were read, those that do not fit included. */
  readonly staged: StagedChange[];
  readonly path: string;
  /** False for a file outside of the folders, given by its path: it has no staged changes and is written at once. */
  readonly isStageable: boolean;
  /** The last line of staged changes is a whole one: the next one will be read for itself. */
  readonly endsCleanly: boolean;
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
  /** Anonymous sections are printed, and written, with their generated names: `-n`. */
  namesAnonymous = false;
  /** Called when a configuration file is about to be read. */
  onRead: () => void = () => undefined;
  readonly #remembered = new Map<string, { signature: string; loaded: Loaded; faults: readonly UciFault[] }>();
  #remembers = false;
  #held: { readonly path: string; readonly lock: FileLock } | undefined;

  constructor(folders: StoreFolders) {
    this.folders = folders;
  }

  /** For a batch: keeps packages in memory as long as their files do not change, and the lock of the last one staged. */
  async remembering<T>(work: () => Promise<T>): Promise<T> {
    this.#remembers = true;
    try {
      return await work();
    } finally {
      this.#remembers = false;
      this.#remembered.clear();
      await this.#letGo();
    }
  }

  /** Names of packages, sorted by byte; files with a dot are none. Throws `not-found` if there is nothing at all. */
  names(): string[] {
    const entries = fileNames(this.folders.config).filter((name) => !name.startsWith("."));
    if (entries.length === 0) throw new UciFault({ status: "not-found" });
    return entries.filter((name) => !name.includes(".") && isPackageArgument(name) && !this.#isFolder(name));
  }

  load(name: string): Loaded {
    const { path, label, isStageable } = this.#locate(name);
    const signature = this.#remembers && isStageable ? this.#signature(path, label) : "";
    const known = this.#remembered.get(name);
    if (known !== undefined && known.signature === signature && isStageable) {
      this.onRead();
      for (const fault of known.faults) this.rules.onFault?.(fault);
      return known.loaded;
    }
    const faults: UciFault[] = [];
    const draft = this.#readDraft(path, label, faults);
    const staged: StagedChange[] = [];
    const { endsCleanly } = isStageable ? this.#replayAll(draft, staged) : { endsCleanly: true };
    const loaded = { draft, staged, path, isStageable, endsCleanly };
    if (this.#remembers) this.#remembered.set(name, { signature, loaded, faults });
    return loaded;
  }

  /** Everything is read again from now on. */
  forget(): void {
    this.#remembered.clear();
  }

  /** The package as it is printed. */
  printable(draft: Draft): UciPackage {
    return this.namesAnonymous ? draft.packageWithNames() : draft.package();
  }

  /** Writes changes down, and makes them come true in what was loaded. */
  async stage(loaded: Loaded, changes: readonly StagedChange[]): Promise<void> {
    const { draft } = loaded;
    if (!loaded.isStageable) {
      for (const change of changes) replay(draft, change);
      await this.#write(loaded.path, draft);
      return;
    }
    const known = this.#remembered.get(draft.name);
    const wasAlone = await this.#append(draft.name, changes, known?.signature);
    // What cannot be continued line by line is read again.
    if (!wasAlone || !loaded.endsCleanly) this.#remembered.delete(draft.name);
    for (const change of changes) {
      // Only what can be read back counts, as when it is loaded again.
      const again = [...readStaged(printStaged(draft.name, change))][0];
      if (again === undefined) continue;
      loaded.staged.push(again);
      replay(draft, again);
    }
    if (known !== undefined) known.signature = this.#signature(loaded.path, draft.name);
  }

  /** Writes changes down that have come true in what was loaded; it is not to be used any more. */
  async stageMerged(loaded: Loaded, changes: readonly StagedChange[]): Promise<void> {
    this.#remembered.clear();
    if (loaded.isStageable) await this.#append(loaded.draft.name, changes);
    else await this.#write(loaded.path, loaded.draft);
  }

  /** Makes staged changes final. Nothing is written if there are none. */
  async commit(loaded: Loaded): Promise<void> {
    await this.#letGo();
    this.#remembered.clear();
    const { path, draft } = loaded;
    if (!loaded.isStageable) return this.#write(path, draft);
    const lock = await lockFile(path);
    const stagedPath = join(this.#savePath(), draft.name);
    const stagedLock = fs.existsSync(stagedPath) ? await lockFile(stagedPath) : undefined;
    try {
      this.#commitLocked(path, draft.name, stagedPath);
    } finally {
      await stagedLock?.release();
      await lock.release();
    }
  }

  /** Replaces a whole package, whatever is staged for it. */
  async replace(pkg: UciPackage): Promise<void> {
    await this.#letGo();
    this.#remembered.clear();
    const path = join(this.folders.config, pkg.name);
    // libuci would create an empty file before it finds out that it cannot write its temporary one there.
    if (pkg.name.includes("/")) throw new UciFault({ status: "io" });
    createFile(path, FILE_MODE);
    await this.#write(path, new Draft(pkg));
  }

  /**
   * Forgets staged changes of a package, of one of its sections, or of one option. If a line of the file cannot be read
   * nothing is forgotten, as libuci does.
   */
  async revert(name: string, section: string | undefined, option: string | undefined): Promise<void> {
    await this.#letGo();
    this.#remembered.clear();
    const path = join(this.#savePath(), name);
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

  /** `false` if somebody else wrote since `signature` was taken. */
  async #append(name: string, changes: readonly StagedChange[], signature?: string): Promise<boolean> {
    if (changes.length === 0) return true;
    const isSame = () => signature === undefined || signature === this.#signature(this.#locate(name).path, name);
    const wasSame = isSame();
    const path = this.#writableStaged(name);
    const wasHeld = this.#held?.path === path;
    await this.#hold(path);
    const wasAlone = wasSame && (wasHeld || fs.statSync(path).size === 0 || isSame());
    appendFile(path, changes.map((change) => printStaged(name, change)).join(""));
    if (!this.#remembers) await this.#letGo();
    return wasAlone;
  }

  #signature(path: string, name: string): string {
    return [path, ...this.#stagedFiles(name)].map(signatureOf).join();
  }

  #commitLocked(path: string, name: string, stagedPath: string): void {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const before = signatureOf(path);
      const draft = this.#readDraft(path, name);
      const stagedBefore = signatureOf(stagedPath);
      if (this.#replayAll(draft, []).fitting === 0) return;
      if (!replaceFile(path, printConfig(this.printable(draft)), before)) continue;
      // Who stages without a lock may have added a line: then it is staged again rather than lost.
      if (signatureOf(stagedPath) === stagedBefore && fs.existsSync(stagedPath)) overwriteFile(stagedPath, "");
      return;
    }
    throw new UciFault({ status: "io", reason: `${path} is written all the time by somebody else` });
  }

  async #write(path: string, draft: Draft): Promise<void> {
    const lock = await lockFile(path);
    try {
      replaceFile(path, printConfig(this.printable(draft)), undefined);
    } finally {
      await lock.release();
    }
  }

  #readDraft(path: string, name: string, faults: UciFault[] = []): Draft {
    const bytes = readFile(path);
    if (bytes === undefined) throw new UciFault({ status: "not-found" });
    this.onRead();
    const onFault = (fault: UciFault) => {
      faults.push(fault);
      this.rules.onFault?.(fault);
    };
    return new Draft(parsePackage(bytes, { ...this.rules, name, file: path, onFault }));
  }

  /** Replays all staged changes, and tells how many of them fitted. */
  #replayAll(draft: Draft, staged: StagedChange[]): { fitting: number; endsCleanly: boolean } {
    let fitting = 0;
    let endsCleanly = true;
    for (const path of this.#stagedFiles(draft.name)) {
      const text = byteString(readFile(path) ?? "");
      endsCleanly = text === "" || text.endsWith("\n");
      for (const line of readStaged(text)) {
        // A line that cannot be read may be a quote that is still open at the end.
        endsCleanly &&= line !== undefined;
        if (line === undefined || line.package !== draft.name) continue;
        staged.push(line);
        if (replay(draft, line)) fitting++;
      }
    }
    return { fitting, endsCleanly };
  }

  #locate(name: string): { path: string; label: string; isStageable: boolean } {
    if (name.startsWith("/") || name.startsWith("./"))
      return { path: this.folders.inRoot(name), label: basename(name), isStageable: false };
    if (name.startsWith(".")) throw new UciFault({ status: "not-found" });
    if (!isPackageArgument(name)) throw new UciFault({ status: "invalid" });
    const { config, override } = this.folders;
    const first = override === undefined ? undefined : join(override, name);
    const path = first !== undefined && fs.existsSync(first) ? first : join(config, name);
    return { path, label: name, isStageable: true };
  }

  #stagedFiles(name: string): string[] {
    return this.folders.staged.map((folder) => join(folder, name));
  }

  #savePath(): string {
    return this.folders.staged.at(-1) ?? "";
  }

  /** Makes folder and file if need be, as readable as the configuration they are about. */
  #writableStaged(name: string): string {
    const folder = this.#savePath();
    const found = fs.statSync(folder, { throwIfNoEntry: false });
    if (found === undefined) makeFolder(folder, modeOf(this.folders.config) ?? DIRECTORY_MODE);
    else if (!found.isDirectory()) throw new UciFault({ status: "io" });
    const path = join(folder, name);
    createFile(path, modeOf(join(this.folders.config, basename(name))) ?? FILE_MODE);
    return path;
  }

  async #hold(path: string): Promise<void> {
    if (this.#held?.path === path) return;
    await this.#letGo();
    this.#held = { path, lock: await lockFile(path) };
  }

  async #letGo(): Promise<void> {
    const held = this.#held;
    this.#held = undefined;
    await held?.lock.release();
  }

  #isFolder(name: string): boolean {
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
