import { chmodSync, copyFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { programFiles } from "./program-files.mjs";

/** Bars of docs/performance.md, in bytes. */
const BARS = {
  main: 160_000,
  http: 330_000,
  mainAndHttpGzipped: 155_000,
  allGzipped: 350_000,
};
const dist = "dist";
const RECOVER = "openwrt-package/files/lib/uciprov/recover.sh";

chmodSync(join(dist, "uciprov.cjs"), 0o755);
if (existsSync(RECOVER)) {
  copyFileSync(RECOVER, join(dist, "recover.sh"));
  chmodSync(join(dist, "recover.sh"), 0o755);
}

const files = programFiles();
const chunks = files.filter((name) => name.endsWith(".cjs"));
const edges = new Map(chunks.map((name) => [name, requires(name)]));
/** What every run loads: the program, which loads `main` in its own way, and the command `run` should that be a chunk of its own. */
const main = reach(
  chunks.filter((name) => ["uciprov.cjs", "main.cjs", "run.cjs"].includes(name)),
  isEager,
);
/** The chunk of HTTP, and the parser that it reads when it first connects. */
const http = [
  ...reach(
    chunks.filter((name) => ["http.cjs", "undici.cjs"].includes(name)),
    isEager,
  ),
  ...files.filter((name) => name.endsWith(".wasm")),
].filter((name) => !main.has(name));
const sizes = {
  main: sum(main, bytes),
  http: sum(http, bytes),
  mainAndHttpGzipped: sum([...main, ...http], gzipped),
  allGzipped: sum(files, gzipped),
};

for (const [what, bar] of Object.entries(BARS)) {
  console.log(`${what.padEnd(20)}${kilo(sizes[what])} of ${kilo(bar)}`);
}
for (const name of files) {
  const part = main.has(name) ? "main" : http.includes(name) ? "http" : "";
  console.log(`  ${name.padEnd(26)}${part.padEnd(6)}${kilo(bytes(name))}, ${kilo(gzipped(name))} gzipped`);
}
const over = Object.keys(BARS).filter((what) => sizes[what] > BARS[what]);
if (over.length > 0) {
  console.error(`too large for a device: ${over.join(", ")}`);
  process.exitCode = 1;
}
if (!readFileSync(join(dist, "uciprov.cjs"), "utf8").startsWith("#!/usr/bin/env node\n")) {
  console.error("dist/uciprov.cjs has no first line that names its interpreter");
  process.exitCode = 1;
}
// The files whose compiled code is kept (src/compiled-code.ts): V8 would not know where an import() in them leads.
for (const name of ["main.cjs", "core.cjs", "fetch.cjs", "http.cjs", "undici.cjs"]) {
  if (!/\bimport\(/.test(readFileSync(join(dist, name), "utf8"))) continue;
  console.error(`dist/${name} holds an import() that is one at run time`);
  process.exitCode = 1;
}

for (const name of chunks) {
  if (!/[^\0-\x7f]/.test(readFileSync(join(dist, name), "utf8"))) continue;
  console.error(`dist/${name} is not ASCII, and is read as if it were`);
  process.exitCode = 1;
}

function reach(from, isFollowed) {
  const found = new Set(from);
  for (const name of found) for (const edge of edges.get(name) ?? []) if (isFollowed(edge)) found.add(edge.to);
  return found;
}

function isEager(edge) {
  return !edge.isLazy;
}

/** Which chunks a chunk requires: as it starts, or, inside a `then`, when it gets there. */
function requires(from) {
  const text = readFileSync(join(dist, from), "utf8");
  const found = text.matchAll(/(then\(\(\)\s*=>\s*)?\brequire\([`"']\.\/([\w.-]+\.cjs)[`"']\)/g);
  return [...found].map(([, lazily, to]) => ({ from, to, isLazy: lazily !== undefined }));
}

function bytes(name) {
  return readFileSync(join(dist, name)).length;
}

function gzipped(name) {
  return gzipSync(readFileSync(join(dist, name)), { level: 9 }).length;
}

function sum(names, measure) {
  return [...names].reduce((total, name) => total + measure(name), 0);
}

function kilo(count) {
  return `${(count / 1000).toFixed(1)} kB`.padStart(9);
}
