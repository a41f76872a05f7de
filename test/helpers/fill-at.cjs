// Loaded before the program (node --require): fills the file system of the file UCIPROV_TEST_FILLER to its last byte the moment the
// transaction's journal has come to the state in UCIPROV_TEST_STATE, or, for the state `staging`, when the first file is staged.
const fs = require("node:fs");

const state = process.env.UCIPROV_TEST_STATE;
const filler = process.env.UCIPROV_TEST_FILLER;
const rename = fs.renameSync;

fs.renameSync = (from, to) => {
  rename(from, to);
  if (!String(to).endsWith("/lib/uciprov/tx/journal") || fs.existsSync(filler)) return;
  if (fs.readFileSync(to, "utf8").includes(`\nstate=${state}\n`)) fill();
};

const open = fs.openSync;
fs.openSync = (path, ...rest) => {
  if (state === "staging" && String(path).includes("/lib/uciprov/tx/work/stage/") && !fs.existsSync(filler)) fill();
  return open(path, ...rest);
};

function fill() {
  const file = open(filler, "w");
  for (let size = 65_536; size >= 1; size >>= 1) {
    try {
      while (fs.writeSync(file, Buffer.alloc(size)) === size);
    } catch {
      // no room for so much: try less
    }
  }
  fs.closeSync(file);
}
