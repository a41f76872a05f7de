import { chmodSync, copyFileSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";

/** Bars of docs/performance.md, in bytes. */
const BARS = { main: 160_000, http: 330_000, mainAndHttpGzipped: 155_000, allGzipped: 350_000 };
const dist = "dist";
const RECOVER = "openwrt-package/files/lib/uciprov/recover.sh";

chmodSync(join(dist, "uciprov.cjs"), 0o755);
if (existsSync(RECOVER)) {
  copyFileSync(RECOVER, join(dist, "recover.sh"));
  chmodSync(join(dist, "recover.sh"), 0o755);
}

const chunks = readdirSync(dist).filter((name) => name.endsWith(".cjs"));
const main = startsWith("uciprov.cjs");
const http = chunks.includes("http.cjs") ? [...startsWith("http.cjs")].filter((name) => !main.has(name)) : [];
const sizes = {
  main: sum(main, bytes),
  http: sum(http, bytes),
  mainAndHttpGzipped: sum([...main, ...http], gzipped),
  allGzipped: sum(chunks, gzipped),
};

for (const [what, bar] of Object.entries(BARS)) {
  console.log(`${what.padEnd(20)}${kilo(sizes[what])} of ${kilo(bar)}`);
}
for (const name of chunks.filter((chunk) => !main.has(chunk) && !http.includes(chunk))) {
  console.log(`  ${name.padEnd(18)}${kilo(bytes(name))}, ${kilo(gzipped(name))} gzipped`);
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

/** A chunk and all that it requires as it starts; a chunk that is required inside a `then` is loaded later. */
function startsWith(first) {
  const found = new Set([first]);
  for (const name of found) {
    const text = readFileSync(join(dist, name), "utf8");
    for (const [, before, path] of text.matchAll(/(.{0,32})\brequire\([`"']\.\/([\w.-]+\.cjs)[`"']\)/g)) {
      if (!/then\(\s*(?:\(\)\s*=>|function\s*\(\)\s*\{\s*return)[^;{}]*$/.test(before)) found.add(basename(path));
    }
  }
  return found;
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
