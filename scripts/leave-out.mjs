/** Parts of packages that no code path of ours reaches, though the package names them: file → why it is never reached. */
const FILES = {
  "undici/lib/dispatcher/client-h2.js": "HTTP/2 needs allowH2 or useH2c, which we never set; it would load node:http2",
  "undici/lib/web/fetch/body.js":
    "only bodies that are forms, blobs or iterables need it; ours are none, or plain bytes",
};

/**
 * undici speaks HTTP over bare sockets. Of node:http it takes a class, to recognize streams that nobody hands it here, and the default of an option that
 * we set: not worth loading some fifteen of Node's own files.
 */
const HTTP_USERS = ["undici/lib/core/util.js", "undici/lib/dispatcher/client.js"];
const HTTP = "({ maxHeaderSize: 16384, IncomingMessage: class IncomingMessage {} })";

/** Tables of options say in a sentence each what the option means: for docs and the shipped settings, which are made from the sources. */
const TABLES = /\/(?:src\/settings|hooks\/(?:[a-z]+\/|_[a-z]+-)schema)\.ts$/;
const SENTENCE = /"(?:[^"\\\n]|\\.)* (?:[^"\\\n]|\\.)*\."/g;

/** Keeps those parts out of the bundle; should a file be reached after all, it says so instead of misbehaving. */
export function leaveOut() {
  return {
    name: "leave-out",
    load(id) {
      const file = Object.keys(FILES).find((ending) => isFile(id, ending));
      if (file === undefined) return null;
      const words = JSON.stringify(`${file} is not part of this bundle`);
      return { code: `module.exports = () => { throw new Error(${words}); };`, moduleType: "js" };
    },
    transform(code, id) {
      if (TABLES.test(id.replaceAll("\\", "/"))) return { code: code.replace(SENTENCE, '""') };
      if (!HTTP_USERS.some((ending) => isFile(id, ending))) return null;
      const changed = code.replace(/require\('node:http'\)/, HTTP);
      if (changed === code) throw new Error(`${id} takes node:http in another way now`);
      return { code: changed };
    },
  };
}

function isFile(id, ending) {
  return id.replaceAll("\\", "/").endsWith(`/node_modules/${ending}`);
}
