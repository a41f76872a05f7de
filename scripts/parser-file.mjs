import { createRequire } from "node:module";

const PARSER = /[\\/]node_modules[\\/]undici[\\/]lib[\\/]llhttp[\\/]llhttp-wasm\.js$/;

/**
 * Puts undici's parser, WebAssembly that the package holds as text in base64, beside the bundle as the bytes it is: a quarter fewer on flash, nothing to decode,
 * and no copy of it among what is kept of the compiled code (src/compiled-code.ts).
 */
export function parserFile(fileName) {
  let source;
  return {
    name: "parser-file",
    load(id) {
      if (!PARSER.test(id)) return null;
      source = createRequire(import.meta.url)(id);
      const path = `require("node:path").join(__dirname, ${JSON.stringify(fileName)})`;
      return { code: `module.exports = require("node:fs").readFileSync(${path});`, moduleType: "js" };
    },
    generateBundle() {
      if (source === undefined) throw new Error(`undici no longer has its parser where ${fileName} was taken from`);
      this.emitFile({ type: "asset", fileName, source });
    },
  };
}
