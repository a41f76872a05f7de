import { createRequire } from "node:module";

/** Parts of packages that no code path of ours reaches, though the package names them: file → why it is never reached. */
const FILES = {
  "undici/lib/dispatcher/client-h2.js": "HTTP/2 needs allowH2 or useH2c, which we never set; it would load node:http2",
  "undici/lib/core/connect.js": "each connection is ours (src/host/http/agent.ts), TLS and all",
  "undici/lib/web/fetch/body.js":
    "only bodies that are forms, blobs or iterables need it; ours are none, or plain bytes",
  "undici/lib/llhttp/llhttp_simd-wasm.js": "the parser without SIMD runs everywhere (CHANGES below choose it)",
  "minizlib/dist/esm/index.js": "tar's parser is given what is unpacked already (src/tree/archive-bytes.ts)",
  "dns2/client/doh.js": "it serves names and asks none",
  "dns2/client/google.js": "it serves names and asks none",
  "dns2/client/tcp.js": "it serves names and asks none",
  "dns2/client/udp.js": "it serves names and asks none",
  "dns2/lib/proxy-protocol.js": "no proxy stands before it",
  "dns2/server/doh.js": "it serves UDP",
  "dns2/server/tcp.js": "it serves UDP",
};

/** An ES module must name what it exports. */
const NAMES = { "minizlib/dist/esm/index.js": ["BrotliDecompress", "Unzip", "ZstdDecompress"] };

/**
 * undici speaks HTTP over bare sockets. Of node:http it takes a class, to recognize streams that nobody hands it here, and the default of an option that
 * we set: not worth loading some fifteen of Node's own files.
 */
const HTTP = {
  from: "require('node:http')",
  to: "({ maxHeaderSize: 16384, IncomingMessage: class IncomingMessage {} })",
};

/** undici makes its parser when the first connection stands; `src/host/http/agent.ts` asks for it while that is on its way. */
const PARSER = {
  from: "module.exports = connectH1",
  to: "module.exports = connectH1\nconnectH1.makeParser = () => { llhttpInstance ??= lazyllhttp() }",
};

/** What a file says otherwise here; should it no longer hold what is to be changed, the build fails. */
const CHANGES = {
  "undici/lib/core/util.js": [HTTP],
  "undici/lib/dispatcher/client.js": [HTTP],
  "undici/lib/dispatcher/client-h1.js": [{ from: "let useWasmSIMD = true", to: "let useWasmSIMD = false" }, PARSER],
};

/** undici asks itself 77 times whether it is right, by `assert(so)` alone: not worth five of Node's own files, which open the standard error as well. */
const UNDICI = /\/node_modules\/undici\//;
const ASSERT = {
  from: "require('node:assert')",
  to: `((isSo, told = "assertion failed") => { if (!isSo) throw told instanceof Error ? told : new Error(told); })`,
  other: /\bassert\.\w/,
};

/** Of the tables that the parser is made from, those that whoever calls it reads: file, its reader, and which. */
const CONSTANTS = "undici/lib/llhttp/constants.js";
const READER = "undici/lib/dispatcher/client-h1.js";
const READ = ["ERROR", "TYPE"];

/** Tables of options and keys say in a sentence each what the entry means: for docs and the shipped settings, which are made from the sources. */
const TABLES = /\/(?:src\/(?:settings|monitor-keys)|hooks\/(?:[a-z]+\/|_[a-z]+-)schema)\.ts$/;
const SENTENCE = /"(?:[^"\\\n]|\\.)* (?:[^"\\\n]|\\.)*\."/g;

/** Keeps those parts out of the bundle; should a file be reached after all, it says so instead of misbehaving. */
export function leaveOut() {
  return {
    name: "leave-out",
    load(id) {
      if (isFile(id, CONSTANTS)) return { code: tablesOf(id), moduleType: "js" };
      const file = fileOf(FILES, id);
      if (file === undefined) return null;
      const stub = `function () { throw new Error(${JSON.stringify(`${file} is not part of this bundle`)}); }`;
      const exported = NAMES[file]?.map((name) => `export const ${name} = ${stub};`).join("\n");
      return { code: exported ?? `module.exports = ${stub};`, moduleType: "js" };
    },
    transform(code, id) {
      if (TABLES.test(id.replaceAll("\\", "/"))) return { code: code.replace(SENTENCE, '""') };
      if (!UNDICI.test(id.replaceAll("\\", "/"))) return null;
      const plain = withoutAssert(code, id);
      const file = fileOf(CHANGES, id);
      if (file === undefined) return { code: plain };
      if (file === READER) checkTables(code);
      return { code: CHANGES[file].reduce((said, change) => changed(said, change, id), plain) };
    },
  };
}

function changed(code, { from, to }, id) {
  if (!code.includes(from)) throw new Error(`${id} no longer says ${from}`);
  return code.replace(from, to);
}

function withoutAssert(code, id) {
  if (!code.includes(ASSERT.from)) return code;
  if (ASSERT.other.test(code)) throw new Error(`${id} asks node:assert in another way now`);
  return code.replace(ASSERT.from, ASSERT.to);
}

function tablesOf(id) {
  const all = createRequire(import.meta.url)(id);
  return READ.map((name) => `exports.${name} = ${JSON.stringify(all[name])};`).join("\n");
}

function checkTables(code) {
  const read = new Set([...code.matchAll(/(?<!\/)\bconstants\.(\w+)/g)].map(([, name]) => name));
  if ([...read].sort().join() !== READ.join()) throw new Error(`${READER} now reads ${[...read]} of ${CONSTANTS}`);
}

function fileOf(table, id) {
  return Object.keys(table).find((ending) => isFile(id, ending));
}

function isFile(id, ending) {
  return id.replaceAll("\\", "/").endsWith(`/node_modules/${ending}`);
}
