import { X509Certificate } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { ProvisionError } from "../../errors.ts";
import { moduleNamed } from "../../module-files.ts";
import { parsePublicKey } from "../../tree/keys.ts";
import { printConfig } from "../../uci/print.ts";
import { makeFolder } from "../folders.ts";
import { isSecretSigningKey } from "../lint/check-secrets.ts";
import { type TargetFile, withAuthorities } from "./target-file.ts";

/** Modes of what is not for everybody; all else is 0755 and 0644, or as it is where a folder is copied. */
const PRIVATE = new Set(["/etc/uciprov", "/etc/uciprov/keys"]);
const SMALL = 1_048_576;
/** A secret key has some 200 bytes. */
const SECRET_KEY_LIMIT = 4096;

/**
 * Writes the FILES tree of an ImageBuilder: settings, keys, authorities, modules, and folders laid over it. `out` must not hold anything yet.
 * TARGET_INVALID for a file that is not what it has to be, or a place that two things want. The paths, sorted.
 */
export function layOut(target: TargetFile, from: string, out: string): string[] {
  if (existsSync(out) && (!statSync(out).isDirectory() || readdirSync(out).length > 0)) {
    throw new ProvisionError("USAGE", `${out} is there already and not empty`);
  }
  makeFolder(dirname(out));
  const work = mkdtempSync(`${out}.new-`);
  try {
    const paths = fill(new FilesTree(work), target, from);
    chmodSync(work, 0o755);
    renameSync(work, out);
    return paths;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function fill(tree: FilesTree, { wish, sections }: TargetFile, from: string): string[] {
  const at = (path: string) => resolve(from, path);
  for (const path of wish.keys) {
    const text = readSmall(at(path)).toString("latin1");
    tree.write(`/etc/uciprov/keys/${parsePublicKey(text).fingerprint}`, Buffer.from(text, "latin1"), 0o644);
  }
  const authorities = wish.authorities.map((path) => {
    const name = basename(path).replaceAll(/[^A-Za-z0-9._-]/g, "_");
    tree.write(`/etc/uciprov/ca/${name}`, certificate(at(path)), 0o644);
    return `/etc/uciprov/ca/${name}`;
  });
  for (const path of wish.modules) {
    if (moduleNamed(path) === undefined) throw wrong(`${path} is not named as a module must be`);
    tree.write(`/etc/uciprov/modules.d/${basename(path)}`, readSmall(at(path)), 0o644);
  }
  const config = { name: "uciprov", sections: withAuthorities(sections, authorities) };
  tree.write("/etc/config/uciprov", printConfig(config), 0o600);
  for (const folder of wish.folders) tree.copy(at(folder), "");
  return [...tree.paths].sort();
}

class FilesTree {
  readonly paths = new Set<string>();
  readonly #out: string;
  readonly #own: string;

  constructor(out: string) {
    this.#out = out;
    this.#own = realpathSync(out);
  }

  write(path: string, bytes: Uint8Array, mode: number): void {
    this.#take(path);
    writeFileSync(join(this.#out, path), bytes, { mode, flag: "wx" });
    chmodSync(join(this.#out, path), mode);
  }

  /** Plain files, links and folders, as they are; nothing is followed. */
  copy(folder: string, prefix: string): void {
    const names = listOf(folder);
    if (realpathSync(folder) === this.#own)
      throw wrong(`${folder} is laid out right now, and is below a folder of the target file: choose --out`);
    for (const name of names) {
      const [source, path] = [join(folder, name), `${prefix}/${name}`];
      const stat = lstatSync(source);
      if (stat.isDirectory()) {
        this.#makeFolder(path);
        const made = join(this.#out, path);
        // Never more open than any of those that are laid over one another.
        chmodSync(made, (statSync(made).mode & stat.mode & 0o755) | 0o700);
        this.copy(source, path);
      } else if (stat.isSymbolicLink()) {
        this.#take(path);
        symlinkSync(readlinkSync(source), join(this.#out, path));
      } else if (stat.isFile()) {
        if (stat.size <= SECRET_KEY_LIMIT && isSecretSigningKey(readFileSync(source, "latin1")))
          throw wrong(`${source} is a secret key that signs trees, and whoever has the image would have it`);
        this.#take(path);
        copyFileSync(source, join(this.#out, path));
        chmodSync(join(this.#out, path), stat.mode & 0o755);
      } else throw wrong(`${source} is neither file nor folder nor link`);
    }
  }

  #take(path: string): void {
    if (this.paths.has(path)) throw wrong(`two things want to be ${path}`);
    this.#makeFolder(dirname(path));
    if (lstatSync(join(this.#out, path), { throwIfNoEntry: false }))
      throw wrong(`${path} is to be a folder, and something else`);
    this.paths.add(path);
  }

  #makeFolder(path: string): void {
    if (path === "/") return;
    this.#makeFolder(dirname(path));
    const target = join(this.#out, path);
    const there = lstatSync(target, { throwIfNoEntry: false });
    if (there?.isDirectory()) return;
    if (there !== undefined) throw wrong(`${path} is to be a folder, and something else`);
    mkdirSync(target);
    chmodSync(target, PRIVATE.has(path) ? 0o700 : 0o755);
  }
}

function certificate(file: string): Uint8Array {
  const bytes = readSmall(file);
  const text = bytes.toString("latin1");
  if (text.includes("PRIVATE KEY")) throw wrong(`${file} holds a private key, which must not be in an image`);
  // Node takes DER here, too; for a connection it takes PEM alone, and passes over all else without a word.
  const blocks = text.match(/^-----BEGIN [^-\n]*-----[^-]*-----END [^-\n]*-----/gm) ?? [];
  try {
    for (const block of blocks) void new X509Certificate(block);
  } catch (cause) {
    throw wrong(`${file} is no certificate in PEM`, cause);
  }
  if (blocks.length === 0) throw wrong(`${file} is no certificate in PEM`);
  return bytes;
}

function readSmall(file: string): Buffer {
  try {
    const stat = statSync(file);
    if (stat.isFile() && stat.size <= SMALL) return readFileSync(file);
  } catch (cause) {
    throw new ProvisionError("FILE_UNREADABLE", `${file} cannot be read`, { cause, place: { file } });
  }
  throw wrong(`${file} is no file of at most ${SMALL} bytes`);
}

function listOf(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (cause) {
    throw new ProvisionError("FILE_UNREADABLE", `${folder} cannot be read`, { cause, place: { file: folder } });
  }
}

function wrong(message: string, cause?: unknown): ProvisionError {
  return new ProvisionError("TARGET_INVALID", message, cause === undefined ? {} : { cause });
}
