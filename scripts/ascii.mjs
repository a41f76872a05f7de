/**
 * Writes what is not ASCII as an escape. A file of ASCII alone is half as large in V8, is read without decoding, and every run reads the largest of
 * them whole (src/compiled-code.ts). An escape means the same in a string, a regular expression and a template, but for the raw text of a tagged one.
 */
export function asciiOnly() {
  return {
    name: "ascii-only",
    generateBundle(_options, bundle) {
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== "chunk") continue;
        if (/(?<!\\)(?:\\\\)*\\[^\0-\x7f]/.test(chunk.code))
          throw new Error(`${chunk.fileName} has a letter behind a backslash that is not ASCII`);
        chunk.code = chunk.code.replaceAll(/[^\0-\x7f]/g, escaped);
      }
    },
  };
}

function escaped(unit) {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
