/**
 * node first-run-least.cjs ROOT CA-FILE NAME NAME-SERVER PACKAGE…: the same files as a first run of uciprov, in the same order, by the least code
 * that Node can get them with: TXT; manifest and signature; all files at once over kept connections; written; one request on a fresh connection. Nothing is
 * checked but the server's certificate, nothing flushed, nothing can be taken back. What it takes is what no program on Node gets below that makes these
 * requests in this order. One that asks for the large file in parts and for the small ones at once, as uciprov does, does get below it.
 */
const { createSocket } = require("node:dgram");
const { mkdirSync, readFileSync, writeFileSync } = require("node:fs");
const { join } = require("node:path");

const [root, caFile, name, server, ...packages] = process.argv.slice(2);
const labels = name.split(".").flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]);
const question = Buffer.concat([
  Buffer.from([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
  ...labels,
  Buffer.from([0, 0, 16, 0, 1]),
]);

const socket = createSocket("udp4");
socket.send(question, 53, server);
// As uciprov does: loaded while the name server is asked, and without a look at the system's CAs (src/host/http/own-roots.ts).
process.env.SSL_CERT_FILE = process.env.SSL_CERT_DIR = "/dev/null";
const { Agent, get } = require("node:https");
const { gunzipSync } = require("node:zlib");
socket.once("message", (answer) => {
  socket.close();
  void provision(/provuri=([!-~]+)/.exec(answer.toString("latin1"))[1]).then(() => process.exit(0));
});

async function provision(base) {
  const ca = readFileSync(caFile);
  const kept = new Agent({ keepAlive: true, maxSockets: 6, ca });
  await Promise.all(["MANIFEST", "MANIFEST.sig"].map((file) => body(`${base}/${file}`, kept)));
  const files = ["overlay.tar.gz", ...packages.map((one) => `${one}.uci`)];
  const [overlay, ...settings] = await Promise.all(files.map((file) => body(`${base}/${file}`, kept)));
  for (const [index, one] of packages.entries()) writeFileSync(join(root, "etc/config", one), settings[index]);
  unpack(gunzipSync(overlay));
  await body(`${base}/MANIFEST`, new Agent({ ca }));
}

function body(uri, agent) {
  return new Promise((resolve, reject) => {
    get(uri, { agent }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk)).on("end", () => resolve(Buffer.concat(chunks)));
    }).on("error", reject);
  });
}

/** Folders and files of a tar whose names fit into 100 bytes. */
function unpack(tar) {
  const text = (from, to) => tar.toString("latin1", from, to).replace(/\0.*/s, "");
  for (let at = 0; text(at, at + 100) !== ""; ) {
    const path = join(root, text(at, at + 100));
    const size = Number.parseInt(text(at + 124, at + 136), 8);
    if (text(at + 156, at + 157) === "5") mkdirSync(path, { recursive: true });
    else writeFileSync(path, tar.subarray(at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
}
