/** Parts of packages that no code path of ours reaches, though the package names them: file ending → why it is never reached. */
const PARTS = {
  "undici/lib/dispatcher/client-h2.js": "HTTP/2 needs allowH2 or useH2c, which we never set; it would load node:http2",
  "undici/lib/web/fetch/body.js": "only requests with a body need it; ours are GETs",
};

/** Keeps those parts out of the bundle; should one be reached after all, it says so instead of misbehaving. */
export function leaveOut() {
  return {
    name: "leave-out",
    load(id) {
      const path = id.replaceAll("\\", "/");
      const part = Object.keys(PARTS).find((ending) => path.endsWith(`/node_modules/${ending}`));
      if (part === undefined) return null;
      return {
        code: `module.exports = () => { throw new Error(${JSON.stringify(`${part} is not part of this bundle`)}); };`,
        moduleType: "js",
      };
    },
  };
}
