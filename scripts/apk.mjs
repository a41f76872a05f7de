import { createHash } from "node:crypto";
import { deflateRawSync } from "node:zlib";
import { Adb, adbFile } from "./adb.mjs";

/** Numbers of the fields that we fill in, of each object of a package (apk-tools: schema of a package). */
const INFO = {
  name: 1,
  version: 2,
  hashes: 3,
  description: 4,
  arch: 5,
  license: 6,
  origin: 7,
  maintainer: 8,
  url: 9,
  installedSize: 12,
  depends: 15,
  provides: 16,
  tags: 21,
};
const SCRIPT = {
  "pre-install": 2,
  "post-install": 3,
  "pre-deinstall": 4,
  "post-deinstall": 5,
  "pre-upgrade": 6,
  "post-upgrade": 7,
};
/** Of the name that apk knows a package by: the first bytes of its SHA-256. */
const NAME_BYTES = 20;

/**
 * A package for apk-tools 3 without a signature: the bytes of `apk mkpkg`, but for how well they are compressed. `folders` and `files` are absolute paths,
 * each folder with its `mode`, each file with `mode` and `bytes`, all of root and of `date`; `/` is one of the folders. Its lists
 * bear the type of an object, as `apk mkpkg` writes them.
 */
export function apk({ info, scripts, folders, files, date }) {
  const db = new Adb();
  const text = (words) => db.blob(words ?? "");
  const dependencies = (names) => {
    const written = [...new Set(names)].map((name) => ({ name, value: db.object([text(name)]) }));
    return db.object(written.sort((a, b) => (a.name < b.name ? -1 : 1)).map(({ value }) => value));
  };
  const about = [];
  for (const field of ["name", "version", "description", "arch", "license", "origin", "maintainer", "url"])
    about[INFO[field] - 1] = text(info[field]);
  about[INFO.depends - 1] = dependencies(info.depends);
  about[INFO.provides - 1] = dependencies(info.provides);
  about[INFO.tags - 1] = db.object(info.tags.map(text));

  const sorted = (list) => [...list].sort((a, b) => (a.path < b.path ? -1 : 1));
  const data = [];
  const paths = sorted(folders).map((folder, i) => {
    const above = folder.path === "/" ? "/" : `${folder.path}/`;
    const within = sorted(files.filter(({ path }) => path.slice(0, path.lastIndexOf("/") + 1) === above));
    const inside = within.map((file, j) => {
      if (file.bytes.length > 0) data.push(numbered(i + 1, j + 1, file.bytes));
      return fileOf(db, file, date);
    });
    const name = text(folder.path.slice(1));
    const acl = aclOf(db, folder.mode);
    return db.object([name, acl, db.object(inside)]);
  });

  about[INFO.installedSize - 1] = db.int(files.reduce((sum, { bytes }) => sum + bytes.length, 0) || 1);
  const hole = db.hole(NAME_BYTES);
  about[INFO.hashes - 1] = hole.value;
  const words = [];
  const told = db.object(about);
  const where = db.object(paths);
  for (const [name, body] of Object.entries(scripts).sort(([a], [b]) => SCRIPT[a] - SCRIPT[b]))
    words[SCRIPT[name] - 1] = text(body);
  const database = db.bytes(db.object([told, where, db.object(words)]));
  createHash("sha256").update(database).digest().copy(database, hole.at, 0, NAME_BYTES);
  return Buffer.concat([Buffer.from("ADBd"), deflateRawSync(adbFile("pckg", database, data), { level: 9 })]);
}

function fileOf(db, { path, mode, bytes }, date) {
  const name = db.blob(path.slice(path.lastIndexOf("/") + 1));
  const hash = db.blob(createHash("sha256").update(bytes).digest());
  const [time, size] = [db.int(date), db.int(bytes.length)];
  return db.object([name, aclOf(db, mode), size, time, hash]);
}

function aclOf(db, mode) {
  const root = db.blob("root");
  return db.object([db.int(mode), root, root]);
}

/** A file's bytes behind the numbers of its folder and of itself therein. */
function numbered(folder, file, bytes) {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(folder, 0);
  head.writeUInt32LE(file, 4);
  return Buffer.concat([head, bytes]);
}
