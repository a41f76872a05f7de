/**
 * What V8 made of our own files, kept in RAM from one run to the next: compiling them anew is a third of what a run without news costs (docs/performance.md).
 * It is code that runs as root, so it is believed only from a folder that nobody but this user can have written, and only for the very files it was made of;
 * V8 itself refuses what another version made, or other flags. Whatever is wrong with it, a file is compiled as ever, and nobody told.
 */
import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  type Stats,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { Script } from "node:vm";

/** In RAM on every OpenWrt, and gone with the next boot. */
const FOLDER = "var/run/uciprov/code";

/** The files that a run without news loads. None of them holds an `import()` that is one at run time: the build looks. */
const KEPT = ["main.cjs", "core.cjs", "fetch.cjs", "http.cjs", "undici.cjs"];

/** Node's own class of what `require` keeps; node:module, which exports it, is more than is needed here. */
const Module = module.constructor as new (path: string) => NodeJS.Module;

const HEAD = Buffer.from("(function (exports, require, module, __filename, __dirname) {");
const TAIL = Buffer.from("\n})");

/** Bytes; what is kept of the largest has some 300 kB. */
const MOST = 4_000_000;

export interface CompiledCode {
  /** What a file beside this one exports. */
  load(file: string): unknown;
  /** Keeps what was made of the files that were loaded so far, if it is not kept already. */
  keep(): void;
}

interface Loaded {
  readonly file: string;
  readonly script: Script;
  readonly source: string;
  readonly isKept: boolean;
}

/** For the program in the folder `program`, and the device whose files lie below `root`. */
export function openCompiledCode(program: string, root: string): CompiledCode {
  const folder = trustedFolder(root);
  const loaded: Loaded[] = [];

  const load = (file: string): unknown => {
    const path = join(program, file);
    const known = require.cache[path];
    if (known) return known.exports;
    const { wrapped, source } = readSource(path);
    const cachedData = folder === undefined ? undefined : readKept(join(folder, file), source);
    const script = new Script(wrapped, { filename: path, cachedData });
    loaded.push({ file, script, source, isKept: cachedData !== undefined && script.cachedDataRejected !== true });
    const made = new Module(path);
    made.filename = path;
    require.cache[path] = made;
    try {
      const ask = (name: string) => (KEPT.includes(name.slice(2)) ? load(name.slice(2)) : require(name));
      script.runInThisContext()(made.exports, ask, made, path, program);
    } catch (thrown) {
      delete require.cache[path];
      throw thrown;
    }
    made.loaded = true;
    return made.exports;
  };

  return {
    load,
    keep() {
      const news = loaded.filter(({ isKept }) => !isKept);
      if (news.length === 0) return;
      try {
        const into = trustedFolder(root) ?? makeFolder(root);
        if (into === undefined) return;
        for (const { file, script, source } of news) write(join(into, file), source, script.createCachedData());
      } catch {
        // RAM is full, or not ours: the next run compiles anew
      }
    },
  };
}

/** By the way that leads there without links: `/var` is one, and below a scratch root none may lead out of it. */
function makeFolder(root: string): string | undefined {
  const above = realpathSync.native(join(root, dirname(FOLDER)));
  if (!isBelow(above, realpathSync.native(root))) return undefined;
  mkdirSync(join(above, basename(FOLDER)), { mode: 0o700 });
  return trustedFolder(root);
}

/** Where the folder really lies, if it is below `root` and neither it nor any folder above it can be changed by others. */
function trustedFolder(root: string): string | undefined {
  try {
    const folder = realpathSync.native(join(root, FOLDER));
    if (!isBelow(folder, realpathSync.native(root))) return undefined;
    if ((lstatSync(folder).mode & 0o077) !== 0) return undefined;
    for (let path = folder; ; path = dirname(path)) {
      if (!isOurs(lstatSync(path))) return undefined;
      if (path === "/") return folder;
    }
  } catch {
    return undefined; // not there yet
  }
}

function isBelow(path: string, top: string): boolean {
  return path.startsWith(top === "/" ? top : `${top}/`);
}

/** A sticky folder (`/tmp`) lets nobody rename or remove what is another's. */
function isOurs({ uid, mode }: Stats): boolean {
  const isClosed = (mode & 0o022) === 0 || (mode & 0o1000) !== 0;
  return isClosed && (uid === 0 || uid === process.geteuid?.());
}

/**
 * A file's text as the body of the function that Node makes of a module, in one string (V8 would copy parts together), and a line that is another for any
 * other file that was ever there. The build made it ASCII: a byte a character needs no decoding.
 */
function readSource(path: string): { wrapped: string; source: string } {
  const fd = openSync(path, constants.O_RDONLY);
  try {
    const { dev, ino, size, mtimeNs, ctimeNs }: BigIntStats = fstatSync(fd, { bigint: true });
    const source = [process.version, process.arch, dev, ino, size, mtimeNs, ctimeNs].join(" ");
    const wrapped = Buffer.concat([HEAD, readFileSync(fd), TAIL]).toString("latin1");
    return { wrapped, source: `${source}\n` };
  } finally {
    closeSync(fd);
  }
}

/** What was made of this source; undefined if there is none, or it is of another. */
function readKept(path: string, source: string): Buffer | undefined {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stat = fstatSync(fd);
      if (!stat.isFile() || stat.size > MOST || (stat.mode & 0o077) !== 0 || !isOurs(stat)) return undefined;
      const bytes = readFileSync(fd);
      return bytes.toString("latin1", 0, source.length) === source ? bytes.subarray(source.length) : undefined;
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined;
  }
}

/** Whole or not at all, also where two runs end at the same time. */
function write(path: string, source: string, made: Buffer): void {
  const next = `${path}.${process.pid}`;
  try {
    writeFileSync(next, Buffer.concat([Buffer.from(source), made]), { flag: "wx", mode: 0o600 });
    renameSync(next, path);
  } catch (thrown) {
    try {
      unlinkSync(next);
    } catch {
      // it was not made
    }
    throw thrown;
  }
}
