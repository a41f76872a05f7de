// Loaded before the program (node --require): writes the names of all that Node loaded of itself and of ours into the file LOADED, as the process ends.
const { writeFileSync } = require("node:fs");
const { basename } = require("node:path");

process.on("exit", () => {
  const own = process.moduleLoadList.flatMap((told) => /^NativeModule (.*)/.exec(told)?.[1] ?? []);
  const ours = Object.keys(require.cache).map((path) => basename(path));
  writeFileSync(process.env.LOADED, [...own, ...ours].join("\n"));
});
